"""Where a run begins: anew, or at which checkpoint; and whether it may.

1. `decide` finds the checkpoint to go on from, newest first, verified before anything of it is used.
2. `compare` holds the saved run against the one that was asked for. What differs is of one of three classes:
   identity (another model or other data), exactness (the same run would compute other bits), free (printed).

Nothing here imports torch.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chefgenius.config import keys
from chefgenius.descent import Descent, read_descent
from chefgenius.manifest import NAME as MANIFEST
from chefgenius.manifest import DamagedError, Manifest, hash_file, verify
from chefgenius.rundir import RunDirectory
from chefgenius.state import ResumeError, State

STATE_SCHEMA = "chefgenius.state/1"

IDENTITY = ("store", "tokenizer")
"""facts that say which data a run is about; which model it is, the checkpoint's tensors say"""

EXACT_KEYS = (
    "seed",
    "data.plan",
    "data.batch_size",
    "data.max_input_length",
    "data.max_target_length",
    "data.validation_fraction",
    "data.split_seed",
    "data.min_quality",
    "model.config",
    "optim.weight_decay",
    "optim.betas",
    "optim.eps",
    "optim.max_grad_norm",
    "train.gradient_accumulation_steps",
    "train.precision",
)
"""keys that decide the bits of a run; facts do so too, and stand for device, threads and determinism"""

FREE_KEYS = tuple(key for key in keys() if key not in EXACT_KEYS)
"""everything else: the learning rate and its schedule, lengths of the run, cadences, logging, paths"""

_NEW_RUN = "or begin a run of its own with another `run_dir`"


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
    ResumeError.
    """
    if wish == "never":
        if _is_used(run):
            raise ResumeError(
                f"run directory `{run.path}` holds a run already: go on with `--resume auto`, {_NEW_RUN}"
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


def compare(origin: Origin, config: dict[str, Any], facts: dict[str, Any]) -> list[str]:
    """Refuses a resume that could not be exact; returns the free differences, one line each.

    `config` is flat (`config.flatten`), `facts` are those of `compute.facts` and of the data. Raises
    ResumeError naming every difference with its saved and its present value.
    """
    saved_config, saved_facts = origin.sections["config"], origin.sections["facts"]
    identity = _differences(saved_facts, facts, IDENTITY)
    exact = _differences(saved_config, config, EXACT_KEYS)
    exact += _differences(saved_facts, facts, tuple(sorted({*saved_facts, *facts} - set(IDENTITY))))
    free = _differences(saved_config, config, tuple(sorted({*saved_config, *config} - set(EXACT_KEYS))))
    if identity or exact:
        related = [line for line in free if line.startswith(("`data.", "`model."))]
        hint = f" (changed besides: {', '.join(related)})" if related else ""
        kind = "is about other data" if identity else "would not be the same run"
        raise ResumeError(
            f"cannot go on from `{origin.directory}`, it {kind}: {', '.join(identity + exact)}{hint}: "
            f"set back what differs, {_NEW_RUN}"
        )
    return free


def read_sections(directory: Path) -> dict[str, State]:
    """The sections of a verified checkpoint's state.json. Raises ResumeError for one of another version."""
    try:
        state = json.loads((directory / "state.json").read_bytes())
        if state["schema"] != STATE_SCHEMA:
            raise ResumeError(
                f"`{directory}` has a state of the schema `{state['schema']}`, read is `{STATE_SCHEMA}`: "
                "go on with the version of chefgenius that wrote it"
            )
        sections: dict[str, State] = state["sections"]
        if not all(isinstance(sections[name], dict) for name in ("config", "facts", "progress")):
            raise TypeError("a section is no object")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ResumeError(
            f"`{directory}` has no readable state.json: {type(error).__name__}: {error}: "
            "use another checkpoint"
        ) from error
    return sections


