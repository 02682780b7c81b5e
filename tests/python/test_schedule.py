import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from chefgenius.settings.config import OptimConfig
from chefgenius.training.schedule import Schedule, learning_rate
from fitting import QUIET, fit, metrics, stop_at

KINDS: Any = ("linear", "cosine", "constant", "wsd", "inverse_sqrt")


def settings(kind: Any, **others: Any) -> OptimConfig:
    return OptimConfig(schedule=kind, **{"learning_rate": 1.0, "warmup_steps": 0, **others})


def rates(total: int, of: OptimConfig) -> list[float]:
    return [learning_rate(step, total, of) for step in range(1, total + 1)]


def naive(step: float, total: int, of: OptimConfig) -> float:
    """The same as points of a curve: linear pieces between knots, a cosine, a root."""
    peak, warmup, floor = of.learning_rate, of.warmup_steps, of.learning_rate * of.min_learning_rate_ratio
    end = total + 1
    if step <= warmup:
        return peak * step / warmup
    if of.schedule == "constant":
        return peak
    if of.schedule == "inverse_sqrt":
        return max(floor, peak * math.sqrt(max(warmup, 1)) / math.sqrt(step))
    begin = warmup
    if of.schedule == "wsd":
        begin = max(begin, end - math.ceil(of.decay_share * total))
        if step <= begin:
            return peak
    done = (step - begin) / (end - begin)
    if of.schedule == "cosine":
        return floor + (peak - floor) * 0.5 * (1 + math.cos(math.pi * done))
    return peak + (floor - peak) * done


def test_linear_rises_to_the_peak_and_ends_just_above_zero() -> None:
    found = rates(10, settings("linear", warmup_steps=4))
    assert found[:4] == [0.25, 0.5, 0.75, 1.0]
    assert found[4:] == pytest.approx([6 / 7, 5 / 7, 4 / 7, 3 / 7, 2 / 7, 1 / 7])
    assert learning_rate(11, 10, settings("linear", warmup_steps=4)) == 0.0


def test_constant_stays() -> None:
    assert rates(4, settings("constant", learning_rate=2.0, warmup_steps=2)) == [1.0, 2.0, 2.0, 2.0]


def test_cosine_is_half_way_down_in_the_middle() -> None:
    found = rates(7, settings("cosine", min_learning_rate_ratio=0.2))
    half = math.sqrt(0.5)
    expected = [0.6 + 0.4 * math.cos(math.pi * step / 8) for step in range(1, 8)]
    assert found == pytest.approx(expected)
    assert found[1] == pytest.approx(0.6 + 0.4 * half)
    assert found[3] == pytest.approx(0.6)


def test_wsd_stays_until_its_last_share() -> None:
    found = rates(10, settings("wsd", warmup_steps=2, decay_share=0.3, min_learning_rate_ratio=0.25))
    assert found == pytest.approx([0.5, 1, 1, 1, 1, 1, 1, 1, 0.75, 0.5])
    assert rates(4, settings("wsd", decay_share=1.0)) == pytest.approx([1.0, 0.75, 0.5, 0.25])


def test_inverse_root_halves_when_the_steps_are_four_times_as_many() -> None:
    of = settings("inverse_sqrt", warmup_steps=25, min_learning_rate_ratio=0.1)
    assert [learning_rate(step, 10**6, of) for step in (25, 100, 400, 2500, 10**5)] == [
        1,
        0.5,
        0.25,
        0.1,
        0.1,
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_every_form_equals_its_naive_twin(kind: Any) -> None:
    compared = 0
    for total in (1, 2, 9, 100):
        for warmup in (0, 1, 7, 99, 200):
            for floor in (0.0, 0.1, 1.0):
                for share in (0.01, 0.5, 1.0):
                    of = settings(
                        kind,
                        learning_rate=3e-4,
                        warmup_steps=warmup,
                        min_learning_rate_ratio=floor,
                        decay_share=share,
                    )
                    expected = [naive(step, total, of) for step in range(1, total + 1)]
                    assert rates(total, of) == pytest.approx(expected, rel=1e-12)
                    compared += total
    assert compared == 112 * 5 * 9


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("warmup", [0, 1, 9, 10, 50])
def test_every_length_of_warmup_gives_positive_rates(kind: Any, warmup: int) -> None:
    assert all(0 < rate <= 1 for rate in rates(10, settings(kind, warmup_steps=warmup)))


@pytest.mark.parametrize("kind", KINDS)
def test_no_form_jumps(kind: Any) -> None:
    """Over 10,000 steps no two that follow each other are further apart than the steepest slope allows."""
    found = rates(10_000, settings(kind, warmup_steps=1000, decay_share=0.1, min_learning_rate_ratio=0.05))
    assert max(found) == 1
    assert found.index(1) == 999
    assert max(abs(one - other) for one, other in pairwise(found)) <= 1.001e-3


def test_the_schedule_sets_every_group_and_remembers() -> None:
    groups = [{"params": [torch.nn.Parameter(torch.ones(1))]} for _ in range(2)]
    optimizer = torch.optim.AdamW(groups)
    schedule = Schedule(optimizer, settings("linear"), 4)
    assert schedule.apply(2) == 0.6
    assert {group["lr"] for group in optimizer.param_groups} == {0.6}
    section = schedule.state_dict()
    schedule.apply(4)
    schedule.load_state_dict(section)
    assert schedule.learning_rate == 0.6


def test_another_form_is_taken_from_the_step_on_at_which_a_run_goes_on(tmp_path: Path) -> None:
    stop_at(tmp_path, *QUIET, step=4)
    fit(tmp_path, *QUIET, "optim.schedule=wsd", "optim.decay_share=0.5", "optim.min_learning_rate_ratio=0.5")
    found = [line["learning_rate"] for line in metrics(tmp_path / "run")]
    before = OptimConfig(learning_rate=5e-3, warmup_steps=3)
    after = before.model_copy(update={"schedule": "wsd", "decay_share": 0.5, "min_learning_rate_ratio": 0.5})
    assert found == rates(10, before)[:4] + rates(10, after)[4:]
