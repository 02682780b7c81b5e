"""The trial of a resume tells equal runs from others, and a run that cannot be tried from both."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from chefgenius import selftest, train
from chefgenius.run.rundir import RunDirectory
from stored import add_checkpoint, flip


def made(path: Path, losses: str = "1.5", **changes: object) -> RunDirectory:
    run = RunDirectory(path)
    add_checkpoint(run, 6, config={"run_dir": str(path), **changes})
    for name in ("metrics.jsonl", "samples.jsonl"):
        (path / name).write_text(f'{{"kind": "step", "step": 6, "loss": {losses}}}\n')
    return run


def test_places_do_not_count_and_everything_else_does(tmp_path: Path) -> None:
    one = made(tmp_path / "a").path
    assert selftest.differing(one, made(tmp_path / "b").path) == []
    assert selftest.differing(one, made(tmp_path / "c", losses="1.50001").path) == [
        "metrics.jsonl",
        "samples.jsonl",
    ]
    assert selftest.differing(one, made(tmp_path / "d", seed=43).path) == ["section config"]
    flipped = made(tmp_path / "e")
    flip(flipped, 6, "optim.safetensors")
    assert selftest.differing(one, flipped.path) == ["optim"]
    later = made(tmp_path / "f")
    add_checkpoint(later, 9, config={"run_dir": "x"})
    assert "step" in selftest.differing(one, later.path)


def test_a_run_that_fails_is_told_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def main(words: list[str]) -> int:
        print(f"error: no room for {words[0]}")
        return 74

    monkeypatch.setattr(train, "main", main)
    with pytest.raises(selftest.SelfTestError, match="a tiny run ended with 74: error: no room for run_dir="):
        selftest.try_resume(tmp_path, lambda done: None)


@pytest.mark.long
def test_this_machine_resumes_exactly(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "chefgenius.selftest", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    *steps, told = [json.loads(line) for line in done.stdout.splitlines()]
    assert told["differing"] == []
    assert 20 <= told["resumed_from"] < told["killed_at"] < told["steps"] == 60
    counts = [one["done"] for one in steps]
    assert max(counts) > 100
