"""The training loop.

1. `fit` takes optimizer steps from one boundary to the next until the last. A step is a function of the
   boundary before it (law 2): `step` makes its gradient, the learning rate is a closed form of its number.
2. At a boundary, in this order (law 3): metrics line, evaluation and samples if due, best, checkpoint if due.
   The sections of state.json are taken right after the metrics line, so that whatever ends the run later can
   still save the boundary. Only between the update of the weights and that moment nothing can be saved.
3. Checkpoints are written in the background; what became of them is asked before each update and boundary.
"""

import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

from chefgenius.callbacks import Callback, Outcome, RunInfo, StepInfo, noting, tell
from chefgenius.data.batch import Batch
from chefgenius.data.feed import Feed, Tombstones, flat
from chefgenius.data.store import Ids
from chefgenius.evaluation.evaluator import Evaluation, Evaluator, Sample, figures, saved_samples
from chefgenius.run.signals import SaveRequests, Stop, StopRequested
from chefgenius.run.state import DivergedError, Registry
from chefgenius.settings.config import Config
from chefgenius.training.boundary import Boundary
from chefgenius.training.checkpoint import Checkpointer
from chefgenius.training.ema import lent
from chefgenius.training.memory import Memory, outcome_of, step_line
from chefgenius.training.metrics import Logs, Stopwatch
from chefgenius.training.pieces import WHOLE, Rows
from chefgenius.training.ranks import Ranks
from chefgenius.training.schedule import Schedule
from chefgenius.training.sharing import Sharing
from chefgenius.training.step import Backward, Gradient
from chefgenius.training.turn import Turn

SAVE_FILE = "save"  # in the run directory: asks for a checkpoint by being there
MOST_SKIPPED = 10  # steps in a row that may be skipped


