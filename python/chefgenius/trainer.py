"""The training loop.

1. `fit` takes optimizer steps from one boundary to the next until the last. A step is a function of the
   boundary before it (law 2): `step` makes its gradient, the learning rate is a closed form of its number.
2. At a boundary, in this order (law 3): metrics line, evaluation and samples if due, best, checkpoint if due.
   The sections of state.json are taken right after the metrics line, so that whatever ends the run later can
   still save the boundary. Only between the update of the weights and that moment nothing can be saved.
3. Checkpoints are written in the background; what became of them is asked before each update and boundary.
"""

import math
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

from chefgenius.batch import Batch
from chefgenius.callbacks import Callback, Outcome, RunInfo, StepInfo, tell
from chefgenius.checkpoint import Checkpointer
from chefgenius.config import Config
from chefgenius.evaluation import Evaluator, figures, saved_samples
from chefgenius.feed import Feed, Tombstones
from chefgenius.loss import TokenLoss
from chefgenius.memory import Memory, step_line
from chefgenius.metrics import Logs, Stopwatch
from chefgenius.pieces import WHOLE, Rows
from chefgenius.schedule import Schedule
from chefgenius.signals import SaveRequests, Stop, StopRequested
from chefgenius.state import DivergedError, Registry, RunError, State
from chefgenius.step import Backward, Gradient

SAVE_FILE = "save"
"""in the run directory: asks for a checkpoint by being there"""
MOST_SKIPPED = 10
"""steps in a row that may be skipped"""
_REMEDY = (
    ": lower `optim.learning_rate` and start again, "
    "if need be with `--resume` from an older checkpoint in another `run_dir`"
)


