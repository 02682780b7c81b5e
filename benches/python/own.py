"""A run of chefgenius by its own command, and what its logs say of it."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chefgenius import TokenStore
from chefgenius.train import main
from scene import Scene


@dataclass(frozen=True)
class Pace:
    """What was done in so many seconds."""

    seconds: float
    recipes: int
    target_tokens: int
    """that count: neither padding nor ignored"""
    waited: float = 0.0
    """seconds of them without a batch"""

    @property
    def recipes_a_second(self) -> float:
        return self.recipes / self.seconds

    @property
    def tokens_a_second(self) -> float:
        return self.target_tokens / self.seconds


def words(scene: Scene, store: TokenStore, run: Path, seed: int, steps: int, *more: str) -> list[str]:
    """The command line; nothing is evaluated, and saved only before and after."""
    return [
        f"run_dir={run}",
        f"seed={seed}",
        f"data.store={store.path}",
        f"data.batch_size={scene.rows}",
        f"data.max_input_length={scene.lengths[0]}",
        f"data.max_target_length={scene.lengths[1]}",
        f"data.validation_fraction={scene.held_out}",
        f"model.config={json.dumps(scene.shape)}",
        f"optim.learning_rate={scene.learning_rate}",
        f"optim.warmup_steps={scene.warmup}",
        "optim.schedule=constant",
        f"train.device={scene.device}",
        f"train.precision={scene.precision}",
        f"train.max_steps={steps}",
        "checkpoint.every_steps=1000000",
        "eval.every_steps=0",
        "log.report=false",
        *more,
    ]


def train(words: list[str]) -> Path:
    """The command in this process, in silence; the run's directory, which was empty."""
    run = Path(words[0].removeprefix("run_dir="))
    shutil.rmtree(run, ignore_errors=True)
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = main(words)
    if code:
        raise SystemExit(f"`chefgenius.train` ended with {code}: {said.getvalue()}")
    return run


def train_elsewhere(words: list[str]) -> Path:
    """The command in a process of its own."""
    run = Path(words[0].removeprefix("run_dir="))
    shutil.rmtree(run, ignore_errors=True)
    done = subprocess.run(
        [sys.executable, "-m", "chefgenius.train", *words], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"`chefgenius.train` ended with {done.returncode}: {done.stderr}")
    return run


def lines(run: Path, name: str = "metrics") -> list[dict[str, Any]]:
    """Of the steps that were logged."""
    made = [json.loads(line) for line in (run / f"{name}.jsonl").read_text().splitlines()]
    return [line for line in made if line.get("kind", "step") == "step"]


def last_checkpoint(run: Path) -> Path:
    return max((run / "checkpoints").glob("step-*"))


def pace(scene: Scene, store: TokenStore, run: Path, seed: int, *more: str) -> Pace:
    """Of `scene.steps` steps, after as many that are not timed; nothing is logged while the clock runs."""
    steps = scene.steps
    train(words(scene, store, run, seed, 2 * steps, f"log.every_steps={steps}", *more))
    before, after = ({line["step"]: line for line in lines(run)}[step] for step in (steps, 2 * steps))
    lap = {line["step"]: line for line in lines(run, "timing")}[2 * steps]
    shutil.rmtree(run)
    return Pace(
        lap["seconds"],
        after["samples"] - before["samples"],
        after["target_tokens"] - before["target_tokens"],
        lap["data_wait"],
    )


def run_facts(run: Path) -> dict[str, Any]:
    """What the bits of a run depend on, as it wrote them down."""
    facts: dict[str, Any] = json.loads((run / "run.json").read_text())["facts"]
    return facts
