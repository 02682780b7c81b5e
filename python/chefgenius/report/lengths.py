"""How long recipes are, how wide their batches, and how much of them is padding, from the store itself.

1. `Way` finds the micro-batches of any step of a run: a function of store, plan, seed, epoch and index.
2. `Padding.of` builds those of some steps spread over the run, as training had them, and measures them.

Nothing of this was logged, so a run whose store is gone says so instead.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chefgenius.data.course import Leg
from chefgenius.data.store import ChefGeniusError, Ids, TokenStore
from chefgenius.inspecting.itinerary import Itinerary
from chefgenius.report.charts import Bars, histogram
from chefgenius.report.files import Run
from chefgenius.report.thinning import Floats
from chefgenius.run.inventory import NotFoundError
from chefgenius.run.state import ResumeError, one_line

Array = NDArray[np.integer[Any]]

BATCHES = 400
"""micro-batches that are built at most"""
SECONDS = 3.0
"""that building them may take"""
BARS = 40
"""of a histogram at most"""
_GROUPING = 0
"""seed of the batches at random that the plan is held against"""


class NotHereError(Exception):
    """Why the batches of a run cannot be had; the message is for the page."""


class Way:
    """The micro-batches of every step of a run. Raises NotHereError where they cannot be had."""

    def __init__(self, run: Run) -> None:
        with _told():
            self._itinerary = Itinerary(run.path)
            self.leg(1)

    def leg(self, step: int) -> tuple[Leg, TokenStore]:
        """What is the same for all steps around this one, and their store. Raises NotHereError."""
        with _told():
            leg = self._itinerary.course.leg(step)
            return leg, self._itinerary.shelf.store(leg.store)

    def records(self, step: int) -> list[Ids]:
        """The records of each micro-batch of a step, over all ranks. Raises NotHereError."""
        with _told():
            return self._itinerary.records(step)

    def arrays(self, step: int) -> list[dict[str, Array]]:
        """The micro-batches of a step as the training had them. Raises NotHereError."""
        with _told():
            course, shelf = self._itinerary.course, self._itinerary.shelf
            leg = course.leg(step)
            windows = shelf.windows(leg, course.left_out(step, self._itinerary.skipped))
            slots = windows.step_info(leg.epoch, 0).micro_batches
            epoch, number = leg.place(step - 1, slots, windows.steps_per_epoch)
            first, count = number * slots, windows.step_info(epoch, number).micro_batches
            return [windows.arrays_at(epoch, index) for index in range(first, first + count)]


@contextmanager
def _told() -> Iterator[None]:
    """Whatever keeps the batches of a run away is a sentence on its page."""
    try:
        yield
    except (NotFoundError, ChefGeniusError, ResumeError, OSError, LookupError, ValueError) as error:
        raise NotHereError(one_line(error)) from error


@dataclass(frozen=True)
class Side:
    """Inputs, targets or whole sequences: what is padded together."""

    name: str
    lengths: Floats
    """tokens of each recipe"""
    dealt: Floats
    """places that each recipe gets as the plan deals them; packed: tokens of each row"""
    at_random: Floats
    """places that each would get among as many others, drawn at random"""


@dataclass(frozen=True)
class Padding:
    """What some micro-batches of a run hold."""

    steps: Floats
    shares: Floats
    """share of the places that are padding, by step"""
    sides: list[Side]
    plan: str
    dealt: float
    """share of padding over all of them"""
    at_random: float
    batches: int
    recipes: int

    @classmethod
    def of(cls, way: Way, last: int) -> "Padding":
        """Of steps spread evenly from 1 to `last`. Raises NotHereError."""
        specification = way.leg(last)[0].specification
        plan, causal = str(specification["kind"]), specification["layout"]["model"] == "causal"
        until, left = time.monotonic() + SECONDS, BATCHES
        steps, shares, found = list[int](), list[float](), list[Measured]()
        for step in spread(last, BATCHES // max(len(way.records(last)), 1) or 1):
            if left <= 0 or (time.monotonic() > until and steps):
                break
            measured = [measure(arrays, causal=causal) for arrays in way.arrays(step)]
            left -= len(measured)
            used, places = (sum(getattr(one, name) for one in measured) for name in ("used", "places"))
            if places:
                steps.append(step)
                shares.append(1 - used / places)
                found += measured
        if not found:
            raise NotHereError("the batches are empty")
        order = np.argsort(steps)
        sides = _sides(found, ("sequences",) if causal else ("inputs", "targets"), packed=plan == "packed")
        alone = sum(float(side.at_random.sum()) for side in sides)
        return cls(
            steps=np.array(steps, dtype=np.float64)[order],
            shares=np.array(shares)[order],
            sides=sides,
            plan=plan,
            dealt=1 - sum(one.used for one in found) / sum(one.places for one in found),
            at_random=1 - sum(float(side.lengths.sum()) for side in sides) / alone,
            batches=len(found),
            recipes=len(sides[0].lengths),
        )

    def histograms(self) -> list[tuple[str, list[Bars]]]:
        """For each side its name, and the bars of lengths, of places at random and of places as dealt."""
        made = []
        dealt = "tokens of a packed row" if self.plan == "packed" else f"places in batches, {self.plan}"
        for color, side in enumerate(self.sides, start=1):
            most = max(float(one.max()) for one in (side.lengths, side.dealt, side.at_random))
            width = most // BARS + 1  # whole tokens, so that no bar is empty for want of numbers
            edges = np.arange(0, most + width + 1, width)
            titles = ("tokens of a recipe", "places in batches at random", dealt)
            values = (side.lengths, side.at_random, side.dealt)
            high = max(float((np.histogram(one, edges)[0] / len(one)).max()) for one in values)
            bars = [histogram(*one, edges, high, color) for one in zip(titles, values, strict=True)]
            made.append((side.name, bars))
        return made


@dataclass(frozen=True)
class Measured:
    """One micro-batch."""

    lengths: list[Floats]
    """for each side, tokens of each recipe"""
    rows: list[Floats]
    """for each side, tokens of each row"""
    widths: list[int]
    used: int
    places: int


def measure(arrays: dict[str, Array], *, causal: bool) -> Measured:
    """What is padding in a micro-batch, by its masks."""
    inputs = arrays["attention_mask"] > 0
    filled = [inputs]
    segments = [arrays.get("segment_ids")]
    if not causal:
        decoder = arrays.get("decoder_segment_ids")
        filled.append(arrays["labels"] != -100 if decoder is None else decoder > 0)
        segments.append(decoder)
    rows = [one.sum(axis=1).astype(np.float64) for one in filled]
    lengths = [
        row if segment is None else _pieces(segment) for row, segment in zip(rows, segments, strict=True)
    ]
    return Measured(
        lengths=lengths,
        rows=rows,
        widths=[one.shape[1] for one in filled],
        used=int(sum(one.sum() for one in filled)),
        places=sum(one.size for one in filled),
    )


def spread(last: int, count: int) -> list[int]:
    """At most `count` of the steps 1 to `last`, evenly, in an order whose every beginning is spread too."""
    chosen = sorted({round(1 + (last - 1) * place / max(count - 1, 1)) for place in range(count)})
    order = sorted(range(len(chosen)), key=lambda place: f"{place:032b}"[::-1])
    return [chosen[place] for place in order]


def _pieces(segments: Array) -> Floats:
    """How many tokens each record of packed rows has."""
    most = int(segments.max(initial=0)) + 1
    rows = np.arange(len(segments))[:, None] * most
    counts = np.bincount((segments + rows).ravel(), minlength=len(segments) * most)
    counts = counts.reshape(-1, most)[:, 1:].ravel()
    return counts[counts > 0].astype(np.float64)


def _sides(found: Sequence[Measured], names: Sequence[str], *, packed: bool) -> list[Side]:
    """All micro-batches together; the batches at random are made of the same recipes."""
    lengths = [np.concatenate([one.lengths[side] for one in found]) for side in range(len(names))]
    count = len(lengths[0])
    sizes = [len(one.lengths[0]) for one in found]
    order = np.random.default_rng(_GROUPING).permutation(count)
    groups = np.split(order, np.cumsum(sizes)[:-1])
    sides = []
    for number, name in enumerate(names):
        mine = lengths[number]
        at_random = np.empty(count)
        for group in groups:
            at_random[group] = mine[group].max(initial=0)
        wide = [np.full(len(one.rows[number]), float(one.widths[number])) for one in found]
        rows = [one.rows[number] for one in found]
        sides.append(Side(name, mine, np.concatenate(rows if packed else wide), at_random))
    return sides


def store_report(run: Run) -> Path | None:
    """Where the data report of the run's store is, or would be; None where the store's place is not known."""
    place = run.facts.get("store")
    return Path(place).parent / "report.json" if isinstance(place, str) else None
