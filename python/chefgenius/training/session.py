"""A run from Python: the same steps as `python -m chefgenius.train`, with callbacks of one's own.

1. `open_run` gives a `Trainer` that stands at the boundary where the run goes on; `fit` takes it to its end.
2. `sections_of` and `restore` let a loop of one's own use a `Checkpointer` alone.
"""

import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from transformers import PreTrainedModel

from chefgenius.callbacks import Callback
from chefgenius.model.compute import prepare_environment
from chefgenius.run import resume
from chefgenius.run.rundir import RunDirectory
from chefgenius.run.signals import Stop, surely
from chefgenius.run.state import State
from chefgenius.settings import options
from chefgenius.settings.config import Config
from chefgenius.settings.meanings import allowed_names
from chefgenius.training import build, dataset
from chefgenius.training.built import Built
from chefgenius.training.checkpoint import Checkpointer
from chefgenius.training.loading import load_tensors
from chefgenius.training.metrics import Logs
from chefgenius.training.optim import describe, trained_parameters
from chefgenius.training.trainer import Trainer


@contextmanager
def open_run(
    config: Config,
    *,
    callbacks: Iterable[Callback] = (),
    resume_from: str = "auto",
    init_from: str | None = None,
    allow_change: Collection[str] = (),
    stop: Stop | None = None,
    say: Callable[[str], None] = print,
) -> Iterator[Trainer]:
    """A run that is ready for `Trainer.fit`, begun or gone on with; its directory is locked in the block.

    Whatever ends the block, a save in flight is waited for, and a `fit` in another thread is stopped, so that
    nothing of the run goes on after it and the same call may follow at once. What `train.threads` and
    `train.determinism` set holds for the process, and stays so after the block.

    Args:
        config: as `load_config` or `Config(...)` makes it.
        callbacks: are told in this order. Nothing is printed but by them and `say`.
        resume_from: `auto`, `never`, `must` or a path, as `--resume`.
        init_from: the directory whose weights a new run begins with, as `--init-from`.
        allow_change: names of what may differ from the saved run, as `--allow-change`.
        stop: ends the run at the next boundary or micro-batch once its `requested` is a reason, from any
            thread; as a context manager it hears SIGTERM and Ctrl-C. One that stopped a run stays so: give
            the next call a new one.
        say: is told in lines what is prepared, where the run goes on and what differs.

    Raises ConfigError and what `prepare` raises for bad input, ResumeError where the run may not go on,
    TypeError for arguments of another kind, ValueError for two callbacks of one name, and OSError; messages
    name the options of the command. `fit` raises StopRequested when it was stopped; the boundary is saved
    then, and the run goes on from there.
    """
    callbacks = _checked(config, tuple(callbacks), allow_change, stop)
    config = options.resolve(config, "default")
    closing = ExitStack()
    try:
        run = RunDirectory(config.run_path)
        closing.callback(run.close)
        run.lock()
        origin = resume.decide(run, resume_from, say)
        weights = resume.initial_weights(run, init_from, config.model.name_or_path, say)
        if weights is not None:
            config = options.with_weights(config, weights.directory)
        run.clean()
        prepare_environment(config.train.determinism)
        data = dataset.prepare_data(config, say, saved=None if origin is None else origin.directory)
        closing.callback(data.close)
        allowed = allowed_names(",".join(allow_change)) if allow_change else frozenset[str]()
        built = build.build_run(config, data, origin, say, allowed, weights)
        logs = Logs(config.run_path, say)
        closing.callback(logs.close)
        trainer = build.start(built, run, logs, stop or Stop(), callbacks)
        closing.enter_context(trainer.checkpoints)  # a save needs the logs and the lock to its end
        closing.callback(_finish, built, trainer)
        for text in built.told:
            say(text)
        yield trainer
    finally:
        surely(partial(closing.__exit__, *sys.exc_info()))  # a run that is left half-way would stay locked


def _finish(built: Built, trainer: Trainer) -> None:
    trainer.turn.end(trainer.stop)
    if trainer.turn.complete:
        build.mark_finished(built, trainer.memory.progress.step)


def _checked(
    config: Config, callbacks: tuple[Callback, ...], allow_change: Collection[str], stop: Stop | None
) -> tuple[Callback, ...]:
    """The callbacks. Raises TypeError for what is of another kind, before anything is made."""
    if not isinstance(config, Config):
        raise TypeError(f"`config` is of {type(config)}: give what `load_config` returns")
    for one in callbacks:
        if isinstance(one, type) or not isinstance(one, Callback):
            raise TypeError(f"`callbacks` holds {one!r}: give objects of classes made from `Callback`")
    if not isinstance(stop, Stop | None):
        raise TypeError(f"`stop` is of {type(stop)}: give a `Stop`")
    if isinstance(allow_change, str):
        raise TypeError(f"`allow_change` is one text: give a list, [{allow_change!r}]")
    return callbacks


def sections_of(
    step: int, model: PreTrainedModel, optimizer: torch.optim.Optimizer, **mine: State
) -> dict[str, State]:
    """What `Checkpointer.save` wants of a loop of one's own: its step, and its memory in sections.

    `mine` are JSON values by name of the section: the state of a loader, of generators, of a schedule.
    """
    described = describe(trained_parameters(model), optimizer)
    base: dict[str, Any] = {"progress": {"step": step}, "optimizer": described, "config": {}, "facts": {}}
    return {**mine, **base}


def restore(checkpointer: Checkpointer) -> dict[str, State] | None:
    """Copies the newest good checkpoint into model and optimizer; its sections, None where there is none.

    Waits for a save in flight. The run directory is locked; what a killed writer left there goes, and damaged
    checkpoints are set aside with their reason. Raises ResumeError when none is good or one is of another
    model, and OSError.
    """
    checkpointer.drain()
    checkpointer.run.clean()
    origin = resume.decide(checkpointer.run, "auto", checkpointer.say)
    if origin is None:
        return None
    load_tensors(origin, checkpointer.model, checkpointer.optimizer)
    return origin.sections
