"""A run that is killed again and again ends as the one that never was: weights, optimizer, memory, logs."""

import json
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import Child, Nursery, assert_same_run, words

STEPS = 90
KILLS = 10


@pytest.fixture
def nursery(tmp_path: Path) -> Iterator[Nursery]:
    made = Nursery(tmp_path)
    yield made
    made.close()


def lines(run: Path) -> list[bytes]:
    """The whole lines of metrics.jsonl."""
    path = run / "metrics.jsonl"
    return path.read_bytes().split(b"\n")[:-1] if path.exists() else []


def is_saving(run: Path) -> bool:
    return any((run / "checkpoints").glob(".tmp-*"))


def kill_while_training(child: Child, run: Path, chance: random.Random) -> None:
    """A few steps after it went on, at no moment in particular."""
    begin, more = len(lines(run)), chance.randint(1, 6)
    child.wait_until(lambda: len(lines(run)) >= begin + more)
    time.sleep(chance.uniform(0, 0.02))
    child.kill(signal.SIGKILL)


def kill_while_saving(child: Child, run: Path, chance: random.Random) -> None:
    """As soon as the temporary directory of its second save is seen, or a moment later."""
    begin = len(lines(run))
    child.wait_until(lambda: len(lines(run)) >= begin + 2)
    child.wait_until(lambda: is_saving(run))
    time.sleep(chance.choice((0, 0, 0.001, 0.003)))
    child.kill(signal.SIGKILL)


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(1, 20))])
def test_a_run_killed_ten_times_ends_bit_identical(tmp_path: Path, nursery: Nursery, seed: int) -> None:
    chance = random.Random(seed)
    length = (f"train.max_steps={STEPS}", "eval.every_steps=7")
    assert nursery.start(*words(tmp_path, *length, run="whole")).wait() == 0
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    in_a_save = 0
    for number in range(KILLS):
        child = nursery.start(
            *words(tmp_path, *length, run="killed"), "--resume", "must" if number else "auto"
        )
        (kill_while_saving if number % 2 else kill_while_training)(child, killed, chance)
        assert child.wait() == -signal.SIGKILL
        in_a_save += is_saving(killed)
    assert in_a_save >= 2, "hardly a kill hit a save"
    last = nursery.start(*words(tmp_path, *length, run="killed"))
    assert last.wait() == 0, last.stderr.read_text()
    assert_same_run(killed, whole)
    assert not is_saving(killed)

    records = [json.loads(line) for line in lines(killed)]
    steps = [record["step"] for record in records if record["kind"] == "step"]
    assert steps == list(range(1, STEPS + 1))
    assert records[-1]["epoch"] >= 10
