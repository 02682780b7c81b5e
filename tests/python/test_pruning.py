import json
import os
from pathlib import Path
from typing import Any

import pytest
from chefgenius.run.disk import size_of
from chefgenius.run.pruning import PruneError, carry_out, plan
from chefgenius.run.rundir import RunDirectory
from stored import add_checkpoint, flip


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    made = RunDirectory(tmp_path / "run")
    for step in range(1, 10):
        add_checkpoint(made, step, best_step=3)
    lines = [{"kind": "evaluation", "step": n, "validation_loss": 1 + abs(n - 3) / 9} for n in (2, 3, 5)]
    (made.path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return made


def going(run: RunDirectory, **options: Any) -> list[int]:
    made = plan(run, options.get("keep"), options.get("keep_best"), set_aside=options.get("set_aside", False))
    stays = {kept.stored.step for kept in made.staying}
    gone = [one.step for one in made.going]
    assert stays.isdisjoint(gone)
    assert sorted(stays | set(gone), reverse=True) == run.steps()
    return gone


def test_the_run_says_what_is_kept(run: RunDirectory) -> None:
    assert going(run) == [1, 2, 4, 5, 6, 7]


def test_other_numbers_and_pins_are_heeded(run: RunDirectory) -> None:
    (run.checkpoints / "step-00000005.pinned").touch()
    assert going(run, keep=4) == [1, 2, 4]
    assert going(run, keep=20) == []


@pytest.mark.parametrize(
    ("count", "gone"), [(1, [1, 2, 4, 5, 6, 7]), (2, [1, 4, 5, 6, 7]), (3, [1, 4, 6, 7])]
)
def test_more_of_the_best_are_ranked_by_their_losses(run: RunDirectory, count: int, gone: list[int]) -> None:
    assert going(run, keep_best=count) == gone


def test_multiples_stay(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    for step in range(1, 10):
        add_checkpoint(run, step, config={"checkpoint.keep_every_steps": 3})
    assert going(run) == [1, 2, 4, 5, 7]


def test_damaged_ones_do_not_count_as_newest(run: RunDirectory) -> None:
    flip(run, 9)
    os.truncate(run.step_path(8) / "model.safetensors", 3)
    flip(run, 6)
    made = plan(run, None, None, set_aside=False)
    assert [one.step for one in made.going] == [1, 2, 4, 6]
    told = {kept.stored.step: kept.reason for kept in made.staying}
    assert list(told) == [9, 8, 7, 5, 3]
    assert told[9] == "damaged: the checksum of `model.safetensors` does not match"
    assert told[8].startswith("damaged: `model.safetensors` has 3 bytes")
    assert (told[7], told[5], told[3]) == ("newest", "among the newest", "best")


@pytest.mark.parametrize("keep", [None, 2, 5])
def test_the_newest_good_one_never_goes(run: RunDirectory, keep: int | None) -> None:
    for step in range(3, 10):
        flip(run, step)
    assert not {1, 2} & set(going(run, keep=keep))


def test_without_a_good_one_nothing_goes(run: RunDirectory) -> None:
    for step in run.steps():
        flip(run, step)
    with pytest.raises(PruneError, match=r"no good checkpoint in .*: nothing is removed"):
        plan(run, None, None, set_aside=True)


def test_a_state_that_does_not_say_is_refused(run: RunDirectory) -> None:
    add_checkpoint(run, 10, config={"checkpoint.keep": "many"})
    with pytest.raises(PruneError, match="does not say what is to be kept"):
        plan(run, 2, 1, set_aside=False)


def test_carrying_it_out_removes_that_and_nothing_else(run: RunDirectory) -> None:
    run.reject(2, "bad")
    run.step_path(12).symlink_to(run.path)
    run.reject(12, "it is no directory")
    (run.checkpoints / "notes.txt").write_text("mine")
    left = plan(run, None, None, set_aside=False)
    assert left.set_aside == []
    made = plan(run, None, None, set_aside=True)
    before = size_of(run.checkpoints)
    assert made.freed == sum(one.size for one in made.going) + sum(one.size for one in made.set_aside)
    carry_out(run, made)
    assert before - size_of(run.checkpoints) >= made.freed > 1000
    names = sorted(path.name for path in run.checkpoints.iterdir())
    assert names == ["notes.txt", "step-00000003", "step-00000008", "step-00000009"]
    assert run.path.is_dir()
    for step in run.steps():
        run.verify(step)
