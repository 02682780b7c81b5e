"""Charts as parts of a page: curves in an SVG that stretches to any width, words and numbers beside it.

1. `draw` places series on common axes; `Drawn` has paths in a square of 1000 x 1000, and labels in per cent.
2. The template puts the square into a box of any shape: strokes keep their width, text keeps its size, so one
   drawing serves the phone and the wide screen. Colours are those of the style sheet, light or dark.
3. `histogram` draws bars in the same way.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from chefgenius.report.axes import Axis, number
from chefgenius.report.thinning import Floats, Thinned, thin

SIDE = 1000
"""of the square that curves are drawn in"""
BUCKETS = 500
"""points of a curve at most"""


@dataclass(frozen=True)
class Series:
    """One curve."""

    name: str
    steps: Floats
    values: Floats
    color: int = 1
    """number of a colour of the style sheet, from 1"""
    dots: bool = False
    """whether each value has a dot: for those that are few"""


@dataclass(frozen=True)
class Tick:
    """A label beside an axis, and the line that belongs to it."""

    place: float
    """per cent from the left, or from the bottom"""
    text: str


@dataclass(frozen=True)
class Mark:
    """A line across a chart, at a step."""

    step: float
    text: str
    """what stands at its top; may be empty"""
    told: str
    """what it means"""


@dataclass(frozen=True)
class Curve:
    """A series as paths."""

    name: str
    color: int
    line: str
    band: str
    """around the line, from the least to the most of each bucket; empty where nothing was thinned"""
    dots: str


@dataclass(frozen=True)
class Drawn:
    """A chart, ready for the template."""

    title: str
    unit: str
    told: str
    """what the chart shows, for those who do not see it"""
    curves: list[Curve]
    across: list[Tick]
    up: list[Tick]
    marks: list[tuple[float, str, str]]
    """per cent from the left, what stands at the top, what it means"""
    shaded: float | None
    """from which per cent on the run is not exact"""
    notes: list[str] = field(default_factory=list)
    wide: bool = False


def draw(
    title: str,
    unit: str,
    series: Sequence[Series],
    *,
    marks: Iterable[Mark] = (),
    until: float | None = None,
    inexact: float | None = None,
    bounds: tuple[float, float] | None = None,
    logarithmic: bool = False,
    suffix: str = "",
    notes: Iterable[str] = (),
    wide: bool = False,
) -> Drawn | None:
    """The series on common axes; None where none of them has a number.

    Args:
        title: what is shown.
        unit: in what; may be empty.
        series: curves.
        marks: lines across all of them.
        until: the last step of the axis; none: that of the series.
        inexact: the step from which on the run is not exact, if any.
        bounds: what the upward axis shows at least.
        logarithmic: whether it may be logarithmic, where values differ by much.
        suffix: what follows a number on the upward axis.
        notes: further lines under the chart.
        wide: whether it has a row of its own.
    """
    thinned = [thin(one.steps, one.values, BUCKETS) for one in series]
    shown = [(one, made) for one, made in zip(series, thinned, strict=True) if _some(made.median)]
    if not shown:
        return None
    last = max(float(made.steps[-1]) for _, made in shown)
    last = max(last, until or last)
    low = min(float(np.nanmin(made.least)) for _, made in shown)
    high = max(float(np.nanmax(made.most)) for _, made in shown)
    if bounds is not None:
        low, high = min(low, bounds[0]), max(high, bounds[1])
    axis = Axis.of(low, high, logarithmic=logarithmic, held=bounds)
    across = Axis(0, max(last, 1), 0)
    bucket = max(made.bucket for _, made in shown)
    told = list(notes)
    if bucket > 1:
        told.append(f"line: the median of {bucket} values each; band: from the least to the most of them")
    if axis.logarithmic:
        told.append("logarithmic")
    return Drawn(
        title=title,
        unit=unit,
        told=f"{title}: " + "; ".join(_words(one, made) for one, made in shown),
        curves=[_curve(one, made, across, axis) for one, made in shown],
        across=[Tick(100 * across.place(one), f"{one:,.0f}") for one in across.ticks(6, whole=True)],
        up=[Tick(100 * axis.place(one), number(one) + suffix) for one in axis.ticks(5)],
        marks=_placed(marks, across),
        shaded=None if inexact is None or inexact >= last else 100 * max(across.place(inexact), 0.0),
        notes=told,
        wide=wide,
    )


@dataclass(frozen=True)
class Bars:
    """A histogram, ready for the template."""

    title: str
    told: str
    path: str
    color: int
    across: list[Tick]


def histogram(title: str, values: Floats, edges: Floats, most: float, color: int) -> Bars:
    """Bars of the shares of `values` between the `edges`; a share of `most` has the full height.

    What lies outside is counted in the first or the last bar.
    """
    held = np.clip(values, edges[0], np.nextafter(edges[-1], 0))
    shares = np.histogram(held, edges)[0] / max(len(values), 1)
    axis = Axis(float(edges[0]), float(edges[-1]), 0)
    path = []
    for left, right, share in zip(edges, edges[1:], shares, strict=False):
        if share:
            a, b = SIDE * axis.place(float(left)) + 1, SIDE * axis.place(float(right)) - 1
            path.append(f"M{_short(a)} {SIDE}V{_short(SIDE * (1 - share / most))}H{_short(b)}V{SIDE}Z")
    told = (
        f"{title}: half of them up to {np.median(values):,.0f}, 95 % up to {np.quantile(values, 0.95):,.0f}"
    )
    ticks = [Tick(100 * axis.place(one), f"{one:,.0f}") for one in axis.ticks(5, whole=True)]
    return Bars(title, told, "".join(path), color, ticks)


def sparkline(values: Sequence[float | None]) -> str:
    """A small curve without axes, as the path of a line; empty where there are less than two numbers."""
    numbers = np.array([math.nan if one is None else one for one in values])
    if np.isfinite(numbers).sum() < 2:
        return ""
    axis = Axis.of(float(np.nanmin(numbers)), float(np.nanmax(numbers)), logarithmic=False)
    across = Axis(0, len(numbers) - 1, 0)
    return _path(across.places(np.arange(len(numbers), dtype=np.float64)), axis.places(numbers))


def _some(values: Floats) -> bool:
    return bool(np.isfinite(values).any())


def _curve(one: Series, made: Thinned, across: Axis, axis: Axis) -> Curve:
    at, line = across.places(made.steps), axis.places(made.median)
    band = ""
    if made.bucket > 1:
        band = _band(at, axis.places(made.least), axis.places(made.most))
    dots = ""
    known = np.isfinite(line)
    alone = known & ~np.concatenate([known[1:], [False]]) & ~np.concatenate([[False], known[:-1]])
    for x, y in zip(at[known if one.dots else alone], line[known if one.dots else alone], strict=True):
        dots += f"M{_short(SIDE * x)} {_short(SIDE * (1 - y))}h0"
    return Curve(one.name, one.color, _path(at, line), band, dots)


def _path(at: Floats, up: Floats) -> str:
    """A line through the points, broken where one is no number."""
    made, pen = [], "M"
    for x, y in zip(at, up, strict=True):
        if not math.isfinite(y):
            pen = "M"
            continue
        made.append(f"{pen}{_short(SIDE * x)} {_short(SIDE * (1 - y))}")
        pen = "L"
    return "".join(made)


def _band(at: Floats, low: Floats, high: Floats) -> str:
    """A surface between two lines, in a piece for each run of numbers."""
    known = np.flatnonzero(np.isfinite(low))
    made = []
    for piece in np.split(known, np.flatnonzero(np.diff(known) > 1) + 1):
        if len(piece) > 1:
            there = _path(at[piece], high[piece])
            back = _path(at[piece][::-1], low[piece][::-1]).replace("M", "L", 1)
            made.append(f"{there}{back}Z")
    return "".join(made)


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _placed(marks: Iterable[Mark], across: Axis) -> list[tuple[float, str, str]]:
    """Where the marks stand; the words at their top are left out where they would lie on one another."""
    made, free = [], -100.0
    for mark in marks:
        place = 100 * across.place(mark.step)
        if 0 <= place <= 100:
            text = mark.text if place >= free else ""
            free = place + 4 if text else free
            made.append((round(place, 2), text, mark.told))
    return made


def _words(one: Series, made: Thinned) -> str:
    known = np.flatnonzero(np.isfinite(made.median))
    first, last = known[0], known[-1]
    return (
        f"{one.name} from {made.median[first]:.4g} at step {made.steps[first]:,.0f} "
        f"to {made.median[last]:.4g} at step {made.steps[last]:,.0f}"
    )
