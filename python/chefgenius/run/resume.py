"""Where a run begins: anew, or at which checkpoint; and whether it may.

1. `decide` finds the checkpoint to go on from, newest first, verified before anything of it is used.
2. `initial_weights` finds the directory whose weights alone a new run takes.

What was read and is wrong is set aside. What cannot be read, since a disk or a permission fails, stays where
it is: it may be good. Nothing here imports torch.
"""

import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from chefgenius.run.base import ADAPTER, ALONE
from chefgenius.run.descent import NAME as ORIGIN
from chefgenius.run.descent import WEIGHTS, Descent, Weights, read_descent, read_weights
from chefgenius.run.differences import NEW_RUN
from chefgenius.run.manifest import NAME as MANIFEST
from chefgenius.run.manifest import DamagedError, Manifest, hash_file, plain, verify
from chefgenius.run.rundir import FILES, REMEDY, RUN_SCHEMA, RunDirectory, is_meant, read_run_facts
from chefgenius.run.state import ResumeError, State, one_line

STATE_SCHEMA = "chefgenius.state/1"
_MOST_BYTES = 64 << 20
_LOGGED = re.compile(rb'"kind": "(?:step|evaluation)", "step": ([0-9]{1,19})')


@dataclass(frozen=True)
class Origin:
    """A verified checkpoint to go on from."""

    directory: Path
    manifest: Manifest
    sections: dict[str, State]
    foreign: bool
    """whether it belongs to another run directory than the one that is written to"""

    @property
    def step(self) -> int:
        """The boundary that it holds."""
        return self.manifest.step

    @property
    def run_path(self) -> Path:
        """The run directory that the checkpoint belongs to, if it lies in one."""
        return self.directory.parent.parent


def decide(run: RunDirectory, wish: str, say: Callable[[str], None], *, touch: bool = True) -> Origin | None:
    """The checkpoint that `--resume` means, or None for a beginning.

    `wish` is `auto`, `never`, `must` or a path. Damaged checkpoints of this run are set aside with their
    reason (only when `touch`) and the next older one is taken; `say` gets a line for each. Raises
    ResumeError, also where files of a beginning run's names stand that no run wrote.
    """
    origin = _decide(run, wish, say, touch=touch)
    if origin is None or origin.foreign:
        _refuse_strangers(run)
    return origin


def _decide(run: RunDirectory, wish: str, say: Callable[[str], None], *, touch: bool) -> Origin | None:
    if wish == "never":
        if _is_used(run):
            raise ResumeError(
                f"run directory `{run.path}` holds a run already: go on with `--resume auto`, {NEW_RUN}"
            )
        return None
    if wish not in ("auto", "must"):
        return _from_path(run, Path(wish).expanduser(), say, touch=touch)
    origin = _last_boundary(run, say, touch=touch)
    if origin is None and wish == "must":
        raise ResumeError(
            f"run directory `{run.path}` holds nothing to go on from: use `--resume auto` to begin"
        )
    return origin


def initial_weights(
    run: RunDirectory, given: str | None, model: str | None, say: Callable[[str], None]
) -> Weights | None:
    """The directory whose weights the run begins or began with; None where `--init-from` plays no part.

    `given` is what stands after it, `model` what `model.name_or_path` says. Verified where there is a
    manifest, and by digest when the run was killed before its first save. Raises ResumeError, OSError.
    """
    noted, began = read_weights(run.path), bool(run.steps())
    if noted is None:
        if given is None:
            return None
        if _is_used(run):
            raise ResumeError(
                f"run directory `{run.path}` holds a run that did not begin from `{given}`: "
                "leave `--init-from` out to go on with it, or choose a new `run_dir`"
            )
        return _find_weights(Path(given).expanduser(), say)
    if given is None and (began or model != str(noted.directory)):
        if began:
            return None
        raise ResumeError(
            f"run `{run.path}` began with the weights in `{noted.directory}` and has no checkpoint yet: "
            f"start it with `--init-from {noted.directory}`, {NEW_RUN}"
        )
    place = noted.directory if given is None else noted.found_at(Path(given).expanduser())
    if place is None:
        raise ResumeError(
            f"run `{run.path}` began with the weights in `{noted.directory}`, those in `{given}` are others: "
            f"give the former, {NEW_RUN}"
        )
    if not began and not (
        (place / WEIGHTS).is_file() and hash_file((place / WEIGHTS).resolve()) == noted.blake3
    ):
        raise ResumeError(
            f"run `{run.path}` began with the weights in `{place}`, which are gone or others now: "
            f"restore them from a copy, {NEW_RUN}"
        )
    return Weights(place, noted.blake3)


