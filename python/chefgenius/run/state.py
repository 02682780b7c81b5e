"""What a run remembers between two steps, and how it is named in state.json.

Every component with memory registers under a name; a checkpoint holds one section per name, a resume wants
exactly the same names back. Nothing here imports torch, and pydantic only where a section is read.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from math import isfinite
from typing import TYPE_CHECKING, Annotated, Any, Protocol, get_type_hints, runtime_checkable

from chefgenius.settings.measures import MEASURES

if TYPE_CHECKING:
    from pydantic import TypeAdapter

State = dict[str, Any]
"""JSON values only: what `json.loads(json.dumps(state))` gives back unchanged."""


class _Counted:
    """The bounds of `Count`, in words that pydantic asks for when it is there."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        return core_schema.int_schema(ge=0, lt=2**63, strict=True)


Count = Annotated[int, _Counted()]
"""how many, or a place counted from 0"""


class RunError(Exception):
    """An end of the run that is no defect of the program; `exit_code` is what the process returns."""

    exit_code = 1


class ResumeError(RunError):
    """A saved run that cannot be gone on with. The message names what differs and what would allow it."""

    exit_code = 3


class DivergedError(RunError):
    """The loss or the gradient is not a finite number; the last boundary is saved."""

    exit_code = 4


def exited(error: SystemExit) -> RunError:
    """What a call of `exit` inside a run is: an error of its own, which ends it like any other."""
    made = RunError(f"`exit({error.code})` called inside the run")
    made.__cause__ = error
    return made


def one_line(error: object) -> str:
    """What an error or a strange value says, without line ends and what would steer a terminal."""
    return printable(" ".join(str(error).split()))[:500]


def printable(text: str) -> str:
    """The lines of a text, without what would steer a terminal."""
    return "\n".join("".join(one if one.isprintable() else "?" for one in line) for line in text.splitlines())


@runtime_checkable
class Stateful(Protocol):
    """A component whose memory is part of a boundary."""

    def state_dict(self) -> State:
        """The section: JSON values, apart from the component, so that it may change afterwards."""
        ...

    def load_state_dict(self, state: State, /) -> None:
        """Take a saved section. Any error but RunError and OSError means that it does not fit."""
        ...


