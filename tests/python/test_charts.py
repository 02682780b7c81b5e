"""`chefgenius.report.charts`, `axes` and `thinning`, against twins of a few lines."""

import math
import re

import numpy as np
import pytest
from chefgenius.report.axes import Axis, number
from chefgenius.report.charts import BUCKETS, SIDE, Mark, Series, draw, histogram, sparkline
from chefgenius.report.thinning import thin
from hypothesis import example, given
from hypothesis import strategies as some


def points(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"[ML]([-\d.]+) ([-\d.]+)", path)]


VALUES = some.lists(some.floats(-1e6, 1e6) | some.just(math.nan), min_size=1, max_size=60)


@given(VALUES, some.integers(1, 20))
def test_thinning_keeps_median_least_and_most_of_each_bucket(values: list[float], most: int) -> None:
    steps = np.arange(len(values), dtype=np.float64) * 3 + 1
    made = thin(steps, np.array(values), most)
    assert len(made.steps) <= max(most, 1)
    size = made.bucket
    for place in range(len(made.steps)):
        bucket = [one for one in values[place * size : (place + 1) * size] if not math.isnan(one)]
        found = (made.median[place], made.least[place], made.most[place])
        if bucket:
            assert found == (np.median(bucket), min(bucket), max(bucket))
        else:
            assert np.isnan(found).all()
    if len(made.steps) > 1:
        assert (made.steps[0], made.steps[-1]) == (steps[0], steps[-1])
    assert (np.diff(made.steps) > 0).all()


@given(some.floats(-1e9, 1e9), some.floats(1e-6, 1e9), some.integers(2, 8), some.booleans())
@example(low=2e-311, span=1.0, most=2, logarithmic=True)
def test_ticks_are_round_few_and_on_the_axis(low: float, span: float, most: int, logarithmic: bool) -> None:
    if span < 1e-3 * abs(low):  # no run has such an axis, and its ticks would be those of rounding
        return
    axis = Axis.of(low, low + span, logarithmic=logarithmic)
    ticks = axis.ticks(most)
    assert len(ticks) <= most + 2
    assert len(ticks) >= 1
    assert ticks == sorted(set(ticks))
    for tick in ticks:
        assert -1e-6 <= axis.place(tick) <= 1 + 1e-6
    if not axis.logarithmic and len(ticks) > 1:
        first = (ticks[1] - ticks[0]) / 10 ** math.floor(math.log10(ticks[1] - ticks[0]) + 1e-9)
        assert min(abs(first - one) for one in (1, 2, 5, 10)) < 1e-3


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0, "0"),
        (0.005, "0.005"),
        (1e-5, "1e-5"),
        (2.5e-7, "2.5e-7"),
        (1234, "1,234"),
        (3e6, "3e6"),
        (2.5, "2.5"),
    ],
)
def test_numbers_beside_an_axis_are_short(value: float, told: str) -> None:
    assert number(value) == told


def test_a_curve_stands_where_its_values_are() -> None:
    steps, values = np.array([0.0, 5.0, 10.0]), np.array([0.0, 10.0, 5.0])
    drawn = draw("Loss", "nats", [Series("a", steps, values)], bounds=(0.0, 0.0))
    assert drawn is not None
    (curve,) = drawn.curves
    assert points(curve.line) == [
        (0, SIDE),
        (SIDE / 2, pytest.approx(SIDE * (1 - 10 / 10.5), abs=0.1)),
        (SIDE, pytest.approx(SIDE * (1 - 5 / 10.5), abs=0.1)),
    ]
    assert curve.band == curve.dots == ""
    assert drawn.told == "Loss: a from 0 at step 0 to 5 at step 10"


def test_a_gap_breaks_the_line_and_a_value_alone_is_a_dot() -> None:
    values = np.array([1, 2, math.nan, 3, math.nan, 4, 5])
    drawn = draw("x", "", [Series("a", np.arange(7.0), values)])
    assert drawn is not None
    assert drawn.curves[0].line.count("M") == 3
    assert drawn.curves[0].dots.count("M") == 1
    assert draw("x", "", [Series("a", np.arange(2.0), np.array([math.nan, math.nan]))]) is None
    assert draw("x", "", [Series("a", np.empty(0), np.empty(0))]) is None


def test_a_long_series_has_a_band_around_its_median() -> None:
    count = 3 * BUCKETS
    values = np.tile([1.0, 5.0, 2.0], BUCKETS)
    drawn = draw("x", "", [Series("a", np.arange(float(count)), values)])
    assert drawn is not None
    assert len(points(drawn.curves[0].line)) == BUCKETS
    assert len({y for _, y in points(drawn.curves[0].line)}) == 1
    assert len({y for _, y in points(drawn.curves[0].band)}) == 2
    assert drawn.notes == ["line: the median of 3 values each; band: from the least to the most of them"]


def test_an_axis_is_logarithmic_only_where_it_may_and_should() -> None:
    def of(*values: float) -> bool:
        steps = np.arange(float(len(values)))
        drawn = draw("x", "", [Series("a", steps, np.array(values))], logarithmic=True)
        assert drawn is not None
        return "logarithmic" in drawn.notes

    assert of(1, 100)
    assert not of(1, 3)
    assert not of(0, 100)
    assert not of(-1, 100)


def test_marks_and_what_is_not_exact_stand_at_their_steps() -> None:
    series = [Series("a", np.arange(0.0, 101.0), np.arange(101.0))]
    crowd = [Mark(50, "2", "a"), Mark(51, "3", "b"), Mark(75, "4", "c"), Mark(500, "5", "d")]
    drawn = draw("x", "", series, marks=crowd, inexact=25)
    assert drawn is not None
    assert drawn.marks == [(50, "2", "a"), (51, "", "b"), (75, "4", "c")]
    assert drawn.shaded == 25
    longer = draw("x", "", series, marks=crowd, until=1000)
    assert longer is not None
    assert [place for place, *_ in longer.marks] == [5, 5.1, 7.5, 50]
    assert longer.shaded is None


def test_bars_are_shares_and_what_lies_outside_is_counted_at_the_ends() -> None:
    bars = histogram("x", np.array([1.0, 1.0, 15.0, 99.0]), np.array([0.0, 10.0, 20.0]), 0.5, 1)
    assert re.findall(r"V([\d.]+)H", bars.path) == ["0", "0"]
    low = histogram("x", np.array([1.0, 1.0, 1.0, 15.0]), np.array([0.0, 10.0, 20.0]), 1.0, 1)
    assert re.findall(r"V([\d.]+)H", low.path) == ["250", "750"]


def test_a_sparkline_needs_two_numbers() -> None:
    assert sparkline([1.0]) == sparkline([None, None, 2.0]) == ""
    assert len(points(sparkline([1.0, None, 2.0, 3.0]))) == 3
