"""The directory of a run: who may write in it, and what stands in it.

    runs/NAME/
      config.yaml  run.json  metrics.jsonl  timing.jsonl  samples.jsonl  starts.jsonl  loss.png  report.html
      origin.json                 the checkpoint of another run that it began from, if any
      checkpoints/                locked by the trainer that writes in it
        step-00001200/          whole, by its manifest
        corrupt-step-00000900/  set aside, with the reason in reason.txt
        .tmp-...  .trash-...    left by a killed writer, as is .NAME.new above; removed at the next start

Nothing here imports torch.
"""

import errno
import fcntl
import json
import os
import re
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from chefgenius.run.manifest import NAME as MANIFEST
from chefgenius.run.manifest import (
    DamagedError,
    Manifest,
    exchange,
    fsync_directory,
    make_directory,
    outline,
    publish,
    refuse_file,
    verify,
)
from chefgenius.run.signals import held_back, surely
from chefgenius.run.state import ResumeError

PAGE, STARTS = "report.html", "starts.jsonl"
"""what `report` writes, and when the run was started"""

FILES = (
    "config.yaml",
    "loss.png",
    "metrics.jsonl",
    "origin.json",
    PAGE,
    "run.json",
    "samples.jsonl",
    STARTS,
    "timing.jsonl",
)
"""what a run writes beside its checkpoints"""

REMEDY = "give the directory that holds `checkpoints`, or one `step-...` of those"
"""for a path that is neither a run nor a checkpoint"""

RUN_SCHEMA = "chefgenius.run/1"
_ELSEWHERE = "choose another `run_dir`"
_LOCKED: set[tuple[int, int, int]] = set()
"""device and inode of what a process has locked, and that process"""
_STEP = re.compile(r"step-([0-9]{8}|[1-9][0-9]{8,18})")


class RunDirectory:
    """Names and lists what belongs to a run. Everything but `lock` and `clean` works without the lock."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.checkpoints = self.path / "checkpoints"
        self._lock: int | None = None
        self._made: list[Path] = []

    def __repr__(self) -> str:
        steps = self.steps()
        told = f"newest step {steps[0]:,} of {len(steps)}" if steps else "no checkpoint"
        return f"RunDirectory({str(self.path)!r}, {told})"

    def lock(self) -> Self:
        """Makes the directory and keeps other trainers out of it until `close` or the end of the process.

        Raises ResumeError when somebody holds it, OSError when it cannot be made.
        """
        while True:
            self._made = _make(self.checkpoints) or self._made
            with held_back():
                descriptor = os.open(self.checkpoints, os.O_RDONLY | os.O_DIRECTORY)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    raise self._in_use(descriptor) from None
                if self.checkpoints.exists() and os.path.samestat(
                    os.fstat(descriptor), os.stat(self.checkpoints)
                ):
                    self._lock = descriptor
                    _LOCKED.add(_file(descriptor))
                    return self
                os.close(descriptor)  # it was moved or removed in between: lock the one that is there

    def check_place(self) -> None:
        """Raises FileNotFoundError where what `lock` took does not stand in its place any more."""
        if self._lock is None:
            return
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(self._lock), os.stat(self.checkpoints)):
                return
        told = "moved or removed while the run goes on: put it back, and start the same command again"
        raise FileNotFoundError(errno.ENOENT, told, str(self.path))

    def refuse_if_locked(self) -> None:
        """Raises ResumeError when somebody holds it, NotADirectoryError where a file is in the way.

        Makes and keeps nothing.
        """
        refuse_file(self.checkpoints, _ELSEWHERE)
        with suppress(FileNotFoundError):
            descriptor = os.open(self.checkpoints, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                raise self._in_use(descriptor) from None
            os.close(descriptor)

    def _in_use(self, descriptor: int) -> ResumeError:
        """What to raise; closes the descriptor."""
        here = _file(descriptor) in _LOCKED
        os.close(descriptor)
        told = "another process: wait for it"
        if here:
            told = "this process: end the block that holds it, or the process"
        return ResumeError(f"run directory `{self.path}` is in use by {told}, or {_ELSEWHERE}")

    def close(self) -> None:
        """Lets others in. The run directory that `lock` made goes again when nothing stands in it."""
        surely(self._let_go)

    def _let_go(self) -> None:
        if self._lock is None:
            return
        with suppress(OSError):  # it is not empty, or somebody moved it
            if self._made and os.listdir(self.path) == [self.checkpoints.name]:
                for path in self._made[:2]:
                    path.rmdir()
        _LOCKED.discard(_file(self._lock))
        os.close(self._lock)
        self._lock, self._made = None, []

    def clean(self) -> list[str]:
        """Removes what a killed process left behind; returns the names."""
        left = [path for name in FILES if (path := self.path / f".{name}.new").is_file()]
        for path in left:
            path.unlink()
        return [path.name for path in left] + self.clean_checkpoints()

    def clean_checkpoints(self) -> list[str]:
        """Removes what a writer left that was killed, or failed; returns the names."""
        left = [
            path
            for path in self.checkpoints.glob(".*")
            if path.name.startswith((".tmp-step-", ".tmp-probe", ".trash-step-"))
        ]
        for path in left:
            remove_tree(path)
        return sorted(path.name for path in left)

    def step_path(self, step: int) -> Path:
        """Where the checkpoint of a step stands, or would."""
        return self.checkpoints / f"step-{step:08d}"

    def steps(self) -> list[int]:
        """Steps of the published checkpoints, good or not, newest first."""
        if not self.checkpoints.is_dir():
            return []
        found = [_STEP.fullmatch(path.name) for path in self.checkpoints.iterdir()]
        return sorted((int(match[1]) for match in found if match), reverse=True)

    def set_aside(self) -> list[Path]:
        """The checkpoints that were found damaged."""
        return sorted(self.checkpoints.glob("corrupt-step-*")) if self.checkpoints.is_dir() else []

    def verify(self, step: int) -> Manifest:
        """Every byte of one checkpoint against its manifest. Raises DamagedError."""
        return _of_step(step, verify(self.step_path(step)))

    def is_complete(self, step: int) -> bool:
        """Whether a checkpoint has its manifest and every file in its size; their contents are not read."""
        try:
            _of_step(step, outline(self.step_path(step)))
        except (DamagedError, OSError):
            return False
        return True

    def reject(self, step: int, reason: str) -> Path:
        """Renames a damaged checkpoint to `corrupt-...` and writes the reason beside its files, if it can."""
        source = self.step_path(step)
        target = source.with_name(f"corrupt-{source.name}")
        number = 2
        while os.path.lexists(target):
            target = source.with_name(f"corrupt-{source.name}-{number}")
            number += 1
        publish(source, target)
        told = target / "reason.txt"
        if target.is_symlink() or not target.is_dir():
            told = target.with_name(f"{target.name}.reason.txt")
        with suppress(
            OSError
        ):  # a full disk keeps nobody from going on with the next; callers tell the reason
            told.write_text(f"{reason}\n", encoding="utf-8")
        return target

    def delete(self, step: int) -> None:
        """Removes a checkpoint: by one rename it stops being one, then its files go."""
        trash = self._discard(step)
        fsync_directory(self.checkpoints)
        remove_tree(trash)

    def replace(self, step: int, directory: Path) -> None:
        """Puts a sealed directory of `checkpoints/` in the place of a checkpoint, and removes that one.

        In one step, so that there is always one of the two; where the file system cannot exchange names, the
        former goes first, and until the other stands the checkpoints before it must do.
        """
        former = directory
        if not exchange(directory, self.step_path(step)):
            former = self._discard(step)
            os.rename(directory, self.step_path(step))
        fsync_directory(self.checkpoints)
        remove_tree(former)

    def _discard(self, step: int) -> Path:
        """Takes a checkpoint's name from it; where it lies then."""
        trash = self.checkpoints / f".trash-{self.step_path(step).name}"
        remove_tree(trash)
        os.rename(self.step_path(step), trash)
        return trash


