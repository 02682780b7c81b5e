"""The training loop.

1. `fit` takes optimizer steps from one boundary to the next until the last.
2. A step is a function of the boundary before it (law 2): each forward and backward runs with generators
   seeded by (seed, `train`, step, slot), and the learning rate is a closed form of the step.
3. At a boundary, in this order (law 3): metrics line, evaluation and samples if due, best, checkpoint if due.
   The sections of state.json are taken there, so that a stop at any later moment can still save it.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from transformers import PreTrainedModel

from chefgenius.batch import Batch
from chefgenius.batch import StepInfo as Window
from chefgenius.callbacks import Callback, Outcome, RunInfo, StepInfo
from chefgenius.checkpoint import Checkpointer
from chefgenius.config import Config
from chefgenius.data import RecipeLoader
from chefgenius.evaluation import Evaluator, History, figures, saved_samples
from chefgenius.generators import isolated
from chefgenius.metrics import Logs, RollingDigest, Stopwatch
from chefgenius.model import token_loss
from chefgenius.optim import Schedule, clip_gradients
from chefgenius.signals import Stop
from chefgenius.state import (
    Best,
    DivergedError,
    Losses,
    Pending,
    Progress,
    Registry,
    State,
    StopRequested,
)

REMEDIES: dict[type[BaseException], str] = {
    DivergedError: ": lower `optim.learning_rate` and start again, "
    "if need be with `--resume` from an older checkpoint in another `run_dir`",
}


@dataclass
class Memory:
    """What a run remembers, apart from tensors and data; `register` names its sections."""

    progress: Progress = field(default_factory=Progress)
    losses: Losses = field(default_factory=Losses)
    best: Best = field(default_factory=Best)
    history: History = field(default_factory=History)
    digest: RollingDigest = field(default_factory=RollingDigest)
    pending: Pending = field(default_factory=Pending)

    def register(self, registry: Registry) -> None:
        """Name the sections."""
        for name, component in (
            ("progress", self.progress),
            ("losses", self.losses),
            ("best", self.best),
            ("evaluation", self.history),
            ("digest", self.digest),
            ("pending", self.pending),
        ):
            registry.register(name, component)


@dataclass
class Trainer:
    """One run, put together by `build`; every part can be used without it."""

    config: Config
    model: PreTrainedModel
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    loader: RecipeLoader
    evaluator: Evaluator | None
    checkpoints: Checkpointer
    registry: Registry
    memory: Memory
    logs: Logs
    stop: Stop
    callbacks: Sequence[Callback]
    fresh: bool
    """whether the run begins at step 0; else the memory is that of a checkpoint"""
    _sections: dict[str, State] = field(default_factory=dict)

    def fit(self) -> None:
        """Trains to the last step. Leaves a checkpoint of the last boundary also when it ends early.

        Raises StopRequested, DivergedError, OSError, and what the loader raises.
        """
        memory, total = self.memory, self.schedule.total_steps
        self._batches = self._stream()
        self._parameters = [one for one in self.model.parameters() if one.requires_grad]
        self._watch = Stopwatch(memory.progress)
        info = RunInfo(self.checkpoints.run.path, memory.progress.step, total, self.config.log.every_steps)
        self._tell("on_train_start", info)
        outcome = None
        try:
            self._boundary(None)
            while memory.progress.step < total:
                self._boundary(self._step())
            outcome = self._outcome()
        except (StopRequested, DivergedError) as end:
            self.optimizer.zero_grad(set_to_none=True)  # the window is dropped
            self._save()
            raise type(end)(
                f"{end}; step {memory.progress.step} is saved{REMEDIES.get(type(end), '')}"
            ) from None
        finally:
            self._tell("on_train_end", outcome)

    def _step(self) -> StepInfo:
        """One optimizer step: a window of micro-batches with the gradient of all their target tokens."""
        progress, settings = self.memory.progress, self.config.train
        step = progress.step + 1
        window = self.loader.step_info(progress.epoch, progress.index // settings.gradient_accumulation_steps)
        rate = self.schedule.apply(step)
        total = torch.zeros((), device=self.model.device)
        batches: list[Batch] = []
        for slot in range(window.micro_batches):
            self.stop.check()
            batch = self._next()
            with isolated(self.config.seed, "train", step, slot):
                loss = token_loss(self.model, batch, settings.precision)
                (loss / window.target_tokens).backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
            batches.append(batch)
        norm = clip_gradients(self._parameters, self.config.optim.max_grad_norm)
        # the one place of a step where the host waits for the device
        loss_sum, grad_norm = torch.stack([total, norm]).tolist()
        if not (math.isfinite(loss_sum) and math.isfinite(grad_norm)):
            raise DivergedError(
                f"diverged in step {step}: loss {loss_sum / window.target_tokens}, "
                f"norm of the gradient {grad_norm}"
            )
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        epoch = progress.epoch
        self._count(step, window, batches, loss_sum)
        steps, recipes, tokens = self._watch.rates(progress)
        return StepInfo(
            step=step,
            total_steps=self.schedule.total_steps,
            epoch=epoch,
            loss=loss_sum / window.target_tokens,
            learning_rate=rate,
            grad_norm=grad_norm,
            recipes_per_second=recipes,
            tokens_per_second=tokens,
            seconds_left=(self.schedule.total_steps - step) / steps,
        )

    def _count(self, step: int, window: Window, batches: list[Batch], loss_sum: float) -> None:
        """Moves the counters to the boundary after a step."""
        memory, progress = self.memory, self.memory.progress
        for batch in batches:
            memory.digest.update(batch.record_ids)
        memory.losses.add(loss_sum, window.target_tokens)
        if self.loader.epoch != progress.epoch:
            memory.losses.end_epoch()
        progress.step = step
        progress.epoch, progress.index = self.loader.epoch, self.loader.index
        progress.samples += window.samples
        progress.input_tokens += window.input_tokens
        progress.target_tokens += window.target_tokens

    def _boundary(self, info: StepInfo | None) -> None:
        """What law 3 wants after a step; `info` is None at the boundary that this process begins at."""
        memory, step = self.memory, self.memory.progress.step
        if info is not None:
            self._tell("on_step_end", info)
            self._log(info)
        if info is not None or self.fresh:  # else what a checkpoint left pending
            memory.pending.work = self._due(step)
        self._sections = self.registry.state_dict()
        with self._watch.paused():
            improved = False
            if memory.pending.work:
                improved = self.evaluator is not None and self._evaluate(self.evaluator)
                memory.pending.work = ()
                self._sections = self.registry.state_dict()
            if improved or self._save_due(step, first=info is None):
                self._save()

    def _due(self, step: int) -> tuple[str, ...]:
        every, ends = self.config.eval.every_steps, step in (0, self.schedule.total_steps)
        if self.evaluator is None or not (ends or step % every == 0):
            return ()
        return ("eval", "samples")

    def _save_due(self, step: int, *, first: bool) -> bool:
        if first:  # a run that begins, and one that goes on from another run directory
            return step not in self.checkpoints.run.steps()
        return step == self.schedule.total_steps or step % self.config.checkpoint.every_steps == 0

    def _evaluate(self, evaluator: Evaluator) -> bool:
        """Evaluates the boundary and generates samples; True when it is the best so far."""
        memory, settings = self.memory, self.config.eval
        progress = memory.progress
        ends = progress.step in (0, self.schedule.total_steps)
        prompts = max(settings.prompts, settings.samples) if ends else settings.samples
        evaluation, samples = evaluator.evaluate(progress.step, progress.epoch, prompts)
        if not math.isfinite(evaluation.validation_loss):
            raise DivergedError(f"diverged at step {progress.step}: the validation loss is not finite")
        self.logs.metrics.write(figures(evaluation))
        for sample in samples:
            self.logs.samples.write({"step": progress.step, **asdict(sample)})
        memory.history.add(evaluation)
        self._tell("on_eval_end", evaluation)
        return memory.best.offer(evaluation.validation_loss, progress.step)

    def _log(self, info: StepInfo) -> None:
        progress = self.memory.progress
        if info.step % self.config.log.every_steps and info.step != self.schedule.total_steps:
            return
        self.logs.metrics.write(
            {
                "kind": "step",
                "step": info.step,
                "epoch": info.epoch,
                "loss": info.loss,
                "learning_rate": info.learning_rate,
                "grad_norm": info.grad_norm,
                "samples": progress.samples,
                "input_tokens": progress.input_tokens,
                "target_tokens": progress.target_tokens,
                "digest": self.memory.digest.value,
            }
        )
        self.logs.timing.write(self._watch.lap(progress))

    def _save(self) -> None:
        """Saves the boundary whose sections were taken last, which weights and optimizer still stand at."""
        best = self.memory.best.step
        self.checkpoints.save(self._sections, [] if best is None else [best])
        for saved in self.checkpoints.drain():
            self._tell("on_save", saved)

    def _stream(self) -> Iterator[Batch]:
        while True:  # each `for` over the loader ends with an epoch
            yield from self.loader

    def _next(self) -> Batch:
        with self._watch.waiting():
            return next(self._batches)

    def _outcome(self) -> Outcome:
        memory, run = self.memory, self.checkpoints.run
        best = None
        if memory.best.validation_loss is not None and memory.best.step is not None:
            best = memory.best.validation_loss, memory.best.step
        return Outcome(
            run_path=run.path,
            checkpoint=run.step_path(memory.progress.step),
            step=memory.progress.step,
            epoch_losses=memory.losses.epochs,
            best=best,
            first=memory.history.first,
            last=memory.history.last,
            samples=saved_samples(self.logs.samples.path, memory.progress.step, self.config.eval.samples),
        )

    def _tell(self, point: str, value: Any) -> None:
        """Tells every callback, also after one that could not write; its OSError is raised at last."""
        failed: list[OSError] = []
        for callback in self.callbacks:
            try:
                getattr(callback, point)(value)
            except OSError as error:
                failed.append(error)
        if failed:
            raise failed[0]