def _last_boundary(run: RunDirectory, say: Callable[[str], None], *, touch: bool) -> Origin | None:
    """Where this run itself stands: its newest good checkpoint, or before its first save where it began."""
    if not run.steps() and not run.set_aside():
        began = read_descent(run.path)
        if began is not None:
            return _beginning(run, began)
    newest = _newest_good(run, say, touch=touch)
    return None if newest is None else _origin(*newest, foreign=False)


def _beginning(run: RunDirectory, began: Descent) -> Origin:
    """The checkpoint of another run that this one began from."""
    path, told = began.checkpoint, f"run `{run.path}` began from checkpoint `{began.checkpoint}`"
    try:
        manifest = verify(path)
    except DamagedError as error:
        raise ResumeError(f"{told}, which is damaged: {error}: restore it from a copy, {_NEW_RUN}") from error
    if hash_file(path / MANIFEST) != began.manifest:
        raise ResumeError(f"{told}, which is another one now: restore it from a copy, {_NEW_RUN}")
    return _origin(path, manifest, foreign=True)


def _newest_good(
    run: RunDirectory, say: Callable[[str], None], *, touch: bool
) -> tuple[Path, Manifest] | None:
    """The newest checkpoint of which every byte is right; None when there never was one."""
    for step in run.steps():
        try:
            return run.step_path(step), run.verify(step)
        except DamagedError as error:
            say(f"checkpoint `{run.step_path(step)}` is damaged: {error}")
            if touch:
                say(f"set aside as `{run.reject(step, str(error))}`; taking the next older one")
    if run.steps() or run.set_aside():
        raise ResumeError(
            f"no good checkpoint is left in `{run.checkpoints}`, each is damaged: "
            f"restore one from a copy, {_NEW_RUN}"
        )
    if _has_steps(run):
        raise ResumeError(
            f"`{run.path / 'metrics.jsonl'}` tells of steps, but `{run.checkpoints}` has no checkpoint: "
            f"restore one from a copy, {_NEW_RUN}"
        )
    return None


def _from_path(run: RunDirectory, path: Path, say: Callable[[str], None], *, touch: bool) -> Origin | None:
    began = read_descent(run.path)
    if began is not None and began.is_from(path):
        return _last_boundary(run, say, touch=touch)
    if not path.is_dir():
        raise ResumeError(
            f"no such checkpoint or run: `{path}`: give its directory, or one of `auto`, `never`, `must`"
        )
    whole_run = (path / "checkpoints").is_dir()
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
        return _origin(*newest, foreign=not own)
    try:
        manifest = verify(path)
    except DamagedError as error:
        raise ResumeError(f"checkpoint `{path}` is damaged: {error}: give another one") from error
    newest = _newest_good(run, say, touch=touch) if own else None
    if newest is not None and newest[1].step != manifest.step:
        raise ResumeError(
            f"checkpoint `{path}` is not the newest good one of `{run.path}`: "
            "going on from it would overwrite what came after; choose a new `run_dir`"
        )
    return _origin(path.resolve(), manifest, foreign=not own)


def _origin(directory: Path, manifest: Manifest, *, foreign: bool) -> Origin:
    return Origin(directory, manifest, read_sections(directory), foreign)


def _is_used(run: RunDirectory) -> bool:
    return bool(run.steps() or run.set_aside() or _has_steps(run) or read_descent(run.path))


def _has_steps(run: RunDirectory) -> bool:
    """Whether a step was logged: the line of the first evaluation alone is lost with nothing."""
    metrics = run.path / "metrics.jsonl"
    if not metrics.is_file():
        return False
    with open(metrics, "rb") as lines:
        return any(b'"kind": "step"' in line for line in lines)


def _differences(saved: dict[str, Any], here: dict[str, Any], names: tuple[str, ...]) -> list[str]:
    return [
        f"`{name}`: saved {_show(saved.get(name))}, here {_show(here.get(name))}"
        for name in names
        if saved.get(name) != here.get(name)
    ]


def _show(value: Any) -> str:
    return f"`{json.dumps(value, ensure_ascii=False)}`"
