"""What a newcomer sees: the command without arguments, as it is, to its end."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.timeout(900)
def test_the_run_without_arguments_learns(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "chefgenius.train"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    run = tmp_path / "runs" / "default"
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    evaluations = [line for line in lines if line["kind"] == "evaluation"]
    before, after = evaluations[0], evaluations[-1]
    print(f"validation loss {before['validation_loss']:.3f} -> {after['validation_loss']:.4f},", end=" ")
    print(f"{after['parsed']:.0%} parse, {after['ingredients_found']:.0%} of the ingredients")
    assert (before["step"], after["step"]) == (0, 1500)
    assert before["prompts"] == after["prompts"] == 50
    assert after["validation_loss"] < before["validation_loss"] / 10
    assert after["parsed"] >= 0.8
    assert after["ingredients_found"] >= 0.6
    for told in (str(run.relative_to(tmp_path)), "checkpoints", "loss.png"):
        assert told in done.stdout
    assert "finished at step 1,500 of 1,500" in (run / "report.html").read_text()
    assert (run / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert (run / "checkpoints" / "step-00001500" / "manifest.json").is_file()