def _find_weights(path: Path, say: Callable[[str], None]) -> Weights:
    """What `--init-from` names: the newest good checkpoint of a run, a checkpoint, or any directory of a
    model.
    """
    if (path / "checkpoints").is_dir():
        newest = _newest_good(RunDirectory(path), say, touch=False)
        if newest is None:
            raise ResumeError(f"run `{path}` holds no checkpoint to take weights from: give another one")
        path = newest[0]
    elif (path / MANIFEST).exists():
        _verified(path, "give another one")
    if (path / ADAPTER).exists():
        raise ResumeError(f"`{path}` {ALONE}")
    for name in (WEIGHTS, "config.json"):
        if not (path / name).is_file():
            raise ResumeError(f"`{path}` has no file `{name}`: give a directory written by `save_pretrained`")
    say(f"weights from {path}")
    return Weights(path.resolve(), hash_file((path / WEIGHTS).resolve()))


def read_sections(directory: Path) -> dict[str, State]:
    """The sections of a verified checkpoint's state.json. Raises ResumeError for one of another version."""
    path = directory / "state.json"
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError(f"it has more than {_MOST_BYTES:,} bytes")
        state = json.loads(path.read_bytes(), parse_constant=_refuse_constant)
        if state["schema"] != STATE_SCHEMA:
            raise ResumeError(
                f"`{directory}` has a state of the schema `{one_line(state['schema'])}`, "
                f"read is `{STATE_SCHEMA}`: go on with the version of chefgenius that wrote it"
            )
        sections: dict[str, State] = state["sections"]
        if not all(isinstance(section, dict) for section in sections.values()):
            raise TypeError("a section is no object")
        if missing := [name for name in ("config", "facts", "progress") if name not in sections]:
            raise KeyError(missing[0])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ResumeError(
            f"`{directory}` has no readable state.json: {type(error).__name__}: {one_line(error)}: "
            "use another checkpoint"
        ) from error
    return sections


def _refuse_constant(text: str) -> None:
    raise ValueError(f"`{text}` is no number of JSON")


def _last_boundary(run: RunDirectory, say: Callable[[str], None], *, touch: bool) -> Origin | None:
    """Where this run itself stands: its newest good checkpoint, or before its first save where it began."""
    if not run.steps() and not run.set_aside():
        began = read_descent(run.path)
        if began is not None:
            _refuse_lost(run, began.step)
            return _beginning(run, began)
    newest = _newest_good(run, say, touch=touch)
    return None if newest is None else origin_at(*newest, foreign=False)


def _beginning(run: RunDirectory, began: Descent) -> Origin:
    """The checkpoint of another run that this one began from."""
    path, told = began.checkpoint, f"run `{run.path}` began from checkpoint `{began.checkpoint}`"
    try:
        manifest = verify(path)
    except DamagedError as error:
        raise ResumeError(f"{told}, which is damaged: {error}: restore it from a copy, {NEW_RUN}") from error
    if hash_file(path / MANIFEST) != began.manifest:
        raise ResumeError(f"{told}, which is another one now: restore it from a copy, {NEW_RUN}")
    return origin_at(path, manifest, foreign=True)


