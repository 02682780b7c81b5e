"""A run that is checked and not begun: what `build` hands over, and what `--explain` tells of."""

import platform
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedModel

from chefgenius.data.course import Course
from chefgenius.model.model import count_parameters
from chefgenius.run import resume
from chefgenius.run.base import Base
from chefgenius.run.descent import Weights
from chefgenius.run.differences import Comparison, Exactness
from chefgenius.run.manifest import replace_file, to_json
from chefgenius.run.rundir import RUN_SCHEMA, read_run_facts
from chefgenius.run.state import State
from chefgenius.settings.config import Config
from chefgenius.training.dataset import Data
from chefgenius.training.early_stopping import EarlyStopping
from chefgenius.training.ema import Averages
from chefgenius.training.ranks import Ranks
from chefgenius.training.schedule import Schedule
from chefgenius.training.sharing import Sharing


@dataclass(frozen=True)
class Built:
    """A run that is checked and not begun: nothing of it stands in the run directory yet."""

    config: Config
    data: Data
    model: PreTrainedModel
    ranks: Ranks
    sharing: Sharing
    base: Base | None
    """the weights that an adapter is trained on; None where the whole model is trained"""
    optimizer: torch.optim.Optimizer
    averages: Averages | None
    """of the weights, where `train.ema_decay` wants them"""
    schedule: Schedule
    facts: dict[str, Any]
    origin: resume.Origin | None
    comparison: Comparison
    """with the saved run"""
    sections: dict[str, State]
    """the memory to go on with; empty for a run that begins"""
    moved: str
    """where the data go on, when that is not where they were saved"""
    exactness: Exactness
    course: Course
    """the way through the data, as `inspect` reads it"""
    bounds: dict[str, int]
    """the last step by each key that ends the run"""
    weights: Weights | None
    """of a run that begins with the weights of another"""
    stopping: EarlyStopping
    """as the saved run left it"""
    say: Callable[[str], None]

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do: the last step is saved and reported, or the run is past it."""
        total, origin = self.schedule.total_steps, self.origin
        if origin is None or origin.foreign or (origin.step < total and not self.stopping.reached):
            return False
        return origin.step > total or read_run_facts(self.config.run_path).get("finished") == origin.step

    @property
    def ending(self) -> str:
        """Of a run that is finished: where it stands, and which keys would let it go on."""
        total, step = self.schedule.total_steps, 0 if self.origin is None else self.origin.step
        if step < total:
            return (
                f"is at step {step}, where it ended early: {self.stopping.told}. To go on raise "
                "`eval.early_stopping.patience`, to begin anew give another `run_dir`"
            )
        settings = self.config.train
        bounds = [name for name, last in self.bounds.items() if last == total]
        values = {"train.max_steps": settings.max_steps, "train.epochs": settings.epochs}
        past = " and ".join(f"`{name} = {values[name]}`" for name in bounds)
        raised = " and ".join(f"`{name}`" for name in bounds)
        return (
            f"is at step {step}, {'the last one' if step == total else f'past {past}'}. "
            f"To go on raise {raised}, to begin anew give another `run_dir`"
        )

    @property
    def told(self) -> list[str]:
        """What a person should know before the first step."""
        if self.origin is None:
            return []
        told = [] if self.finished else [f"going on from {self.origin.directory}"]
        told += [f"changed: {one}" for one in self.comparison.free]
        told += [f"changed with leave: {one}" for one in self.comparison.changes]
        told += [f"`{name}` may change, and does not differ" for name in self.comparison.idle]
        if self.moved:
            told.append(self.moved)
        if self.exactness.since is not None:
            told.append(str(self.exactness))
        if self.finished:
            told.append(f"finished: {self.config.run_path} {self.ending}")
        return told


def write_run_facts(built: Built, finished: int | None) -> None:
    """run.json: what a person may want to know of the run; a start reads only `finished` of it again."""
    values = {
        "schema": RUN_SCHEMA,
        "python": platform.python_version(),
        "machine": platform.platform(),
        "parameters": count_parameters(built.model),
        "total_steps": built.schedule.total_steps,
        "facts": built.facts,
        "exact": built.exactness.since is None,
        "not_exact_since": built.exactness.since,
        "store": str(built.data.store.path.absolute()),
        "course": built.course.state_dict(),
    }
    replace_file(built.config.run_path / "run.json", to_json({**values, "finished": finished}))
