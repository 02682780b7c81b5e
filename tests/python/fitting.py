"""A tiny run taken to its end in this process, and what is looked at afterwards."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import chefgenius
import pytest
from chefgenius.callbacks import Callback, StepInfo
from chefgenius.evaluation.evaluator import Evaluation
from chefgenius.run.signals import Stop, StopRequested
from running import assert_same_run, opened, outcome, words

QUIET = ("eval.every_steps=0", "checkpoint.every_steps=1000")


def metrics(run: Path, kind: str = "step") -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if line["kind"] == kind]


def weights(run: Path) -> tuple[bytes, bytes]:
    found = outcome(run)
    return found["model"], found["optimizer"]


class Counting(Callback):
    """A callback with a state: all that it was told, in a digest that depends on the order."""

    def __init__(self, name: str = "Counting") -> None:
        self._name = name
        self.steps = 0
        self.seen = ""

    @property
    def name(self) -> str:
        return self._name

    def on_step_end(self, info: StepInfo) -> None:
        self.steps += 1
        self._note(f"{info.step} {info.loss}")

    def on_eval_end(self, evaluation: Evaluation) -> None:
        self._note(f"{evaluation}")

    def _note(self, text: str) -> None:
        self.seen = hashlib.sha256(f"{self.seen} {text}".encode()).hexdigest()

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self.steps, "seen": self.seen}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.steps, self.seen = int(state["steps"]), str(state["seen"])


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


def stop_at(
    folder: Path, *overrides: str, step: int, run: str = "run", callbacks: tuple[Callback, ...] = ()
) -> None:
    """The same, stopped at a boundary."""
    with opened(folder, *overrides, run=run, callbacks=callbacks) as trainer:
        trainer.callbacks = [*callbacks, StopAt(trainer.stop, step=step)]
        with pytest.raises(StopRequested, match=f"; step {step} is saved$"):
            trainer.fit()


# The same from Python, as `open_run` has it.


class At(Callback):
    """Does something at the end of a step."""

    def __init__(self, step: int, do: Callable[[], None]) -> None:
        self.step, self.do = step, do

    def on_step_end(self, info: StepInfo) -> None:
        if info.step == self.step:
            self.do()


def ending(step: int, error: BaseException) -> At:
    def fail() -> None:
        raise error

    return At(step, fail)


def silent(text: str) -> None:
    """Where nobody looks at what is said."""


def go(folder: Path, *overrides: str, callbacks: Any = (), run: str = "run", **given: Any) -> None:
    config = chefgenius.load_config(None, words(folder, *overrides, run=run))
    with chefgenius.open_run(config, callbacks=callbacks, **{"say": silent, **given}) as trainer:
        trainer.fit()


def assert_goes_on(folder: Path, *overrides: str, callbacks: Any = ()) -> None:
    """The same call once more ends as a run that was never stopped."""
    go(folder, *overrides, callbacks=callbacks)
    assert not [one for one in (folder / "run" / "checkpoints").iterdir() if one.name.startswith(".")]
    fit(folder, *overrides, run="whole", callbacks=tuple(Counting() for _ in callbacks))
    assert_same_run(folder / "run", folder / "whole")
