"""What stands in the directory of a run: its checkpoints, those set aside, what a killed writer left.

1. `find_run` and `find_checkpoint` turn what a person typed into a run or a checkpoint.
2. `take` lists a run from names, sizes and the small files: no contents are hashed, nothing is changed, and
   it works while a trainer writes.

Nothing here imports torch.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chefgenius.run.absence import is_stripped, why_none
from chefgenius.run.disk import size_of
from chefgenius.run.manifest import NAME as MANIFEST
from chefgenius.run.manifest import DamagedError, outline, plain, read_object
from chefgenius.run.retention import Retention, pinned
from chefgenius.run.rundir import REMEDY, RunDirectory, is_meant
from chefgenius.run.state import Best, ResumeError, one_line
from chefgenius.settings.measures import MEASURES

_LONGEST_REASON = 4096  # bytes of it that are read
_KEPT = ("keep", "keep_best", "keep_every_steps")
LOSS = "validation_loss"
_MOST_BYTES = 64 << 20
"""of a state.json that is looked at"""


class NotFoundError(ValueError):
    """What was asked for is not there; the message says where it was looked for and what to give."""


@dataclass(frozen=True)
class Stored:
    """One checkpoint as it lies there."""

    step: int
    path: Path
    epoch: int | None
    """epoch of its next micro-batch, from 0; None where its state cannot be read"""
    saved: datetime
    """when its manifest, the last file of it, was written"""
    size: int
    """bytes"""
    validation_loss: float | None
    """None where the step was not evaluated, or metrics.jsonl does not say"""
    best_value: float | None
    """of the metric by which evaluations are the best, as metrics.jsonl has it"""
    marks: tuple[str, ...]
    """of `newest`, `best`, `pinned`, `every`: why it is kept"""
    problem: str | None
    """what names and sizes alone show to be wrong"""


@dataclass(frozen=True)
class Leftover:
    """A directory or file that is no checkpoint."""

    path: Path
    size: int
    reason: str


@dataclass(frozen=True)
class Inventory:
    """All that stands in a run's `checkpoints`."""

    run: Path
    best_metric: str
    checkpoints: list[Stored]
    """newest first"""
    set_aside: list[Leftover]
    temporary: list[Leftover]
    next: Path | None
    """where a start would go on, unless the contents turn out damaged"""

    @property
    def size(self) -> int:
        """Bytes of everything."""
        checkpoints = sum(one.size for one in self.checkpoints)
        return checkpoints + sum(one.size for one in self.set_aside + self.temporary)

    def to_json(self) -> dict[str, Any]:
        """JSON values: paths as text, times in ISO 8601, sizes in bytes."""
        made: dict[str, Any] = json.loads(json.dumps(asdict(self), default=_plain))
        return {**made, "size": self.size}


def find_run(path: Path) -> RunDirectory:
    """The run in a directory. Raises NotFoundError."""
    run = RunDirectory(path)
    if is_stripped(path):
        raise NotFoundError(why_none(path))
    if not run.checkpoints.is_dir():
        raise NotFoundError(f"no run in `{path}`: give a directory that holds `checkpoints`")
    return run


def directory(text: str) -> Path:
    """A path that was typed. Raises ValueError for none, which would mean where one is."""
    if not text:
        raise ValueError("it is empty")
    return Path(text)


def is_run(path: Path) -> bool:
    """Whether it is the directory of a run, and no checkpoint."""
    return (path / "checkpoints").is_dir()


def find_checkpoint(path: Path, step: int | None = None) -> Path:
    """A checkpoint: the directory itself, or of a run that step or the newest with the right sizes.

    Raises NotFoundError.
    """
    if not is_run(path):
        if not path.is_dir():
            raise NotFoundError(f"no such checkpoint or run: `{path}`: give its directory")
        if is_stripped(path):
            raise NotFoundError(why_none(path))
        if step is not None:
            raise NotFoundError(f"`{path}` is one checkpoint, not a run of many: leave the step out")
        if not is_meant(path):
            raise NotFoundError(f"`{path}` is neither a run nor a checkpoint: {REMEDY}")
        return path
    run = RunDirectory(path)
    steps = run.steps()
    if step is not None and step not in steps:
        there = ", ".join(str(one) for one in steps) or "none"
        raise NotFoundError(f"run `{path}` has no checkpoint of step {step}: there are {there}")
    if step is not None:
        return run.step_path(step)
    for one in steps:
        if problem_of(run.step_path(one)) is None:
            return run.step_path(one)
    raise NotFoundError(why_none(path))


def problem_of(checkpoint: Path) -> str | None:
    """What is wrong with its names, sizes or manifest; None where all are right, whatever the contents."""
    try:
        outline(checkpoint)
    except (DamagedError, OSError) as error:
        return str(error)
    return None