def _newest_good(
    run: RunDirectory, say: Callable[[str], None], *, touch: bool
) -> tuple[Path, Manifest] | None:
    """The newest checkpoint of which every byte is right; None when there never was one.

    Raises ResumeError when each is damaged, and the OSError of the newest that cannot be read when there is
    no other.
    """
    unread: OSError | None = None
    for step in run.steps():
        place = run.step_path(step)
        try:
            return place, run.verify(step)
        except DamagedError as error:
            say(f"checkpoint `{place}` is damaged: {error}")
            done = f"set aside as `{run.reject(step, str(error))}`" if touch else "it would be set aside"
            say(f"{done}; taking the next older one")
        except OSError as error:
            say(f"checkpoint `{place}` cannot be read: {error}; left as it is, taking the next older one")
            unread = unread or error
    if unread is not None:
        raise unread
    if run.steps() or run.set_aside():
        raise ResumeError(
            f"no good checkpoint is left in `{run.checkpoints}`, each is damaged: "
            f"restore one from a copy, {NEW_RUN}"
        )
    _refuse_lost(run, 0)
    return None


def _refuse_lost(run: RunDirectory, began: int) -> None:
    """Raises ResumeError for a run without checkpoints whose log tells of steps after the one it began at.

    The first checkpoint stands before the first step.
    """
    if _last_logged(run) > began:
        raise ResumeError(
            f"`{run.path / 'metrics.jsonl'}` tells of steps, but `{run.checkpoints}` has no checkpoint: "
            f"restore one from a copy, {NEW_RUN}"
        )


def _refuse_strangers(run: RunDirectory) -> None:
    """Raises ResumeError where a run that begins would replace a file that no run wrote."""
    if _is_used(run) or read_run_facts(run.path).get("schema") == RUN_SCHEMA:
        return
    for name in FILES:
        if os.path.lexists(run.path / name) and not (run.path / name).is_dir():  # which nothing replaces
            raise ResumeError(
                f"`{run.path / name}` is there already, and no run wrote it: "
                "move it away, or choose another `run_dir`"
            )


def _from_path(run: RunDirectory, path: Path, say: Callable[[str], None], *, touch: bool) -> Origin | None:
    began = read_descent(run.path)
    if began is not None and began.is_from(path):
        return _last_boundary(run, say, touch=touch)
    if not path.is_dir():
        raise ResumeError(
            f"no such checkpoint or run: `{path}`: give its directory, or one of `auto`, `never`, `must`"
        )
    whole_run = (path / "checkpoints").is_dir()
    if not whole_run and not is_meant(path):
        raise ResumeError(f"`{path}` is neither a run nor a checkpoint: {REMEDY}")
    home = RunDirectory(path if whole_run else path.resolve().parent.parent)
    own = home.path.resolve() == run.path.resolve()
    if not own and _is_used(run):
        raise ResumeError(
            f"run directory `{run.path}` holds a run already, and `{path}` is of another: "
            "choose a new `run_dir`"
        )
    if own and whole_run and (origin := _last_boundary(run, say, touch=touch)):
        return origin
    if whole_run:
        newest = _newest_good(home, say, touch=touch and own)
        if newest is None:
            raise ResumeError(f"run `{path}` holds nothing to go on from: give another one")
        return origin_at(*newest, foreign=not own)
    manifest = _verified(path, "give another one")
    newest = _newest_good(run, say, touch=touch) if own else None
    if newest is not None and newest[1].step != manifest.step:
        raise ResumeError(
            f"checkpoint `{path}` is not the newest good one of `{run.path}`: "
            "going on from it would overwrite what came after; choose a new `run_dir`"
        )
    return origin_at(path.resolve(), manifest, foreign=not own)


def _verified(path: Path, remedy: str) -> Manifest:
    try:
        return verify(path)
    except DamagedError as error:
        raise ResumeError(f"checkpoint `{path}` is damaged: {error}: {remedy}") from error


def origin_at(directory: Path, manifest: Manifest, *, foreign: bool) -> Origin:
    """A verified checkpoint with its sections. Raises ResumeError."""
    return Origin(directory, manifest, read_sections(directory), foreign)


def _is_used(run: RunDirectory) -> bool:
    return bool(run.steps() or run.set_aside() or _last_logged(run) or (run.path / ORIGIN).exists())


def _last_logged(run: RunDirectory) -> int:
    """The last step in the log, else 0: the line of the first evaluation alone is lost with nothing."""
    metrics, last = run.path / "metrics.jsonl", 0
    if not metrics.is_file():
        return 0
    with open(metrics, "rb", opener=plain) as lines:
        for line in lines:
            if found := _LOGGED.search(line):
                last = max(last, int(found[1]))
    return last
