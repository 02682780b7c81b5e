"""For callbacks that must never stop a run: what they raise is told once, and the run goes on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from chefgenius.callbacks.protocol import Callback, Outcome, RunInfo, StepInfo
from chefgenius.evaluation.evaluator import Evaluation
from chefgenius.run.state import State, Stateful, one_line


class Guarded(Callback):
    """Passes everything on to another callback, whose errors end nothing. Later ones are not told."""

    def __init__(self, inner: Callback, say: Callable[[str], None]) -> None:
        self.inner = inner
        self._say = say
        self._has_failed = False

    @property
    def name(self) -> str:
        """That of the other."""
        return self.inner.name

    def on_train_start(self, info: RunInfo) -> None:
        """Passed on."""
        self._guard(self.inner.on_train_start, info)

    def on_step_end(self, info: StepInfo) -> None:
        """Passed on."""
        self._guard(self.inner.on_step_end, info)

    def on_eval_end(self, evaluation: Evaluation) -> None:
        """Passed on."""
        self._guard(self.inner.on_eval_end, evaluation)

    def on_save(self, checkpoint: Path) -> None:
        """Passed on."""
        self._guard(self.inner.on_save, checkpoint)

    def on_train_end(self, outcome: Outcome | None) -> None:
        """Passed on."""
        self._guard(self.inner.on_train_end, outcome)

    def _guard(self, call: Callable[[Any], Any], value: Any) -> None:
        try:
            call(value)
        except Exception as error:
            if not self._has_failed:
                self._has_failed = True
                told = f"{type(error).__name__}: {one_line(error)}"
                self._say(f"warning: `{self.name}` failed and is not told of again, the run goes on: {told}")


class GuardedState(Guarded):
    """The same around a callback that has a state; one that does not fit is told, and left out."""

    def state_dict(self) -> State:
        """The state of the other."""
        assert isinstance(self.inner, Stateful)
        return self.inner.state_dict()

    def load_state_dict(self, state: State) -> None:
        """Give the other its state."""
        assert isinstance(self.inner, Stateful)
        self._guard(self.inner.load_state_dict, state)


def guarded(callback: Callback, say: Callable[[str], None]) -> Guarded:
    """The guard that fits."""
    return GuardedState(callback, say) if isinstance(callback, Stateful) else Guarded(callback, say)
