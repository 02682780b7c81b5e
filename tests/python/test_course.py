"""The legs of a run: one for each change of its batches and none for a resume that changes nothing."""

from pathlib import Path
from typing import Any

import pytest
from chefgenius import TokenStore
from chefgenius.data.course import Course
from samples import build, recipes
from walking import Walk

# 50 records in 13 micro-batches and 7 steps an epoch; with 5 in a batch 10 and 5
OPTIONS: dict[str, Any] = {"batch_size": 4, "micro_batches_per_step": 2, "split": "all", "seed": 7}
SIZE = {"data.batch_size": "5"}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> TokenStore:
    return build(tmp_path_factory.mktemp("store"), recipes(50))


@pytest.fixture
def walk(tmp_path: Path, store: TokenStore) -> Walk:
    made = Walk(tmp_path, store, OPTIONS)
    made.begin()
    return made


def legs(walk: Walk) -> list[tuple[int, int, int, int]]:
    """Step, epoch, index and rows of each leg."""
    rows = [leg.specification["limit"]["rows"] for leg in walk.course.legs]
    return [(leg.step, leg.epoch, leg.index, n) for leg, n in zip(walk.course.legs, rows, strict=True)]


def test_a_resume_that_changes_nothing_adds_nothing(walk: Walk) -> None:
    for steps in (3, 4, 5):
        walk.take(steps)
        walk.go_on({})
    assert legs(walk) == [(0, 0, 0, 4)]


def test_an_epoch_is_finished_first_and_the_change_can_be_taken_back(walk: Walk) -> None:
    walk.take(3)
    walk.go_on(SIZE, batch_size=5)
    assert legs(walk) == [(0, 0, 0, 4), (7, 1, 0, 5)]
    walk.take(2)
    walk.go_on({}, batch_size=5)
    assert legs(walk) == [(0, 0, 0, 4), (7, 1, 0, 5)]
    walk.go_on(SIZE, batch_size=3)
    assert legs(walk) == [(0, 0, 0, 4), (7, 1, 0, 3)]
    walk.go_on(SIZE, batch_size=4)
    assert legs(walk) == [(0, 0, 0, 4)]
    walk.take(2)
    walk.go_on(SIZE, batch_size=5)
    assert legs(walk) == [(0, 0, 0, 4), (7, 1, 0, 5)]


def test_what_is_left_out_changes_at_once_and_an_epoch_is_left_for_another_seed(walk: Walk) -> None:
    walk.take(3)
    walk.go_on({"tombstones": "1"}, masked=[1])
    walk.go_on({"seed": "8"}, seed=8)
    assert legs(walk) == [(0, 0, 0, 4), (3, 1, 0, 4)]
    assert [leg.masked for leg in walk.course.legs] == [[], [1]]
    walk.go_on({"seed": "7"}, seed=7)  # the first one's batches, but not where it would stand
    assert legs(walk) == [(0, 0, 0, 4), (3, 1, 0, 4)]
    assert [leg.seed for leg in walk.course.legs] == [7, 7]


def test_a_section_that_is_none_is_refused(walk: Walk) -> None:
    (leg,) = walk.course.state_dict()["legs"]
    for bad in (
        [],
        [{**leg, "step": 1}],
        [leg, leg],
        [leg, {**leg, "step": -1}],
        [{**leg, "seed": "7"}],
        [{**leg, "x": 1}],
    ):
        with pytest.raises((TypeError, ValueError), match=r"legs|step|seed|fields"):
            Course().load_state_dict({"legs": bad, "skipped": []})
    Course().load_state_dict({"legs": [leg, {**leg, "step": 4}], "skipped": []})


def test_the_same_batches_at_another_place_are_another_leg(walk: Walk) -> None:
    walk.take(3)
    walk.go_on({"seed": "8"}, seed=8)  # which leaves the epoch
    walk.go_on({"seed": "7"}, seed=7)
    assert legs(walk) == [(0, 0, 0, 4), (3, 1, 0, 4)]
    assert [leg.seed for leg in walk.course.legs] == [7, 7]