class Registry:
    """The named components of a run; their states together are the sections of state.json."""

    def __init__(self) -> None:
        self._components: dict[str, Stateful] = {}

    def register(self, name: str, component: Stateful) -> None:
        """Adds a component under a name of its own. Raises ValueError for a name that is taken."""
        if name in self._components:
            raise ValueError(f"state section `{name}` is registered already: choose another name")
        self._components[name] = component

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the sections, in the order of registration."""
        return tuple(self._components)

    def state_dict(self) -> dict[str, State]:
        """One section per component, in the order of registration."""
        return {name: component.state_dict() for name, component in self._components.items()}

    def load_state_dict(self, sections: dict[str, State]) -> None:
        """Gives every component its section.

        Raises ResumeError when a section is missing or nobody's, or unfit in whatever way; OSError.
        """
        missing = sorted(set(self._components) - set(sections))
        unknown = sorted(set(sections) - set(self._components))
        if missing or unknown:
            told = [f"without section `{name}`" for name in missing]
            told += [f"with section `{name}`, which nothing here reads" for name in unknown]
            raise ResumeError(
                f"the saved state is {', '.join(told)}: go on with the version of chefgenius that wrote it"
            )
        for name, component in self._components.items():
            try:
                component.load_state_dict(sections[name])
            except (RunError, OSError):
                raise
            except Exception as error:  # a section may come from anywhere, and hold anything
                raise ResumeError(
                    f"section `{name}` of the saved state does not fit: {type(error).__name__}: "
                    f"{one_line(error)}: "
                    "go on with the version of chefgenius that wrote it"
                ) from error


@dataclass
class Progress:
    """How far the run is: the counters of the last boundary. Steps, epochs and indices count from 0."""

    step: Count = 0
    """optimizer steps taken"""
    epoch: Count = 0
    """epoch of the next micro-batch"""
    index: Count = 0
    """number of the next micro-batch in its epoch, over all ranks"""
    samples: Count = 0
    """records seen, repeats counted"""
    input_tokens: Count = 0
    target_tokens: Count = 0

    def state_dict(self) -> State:
        """The section."""
        return asdict(self)

    def load_state_dict(self, state: State) -> None:
        """Take a saved section."""
        _fill(self, state)


@dataclass
class Losses:
    """Mean training loss by target token of every finished epoch, and the sums of the one that goes on.

    An epoch in which nothing was learned has none.
    """

    epochs: list[float | None] = field(default_factory=list)
    loss_sum: float = 0.0
    target_tokens: Count = 0

    def add(self, loss_sum: float, target_tokens: int) -> None:
        """Count one step."""
        self.loss_sum += loss_sum
        self.target_tokens += target_tokens

    def end_epoch(self) -> None:
        """Close the epoch that goes on."""
        self.epochs.append(self.loss_sum / self.target_tokens if self.target_tokens else None)
        self.loss_sum, self.target_tokens = 0.0, 0

    def state_dict(self) -> State:
        """The section."""
        return {**asdict(self), "epochs": list(self.epochs)}

    def load_state_dict(self, state: State) -> None:
        """Take a saved section."""
        _fill(self, state)


@dataclass
class Best:
    """The best evaluations so far by one metric, `keep` at most."""

    keep: int = 1
    metric: str = "validation_loss"
    kept: list[tuple[float, int]] = field(default_factory=list)
    """value and step of each, best first"""

    @property
    def first(self) -> tuple[float, int] | None:
        """The best value and its step; None before the first evaluation."""
        return self.kept[0] if self.kept else None

    @property
    def steps(self) -> list[int]:
        """The steps of the kept evaluations, best first."""
        return [step for _, step in self.kept]

    def offer(self, value: float | None, step: int) -> bool:
        """Takes a new evaluation, if it has a value; True when it is one of those kept.

        Ties go to the earlier step.
        """
        self._keep({*self.kept, *([] if value is None else [(value, step)])})
        return step in self.steps

    def state_dict(self) -> State:
        """The section."""
        return {
            "metric": self.metric,
            "kept": [{"step": step, "value": value} for value, step in self.kept],
        }

    def load_state_dict(self, state: State) -> None:
        """Take a saved section; of a run that kept more, the best; of another metric, none."""
        if extra := set(state) - {"kept", "metric"}:
            raise TypeError(f"unknown fields {sorted(extra)}")
        metric = state["metric"]
        if not isinstance(metric, str):
            raise TypeError(f"the metric is `{metric}`")
        kept = {_kept(one["value"], one["step"]) for one in state["kept"]}
        self._keep(kept if metric == self.metric else set())

    def _keep(self, found: set[tuple[float, int]]) -> None:
        sign = -1 if MEASURES[self.metric].higher_is_better else 1
        self.kept = sorted(found, key=lambda one: (sign * one[0], one[1]))[: self.keep]


def _kept(value: Any, step: Any) -> tuple[float, int]:
    """A value and its step, looked at by hand, so that a list of checkpoints needs no pydantic."""
    if type(value) not in (int, float) or type(step) is not int or not isfinite(value):
        raise TypeError(f"`{value}` at step `{step}` is no evaluation")
    return float(value), step


@dataclass
class Pending:
    """What is still to be done at the boundary before the next step: `eval`, `samples`, both or nothing."""

    work: tuple[str, ...] = ()

    def state_dict(self) -> State:
        """The section."""
        return {"work": list(self.work)}

    def load_state_dict(self, state: State) -> None:
        """Take a saved section."""
        self.work = tuple(_checked(list[str], state["work"]))


@dataclass
class Derived:
    """A section that is written for `resume` and `checkpoint` to compare; loading it changes nothing."""

    make: Callable[[], State]

    def state_dict(self) -> State:
        """The section."""
        return self.make()

    def load_state_dict(self, state: State) -> None:
        """Nothing to do: what must be equal was compared before any component was touched."""


def checked(kind: type, state: State) -> dict[str, Any]:
    """The fields of a dataclass from a section that has exactly these, each of the annotated type.

    Raises KeyError, TypeError or ValueError: a section may be damaged, or a stranger's.
    """
    from pydantic import ValidationError

    if extra := set(state) - {one.name for one in fields(kind)}:
        raise TypeError(f"unknown fields {sorted(extra)}")
    hints = get_type_hints(kind, include_extras=True)
    values = {}
    for one in fields(kind):
        try:
            values[one.name] = _checked(hints[one.name], state[one.name])
        except ValidationError as error:
            raise ValueError(f"`{one.name}`: {error.errors()[0]['msg']}") from None
    return values


def _checked(hint: Any, value: Any) -> Any:
    """The value, which must be of the type; a whole number may stand for a float. Raises ValueError."""
    return _adapter(hint).validate_python(value)


@cache
def _adapter(hint: Any) -> "TypeAdapter[Any]":
    from pydantic import ConfigDict, TypeAdapter

    return TypeAdapter(hint, config=ConfigDict(strict=True, allow_inf_nan=False))


def _fill(component: Any, state: State) -> None:
    """Sets the fields of a dataclass from its section. Raises what `checked` raises."""
    for name, value in checked(type(component), state).items():
        setattr(component, name, value)
