"""Someone who knows only the README: each block in its order, from the built wheel, in an empty folder."""

import csv
import gzip
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from chefgenius.cookbook import RECIPES
from fitting import metrics
from installed import Clean
from pages import README, Block, blocks

STOPPED = "Your own recipes"
"""the section whose run is stopped by Ctrl-C; the next one goes on with it"""
EARLY = 60
"""steps before that"""
STEPS = 400
"""steps of the whole run, as mine.yaml says; each tenth is logged"""


def own_recipes(path: Path, head: str) -> None:
    """A table of 600 recipes with the columns of the README."""
    with gzip.open(RECIPES, "rt") as lines, path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(head.split(","))
        for line, _ in zip(lines, range(600), strict=False):
            record = json.loads(line)
            table.writerow(
                [record["title"], json.dumps(record["ingredients"]), json.dumps(record["directions"])]
            )


def shell(clean: Clean, text: str) -> subprocess.CompletedProcess[str]:
    """A block as it would be pasted into a terminal."""
    return subprocess.run(
        ["bash", "-e", "-c", text],
        cwd=clean.folder,
        env=clean.environment,
        capture_output=True,
        text=True,
        check=False,
    )


def last_step(run: Path) -> int:
    """The newest step in the log; 0 before the first."""
    log = run / "metrics.jsonl"
    whole = log.read_text().split("\n")[:-1] if log.exists() else []
    return max((json.loads(line)["step"] for line in whole), default=0)


def press_ctrl_c(clean: Clean, text: str) -> int:
    """Begins a block, and sends Ctrl-C to all of it after `EARLY` steps; its exit code."""
    begun = subprocess.Popen(
        ["bash", "-c", text],
        cwd=clean.folder,
        env=clean.environment,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    run, patience = clean.folder / "runs" / "mine", time.monotonic() + 600
    while begun.poll() is None and last_step(run) < EARLY:
        assert time.monotonic() < patience
        time.sleep(0.1)
    os.killpg(begun.pid, signal.SIGINT)
    return begun.wait(120)


def follow(clean: Clean, block: Block) -> str:
    """What a block prints; it must do what the text around it says."""
    if block.kind == "csv":
        head, *rows = block.text.splitlines()
        own_recipes(clean.folder / "mine.csv", head)
        with (clean.folder / "mine.csv").open("a") as file:
            file.write("\n".join(rows) + "\n")
        return ""
    if block.kind == "yaml":
        (clean.folder / "mine.yaml").write_text(block.text)
        return ""
    if block.kind == "python":
        done = clean("python", "-c", block.text)
        assert done.returncode == 0, done.stderr
        return done.stdout
    assert block.kind == "sh"
    if block.section == STOPPED:
        assert press_ctrl_c(clean, block.text) == 75
        return ""
    lines = [line for line in block.text.splitlines() if not line.startswith(("make ", "pip "))]
    done = shell(clean, "\n".join(lines))
    assert done.returncode == 0, (block.text, done.stdout, done.stderr)
    return done.stdout


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_the_readme_is_all_that_a_newcomer_needs(clean: Clean) -> None:
    run, told = clean.folder / "runs" / "mine", dict[str, str]()
    for block in blocks(README):
        told[block.section] = told.get(block.section, "") + follow(clean, block)
        if block.section == STOPPED and block.kind == "sh":
            assert EARLY <= last_step(run) < STEPS
        if block.section == "Stop and go on":
            steps = [line["step"] for line in metrics(run)]
            assert steps == [1, *range(10, STEPS + 1, 10)], "no step twice, none left out"
            assert json.loads((run / "run.json").read_text())["exact"] is True
    assert (clean.folder / "runs" / "default" / "report.html").is_file()
    assert "runs/mine/report.html" in told["Look at it"]
    assert "<svg" in (run / "report.html").read_text()
    assert "step 73" in told["Find the recipes behind a spike"]
    left_out = (clean.folder / "bad.txt").read_text()
    assert len([line for line in left_out.splitlines() if line and not line.startswith("#")]) == 1
    assert told["Ask it, and judge it"].strip()
    assert (clean.folder / "models" / "mine" / "README.md").is_file()
    assert told["Take the model along"].strip().splitlines()[-1]
