"""Several runs on one page: what they were told, where they part, and their curves over each other.

1. `settings` are the keys and facts that differ, with what such a difference means for a run.
2. `first_value` compares what is logged, `first_data` the records: by the digests in the logs, and between
   two of them by the batches themselves, which are a function of store, plan and seed.

The first run is what the others are held against.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from chefgenius.console.screen import count
from chefgenius.data.store import ChefGeniusError
from chefgenius.report.curves import charts
from chefgenius.report.files import Run, real
from chefgenius.report.lengths import NotHereError, Way
from chefgenius.report.page import exactness, padding_of, shown
from chefgenius.report.starts import moment
from chefgenius.settings.meanings import MEANINGS
from chefgenius.settings.measures import MEASURES

BESIDE = ("run_dir",)
"""what two equal runs differ in as well"""
SECONDS = 5.0
"""that looking for a step may take"""


@dataclass(frozen=True)
class Parting:
    """Where two runs part."""

    step: int | None
    """the first step that differs; None where none does, or none can be compared"""
    told: str


@dataclass(frozen=True)
class Setting:
    """A key or a fact that is not the same in all runs."""

    name: str
    kind: str
    values: list[str]


def content(runs: Sequence[Run]) -> dict[str, Any]:
    """All that the template shows."""
    names, first = names_of(runs), runs[0]
    ways = [_way(run) for run in runs]
    partings = [
        {
            "name": name,
            "data": first_data(first, run, ways[0], way),
            "loss": first_value(first.steps, run.steps, "loss"),
            "validation": first_value(first.evaluations, run.evaluations, "validation_loss"),
        }
        for name, run, way in list(zip(names, runs, ways, strict=True))[1:]
    ]
    return {
        "title": " and ".join(names) if len(names) == 2 else ", ".join(names),
        "written": moment(datetime.now().timestamp()),
        "runs": [
            {"name": name, "run": run, "exact": exactness(run), "color": color}
            for color, (name, run) in enumerate(zip(names, runs, strict=True), start=1)
        ],
        "partings": partings,
        "settings": settings([run.settings() for run in runs]),
        "facts": settings([_facts(run) for run in runs]),
        "charts": charts(runs, names, [padding_of(run)[0] for run in runs], []),
        "metrics": _metrics(runs),
    }


def told(values: Mapping[str, Any]) -> list[str]:
    """The same in a few lines for a terminal."""
    keys = [one.name for one in values["settings"]]
    lines = [f"configuration: {', '.join(keys) if keys else 'the same'}"]
    for one in values["partings"]:
        lines += [f"{one['name']}, {what}: {one[what].told}" for what in ("data", "loss", "validation")]
    return lines


def names_of(runs: Sequence[Run]) -> list[str]:
    """The names of the directories; where two are the same, the paths."""
    names = [run.name for run in runs]
    return names if len(set(names)) == len(names) else [str(run.path) for run in runs]


def settings(sides: Sequence[Mapping[str, Any]]) -> list[Setting]:
    """What is not the same on all sides."""
    names = dict.fromkeys(name for side in sides for name in side)
    found = []
    for name in names:
        values = [side.get(name) for side in sides]
        if name not in BESIDE and any(value != values[0] for value in values):
            kind = MEANINGS[name].kind.value if name in MEANINGS else ""
            told = [shown(side[name]) if name in side else "not there" for side in sides]
            found.append(Setting(name, kind, told))
    return found


def first_value(a: Sequence[dict[str, Any]], b: Sequence[dict[str, Any]], name: str) -> Parting:
    """The first step that both logged and at which a value is not the same to the bit."""
    mine, other = ({int(line["step"]): line.get(name) for line in lines} for lines in (a, b))
    both = sorted(mine.keys() & other.keys())
    if not both:
        return Parting(None, "no step was logged by both")
    before = 0
    for step in both:
        if mine[step] != other[step]:
            since = f"; the last one before that both logged is {before:,}" if before else ""
            return Parting(step, f"first differs at step {step:,}{since}")
        before = step
    return Parting(
        None, f"the same in all {count(len(both), 'step')} that both logged, up to step {before:,}"
    )


def first_data(a: Run, b: Run, way_a: Way | str, way_b: Way | str) -> Parting:
    """The first step of which the recipes, their order or their grouping are not the same."""
    one, other = (run.facts.get("facts", {}).get("store") for run in (a, b))
    if one != other and isinstance(way_a, Way) and isinstance(way_b, Way):
        return _by_contents(way_a, way_b, min(a.step, b.step))
    if one != other:
        return Parting(None, f"of different stores, which cannot be compared: {_why(way_a, way_b)}")
    digests = first_value(a.steps, b.steps, "digest")
    if digests.step is None:
        return digests
    mine = {int(line["step"]) for line in a.steps} & {int(line["step"]) for line in b.steps}
    before = max((step for step in mine if step < digests.step), default=0)
    if not isinstance(way_a, Way) or not isinstance(way_b, Way):
        return _between(before + 1, digests.step, _why(way_a, way_b))
    try:
        for step in range(before + 1, digests.step + 1):
            if not _same(way_a.records(step), way_b.records(step)):
                return Parting(step, f"first differ at step {step:,}")
    except NotHereError as error:
        why = str(error)
    else:
        why = "the batches built anew are the same there"
    return _between(before + 1, digests.step, why)


def _between(first: int, last: int, why: str) -> Parting:
    """What the digests in the logs say, and why no more is known."""
    where = f"at step {last:,}" if first == last else f"between step {first:,} and step {last:,}"
    return Parting(last, f"first differ {where}, by the digests in the logs; not closer: {why}")


def _by_contents(a: Way, b: Way, last: int) -> Parting:
    """Recipes of two stores, by their ids."""
    until = time.monotonic() + SECONDS
    try:
        for step in range(1, last + 1):
            mine, other = (_contents(way, step) for way in (a, b))
            if mine != other:
                return Parting(step, f"first differ at step {step:,}; of different stores, by their contents")
            if time.monotonic() > until:
                return Parting(None, f"of different stores, the same recipes at least up to step {step:,}")
    except (NotHereError, ChefGeniusError) as error:
        return Parting(None, f"of different stores, which cannot be compared: {error}")
    return Parting(None, f"of different stores, the same recipes in all {count(last, 'step')} that both took")


def _contents(way: Way, step: int) -> list[list[tuple[bytes, bytes]]]:
    made, store = [], way.leg(step)[1]
    for batch in way.records(step):
        records = [store.record(int(number)) for number in batch]
        made.append([(one.prompt_ids.tobytes(), one.target_ids.tobytes()) for one in records])
    return made


def _same(a: Sequence[Any], b: Sequence[Any]) -> bool:
    return len(a) == len(b) and all(np.array_equal(one, other) for one, other in zip(a, b, strict=True))


def _way(run: Run) -> Way | str:
    """Its batches, or why they cannot be had."""
    try:
        return Way(run)
    except NotHereError as error:
        return str(error)


def _why(*ways: Way | str) -> str:
    return next(one for one in ways if isinstance(one, str))


def _facts(run: Run) -> dict[str, Any]:
    told = run.facts.get("facts")
    beside = {name: run.facts[name] for name in ("python", "machine", "parameters") if name in run.facts}
    return {**beside, **(told if isinstance(told, dict) else {})}


def _metrics(runs: Sequence[Run]) -> list[tuple[str, list[tuple[str, str]]]]:
    """For each metric its label, and for each run the last and the best value."""
    made = []
    for name, measure in MEASURES.items():
        row = []
        for run in runs:
            known = [one for line in run.evaluations if (one := real(line.get(name))) == one]
            best = (max if measure.higher_is_better else min)(known, default=None)
            row.append((measure.told(known[-1] if known else None), measure.told(best)))
        if any(one != ("-", "-") for one in row):
            made.append((measure.label, row))
    return made
