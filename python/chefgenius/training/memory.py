"""What the training loop itself remembers, and what it tells of a step and of the end."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from chefgenius.callbacks import Outcome, StepInfo
from chefgenius.evaluation.evaluator import History, Sample
from chefgenius.run.digest import RollingDigest
from chefgenius.run.rundir import RunDirectory
from chefgenius.run.state import Best, Losses, Pending, Progress, Registry
from chefgenius.settings.config import Config
from chefgenius.training.early_stopping import EarlyStopping
from chefgenius.training.scaler import LossScale


@dataclass
class Memory:
    """What a run remembers, apart from tensors and data; `register` names its sections."""

    progress: Progress = field(default_factory=Progress)
    losses: Losses = field(default_factory=Losses)
    best: Best = field(default_factory=Best)
    stopping: EarlyStopping = field(default_factory=EarlyStopping)
    history: History = field(default_factory=History)
    digest: RollingDigest = field(default_factory=RollingDigest)
    pending: Pending = field(default_factory=Pending)
    scale: LossScale = field(default_factory=LossScale)

    @classmethod
    def of(cls, config: Config, stopping: EarlyStopping) -> Self:
        """The memory of a run that begins."""
        return cls(best=Best(config.checkpoint.keep_best, config.eval.best_metric), stopping=stopping)

    def register(self, registry: Registry) -> None:
        """Name the sections."""
        for name, component in (
            ("progress", self.progress),
            ("losses", self.losses),
            ("best", self.best),
            ("early_stopping", self.stopping),
            ("evaluation", self.history),
            ("digest", self.digest),
            ("pending", self.pending),
            ("scaler", self.scale),
        ):
            registry.register(name, component)


def step_line(info: StepInfo, memory: Memory) -> dict[str, Any]:
    """The line of a step in metrics.jsonl; the memory stands at the boundary after it."""
    progress = memory.progress
    line = {
        "kind": "step",
        "step": info.step,
        "epoch": info.epoch,
        "loss": info.loss,
        "learning_rate": info.learning_rate,
        "grad_norm": info.grad_norm,
        "samples": progress.samples,
        "input_tokens": progress.input_tokens,
        "target_tokens": progress.target_tokens,
        "digest": memory.digest.value,
    }
    if info.loss_scale is not None:
        line["loss_scale"] = info.loss_scale
    if info.skipped:
        line["skipped"] = list(info.skipped)
    return line


def outcome_of(memory: Memory, run: RunDirectory, samples: Sequence[Sample], total_steps: int) -> Outcome:
    """What the callbacks are told at the end; the memory stands at the last boundary, which is saved."""
    step = memory.progress.step
    return Outcome(
        run_path=run.path,
        checkpoint=run.step_path(step),
        step=step,
        epoch_losses=memory.losses.epochs,
        best=memory.best.first,
        first=memory.history.first,
        last=memory.history.last,
        samples=samples,
        best_metric=memory.best.metric,
        ended=memory.stopping.told if step < total_steps else "",
    )
