"""Steps that stand out: held against the definition, worked out one value at a time."""

import math
import statistics
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from chefgenius.inspecting.spikes import deviations, find


def naive(values: list[float | None]) -> list[float]:
    """Each value against the median around it, in MADs of such distances; worked out one at a time."""
    known = [value for value in values if value is not None]
    if len(known) < 11:
        return [0.0 for _ in values]
    above, middles = [], []
    for place, value in enumerate(known):
        left, right = known[:place], known[place + 1 :]
        half = min(25, len(left), max(len(right), 5))
        around = [*left[max(len(left) - half, 0) :], value, *right[:half]]
        missing = half - len(right[:half])
        around = known[place - half - missing : place - half] + around if missing else around
        middles.append(statistics.median(around))
        above.append(value - middles[-1])
    scales = []
    for place, middle in enumerate(middles):
        steps = [abs(b - a) for a, b in pairwise(known)]
        wide = min(50, len(steps))
        begin = max(min(place - wide // 2, len(steps) - wide), 0)
        spread = statistics.median(steps[begin : begin + wide])
        scales.append(max(1.4826 / math.sqrt(2) * spread, 1e-3 * abs(middle)))
    found = iter(one / scale for one, scale in zip(above, scales, strict=True))
    return [0.0 if value is None else next(found) for value in values]


@pytest.mark.parametrize("count", [0, 1, 10, 11, 12, 13, 30, 49, 50, 51, 52, 59, 60, 130])
def test_deviations_are_those_of_the_definition(count: int) -> None:
    chance = np.random.default_rng(count)
    values: list[float | None] = (3 + chance.gamma(2, 1, count)).tolist()
    for gone in range(3, count, 7):
        values[gone] = None
    assert deviations(values) == pytest.approx(naive(values))


def lines(losses: list[float], norms: list[float] | None = None) -> list[dict[str, Any]]:
    both = zip(losses, norms or [1.0 + 0.01 * (n % 5) for n in range(len(losses))], strict=True)
    return [
        {"step": n, "epoch": n // 40, "loss": loss, "grad_norm": norm}
        for n, (loss, norm) in enumerate(both, 1)
    ]


def test_what_was_planted_is_found_and_a_falling_loss_is_none() -> None:
    chance = np.random.default_rng(0)
    losses = (2 + 6 * np.exp(-np.arange(300) / 60) + 0.1 * chance.standard_normal(300)).tolist()
    found, looked = find(lines(losses))
    assert (found, looked) == ([], 300)
    losses[20] += 3
    losses[200] += 1.5
    norms = [1.0 + 0.01 * (n % 5) for n in range(300)]
    norms[100] = 9.0
    found, _ = find(lines(losses, norms))
    assert [one.step for one in found] == [21, 101, 201]
    assert found[1].norm_deviations > 6 > found[1].loss_deviations
    assert (found[0].loss, found[0].epoch) == (losses[20], 0)


def test_what_is_not_finite_is_the_highest_and_has_no_value() -> None:
    made = lines([3.0] * 30)
    made[7] = {"step": 8, "epoch": 0, "loss": None, "grad_norm": None, "skipped": [1, 2]}
    made[20]["loss"] = 30.0
    found, _ = find(made)
    assert [(one.step, one.finite) for one in found] == [(8, False), (21, True)]
    assert found[0].height > found[1].height > 1000


def test_of_a_step_that_was_taken_twice_the_last_line_counts() -> None:
    made = lines([3.0] * 30)
    assert find([{**made[4], "loss": 99.0}, *made])[0] == []


def test_lows_do_not_stand_out() -> None:
    assert find(lines([3.0] * 20 + [0.1] + [3.0] * 20))[0] == []


def test_the_last_step_can_stand_out_and_the_first_one_has_nothing_before_it() -> None:
    chance = np.random.default_rng(1)
    losses = (3 + 0.1 * chance.standard_normal(80)).tolist()
    found, _ = find(lines([*losses, 6.0]))
    assert [one.step for one in found] == [81]
    assert find(lines([6.0, *losses]))[0] == []
    assert [one.step for one in find(lines([3.0, 6.0, *losses]))[0]] == [2]