@dataclass(repr=False)
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
    sharing: Sharing
    ranks: Ranks = field(default_factory=Ranks)
    """those that train with this one, in lockstep; all but rank 0 write, print and call back nothing"""
    rows: Rows = WHOLE
    """rows of a micro-batch that go forward together at most"""
    turn: Turn = field(default_factory=Turn)

    def __repr__(self) -> str:
        run, step = self.checkpoints.run.path, self.memory.progress.step
        return f"Trainer({str(run)!r}, step={step:,} of {self.schedule.total_steps:,})"

    def fit(self) -> None:
        """Trains to the last step, once. Leaves a checkpoint of the last boundary also when it ends early.

        Raises StopRequested, DivergedError, OSError, and what the model, the loader and the callbacks raise;
        a note of the error says then what is saved. RunError for a second call, after the block of `open_run`
        and beside another run of the process. KeyboardInterrupt waits for no save: that block does.
        """
        # an interrupt inside `no_grad`, of an evaluation before, may have left gradients off
        with self.turn.taken(repr(self)), self.stop.deferred(), torch.enable_grad():
            self._fit()

    def _fit(self) -> None:
        memory, total, run = self.memory, self.schedule.total_steps, self.checkpoints.run.path
        self._watch, world = Stopwatch(memory.progress), self.ranks.world
        minutes = self.config.checkpoint.every_minutes if world.leads else None
        file = run / SAVE_FILE if world.leads else Path(os.devnull)  # which asks for nothing
        self._requests = SaveRequests(self.stop, file, minutes)
        self.sharing.wants = lambda: (self.stop.requested is not None, self._requests.due())
        self._last = Boundary(
            registry=self.registry,
            memory=memory,
            checkpoints=self.checkpoints,
            requests=self._requests,
            ranks=self.ranks,
            drop=lambda: self.optimizer.zero_grad(set_to_none=True),  # and its memory is free
            told=lambda path: self._tell("on_save", path),
        )
        check = self.stop.check if world.size == 1 else lambda: None  # else it waits for a boundary of all
        self._backward = Backward(self.config, self.sharing, self._next, check, self.rows, memory.scale)
        step, every = memory.progress.step, self.config.log.every_steps
        due = self._due(step) if self.fresh else memory.pending.work
        try:
            with self._last.rescuing():
                self._tell("on_train_start", RunInfo(run, step, total, every, bool(due)))
                self._boundary(None)
                # a run whose logs tell of steps has a checkpoint, or else it was lost and is no beginning
                self._last.ask(self.checkpoints.drain)
                while not self.ended:
                    self._boundary(self._step())
                self._last.ask(self.checkpoints.drain)
                outcome = self._outcome() if world.leads else None
        except BaseException as first:
            with noting(first, "on_train_end"):
                self._tell("on_train_end", None)
            raise
        self._tell("on_train_end", outcome)

    @property
    def ended(self) -> bool:
        """Whether no step is left: the last one is taken, or early stopping has ended the run."""
        return self.memory.progress.step >= self.schedule.total_steps or self.memory.stopping.reached

    def _step(self) -> StepInfo:
        """One optimizer step: a window of micro-batches with the gradient of all their target tokens."""
        progress, settings = self.memory.progress, self.config.train
        step, epoch = progress.step + 1, progress.epoch
        window = self.feed.window(epoch, progress.index)
        records = self.feed.records(epoch, progress.index, window)
        rate = self.schedule.apply(step)
        gradient = self._backward(step, window)
        if settings.on_nonfinite == "stop" and not gradient.finite:
            raise DivergedError(
                f"diverged in step {step}: loss {gradient.loss_sum / window.target_tokens}, "
                f"norm of the gradient {gradient.grad_norm}"
            )
        self._last.ask(self.checkpoints.check)
        if gradient.moves:
            self._last.moving = True
            self.optimizer.step()
            if (averages := self.checkpoints.averages) is not None:
                averages.update(step)
        self.optimizer.zero_grad(set_to_none=True)
        self.feed.settle(window)
        self._count(step, gradient, records)
        steps, recipes, tokens = self._watch.rates(progress)
        return StepInfo(
            step=step,
            total_steps=self.schedule.total_steps,
            epoch=epoch,
            loss=gradient.loss_sum / window.target_tokens if gradient.moves or gradient.overflow else None,
            learning_rate=rate,
            grad_norm=gradient.grad_norm if gradient.moves else None,
            recipes_per_second=recipes,
            tokens_per_second=tokens,
            seconds_left=(self.schedule.total_steps - step) / steps,
            skipped=() if gradient.finite else tuple(flat(records)),
            loss_scale=gradient.loss_scale,
        )

    def _count(self, step: int, gradient: Gradient, records: list[Ids]) -> None:
        """Moves the counters to the boundary after a step."""
        memory, progress, window = self.memory, self.memory.progress, gradient.window
        for ids in records:
            memory.digest.update(ids)
        if gradient.moves or gradient.overflow:
            if gradient.loss_scale is not None:
                memory.scale.update(overflow=gradient.overflow)
            memory.losses.add(gradient.loss_sum, window.target_tokens)
        if not gradient.finite:
            self.tombstones.skip(step, flat(records))
        epoch, index = self.feed.place
        if epoch != progress.epoch:
            memory.losses.end_epoch()
        progress.step, progress.epoch, progress.index = step, epoch, index
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
        self._last.take()
        if info is not None:
            try:
                self._tell("on_step_end", info)
            finally:
                self._last.take()  # the callbacks may have drawn random numbers, and remember the step
            if self.sharing.stop:
                self._stop()
        with self._watch.paused():
            first, stale = info is None, False
            wanted = self._asked(first=first) or self._save_due(step, first=first)
            if memory.pending.work:
                stale = info is None and not self.fresh  # what is saved says that it is still pending
                wanted |= self.evaluator is not None and self._evaluate(self.evaluator)
                memory.pending.work = ()
                self._last.take()
            if wanted or stale:
                self._last.save(anew=stale)
            self._last.ask(self.checkpoints.check)

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
            return self.ranks.agree("begin", step not in self.checkpoints.run.steps())
        return step == self.schedule.total_steps or step % self.config.checkpoint.every_steps == 0

    def _evaluate(self, evaluator: Evaluator) -> bool:
        """Evaluates the boundary and generates samples; True when it is one of the best or ends the run."""
        memory, progress, settings = self.memory, self.memory.progress, self.config.eval
        most, metric = max(settings.prompts, settings.samples), settings.early_stopping.metric
        whole = settings.decides_by_texts or self._ends(progress.step)
        evaluation, samples = self._evaluated(evaluator, most if whole else settings.samples)
        if not math.isfinite(evaluation.validation_loss):
            raise DivergedError(f"diverged at step {progress.step}: the validation loss is not finite")
        memory.stopping.judge(None if metric is None else evaluation.value(metric), progress.step)
        if memory.stopping.reached and not whole:  # the last one, which is shown beside the first
            evaluation, samples = self._evaluated(evaluator, most)
        self.logs.metrics.write(figures(evaluation))
        for sample in samples:
            self.logs.samples.write({"step": progress.step, **asdict(sample)})
        memory.history.add(evaluation)
        self._tell("on_eval_end", evaluation)
        is_best = memory.best.offer(evaluation.value(settings.best_metric), progress.step)
        return is_best or memory.stopping.reached

    def _evaluated(self, evaluator: Evaluator, prompts: int) -> tuple[Evaluation, list[Sample]]:
        """By rank 0, for whose figures the others wait; by all where each has a part of the model."""
        step, epoch = self.memory.progress.step, self.memory.progress.epoch
        with lent(self.checkpoints.averages if self.config.eval.use_ema else None):
            if self.sharing.sharded:
                with self.sharing.evaluating():
                    return evaluator.evaluate(step, epoch, prompts)
            return self.ranks.first(
                "evaluation",
                lambda: evaluator.evaluate(step, epoch, prompts),
                lambda both: asdict(both[0]),
                lambda values: (Evaluation(**values), []),
            )

    def _asked(self, *, first: bool) -> bool:
        """Whether this boundary was asked for, by what every rank knows."""
        if self.ranks.world.size == 1:
            return self._requests.due()
        return self.sharing.save and not first

    def _stop(self) -> None:
        """Ends the run at a boundary that all ranks stand at."""
        self.ranks.agreed = True
        self.stop.check()
        raise StopRequested("stopped on request of another process")

    def _log(self, info: StepInfo) -> None:
        progress, due = self.memory.progress, info.step % self.config.log.every_steps == 0
        if not (due or info.skipped or info.step in (1, info.total_steps)):  # step 1: a checkpoint stood
            return
        self.checkpoints.run.check_place()  # the open logs would follow a directory that is moved
        self.logs.metrics.write(step_line(info, self.memory))
        self.logs.timing.write(self._watch.lap(progress))

    def _next(self) -> Batch:
        with self._watch.waiting():
            return self.feed.next()

    def _outcome(self) -> Outcome:
        step, count = self.memory.progress.step, self.config.eval.samples
        samples = saved_samples(self.logs.samples.path, step, count)
        return outcome_of(self.memory, self.checkpoints.run, samples, self.schedule.total_steps)

    def _tell(self, point: str, value: Any) -> None:
        tell(self.callbacks, point, value)