def is_meant(path: Path) -> bool:
    """Whether a directory is meant as a checkpoint, good or not: its name or its manifest says so."""
    name = path.resolve().name.removeprefix("corrupt-")
    return _STEP.match(name) is not None or os.path.lexists(path / MANIFEST)


def read_run_facts(run_path: Path) -> dict[str, Any]:
    """run.json; empty where there is none that can be read: it is there to inform, and written anew."""
    path = run_path / "run.json"
    try:
        values = json.loads(path.read_bytes()) if path.is_file() else None
    except (OSError, ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


def are_facts_damaged(run_path: Path) -> bool:
    """Whether run.json is there and says nothing, as an empty one or junk does."""
    return os.path.lexists(run_path / "run.json") and not read_run_facts(run_path)


ANEW = "the next start of `train` writes it anew"
"""what is to be said of a damaged run.json"""


def _file(descriptor: int) -> tuple[int, int, int]:
    found = os.fstat(descriptor)
    return found.st_dev, found.st_ino, os.getpid()


def _of_step(step: int, manifest: Manifest) -> Manifest:
    if manifest.step != step:
        raise DamagedError(f"it holds step {manifest.step}")
    return manifest


def _make(checkpoints: Path) -> list[Path]:
    """Makes the directory and all above it, so that no loss of power takes a run back with its name.

    The names of a run that is there are synced again: whoever made them may have been killed before that.
    Returns the directories that were not there, the innermost first.
    """
    made = [path for path in (checkpoints, *checkpoints.parents) if not path.exists()]
    make_directory(checkpoints, _ELSEWHERE)
    for path in dict.fromkeys((*reversed(made), checkpoints.parent, checkpoints)):
        if os.access(path.parent, os.R_OK):  # else it cannot be opened, as /home/ on some machines
            fsync_directory(path.parent)
    return made


def remove_tree(path: Path) -> None:
    """Removes a directory, a file or a link, if there is one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