@dataclass
class Trainer:
    """One run, put together by `build`; every part can be used without it."""

    config: Config
    model: PreTrainedModel
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    feed: Feed
    tombstones: Tombstones
    evaluator: Evaluator | None
    checkpoints: Checkpointer
    registry: Registry
    memory: Memory
    logs: Logs
    stop: Stop
    callbacks: Sequence[Callback]
    fresh: bool
    """whether the run begins at step 0; else the memory is that of a checkpoint"""
    rows: Rows = WHOLE
    """rows of a micro-batch that go forward together at most"""
    _sections: dict[str, State] = field(default_factory=dict)
    """of the last boundary"""
    _standing: bool = False
    """whether weights and optimizer are those of `_sections`"""
    _disk_failed: bool = False

    def fit(self) -> None:
        """Trains to the last step. Leaves a checkpoint of the last boundary also when it ends early.

        Raises StopRequested, DivergedError, OSError, and what the model, the loader and the callbacks raise;
        a note of the error says then what is saved. KeyboardInterrupt waits for no save.
        """
        memory, total = self.memory, self.schedule.total_steps
        run = self.checkpoints.run.path
        self._watch = Stopwatch(memory.progress)
        self._requests = SaveRequests(self.stop, run / SAVE_FILE, self.config.checkpoint.every_minutes)
        settings = self.config.train
        loss = TokenLoss(self.model, settings.precision, label_smoothing=settings.label_smoothing)
        self._backward = Backward(self.config, loss, self._next, self.stop.check, self.rows)
        self._tell("on_train_start", RunInfo(run, memory.progress.step, total, self.config.log.every_steps))
        outcome = None
        try:
            self._boundary(None)
            # a run whose logs tell of steps has a checkpoint, or else it was lost and is no beginning
            self._ask(self.checkpoints.drain)
            while memory.progress.step < total and not memory.stopping.reached:
                self._boundary(self._step())
            self._ask(self.checkpoints.drain)
            outcome = self._outcome()
        except StopRequested as end:
            raise StopRequested(f"{end}; {self._rescue()}") from None
        except DivergedError as end:
            raise DivergedError(f"{end}; {self._rescue_after(end)}{_REMEDY}") from None
        except SystemExit as end:
            raise RunError(f"`exit({end.code})` called inside the run; {self._rescue_after(end)}") from end
        except Exception as error:
            error.add_note(self._rescue_after(error))
            raise
        finally:
            self._tell("on_train_end", outcome)
        self.checkpoints.close()

    def _step(self) -> StepInfo:
        """One optimizer step: a window of micro-batches with the gradient of all their target tokens."""
        progress, settings = self.memory.progress, self.config.train
        step, epoch = progress.step + 1, progress.epoch
        window = self.feed.window(epoch, progress.index)
        rate = self.schedule.apply(step)
        gradient = self._backward(step, window)
        if settings.on_nonfinite == "stop" and not gradient.finite:
            raise DivergedError(
                f"diverged in step {step}: loss {gradient.loss_sum / window.target_tokens}, "
                f"norm of the gradient {gradient.grad_norm}"
            )
        self._ask(self.checkpoints.check)
        if learned := gradient.finite and not gradient.empty:
            self._standing = False
            self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self._count(step, gradient, learned=learned)
        steps, recipes, tokens = self._watch.rates(progress)
        return StepInfo(
            step=step,
            total_steps=self.schedule.total_steps,
            epoch=epoch,
            loss=gradient.loss_sum / window.target_tokens if learned else None,
            learning_rate=rate,
            grad_norm=gradient.grad_norm if learned else None,
            recipes_per_second=recipes,
            tokens_per_second=tokens,
            seconds_left=(self.schedule.total_steps - step) / steps,
            skipped=() if gradient.finite else tuple(gradient.records),
        )

    def _count(self, step: int, gradient: Gradient, *, learned: bool) -> None:
        """Moves the counters to the boundary after a step."""
        memory, progress, window = self.memory, self.memory.progress, gradient.window
        for batch in gradient.batches:
            memory.digest.update(batch.record_ids)
        if learned:
            memory.losses.add(gradient.loss_sum, window.target_tokens)
        if not gradient.finite:
            self.tombstones.skip(step, gradient.records)
        if self.feed.loader.epoch != progress.epoch:
            memory.losses.end_epoch()
        progress.step = step
        progress.epoch, progress.index = self.feed.loader.epoch, self.feed.loader.index
        progress.samples += window.samples
        progress.input_tokens += window.input_tokens
        progress.target_tokens += window.target_tokens

    def _boundary(self, info: StepInfo | None) -> None:
        """What law 3 wants after a step; `info` is None at the boundary that this process begins at."""
        memory, step = self.memory, self.memory.progress.step
        if info is not None:
            self._log(info)
            self._judge(info)
        if info is not None or self.fresh:  # else what a checkpoint left pending
            memory.pending.work = self._due(step)
        self._take()
        if info is not None:
            self._tell("on_step_end", info)
            self._take()  # the callbacks may have drawn random numbers
        with self._watch.paused():
            wanted, stale = self._requests.due() or self._save_due(step, first=info is None), False
            if memory.pending.work:
                stale = info is None and not self.fresh  # what is saved says that it is still pending
                wanted |= self.evaluator is not None and self._evaluate(self.evaluator)
                memory.pending.work = ()
                self._take()
            if wanted or stale:
                self._save(anew=stale)
            self._ask(self.checkpoints.check)

    def _take(self) -> None:
        """Takes the sections of the boundary that the run stands at: from now on it can be saved."""
        self._sections = self.registry.state_dict()
        self._standing = True

    def _judge(self, info: StepInfo) -> None:
        """Ends a run that learns nothing any more, at the boundary before: a start comes to the same end."""
        if info.skipped and (row := self.tombstones.in_a_row(info.step)) > MOST_SKIPPED:
            raise DivergedError(f"diverged: {row} steps in a row up to step {info.step} were not finite")
        if self.memory.progress.epoch != info.epoch and self.memory.losses.epochs[-1] is None:
            raise DivergedError(f"epoch {info.epoch} taught nothing: all its records are left out or skipped")

    def _due(self, step: int) -> tuple[str, ...]:
        due = self.evaluator is not None and (self._ends(step) or not step % self.config.eval.every_steps)
        return ("eval", "samples") if due else ()

    def _ends(self, step: int) -> bool:
        return step in (0, self.schedule.total_steps)

    def _save_due(self, step: int, *, first: bool) -> bool:
        if first:  # a run that begins, and one that goes on from another run directory
            return step not in self.checkpoints.run.steps()
        return step == self.schedule.total_steps or step % self.config.checkpoint.every_steps == 0

    def _evaluate(self, evaluator: Evaluator) -> bool:
        """Evaluates the boundary and generates samples; True when it is one of the best or ends the run."""
        memory, progress, settings = self.memory, self.memory.progress, self.config.eval
        most, metric = max(settings.prompts, settings.samples), settings.early_stopping.metric
        whole = settings.decides_by_texts or self._ends(progress.step)
        evaluation, samples = evaluator.evaluate(
            progress.step, progress.epoch, most if whole else settings.samples
        )
        if not math.isfinite(evaluation.validation_loss):
            raise DivergedError(f"diverged at step {progress.step}: the validation loss is not finite")
        memory.stopping.judge(None if metric is None else evaluation.value(metric), progress.step)
        if memory.stopping.reached and not whole:  # the last one, which is shown beside the first
            evaluation, samples = evaluator.evaluate(progress.step, progress.epoch, most)
        self.logs.metrics.write(figures(evaluation))
        for sample in samples:
            self.logs.samples.write({"step": progress.step, **asdict(sample)})
        memory.history.add(evaluation)
        self._tell("on_eval_end", evaluation)
        is_best = memory.best.offer(evaluation.value(settings.best_metric), progress.step)
        return is_best or memory.stopping.reached

    def _log(self, info: StepInfo) -> None:
        progress, due = self.memory.progress, info.step % self.config.log.every_steps == 0
        if not (due or info.skipped or info.step in (1, info.total_steps)):  # step 1: a checkpoint stood
            return
        self.logs.metrics.write(step_line(info, self.memory))
        self.logs.timing.write(self._watch.lap(progress))

    def _save(self, *, anew: bool = False) -> None:
        """Saves the boundary whose sections were taken last, which weights and optimizer still stand at."""
        self._requests.begun(self.checkpoints.run.step_path(self._sections["progress"]["step"]))
        self._ask(lambda: self.checkpoints.save(self._sections, self.memory.best.steps, anew=anew))

    def _ask(self, saving: Callable[[], list[Path] | None]) -> None:
        """Does something with the saves, and tells of those that stand. Raises OSError of one that failed."""
        try:
            saved = saving()
        except OSError:
            self._disk_failed = True
            raise
        for path in saved or ():
            self._tell("on_save", path)
        self._requests.settle()

    def _rescue(self) -> str:
        """Saves the last boundary if the run still stands at it; says what the next start goes on from.

        Raises OSError, and what a callback raises that is told of the checkpoint; a note says the same then.
        """
        self.optimizer.zero_grad(set_to_none=True)  # the window is dropped, and its memory free
        try:
            if self._standing and not self._disk_failed:
                self._save()
            self._ask(self.checkpoints.drain)
        except Exception as error:
            error.add_note(self._left())
            raise
        self.checkpoints.close()
        return self._left()

    def _rescue_after(self, error: BaseException) -> str:
        """The same after an error, which stays the first one whatever goes wrong now."""
        if isinstance(error, MemoryError | torch.OutOfMemoryError):
            traceback.clear_frames(error.__traceback__)  # they hold the activations
        try:
            return self._rescue()
        except Exception as second:
            return f"{self._left()} (while saving: {type(second).__name__}: {second})"

    def _left(self) -> str:
        """What the next start goes on from."""
        if not (steps := self.checkpoints.run.steps()):
            place = self.checkpoints.run.checkpoints
            return "nothing is saved" if place.is_dir() else f"`{place}` is gone"
        if self._sections and self._sections["progress"]["step"] == steps[0]:
            return f"step {steps[0]} is saved"
        return f"the next start goes on from step {steps[0]}"

    def _next(self) -> Batch:
        with self._watch.waiting():
            return self.feed.next()

    def _outcome(self) -> Outcome:
        memory, run = self.memory, self.checkpoints.run
        return Outcome(
            run_path=run.path,
            checkpoint=run.step_path(memory.progress.step),
            step=memory.progress.step,
            epoch_losses=memory.losses.epochs,
            best=memory.best.first,
            first=memory.history.first,
            last=memory.history.last,
            samples=saved_samples(self.logs.samples.path, memory.progress.step, self.config.eval.samples),
            best_metric=memory.best.metric,
            ended=memory.stopping.told if memory.progress.step < self.schedule.total_steps else "",
        )

    def _tell(self, point: str, value: Any) -> None:
        tell(self.callbacks, point, value)
