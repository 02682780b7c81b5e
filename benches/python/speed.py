"""Batches a second, contenders in turn, and what one delivery holds up.

Every round goes through all contenders, in another order each time; ratios are taken within a round,
and of the rounds the median and the range are told. The one consumer looks only at shapes.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from chefgenius import RecipeLoader, TokenStore
from contenders import Contender, Tensors, TokenFile, by_rows, by_windows, endless, plain_copy, shapes
from contenders import chefgenius as ours
from figures import Figure, Spread, percentile, table
from variants import FIXED, SPEEDS, Variant

ROWS, WINDOWS, COPY, CLONE = "numpy by rows", "numpy by windows", "plain copy", "plain copy by clone"
FIRST = 16
"""batches of each turn that are not timed, so that no queue is full at its start"""


@dataclass
class Track:
    """A contender at work: its endless batches, and the seconds a batch took in each round."""

    contender: Contender
    batches: Iterator[Tensors]
    seconds: list[float]

    def run(self, number: int) -> float:
        """Seconds a batch, over `number` batches."""
        start = time.perf_counter()
        for batch in islice(self.batches, number):
            for tensor in batch.values():
                tensor.shape  # noqa: B018 (all that this consumer does)
        return (time.perf_counter() - start) / number


def race(contenders: Sequence[Contender], rounds: int, batches: int, warm: int) -> dict[str, Track]:
    """All contenders in turn, `rounds` times; before that `warm` batches of each are not timed."""
    tracks = [Track(one, endless(one.epoch), []) for one in contenders]
    for track in tracks:
        track.run(warm)
    chance = random.Random(0)
    for _ in range(rounds):
        for track in chance.sample(tracks, len(tracks)):
            track.run(FIRST)
            track.seconds.append(track.run(batches))
    return {track.contender.name: track for track in tracks}


def ratio(of: Track, to: Track) -> Spread:
    """How many times as many records a second `of` gives as `to`."""
    scale = of.contender.records / to.contender.records
    return Spread.of([scale * slow / fast for fast, slow in zip(of.seconds, to.seconds, strict=True)])


def field(
    store: TokenStore, loaders: Mapping[str, RecipeLoader], path: Path, batches: int
) -> list[Contender]:
    """All contenders over one store; those of the same tensors share a plain copy of them."""
    file = TokenFile(store, loaders[FIXED.name], path)
    made: list[Contender] = []
    copies: dict[str, Contender] = {}
    for variant in SPEEDS:
        loader = loaders[variant.name]
        records = loader.records / loader.micro_batches
        name = COPY if variant is FIXED else f"{COPY}, {variant.name}"
        if str(variant.plan) not in copies:
            like = shapes(iter(loader), batches)
            copies[str(variant.plan)] = plain_copy(name, like, records)
            made.append(copies[str(variant.plan)])
            if variant is FIXED:
                made.append(replace(plain_copy(CLONE, like, records, by_clone=True), copy=COPY))
        copy = copies[str(variant.plan)]
        made.append(ours(variant.name, loader, copy))
        if variant is FIXED:
            made += [file.contender(ROWS, by_rows, copy), file.contender(WINDOWS, by_windows, copy)]
    return made


def speed(
    store: TokenStore, size: str, big: bool, work: Path, rounds: int, most: int
) -> tuple[list[Figure], str]:
    """The figures of one store, and the table of all contenders."""
    loaders = {variant.name: variant.open(store) for variant in SPEEDS}
    epoch = loaders[FIXED.name].micro_batches
    batches = min(most, epoch)
    # One epoch is not timed, so that every contender's pages are there; a look needs no such care.
    tracks = race(
        field(store, loaders, work / "tokens.bin", batches), rounds, batches, epoch if rounds > 2 else 1
    )
    for loader in loaders.values():
        loader.close()
    head = ("contender", "batches/s", "us a batch", "kB a batch", "GB/s", "x rows", "x windows", "x its copy")
    return list(_ratios(tracks, size, big)), table((_row(track, tracks) for track in tracks.values()), head)


def _row(track: Track, tracks: Mapping[str, Track]) -> tuple[str, ...]:
    one, taken = track.contender, Spread.of(track.seconds).scaled(1e6)
    against = [f"{ratio(track, tracks[other]).median:.2f}" for other in (ROWS, WINDOWS, one.copy)]
    return (
        one.name,
        f"{1e6 / taken.median:,.0f}",
        f"{taken.median:.1f} ({taken.least:.1f} to {taken.most:.1f})",
        f"{one.bytes / 1e3:.0f}",
        f"{one.bytes / taken.median / 1e3:.1f}",
        *against,
    )


def _ratios(tracks: Mapping[str, Track], size: str, big: bool) -> Iterator[Figure]:
    """Targets are set for the fixed plan; other plans are told in records a second."""
    for variant in SPEEDS:
        fixed = variant.plan == FIXED.plan
        asked = {ROWS: (2.5, 4.0), WINDOWS: (2.5, 4.0), COPY: (0.35, 0.5) if big else (0.5, 0.85)}
        for other, (must, aim) in asked.items():
            name = f"{'batches' if fixed else 'records'}/s, {variant.name}, against {other}, {size}"
            bounds: tuple[float | None, float | None] = (must, aim) if fixed else (None, None)
            track = tracks[variant.name]
            base = tracks[track.contender.copy if other == COPY else other]
            yield Figure(name, "{:.2f} x", ratio(track, base), *bounds, False)


def delivery(store: TokenStore, variant: Variant, size: str, samples: int) -> Figure:
    """Time of a `next()` whose batch was ready, which holds the GIL for no longer than that.

    The consumer rests until the queue of 8 is full, then takes four in a row; each is timed alone.
    """
    name = f"GIL held for a batch, {variant.name}, {size}"
    with variant.open(store) as loader:
        taken = list(_ready(loader, samples))
    late = percentile(taken, 0.95)
    return Figure(name, "{:.1f} us", percentile(taken, 0.5), 20.0, remark=f"p95 {late:.1f} us")


def _ready(loader: RecipeLoader, samples: int) -> Iterator[float]:
    batches = endless(lambda _: iter(loader))
    for _ in range(samples):
        next(batches)
        time.sleep(0.003)
        for _ in range(4):
            start = time.perf_counter_ns()
            next(batches)
            yield (time.perf_counter_ns() - start) / 1e3
