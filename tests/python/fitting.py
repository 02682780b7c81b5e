"""A tiny run taken to its end in this process, and what is looked at afterwards."""

import json
from pathlib import Path
from typing import Any

import pytest
from chefgenius.callbacks import Callback, StepInfo
from chefgenius.evaluation import Evaluation
from chefgenius.signals import Stop, StopRequested
from running import opened, outcome

QUIET = ("eval.every_steps=0", "checkpoint.every_steps=1000")


def metrics(run: Path, kind: str = "step") -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if line["kind"] == kind]


def weights(run: Path) -> tuple[bytes, bytes]:
    found = outcome(run)
    return found["model"], found["optimizer"]


class StopAt(Callback):
    """Asks for a stop by a real signal, at a step or at an evaluation."""

    def __init__(self, stop: Stop, *, step: int | None = None, evaluation: int | None = None) -> None:
        self.stop, self.step, self.evaluation = stop, step, evaluation

    def on_step_end(self, info: StepInfo) -> None:
        if info.step == self.step:
            self.stop.requested = "SIGTERM"

    def on_eval_end(self, evaluation: Evaluation) -> None:
        if evaluation.step == self.evaluation:
            self.stop.requested = "SIGTERM"


def fit(folder: Path, *overrides: str, run: str = "run", callbacks: tuple[Callback, ...] = ()) -> None:
    with opened(folder, *overrides, run=run, callbacks=callbacks) as trainer:
        trainer.fit()


def stop_at(folder: Path, *overrides: str, step: int, run: str = "run") -> None:
    """The same, stopped at a boundary."""
    with opened(folder, *overrides, run=run) as trainer:
        trainer.callbacks = [StopAt(trainer.stop, step=step)]
        with pytest.raises(StopRequested, match=f"; step {step} is saved$"):
            trainer.fit()
