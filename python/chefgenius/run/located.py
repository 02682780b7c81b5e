"""Which model a person means: a run, a checkpoint, or a model's directory; found and verified without torch.

1. `step_of` turns `best`, `newest` or a number into a step of a run.
2. `locate` finds the checkpoint, trusts it once its checksums matched, and reads what the run was told.
3. `standing` is held around what reads it later: a trainer may remove it at any moment.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from chefgenius.run.absence import is_stripped, why_none
from chefgenius.run.inventory import (
    NotFoundError,
    best_steps,
    find_checkpoint,
    is_run,
    problem_of,
    read_state,
)
from chefgenius.run.manifest import NAME as MANIFEST
from chefgenius.run.manifest import DamagedError, verify
from chefgenius.run.resume import Origin, read_sections
from chefgenius.run.rundir import RunDirectory
from chefgenius.run.state import ResumeError, one_line
from chefgenius.settings import options
from chefgenius.settings.config import Config

MODEL = "config.json"
_TRIES = 5
"""checkpoints that a trainer may remove one after the other while they are verified"""


@dataclass(frozen=True)
class Located:
    """A model's directory, with what the run says that it comes from."""

    directory: Path
    config: Config
    """the run's own; for a directory of a model alone the defaults"""
    origin: Origin | None
    """the verified checkpoint; None for a directory of a model alone"""
    told: str
    """which it is, for a person"""
    warning: str = ""
    """that a newer checkpoint is passed over; empty where none is"""

    @property
    def step(self) -> int | None:
        """The boundary of the checkpoint."""
        return None if self.origin is None else self.origin.step

    @property
    def run(self) -> Path | None:
        """The run that the checkpoint lies in."""
        if self.origin is None or self.directory.parent.name != "checkpoints":
            return None
        return self.origin.run_path


def step_of(path: Path, asked: str | int | None) -> int | None:
    """The step that `best`, `newest` or a number names of a run; None: the newest. Raises NotFoundError."""
    if asked in (None, "newest"):
        return None
    if isinstance(asked, str) and asked != "best":
        if not asked.isdecimal():
            raise NotFoundError(f"`{asked}` is neither `best` nor `newest` nor a step")
        asked = int(asked)
    if is_stripped(path):
        raise NotFoundError(why_none(path))
    if not is_run(path):
        raise NotFoundError(f"`{path}` is one checkpoint, not a run of many: leave the step out")
    if isinstance(asked, int):
        return asked
    newest = find_checkpoint(path)
    try:
        return best_steps(read_state(newest)["best"])[0]
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise NotFoundError(f"run `{path}` knows no best step: give a number") from error


def locate(path: Path, asked: str | None = None) -> Located:
    """The model of a run, a checkpoint or a directory that `save_pretrained` or `ckpt export` wrote.

    `asked` is `best`, `newest` or a step of a run; None: the best where it knows one, else the newest. One
    that a trainer removes meanwhile is passed over. Raises NotFoundError, and ResumeError for a checkpoint
    that is damaged.
    """
    path = path.expanduser()
    if not is_run(path) and (path / MODEL).is_file() and not (path / MANIFEST).exists():
        if asked is not None:
            raise NotFoundError(f"`{path}` is one model, not a run of many: leave `--checkpoint` out")
        return Located(path, options.load(None, [f"model.name_or_path={path}"]), None, f"the model `{path}`")
    for left in reversed(range(_TRIES)):
        directory, which = _choose(path, asked)
        try:
            with standing(directory):
                origin = _verified(directory, path)
            break
        except GoneError:
            if not left:
                raise
    which = f"step {origin.step} of `{path}`" + (f", the {which}" if which in ("best", "newest") else "")
    told = which if is_run(path) else f"the checkpoint `{path}` of step {origin.step}"
    return Located(directory, saved_config(origin), origin, told, passed_over(path, asked, directory))


def passed_over(path: Path, asked: str | None, taken: Path) -> str:
    """A warning where the newest checkpoints of a run are damaged, so that an older one gave `taken`.

    Empty for a checkpoint that was asked for by its path or step.
    """
    found = []
    if is_run(path) and asked in (None, "best", "newest"):
        run = RunDirectory(path)
        for step in run.steps():
            place = run.step_path(step)
            if (problem := problem_of(place)) is None:
                break
            if os.path.lexists(place):  # else a trainer removed it meanwhile
                found.append(f"`{place}` is damaged and passed over: {problem}")
    return f"warning: {'; '.join(found)}; `{taken.name}` is taken" if found else ""


def _choose(path: Path, asked: str | None) -> tuple[Path, str]:
    """The checkpoint that is meant, and by which word."""
    if asked is not None or not is_run(path):
        return find_checkpoint(path, step_of(path, asked)), asked or "newest"
    try:
        return find_checkpoint(path, step_of(path, "best")), "best"
    except NotFoundError:
        return find_checkpoint(path), "newest"


def _verified(directory: Path, path: Path) -> Origin:
    try:
        return Origin(directory, verify(directory), read_sections(directory), foreign=True)
    except DamagedError as error:
        raise ResumeError(f"checkpoint `{directory}` is damaged: {error}: {another(path)}") from error


def another(path: Path) -> str:
    """The remedy for a checkpoint that is of no use, where `path` was given."""
    if is_run(path):
        return f"choose another one with `--checkpoint N`; `chefgenius ckpt ls {path}` lists them"
    return "give another one"


class GoneError(NotFoundError):
    """A checkpoint that was removed while it was read."""


@contextmanager
def standing(*directories: Path) -> Iterator[None]:
    """Around what reads checkpoints: what goes wrong there for want of one that was removed is GoneError."""
    try:
        yield
    except Exception as error:
        gone = [one for one in directories if not os.path.lexists(one)]
        if not gone or isinstance(error, GoneError):
            raise
        raise GoneError(
            f"checkpoint `{gone[0]}` was removed while it was read, as a trainer does with those that "
            "it need not keep: start this command again, it takes one that is there; `checkpoint.keep` "
            "keeps more"
        ) from error


def saved_config(origin: Origin) -> Config:
    """What a run was told, from a checkpoint of it. Raises ResumeError for one of another version."""
    values: dict[str, Any] = {}
    for key, value in origin.sections["config"].items():
        *heads, last = key.split(".")
        inner = values
        for head in heads:
            inner = inner.setdefault(head, {})
        inner[last] = value
    try:
        return Config.model_validate(values)
    except (ValidationError, AttributeError, TypeError) as error:
        raise ResumeError(
            f"`{origin.directory}` was saved with settings that are not known here: {one_line(error)}: "
            "use the version of chefgenius that wrote it"
        ) from error
