"""Which way a run has gone through its data: from which step on it took which batches.

A batch is a function of store, plan, seed, epoch and index, so the batches of every step of a run, taken or
not, follow from a few legs: one for its beginning, one for each resume that changed the batches, and one for
the epoch after it where that resume finished an epoch with the saved plan. Nothing here imports torch.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from itertools import pairwise
from typing import Any

from chefgenius.data.windows import Windows
from chefgenius.run.state import ResumeError, State


@dataclass(frozen=True)
class Leg:
    """What is the same for all steps from one boundary on."""

    step: int
    """the boundary: the leg begins with the step after it"""
    epoch: int
    index: int
    """where the boundary stands: epoch and number of the next micro-batch, from 0"""
    store: str
    plan: str
    """fingerprints, as in the state of a loader"""
    order: int
    """version of the order"""
    seed: int
    masked: list[int]
    """records that are left out by `data.tombstones`"""
    specification: dict[str, Any]
    """the plan, as the core reads it; empty where it is not known"""

    def is_same(self, other: "Leg") -> bool:
        """Whether these are the same micro-batches, wherever they go on."""
        return replace(self, step=other.step, epoch=other.epoch, index=other.index) == other

    def place(self, boundary: int, slots: int, steps: int) -> tuple[int, int]:
        """Epoch and step of the epoch, from 0, that follow on a boundary of the leg.

        Its plan has so many micro-batches in the first step of an epoch, and so many steps an epoch.
        """
        taken = self.index // slots + boundary - self.step
        return self.epoch + taken // steps, taken % steps


@dataclass(frozen=True)
class Skip:
    """A window that was not finite: its records are left out of all that came after it."""

    step: int
    records: list[int]


@dataclass
class Course:
    """The legs of a run; the section `course` of state.json."""

    legs: list[Leg] = field(default_factory=list)
    """by step; the last may begin at a step that is not reached yet"""
    skipped: list[Skip] = field(default_factory=list)
    """windows of former stores; those of this store stand in the section `tombstones`"""

    def go_on(self, step: int, state: Mapping[str, Any], windows: Windows, masked: Sequence[int]) -> None:
        """Notes how the run goes on after the boundary `step`; nothing where it does so anyway.

        `state` is that of the loader there and `windows` the loader, which has the plan of the configuration.
        """
        made = [leg for leg in self.legs if leg.step < step]
        here = Leg(
            step=step,
            epoch=int(state["epoch"]),
            index=int(state["index"]),
            store=str(state["store"]),
            plan=str(state["plan"]),
            order=int(state["order"]),
            seed=int(state["seed"]),
            masked=list(masked),
            specification=self._specification(str(state["plan"]), windows),
        )
        if not made or not made[-1].is_same(here) or not _leads(made[-1], here, windows):
            made.append(here)
        if here.plan != windows.plan_fingerprint:  # the epoch is finished with the saved plan
            left = windows.steps_per_epoch - here.index // windows.step_info(here.epoch, 0).micro_batches
            plan = windows.plan_fingerprint
            specification = self._specification(plan, windows)
            later = replace(here, step=step + left, epoch=here.epoch + 1, index=0)
            made.append(replace(later, plan=plan, specification=specification))
        self.legs = made

    def leave_store(self, skipped: Sequence[State]) -> None:
        """Keeps the skipped windows of a store that the run goes on without. Raises what `skips` does."""
        self.skipped = [*self.skipped, *skips(skipped)]

    def leg(self, step: int) -> Leg:
        """The one that a step is part of, from 1. Raises IndexError before the first."""
        return [leg for leg in self.legs if leg.step < step][-1]

    def left_out(self, step: int, skipped: Sequence[Skip]) -> frozenset[int]:
        """The records that a step is without; `skipped` are the windows of the present store.

        Windows of another store, or before it, are forgotten, also where a former store comes back.
        """
        leg, begin = self.leg(step), 0
        for before, after in pairwise(one for one in self.legs if one.step < step):
            begin = after.step if after.store != before.store else begin
        known = (one.records for one in [*self.skipped, *skipped] if begin < one.step < step)
        return frozenset(leg.masked).union(*known)

    def _specification(self, plan: str, windows: Windows) -> dict[str, Any]:
        """That of a plan which is the configured one, or that of a leg."""
        if plan == windows.plan_fingerprint:
            configured: dict[str, Any] = json.loads(windows.specification)
            return configured
        known = [leg.specification for leg in self.legs if leg.plan == plan]
        return known[-1] if known else {}

    def state_dict(self) -> State:
        """The section."""
        return asdict(self)

    def load_state_dict(self, state: State) -> None:
        """Take a saved section."""
        legs = [Leg(**_checked(Leg, one)) for one in state["legs"]]
        steps = [leg.step for leg in legs]
        if not steps or steps[0] != 0 or steps != sorted(set(steps)):
            raise ValueError("`legs` do not follow each other from step 0 on")
        self.skipped = skips(state["skipped"])
        self.legs = legs


def skips(skipped: Sequence[State]) -> list[Skip]:
    """Windows as a section of state.json has them. Raises KeyError, TypeError or ValueError."""
    return [Skip(**_checked(Skip, one)) for one in skipped]


def saved_course(directory: object, sections: Mapping[str, State]) -> Course:
    """The course that a checkpoint remembers. Raises ResumeError where that cannot be read."""
    course = Course()
    try:
        course.load_state_dict(sections["course"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ResumeError(
            f"`{directory}` has no usable section `course`: {type(error).__name__}: {error}: "
            "go on with the version of chefgenius that wrote it"
        ) from error
    return course


def _checked(kind: type, state: State) -> State:
    """The fields of a `Leg` or `Skip`, as `state.checked`; by hand, so that `inspect` answers at once."""
    names = {one.name for one in fields(kind)}
    if set(state) != names:
        raise TypeError(f"the fields are {sorted(state)}, not {sorted(names)}")
    for name, value in state.items():
        numbers = value if name in ("masked", "records") else [value]
        known = {"store": str, "plan": str, "specification": dict}.get(name, int)
        if not isinstance(numbers, list) or any(type(one) is not known for one in numbers):
            raise TypeError(f"`{name}` has another type")
        if known is int and any(not 0 <= one < 2**64 for one in numbers):
            raise ValueError(f"`{name}` is out of range")
    return state


def _leads(leg: Leg, here: Leg, windows: Windows) -> bool:
    """Whether the leg comes to the place of the other, of the same plan, by itself."""
    slots = windows.step_info(here.epoch, 0).micro_batches
    return leg.place(here.step, slots, windows.steps_per_epoch) == (here.epoch, here.index // slots)
