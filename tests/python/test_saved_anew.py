"""Work that a checkpoint left pending is done at the next start, and the boundary then saved anew.

The new one is written beside the other and takes its place in one step, so that the end of such a run is that
of a run that was left alone, whatever breaks it off meanwhile.
"""

import json
import random
import shutil
import signal
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from chains import Chain, Point
from chefgenius.run.rundir import RunDirectory
from faults.disk import Disk
from faults.shim import operations
from running import Nursery, assert_same_run, words
from test_power_loss import step_found

STEPS = 8
LAST = "killed/checkpoints/step-00000008"
WRITTEN = "killed/checkpoints/.tmp-step-00000008"
PLACES = (WRITTEN, "killed/checkpoints/.trash-step-00000008")
EVALUATIONS = {5: 5, 8: 9}
"""lines of metrics.jsonl before that of the step, by step: one a step, one for each evaluation before"""


def sections(run: Path, step: int = STEPS) -> dict[str, Any]:
    state = json.loads((RunDirectory(run).step_path(step) / "state.json").read_bytes())
    found: dict[str, Any] = state["sections"]
    return found


def stop_in_evaluation(chain: Chain, step: int, trace: str | None = None) -> None:
    """In the one of this step: the signal comes with the step's line, just before."""
    text, number = "write killed/metrics.jsonl", EVALUATIONS[step]
    child = chain.start_struck(text, number, signal.SIGTERM, within=True, trace=trace)
    chain.check_stopped(child, signal.SIGTERM)
    assert sections(chain.path, step)["pending"] == {"work": ["eval", "samples"]}


@dataclass
class Stopped:
    """A run that was stopped in its last evaluation, and its twin that was left alone."""

    chain: Chain
    copy: Path
    whole: Path

    def restore(self) -> None:
        shutil.rmtree(self.chain.path)
        shutil.copytree(self.copy, self.chain.path)

    def finish(self) -> None:
        """Goes on to the end, which is that of the twin; a kill before retention may leave one more."""
        child = self.chain.start()
        assert child.wait() == 0, child.stderr.read_text()
        assert_same_run(self.chain.path, self.whole)
        run = RunDirectory(self.chain.path)
        assert set(run.steps()) >= set(RunDirectory(self.whole).steps())
        for step in run.steps():
            run.verify(step)
        assert not [*self.chain.path.rglob(".*")], "something is left behind"


@pytest.fixture
def stopped(tmp_path: Path, faulty: Nursery) -> Stopped:
    chain = Chain(faulty, tmp_path, STEPS)
    stop_in_evaluation(chain, STEPS)
    whole = tmp_path / "whole"
    assert faulty.start(*words(tmp_path, *chain.overrides, run="whole")).wait() == 0
    shutil.copytree(chain.path, tmp_path / "copy")
    return Stopped(chain, tmp_path / "copy", whole)


def swap(stopped: Stopped, *, exchanges: bool = True) -> list[Point]:
    """What the next process does from the first file of the new checkpoint to the last of the other."""
    trace = stopped.chain.folder / "trace"
    child = stopped.chain.start(stopped.chain.faults(trace=str(trace), exchanges=exchanges))
    assert child.wait() == 0, child.stderr.read_text()
    points, seen = [], Counter[str]()
    for text in map(str, operations(trace)):
        points.append(Point(text, seen[text]))
        seen[text] += 1
    mine = [number for number, point in enumerate(points) if point.text.endswith(PLACES)]
    return points[mine[0] : mine[-1] + 1] if mine else []


def test_the_last_evaluation_is_made_up_for_and_saved(stopped: Stopped) -> None:
    assert sections(stopped.whole)["best"]["kept"][0]["step"] == STEPS
    assert sections(stopped.chain.path)["best"]["kept"][0]["step"] < STEPS
    done = [point.text for point in swap(stopped)]
    order = (f"mkdir {WRITTEN}", f"fsync {WRITTEN}", f"exchange {WRITTEN} {LAST}", "fsync killed/checkpoints")
    assert [text for text in done if text in order] == list(order)
    assert done[-1] == f"rmdir {WRITTEN}"
    assert not [text for text in done if text.endswith(LAST) and not text.startswith("exchange")]
    stopped.finish()
    assert RunDirectory(stopped.chain.path).steps() == RunDirectory(stopped.whole).steps()


def test_an_evaluation_before_the_last_is_made_up_for_and_saved(tmp_path: Path, faulty: Nursery) -> None:
    chain = Chain(faulty, tmp_path, STEPS)
    stop_in_evaluation(chain, 5)
    assert chain.kill_at("write killed/metrics.jsonl", 3)  # evaluation 5, then the steps 6 and 7
    assert sections(chain.path, 5)["pending"] == {"work": []}
    assert sections(chain.path, 5)["evaluation"]["last"]["step"] == 5
    chain.finish()


def test_a_boundary_with_nothing_pending_is_not_written_again(stopped: Stopped) -> None:
    stopped.finish()
    saved = RunDirectory(stopped.chain.path).step_path(STEPS)
    before = saved.stat().st_ino
    (stopped.chain.path / "run.json").unlink()  # as if it was killed before it could say that it is finished
    assert not swap(stopped)
    assert saved.stat().st_ino == before


@pytest.mark.parametrize(
    "exchanges", [True, pytest.param(False, marks=pytest.mark.long)], ids=["one step", "two steps"]
)
@pytest.mark.parametrize("most", [3, pytest.param(1000, marks=pytest.mark.long)])
def test_a_run_killed_while_it_saves_anew_ends_bit_identical(
    stopped: Stopped, most: int, *, exchanges: bool
) -> None:
    points = swap(stopped, exchanges=exchanges)
    stopped.finish()
    names = [point for point in points if point.text.startswith(("exchange ", "rename "))]
    assert len(points) >= 40
    assert len(names) == (1 if exchanges else 3)
    chance, kills = random.Random(most), 0
    for point in chance.sample(points, min(most, len(points))) + names:
        for within in (False, True):
            stopped.restore()
            faults = stopped.chain.faults(
                strike=point.text,
                first=point.number,
                signal=signal.SIGKILL,
                within=within,
                exchanges=exchanges,
            )
            assert stopped.chain.start(faults).wait() == -signal.SIGKILL, point
            stopped.finish()
            kills += 1
    print(f"kills while saving anew: {kills} of {kills} bit-identical")


def test_a_loss_of_power_while_it_saves_anew_loses_nothing(tmp_path: Path, faulty: Nursery) -> None:
    chain = Chain(faulty, tmp_path, STEPS)
    stop_in_evaluation(chain, STEPS, trace=str(tmp_path / "trace-0"))
    child = chain.start(chain.faults(trace=str(tmp_path / "trace-1")))
    assert child.wait() == 0, child.stderr.read_text()
    disk, chance, anew = Disk(), random.Random(1), 0
    for operation in operations(tmp_path / "trace-0"):
        disk.apply(operation)
    for operation in operations(tmp_path / "trace-1"):
        disk.apply(operation)
        for _ in range(3):
            found = tmp_path / "found"
            shutil.rmtree(found, ignore_errors=True)
            found.mkdir()
            disk.after_power_loss(chance, found)
            assert step_found(found / "killed") == STEPS, operation
            anew += not sections(found / "killed")["pending"]["work"]
    assert anew > 10