def take(run: RunDirectory) -> Inventory:
    """Everything that stands there now; what a trainer removes while this looks is left out."""
    evaluations = read_evaluations(run.path)
    problems = {step: problem_of(run.step_path(step)) for step in run.steps()}
    states = {step: read_state(run.step_path(step)) for step, told in problems.items() if told is None}
    policy = policy_of(states)
    metric = LOSS if policy is None else policy.metric
    held = pinned(run)
    found, origin = [], None
    for step, problem in problems.items():
        path = run.step_path(step)
        if problem is None and origin is None:
            origin = path
        marks = {
            "newest": path == origin,
            "best": policy is not None and step in policy.best,
            "pinned": step in held,
            "every": policy is not None and policy.retention.is_multiple(step),
        }
        state = states.get(step, {})
        progress = state.get("progress")
        epoch = progress.get("epoch") if isinstance(progress, dict) else None
        if not path.exists():
            continue
        found.append(
            Stored(
                step,
                path,
                epoch if isinstance(epoch, int) else None,
                _written(path),
                size_of(path),
                evaluations.get(step, {}).get(LOSS),
                evaluations.get(step, {}).get(metric),
                tuple(name for name, holds in marks.items() if holds),
                problem,
            )
        )
    return Inventory(run.path, metric, found, _set_aside(run), _temporary(run), origin)


@dataclass(frozen=True)
class Policy:
    """What a run keeps."""

    retention: Retention
    metric: str
    best: list[int]
    """steps of the best evaluations by that metric, best first"""


def policy_of(states: Mapping[int, Mapping[str, Any]]) -> Policy | None:
    """What the newest readable state asks to keep; None where none can be read."""
    for step in sorted(states, reverse=True):
        try:
            config, section = states[step]["config"], states[step]["best"]
            keep, keep_best, every = (config[f"checkpoint.{name}"] for name in _KEPT)
            bounds = ((keep, 2), (keep_best, 1), (1 if every is None else every, 1))
            if any(type(one) is not int or one < least for one, least in bounds):
                continue
            return Policy(Retention(keep, every), section["metric"], best_steps(section, keep_best))
        except (KeyError, TypeError, ValueError):
            continue  # a state that is damaged or of another version says nothing
    return None


def best_steps(section: Any, keep: int = 1) -> list[int]:
    """The steps of a saved section `best`, best first, at most `keep`.

    Raises KeyError, TypeError or ValueError for a section that is none.
    """
    best = Best(keep, section["metric"])
    best.load_state_dict(section)
    return best.steps


def read_state(checkpoint: Path) -> dict[str, Any]:
    """The sections of its state.json as they are, unverified; empty where they cannot be read."""
    try:
        sections = read_object(checkpoint / "state.json", _MOST_BYTES)["sections"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}
    return sections if isinstance(sections, dict) else {}


def read_evaluations(run: Path) -> dict[int, dict[str, float]]:
    """The metrics of every step that was evaluated, by name, as metrics.jsonl tells them."""
    try:
        with open(run / "metrics.jsonl", "rb", opener=plain) as file:
            lines = file.read().splitlines()
    except (OSError, ResumeError):
        return {}
    found = {}
    for line in lines:
        if b'"kind": "evaluation"' in line:
            try:
                values = json.loads(line)
                known = {name: values[name] for name in MEASURES if values.get(name) is not None}
                found[int(values["step"])] = {name: float(value) for name, value in known.items()}
            except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
                continue  # a line that is being written, or is damaged: a resume verifies the file, not this
    return found


def _set_aside(run: RunDirectory) -> list[Leftover]:
    found = []
    for path in run.set_aside():
        plain = path.is_dir() and not path.is_symlink()
        told = path / "reason.txt" if plain else path.with_name(f"{path.name}.reason.txt")
        if not path.name.endswith(".reason.txt"):
            found.append(Leftover(path, size_of(path), _first_line(told)))
    return found


def _temporary(run: RunDirectory) -> list[Leftover]:
    reasons = {".tmp-": "being written, or left by a killed writer", ".trash-": "being removed"}
    return [
        Leftover(path, size_of(path), reason)
        for path in sorted(run.checkpoints.iterdir())
        for start, reason in reasons.items()
        if path.name.startswith(start)
    ]


def _first_line(path: Path) -> str:
    try:
        with open(path, "rb", opener=plain) as file:
            text = file.read(_LONGEST_REASON).decode(errors="replace")
    except (OSError, ResumeError):
        return "without a reason"
    return one_line(text) or "without a reason"


def _written(checkpoint: Path) -> datetime:
    for path in (checkpoint / MANIFEST, checkpoint):
        try:
            return datetime.fromtimestamp(path.lstat().st_mtime, UTC)
        except (OSError, ValueError, OverflowError):
            continue  # without a manifest, or with a year past 9999, the directory itself says when
    return datetime.fromtimestamp(0, UTC)


def _plain(value: Any) -> str:
    return value.isoformat(timespec="seconds") if isinstance(value, datetime) else str(value)
