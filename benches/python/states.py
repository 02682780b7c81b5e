"""States: how long they take to make and to go on from, at random places and at both ends of an epoch."""

from __future__ import annotations

import json
import random
import statistics
import time
from collections.abc import Iterator, Sequence
from typing import Any

from chefgenius import RecipeLoader, TokenStore
from contenders import endless
from figures import Figure, Spread, percentile
from variants import Variant

REST = 0.003
"""seconds in which the loader fills its queue before anything is timed"""
EPOCHS = 100
Place = tuple[int, int]


def states(store: TokenStore, variant: Variant, size: str, samples: int, rounds: int) -> Iterator[Figure]:
    """The figures of one plan over one store."""
    where = f"{variant.name}, {size}"
    asked: dict[str, tuple[str, float, float | None]] = {
        f"load_state_dict to the next batch, {where}": ("{:.3f} ms", 1.5, 0.3),
        f"the same at 99 % of an epoch / at 1 %, {where}": ("{:.2f}", 1.1, 1.0),
        f"state_dict() with the next batch at hand, {where}": ("{:.1f} us", 20.0, None),
        f"state_dict() as JSON, {where}": ("{:.0f} bytes", 512.0, None),
    }
    chance = random.Random(0)
    with variant.open(store) as loader:
        for batch in loader:  # every block of the store is read and checked once
            del batch
        loads = _loads(loader, [_place(loader, chance, 0.0, 1.0) for _ in range(samples)])
        late = percentile(loads, 0.95)
        ratios = [_late_to_early(loader, chance, max(4, samples // rounds)) for _ in range(rounds)]
        times, sizes = zip(*_saves(loader, samples), strict=True)
    measured: Sequence[tuple[Spread | float, str]] = (
        (percentile(loads, 0.5), f"p95 {late:.3f} ms"),
        (Spread.of(ratios), ""),
        (percentile(times, 0.5), f"p95 {percentile(times, 0.95):.1f} us"),
        (max(sizes), "the longest"),
    )
    for (name, (form, must, aim)), (value, remark) in zip(asked.items(), measured, strict=True):
        yield Figure(name, form, value, must, aim, remark=remark)


def _place(loader: RecipeLoader, chance: random.Random, low: float, high: float) -> Place:
    """A random place of a random epoch, between two shares of the epoch."""
    last = loader.micro_batches - 1
    return chance.randrange(EPOCHS), min(last, int(chance.uniform(low, high) * loader.micro_batches))


def _loads(loader: RecipeLoader, places: Sequence[Place]) -> list[float]:
    """Milliseconds from a saved state to the batch that follows it, queue and builders running."""
    return [load(loader, state_at(loader, place), place) for place in places]


def state_at(loader: RecipeLoader, place: Place) -> dict[str, Any]:
    """The state at `place`: with that batch as the next one."""
    epoch, index = place
    if index:
        return loader.batch_at(epoch, index - 1).state
    loader.set_epoch(epoch)
    loader.reset()
    return loader.state_dict()


def load(loader: RecipeLoader, state: dict[str, Any], place: Place) -> float:
    time.sleep(REST)
    start = time.perf_counter_ns()
    loader.load_state_dict(state)
    batch = next(iter(loader))
    taken = (time.perf_counter_ns() - start) / 1e6
    assert (batch.epoch, batch.index) == place, "the loader went elsewhere"
    return taken


def _late_to_early(loader: RecipeLoader, chance: random.Random, samples: int) -> float:
    """Median time at 99 % over median time at 1 %, places taken in turn."""
    early, late = [], []
    for _ in range(samples):
        early += _loads(loader, [_place(loader, chance, 0.005, 0.015)])
        late += _loads(loader, [_place(loader, chance, 0.985, 0.995)])
    return statistics.median(late) / statistics.median(early)


def _saves(loader: RecipeLoader, samples: int) -> Iterator[tuple[float, int]]:
    """Microseconds of `state_dict()` when the next batch is ready, and bytes of its compact JSON."""
    batches = endless(lambda _: iter(loader))
    for _ in range(samples):
        next(batches)
        # As a trainer does, this thread computes meanwhile: one that sleeps would be timed waking up.
        busy = time.perf_counter() + REST
        while time.perf_counter() < busy:
            pass
        start = time.perf_counter_ns()
        state = loader.state_dict()
        taken = (time.perf_counter_ns() - start) / 1e3
        yield taken, len(json.dumps(state, separators=(",", ":")))
