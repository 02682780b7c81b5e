"""Several processes train as one: the same records in the same steps, one that writes, one end for all."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest
from adapters import on_base
from chefgenius.run.rundir import RunDirectory
from chefgenius.run.world import World
from chefgenius.settings.config import Config, ConfigError
from chefgenius.training.ranks import Ranks
from fitting import metrics
from running import Child, Nursery, assert_same_run, words

SHARED = ("train.gradient_accumulation_steps=3", "eval.prompts=1", "eval.samples=1", "eval.max_new_tokens=2")
QUICK = (*SHARED, "eval.every_steps=0", "optim.schedule=constant", "train.max_steps=6")


def ended(ranks: list[Child]) -> list[int]:
    return [rank.wait() for rank in ranks]


def told(ranks: list[Child]) -> str:
    return "\n".join(f"{rank.stdout.read_text()}{rank.stderr.read_text()}" for rank in ranks)


def train(
    nursery: Nursery, folder: Path, size: int, *overrides: str, run: str = "run"
) -> list[dict[str, Any]]:
    """The lines of the steps of a run by `size` processes."""
    ranks = nursery.start_ranks(size, *words(folder, *overrides, run=run))
    assert ended(ranks) == [0] * size, told(ranks)
    assert [rank.stdout.read_text() + rank.stderr.read_text() for rank in ranks[1:]] == [""] * (size - 1)
    return metrics(folder / run)


def wait_for(rank: Child, run: Path, step: int) -> None:
    """Until a step is logged."""
    path = run / "metrics.jsonl"
    rank.wait_until(lambda: path.exists() and f'"step": {step},' in path.read_text())


def assert_alike(found: list[dict[str, Any]], expected: list[dict[str, Any]], wide: float = 1) -> None:
    """The same records and counts in every step, losses up to the order of the sums, or `wide` times that."""
    assert len(found) == len(expected) > 3
    for line, other in zip(found, expected, strict=True):
        assert line["loss"] == pytest.approx(other["loss"], rel=wide * 1e-5)
        assert line["grad_norm"] == pytest.approx(other["grad_norm"], rel=wide * 1e-4)
        rounded = ("loss", "grad_norm")
        assert {k: v for k, v in line.items() if k not in rounded} == {
            k: v for k, v in other.items() if k not in rounded
        }


@pytest.mark.long
def test_any_number_of_processes_takes_the_same_steps(nursery: Nursery, tmp_path: Path) -> None:
    """8 micro-batches in steps of 3, dropout on: in the last step of an epoch rank 2 has none."""
    plan = ("data.plan=bucketed", "data.batch_size=6", "train.max_steps=8", "eval.every_steps=8", *SHARED)
    alone = train(nursery, tmp_path, 1, *plan, run="one")
    assert [line["epoch"] for line in alone] == [0] * 3 + [1] * 3 + [2] * 2
    for size in (2, 3):
        assert_alike(train(nursery, tmp_path, size, *plan, run=f"of {size}"), alone)
        figures = metrics(tmp_path / f"of {size}", "evaluation")
        for line, other in zip(figures, metrics(tmp_path / "one", "evaluation"), strict=True):
            assert line["validation_loss"] == pytest.approx(other["validation_loss"], rel=1e-5)
            assert line["validation_tokens"] == other["validation_tokens"]


@pytest.mark.long
def test_an_adapter_is_trained_by_two_as_by_one(nursery: Nursery, tmp_path: Path) -> None:
    plan = (*on_base(tmp_path), *QUICK, "train.max_steps=5", "eval.every_steps=5")
    alone = train(nursery, tmp_path, 1, *plan, run="one")
    assert_alike(train(nursery, tmp_path, 2, *plan), alone)
    last = RunDirectory(tmp_path / "run").step_path(5)
    assert (last / "adapter_model.safetensors").exists()
    assert not (last / "model.safetensors").exists()


def test_a_run_saved_by_two_goes_on_with_one_and_with_three(nursery: Nursery, tmp_path: Path) -> None:
    """It needs leave, says so, and is told from then on; the records stay the same."""
    expected = train(nursery, tmp_path, 1, *QUICK, "train.max_steps=10", run="whole")
    leave = ("--allow-change", "world_size")
    train(nursery, tmp_path, 2, *QUICK, "train.max_steps=3")
    refused = nursery.start(*words(tmp_path, *QUICK))
    assert refused.wait() == 3
    error = refused.stderr.read_text()
    assert "`world_size`: saved `2`, here `1`" in error
    assert "`--allow-change world_size`" in error
    assert "the same recipes in the same steps, but rounds otherwise: start 2 with" in error
    train(nursery, tmp_path, 1, *QUICK, *leave)
    train(nursery, tmp_path, 3, *QUICK, "train.max_steps=10", *leave)
    assert_alike(metrics(tmp_path / "run"), expected)
    facts = json.loads((tmp_path / "run" / "run.json").read_bytes())
    assert facts["not_exact_since"] == 3
    assert facts["facts"]["world_size"] == 3


def test_two_processes_repeat_themselves_killed_or_not(nursery: Nursery, tmp_path: Path) -> None:
    """Bit for bit, with a real SIGKILL of each rank in turn."""
    plan = (*SHARED, "checkpoint.every_steps=2", "train.max_steps=10")
    train(nursery, tmp_path, 2, *plan, run="whole")
    for victim, step in ((1, 3), (0, 7)):
        ranks = nursery.start_ranks(2, *words(tmp_path, *plan))
        wait_for(ranks[0], tmp_path / "run", step)
        ranks[victim].kill(signal.SIGKILL)
        codes = ended(ranks)
        assert codes[victim] == -signal.SIGKILL
        assert codes[1 - victim] == 1, told(ranks)
        error = ranks[1 - victim].stderr.read_text()
        assert "lost the other processes of the run" in error
        assert "start the same command again to go on" in error
    train(nursery, tmp_path, 2, *plan)
    assert_same_run(tmp_path / "run", tmp_path / "whole")


@pytest.mark.parametrize("asked", [0, 1])
def test_a_stop_of_any_rank_is_honoured_by_all_at_one_boundary(
    nursery: Nursery, tmp_path: Path, asked: int
) -> None:
    plan = (*SHARED, "train.max_steps=60", "checkpoint.every_steps=50", "eval.every_steps=0")
    ranks = nursery.start_ranks(2, *words(tmp_path, *plan))
    wait_for(ranks[0], tmp_path / "run", 3)
    ranks[asked].kill(signal.SIGTERM)
    assert ended(ranks) == [75, 75], told(ranks)
    last = metrics(tmp_path / "run")[-1]["step"]
    assert last < 60
    assert RunDirectory(tmp_path / "run").steps()[0] == last
    assert f"step {last} is saved: start the same command again to go on" in ranks[0].stderr.read_text()
    assert ranks[1].stderr.read_text() == ""


def test_an_error_of_rank_0_ends_the_others_with_its_code(nursery: Nursery, tmp_path: Path) -> None:
    ranks = nursery.start_ranks(2, *words(tmp_path, *QUICK, "--resume", "must"))
    assert ended(ranks) == [3, 3], told(ranks)
    assert "holds nothing to go on from" in ranks[0].stderr.read_text()
    error = ranks[1].stderr.read_text()
    assert error.startswith("error: rank 1: rank 0 ended: ")
    assert "holds nothing to go on from" in error
    assert error.count("\n") == 1


@pytest.mark.long
def test_torchrun_restarts_after_a_lost_rank_and_stops_all_on_request(
    nursery: Nursery, tmp_path: Path
) -> None:
    """By the real launcher: SIGKILL of one process, a restart from the last checkpoint, SIGTERM."""
    plan = (*QUICK, "train.max_steps=400", "checkpoint.every_steps=5")
    options = "--standalone --nproc-per-node 2 --max-restarts 1 --shutdown-timeout 120 -m chefgenius.train"
    with open(tmp_path / "told", "wb") as output:
        agent = subprocess.Popen(
            [sys.executable, "-m", "torch.distributed.run", *options.split(), *words(tmp_path, *plan)],
            stdout=output,
            stderr=output,
            env={**os.environ, "HF_HUB_OFFLINE": "1"},
        )
    log, run = tmp_path / "run" / "metrics.jsonl", tmp_path / "run"

    def wait_until(step: int, after: str) -> None:
        end = time.monotonic() + 400
        while not (log.exists() and f'"step": {step},' in log.read_text() and after in text()):
            assert agent.poll() is None, text()
            assert time.monotonic() < end, text()
            time.sleep(0.05)

    def text() -> str:
        return (tmp_path / "told").read_text()

    try:
        wait_until(12, "")
        workers = psutil.Process(agent.pid).children()
        assert len(workers) == 2
        workers[1].kill()
        wait_until(40, "going on from")
        agent.send_signal(signal.SIGTERM)
        assert agent.wait(200) != 0
    finally:
        agent.kill()
    assert "is saved: start the same command again to go on" in text()
    newest = RunDirectory(run).steps()[0]
    assert newest == metrics(run)[-1]["step"] >= 40
    expected = train(nursery, tmp_path, 2, *plan, f"train.max_steps={newest}", run="whole")
    assert metrics(run) == expected  # bit for bit, digests of the records too


def test_more_processes_than_micro_batches_are_refused() -> None:
    config = Config.model_validate({"train": {"gradient_accumulation_steps": 2}})
    World(1, 2).check(config)
    with pytest.raises(ConfigError, match=r"`train.gradient_accumulation_steps`: `2` .*set it to 3 or more"):
        World(0, 3).check(config)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({}, World()),
        ({"WORLD_SIZE": "8"}, World()),  # what a batch system says is not for us
        ({"RANK": "2", "WORLD_SIZE": "4"}, World(2, 4, 2, 4)),
        (
            {"RANK": "2", "WORLD_SIZE": "4", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "2"},
            World(2, 4, 0, 2),
        ),
    ],
)
def test_the_environment_says_who_is_who(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], found: World
) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert World.from_environment() == found


@pytest.mark.parametrize("given", [{"RANK": "2"}, {"RANK": "-1"}, {"LOCAL_RANK": "x"}, {"LOCAL_RANK": "3"}])
def test_an_environment_that_is_none_of_torchrun_is_refused(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str]
) -> None:
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", **given}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match="torchrun"):
        World.from_environment()


def test_one_process_alone_meets_nobody() -> None:
    with Ranks() as ranks:
        assert ranks.first("name", lambda: [1], str, len) == [1]
        ranks.together("name", {"a": 1})
        ranks.meet()
        ranks.join("cpu")
