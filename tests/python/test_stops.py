"""Whenever a run is asked to stop, its last boundary is saved, and going on from there is exact."""

import random
import signal
import time
from pathlib import Path

import pytest
from chains import ROWS, Chain, lines
from chefgenius.run.rundir import RunDirectory
from running import Nursery, answer

MOMENTS = {
    "write killed/metrics.jsonl": 0,
    "write killed/samples.jsonl": 0,
    "write killed/timing.jsonl": 0,
    "mkdir killed/checkpoints/.tmp-*": 0,
    "write killed/checkpoints/.tmp-*/model.safetensors": 0,
    "fsync killed/checkpoints/.tmp-*/optim.safetensors": 0,
    "rename killed/checkpoints/.tmp-step-* *": 0,
    "fsync killed/checkpoints": 2,
    "unlink killed/checkpoints/.trash-*": 0,
}
"""operations of training, evaluation, generation and saving: the signal arrives in the middle of one; and how
many of them come before the training: the lock and the look at the disk fsync `checkpoints`"""

SLOW = ("eval.max_new_tokens=40", "eval.every_steps=3", "eval.samples=4")
"""much of the time goes by in generation"""

STOPS = 12
"""of each kind of run, 10 of them by SIGTERM: together more than a hundred"""


def stop_at_random(chain: Chain, chance: random.Random, by: signal.Signals) -> None:
    """In the middle of a step, an evaluation or a save, a moment after it went on."""
    child, begin = chain.start(), len(lines(chain.path))
    child.wait_until(lambda: len(lines(chain.path)) > begin)
    time.sleep(chance.uniform(0, 0.15))
    child.kill(by)
    chain.check_stopped(child, by)


def stop_often(chain: Chain, chance: random.Random, stops: int) -> None:
    """By SIGTERM; each fifth time by Ctrl-C, which is heard in the same way."""
    for number in range(stops):
        by = signal.SIGINT if number % 5 == 4 else signal.SIGTERM
        if number % 2:
            stop_at_random(chain, chance, by)
        else:
            text = chance.choice(list(MOMENTS))
            number = MOMENTS[text] + chance.randint(0, 1)
            chain.check_stopped(chain.start_struck(text, number, by, within=True), by)


def test_a_run_stopped_at_any_moment_loses_nothing(tmp_path: Path, faulty: Nursery) -> None:
    chain = Chain(faulty, tmp_path, 40, SLOW)
    stop_often(chain, random.Random(5), 4)
    chain.finish()
    print(f"stops: {len(chain.kills)} of 4 lost nothing, and the run is bit-identical")


@pytest.mark.long
@pytest.mark.parametrize("row", [name for name in ROWS if name != "no evaluation"])
def test_a_run_stopped_very_often_loses_nothing(tmp_path: Path, faulty: Nursery, row: str) -> None:
    chain = Chain(faulty, tmp_path, 200, (*ROWS[row], *SLOW))
    stop_often(chain, random.Random(row), STOPS)
    chain.finish()
    print(f"stops, {row}: {len(chain.kills)} of {STOPS} lost nothing, and the run is bit-identical")


@pytest.mark.alone
def test_a_second_interrupt_aborts_at_once_with_nothing_damaged(tmp_path: Path, faulty: Nursery) -> None:
    """The first one waits for the save in flight, which a slow disk draws out."""
    chain = Chain(faulty, tmp_path, 12)
    assert chain.kill_at("rename *.tmp-step-00000002 *")
    child = chain.start(chain.faults(slow="fsync *.tmp-step-00000004*", pause=2.0))
    child.wait_until(lambda: any((chain.path / "checkpoints").glob(".tmp-step-00000004/model.safetensors")))
    child.kill(signal.SIGINT)
    child.wait_until(lambda: child.stderr.read_text() == answer(signal.SIGINT))
    time.sleep(0.5)
    assert child.poll() is None
    child.kill(signal.SIGINT)
    begin = time.monotonic()
    assert child.wait() == 130
    assert time.monotonic() - begin < 1.5
    assert "start the same command again to go on from the last checkpoint" in child.stderr.read_text()
    for step in RunDirectory(chain.path).steps():
        RunDirectory(chain.path).verify(step)
    chain.finish()


def test_a_run_that_is_asked_to_save_saves_and_is_the_same_run(tmp_path: Path, faulty: Nursery) -> None:
    chain = Chain(
        faulty, tmp_path, 12, ("checkpoint.every_steps=100", "checkpoint.keep=9", "eval.every_steps=0")
    )
    child = chain.start_struck("write killed/metrics.jsonl", 3, signal.SIGUSR1, within=True)
    assert child.wait() == 0, child.stderr.read_text()
    assert RunDirectory(chain.path).steps() == [12, 4, 0]
    chain.finish()
