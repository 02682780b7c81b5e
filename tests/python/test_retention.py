import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from chefgenius.run.retention import Retention, pinned
from chefgenius.run.rundir import RunDirectory
from hypothesis import given, settings
from hypothesis import strategies as some
from test_rundir import put

STEPS = range(0, 36, 3)


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A checkpoint of every step, to be copied."""
    return put(RunDirectory(tmp_path_factory.mktemp("pool")), *STEPS)


def naive(
    keep: int, every: int | None, good: Sequence[int], bad: Sequence[int], best: Sequence[int], pins: set[int]
) -> list[int]:
    """The twin: what is older than the newest `keep` good ones, without all that has a reason to stay."""
    newest = sorted(good)[-keep:]
    if len(newest) < keep:
        return []
    older = [step for step in sorted([*good, *bad]) if step < newest[0]]
    return [one for one in older if one not in best and one not in pins and not (every and one % every == 0)]


@settings(max_examples=120, deadline=None)
@given(data=some.data())
def test_what_may_go_is_what_the_naive_twin_says(pool: RunDirectory, data: some.DataObject) -> None:
    steps = some.lists(some.sampled_from(STEPS), unique=True)
    stand = data.draw(steps)
    damage = {step: data.draw(some.sampled_from(["missing", "cut", "step"])) for step in data.draw(steps)}
    keep, every = data.draw(some.integers(2, 4)), data.draw(some.none() | some.integers(1, 12))
    best, pins = data.draw(steps), set(data.draw(steps))
    with TemporaryDirectory() as folder:
        run = RunDirectory(Path(folder))
        run.checkpoints.mkdir()
        for step in stand:
            path = run.step_path(step)
            wrong = damage.get(step)
            shutil.copytree(pool.step_path(step + 3 if wrong == "step" and step < 33 else step), path)
            if wrong == "missing" or (wrong == "step" and step == 33):
                (path / "a").unlink()
            elif wrong == "cut":
                (path / "a").write_bytes(b"")
        for step in pins:
            (run.checkpoints / f"{run.step_path(step).name}.pinned").touch()
        found = Retention(keep, every).removable(run, best)
    good = [step for step in stand if step not in damage]
    bad = [step for step in stand if step in damage]
    assert found == naive(keep, every, good, bad, best, pins)


def test_the_newest_stay_until_enough_newer_ones_are_whole(tmp_path: Path) -> None:
    run = put(RunDirectory(tmp_path), 1, 2, 3, 4, 5)
    assert Retention(2).removable(run, []) == [1, 2, 3]
    (run.step_path(4) / "a").write_bytes(b"longer")
    assert Retention(2).removable(run, []) == [1, 2]
    (run.step_path(5) / "manifest.json").unlink()
    assert Retention(2).removable(run, []) == [1]
    assert Retention(4).removable(run, []) == []


def test_the_best_the_multiples_and_the_pinned_stay(tmp_path: Path) -> None:
    run = put(RunDirectory(tmp_path), 0, 1, 2, 5, 7, 8, 9)
    assert Retention(2).removable(run, [1, 99]) == [0, 2, 5, 7]
    assert Retention(2, keep_every_steps=5).removable(run, []) == [1, 2, 7]
    (run.checkpoints / "step-00000002.pinned").touch()
    (run.checkpoints / "step-00000003.pinned").touch()
    (run.checkpoints / "step-7.pinned").touch()
    assert pinned(run) == {2, 3}
    assert Retention(2).removable(run, []) == [0, 1, 5, 7]
    assert run.steps() == [9, 8, 7, 5, 2, 1, 0]


def test_a_run_without_checkpoints_has_nothing_to_remove(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "none")
    assert pinned(run) == set()
    assert Retention(2).removable(run, [1]) == []
