"""When a run ends before its last step: a metric did not get better for so many evaluations.

Decided at a boundary, between its evaluation and its checkpoint, from what the evaluations so far gave alone;
so a run that is stopped and goes on ends at the same step. Nothing here imports torch.
"""

from contextlib import suppress
from dataclasses import asdict, dataclass, field

from chefgenius.run.state import Count, State, checked
from chefgenius.settings.measures import MEASURES
from chefgenius.settings.watching import EarlyStoppingConfig


@dataclass(frozen=True)
class Waiting:
    """What is remembered from one evaluation to the next."""

    metric: str | None = None
    best: float | None = None
    """None before the first value"""
    best_step: Count | None = None
    evaluations: Count = 0
    """in a row that were not better"""


@dataclass
class EarlyStopping:
    """Watches one metric; the section `early_stopping` of state.json."""

    settings: EarlyStoppingConfig = field(default_factory=EarlyStoppingConfig)
    waiting: Waiting = field(default_factory=Waiting)

    @property
    def reached(self) -> bool:
        """Whether the run is to end."""
        return self.waiting.evaluations >= self.settings.patience and self.settings.metric is not None

    @property
    def told(self) -> str:
        """Why the run ended."""
        metric, best = self.settings.metric or "", self.waiting.best
        value = "none" if best is None else f"{best:.6g}"
        at = "" if best is None else f" of step {self.waiting.best_step}"
        return f"`{metric}` did not get better than {value}{at} in {self.waiting.evaluations} evaluations"

    def judge(self, value: float | None, step: int) -> None:
        """Takes the next evaluation; one without a value is not better."""
        metric, delta, best = self.settings.metric, self.settings.min_delta, self.waiting.best
        if metric is None:
            return
        if value is not None and (best is None or MEASURES[metric].is_better(value, best, by=delta)):
            self.waiting = Waiting(metric, value, step)
        else:
            count = self.waiting.evaluations + 1
            self.waiting = Waiting(metric, best, self.waiting.best_step, count)

    def state_dict(self) -> State:
        """The section."""
        return asdict(self.waiting)

    def look_at(self, sections: dict[str, State]) -> None:
        """What a checkpoint says of it, as far as it can be read; what does not fit is refused later."""
        with suppress(KeyError, TypeError, ValueError):
            self.load_state_dict(sections["early_stopping"])

    def load_state_dict(self, state: State) -> None:
        """Take a saved section; with another metric than the saved one, begin to count anew."""
        saved = Waiting(**checked(Waiting, state))
        self.waiting = saved if saved.metric == self.settings.metric else Waiting()
