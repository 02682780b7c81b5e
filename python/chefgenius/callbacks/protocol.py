"""What a run tells, and to whom: small records at five points, and a memory for those that have one.

`tell` reaches every callback, `noting` keeps an error before theirs the first one; `States` is the section
`callbacks` of state.json.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chefgenius.evaluation.evaluator import Evaluation, Sample
from chefgenius.run.signals import StopRequested
from chefgenius.run.state import State, Stateful, exited


@dataclass(frozen=True)
class RunInfo:
    """What is known when the training begins."""

    run_path: Path
    step: int
    """the boundary it begins at"""
    total_steps: int
    log_every: int
    """`log.every_steps`"""
    evaluates: bool = False
    """whether that boundary is still to be evaluated"""


@dataclass(frozen=True)
class StepInfo:
    """One optimizer step."""

    step: int
    total_steps: int
    epoch: int
    loss: float | None
    """mean by target token of this step; None where the weights were not moved"""
    learning_rate: float
    grad_norm: float | None
    """before clipping"""
    recipes_per_second: float
    """on average since this start of the process, as are the tokens and the time left"""
    tokens_per_second: float
    seconds_left: float
    skipped: tuple[int, ...] = ()
    """records of a step that was not finite: they are left out from now on"""
    loss_scale: float | None = None
    """under fp16: what the loss of this step was multiplied by; a step without `grad_norm` overflowed"""


@dataclass(frozen=True)
class Outcome:
    """What is known when the training has ended."""

    run_path: Path
    checkpoint: Path
    step: int
    epoch_losses: Sequence[float | None]
    best: tuple[float, int] | None
    """best value of `best_metric` and its step"""
    first: Evaluation | None
    last: Evaluation | None
    samples: Sequence[Sample]
    best_metric: str = "validation_loss"
    ended: str = ""
    """why the run ended before its last step; empty where it did not"""


class Callback:
    """The points at which a run can be watched; a subclass defines those that it needs.

    One that also has `state_dict()` and `load_state_dict(state)` is remembered: its state, in JSON, stands
    in each checkpoint as `callbacks.<name>` and is given back before `on_train_start`. What `on_step_end` and
    `on_eval_end` do to it is exact: after whatever kill, the state is that of a run that was never stopped.
    `on_save` comes when the disk is done, at another step each time: keep no count there.

    An error at a point ends the run, with the boundary saved where it stands at one, and the others are told
    of the point before; see `Guarded` for one that must not. KeyboardInterrupt and the like end it at once.
    """

    @property
    def name(self) -> str:
        """Under which its state is saved; of its own among the callbacks of a run."""
        return type(self).__name__

    def on_train_start(self, info: RunInfo) -> None:
        """Before the first boundary of this process."""

    def on_step_end(self, info: StepInfo) -> None:
        """After each optimizer step and its metrics line, before its evaluation and its checkpoint."""

    def on_eval_end(self, evaluation: Evaluation) -> None:
        """After each evaluation."""

    def on_save(self, checkpoint: Path) -> None:
        """After a checkpoint appeared, or was found to be there."""

    def on_train_end(self, outcome: Outcome | None) -> None:
        """At last; `outcome` is None when the run stopped before its end."""


def tell(callbacks: Sequence[Callback], point: str, value: Any) -> None:
    """Tells every callback, also after one that failed or stopped the run; the first error is raised at last.

    One that calls `exit` fails with a RunError.
    """
    failed: list[Exception | StopRequested] = []
    for callback in callbacks:
        try:
            getattr(callback, point)(value)
        except SystemExit as error:
            failed.append(exited(error))
        except (Exception, StopRequested) as error:
            failed.append(error)
    if failed:
        for other in failed[1:]:
            failed[0].add_note(f"after it {type(other).__name__}: {other}")
        raise failed[0]


@contextmanager
def noting(first: BaseException, point: str) -> Iterator[None]:
    """What callbacks raise in the block stands as a note of the error before, which says what happened."""
    try:
        yield
    except (Exception, StopRequested) as error:
        first.add_note(f"after it, in `{point}`, {type(error).__name__}: {error}")


class States:
    """The states of the callbacks that have one, by name: the section `callbacks` of state.json.

    A callback that was added begins without a state, one that was taken away loses its own; both are told,
    since neither changes what is trained.
    """

    def __init__(self, callbacks: Sequence[Callback], say: Callable[[str], None]) -> None:
        """Raises ValueError for two of one name."""
        self._say = say
        self._callbacks: dict[str, Stateful] = {}
        for one in callbacks:
            if isinstance(one, Stateful):
                if one.name in self._callbacks:
                    raise ValueError(f"two callbacks are named `{one.name}`: give one another `name`")
                self._callbacks[one.name] = one

    def state_dict(self) -> State:
        """The section. Raises TypeError for a state that JSON does not give back as it was."""
        return {name: _plain(name, one.state_dict()) for name, one in self._callbacks.items()}

    def load_state_dict(self, state: State) -> None:
        """Take a saved section."""
        if not isinstance(state, dict):
            raise TypeError("it is no object")
        for name, one in self._callbacks.items():
            if name not in state:
                self._say(f"callback `{name}` is new here: it begins without a saved state")
                continue
            try:
                one.load_state_dict(state[name])
            except Exception as error:
                raise ValueError(f"callback `{name}`: {type(error).__name__}: {error}") from error
        for name in state:
            if name not in self._callbacks:
                self._say(f"callback `{name}` is not here any more: its saved state is dropped")


def _plain(name: str, state: Any) -> State:
    try:
        copied: State = json.loads(json.dumps(state, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise TypeError(f"callback `{name}`: its state is no JSON: {error}") from error
    if copied != state or not isinstance(copied, dict):
        raise TypeError(
            f"callback `{name}`: JSON does not give its state back: use a dict with text for keys, and lists"
        )
    return copied
