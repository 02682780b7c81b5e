"""One run that is broken off again and again, and its twin that is left alone.

`ROWS` are the kinds of runs; what a later part adds to the state of a run adds a row.
"""

import json
import random
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adapters import on_base
from chefgenius.run.rundir import RunDirectory
from faults.shim import Faults, operations
from kinds import KINDS
from running import COUNTING, TRACED, Child, Nursery, answer, assert_same_run, words

LORA_ROW = "an adapter"
"""stands for the overrides of a run that trains one, which name a base in the chain's folder"""

CAUSAL = f"model.config={json.dumps({**KINDS['gpt2'], 'n_layer': 1, 'resid_pdrop': 0.1})}"
ROWS: dict[str, tuple[str, ...]] = {
    "plain": (),
    "fixed": ("data.plan=fixed",),
    "causal": (CAUSAL,),
    "packed": ("data.plan=packed", "data.batch_size=2"),
    "bf16": ("train.precision=bf16",),
    "accumulation 1": ("train.gradient_accumulation_steps=1",),
    "accumulation 4": ("train.gradient_accumulation_steps=4", "data.plan=fixed", "train.precision=bf16"),
    "no evaluation": ("eval.every_steps=0",),
    "adafactor": ("optim.kind=adafactor",),
    "fp16": ("train.precision=fp16",),
    "averages": ("train.ema_decay=0.9", "eval.use_ema=true"),
    "in pieces": ("train.rows_per_forward=3",),
    "every step": ("checkpoint.every_steps=1", "eval.every_steps=1"),
    "early stopping, a callback with a state": (
        "eval.early_stopping.metric=perplexity",
        "eval.early_stopping.min_delta=1e9",
        "eval.early_stopping.patience=1000",  # it counts, and never ends
        "eval.best_metric=sections",
        COUNTING,
    ),
    "lora": (LORA_ROW,),
    "compiled": (
        "train.compile=true",
        TRACED,
        CAUSAL,
        "data.plan=packed",
        "data.batch_size=2",
        "data.max_target_length=48",
    ),
}


def lines(run: Path) -> list[bytes]:
    """The whole lines of metrics.jsonl."""
    path = run / "metrics.jsonl"
    return path.read_bytes().split(b"\n")[:-1] if path.exists() else []


@dataclass(frozen=True)
class Point:
    """The `number`-th operation (from 0) of a process among those of one text; `*` stands for its steps."""

    text: str
    number: int


@dataclass
class Chain:
    """One run that is killed, and its twin that is not."""

    nursery: Nursery
    folder: Path
    steps: int
    overrides: tuple[str, ...] = ()
    kills: list[str] = field(default_factory=list)
    """what each was about to do, or in the middle of"""
    in_a_save: int = 0

    def __post_init__(self) -> None:
        (self.folder / "runs").mkdir(exist_ok=True)
        cadence = ("eval.every_steps=5", "checkpoint.every_steps=2", "eval.prompts=2")
        own = self.overrides
        if LORA_ROW in own:
            own = (*on_base(self.folder), *(one for one in own if one != LORA_ROW))
        self.overrides = (f"train.max_steps={self.steps}", *cadence, *own)

    @property
    def path(self) -> Path:
        return self.folder / "runs" / "killed"

    def start(self, faults: Faults | None = None) -> Child:
        """The same command each time; once it has a checkpoint it must not begin anew."""
        begun = any((self.path / "checkpoints").glob("step-*"))
        line = words(self.folder, *self.overrides, run="runs/killed")
        return self.nursery.start(*line, "--resume", "must" if begun else "auto", faults=faults)

    def kill(self, point: Point, chance: random.Random) -> bool:
        """Kills the next process at a point; one that clears away what a save left needs a kill in one."""
        if point.text.startswith(("unlink killed/checkpoints/.tmp", "rmdir killed/checkpoints/.tmp")):
            self.kill_at("rename *.tmp-step-* *")
        return self.kill_at(point.text, point.number, within=chance.random() < 0.5)

    def kill_at(self, text: str, number: int = 0, *, within: bool = False) -> bool:
        """Kills the next process at an operation; False when the run ended before it came to it."""
        trace = self.folder / "trace"
        child = self.start_struck(text, number, signal.SIGKILL, within=within, trace=str(trace))
        if child.wait() == 0:
            return False
        before = operations(trace)
        self._killed(child, f"{'in' if within else 'before'} {text} ({number}), after {before[-1:]}")
        return True

    def start_struck(
        self, text: str, number: int, by: signal.Signals, *, within: bool = False, trace: str | None = None
    ) -> Child:
        """The next process, which sends itself a signal at an operation."""
        return self.start(
            self.faults(trace=trace, strike=text, first=number, signal=by, within=within),
        )

    def faults(self, **wishes: Any) -> Faults:
        """What is to happen in the run's directory."""
        return Faults(root=str(self.folder / "runs"), **wishes)

    def check_stopped(self, child: Child, by: signal.Signals) -> None:
        """It ended by request, its last boundary is saved, and nothing that was logged came after that."""
        code, told = child.wait(), child.stderr.read_text()
        assert code == 75, told
        newest = RunDirectory(self.path).steps()[0]
        RunDirectory(self.path).verify(newest)
        assert told == (
            f"{answer(by)}stopped on request ({by.name}); step {newest} is saved: "
            "start the same command again to go on\n"
        )
        logged = [json.loads(line)["step"] for line in lines(self.path)]
        assert newest == max(logged), f"{max(logged) - newest} steps lost"
        self.kills.append(told)

    def kill_after(self, steps: int, delay: float) -> None:
        """Kills the next process some lines and a moment after it went on."""
        child, begin = self.start(), len(lines(self.path))
        child.wait_until(lambda: len(lines(self.path)) >= begin + steps)
        time.sleep(delay)
        child.kill(signal.SIGKILL)
        self._killed(child, f"{steps} lines and {delay:.3f} s after its start")

    def _killed(self, child: Child, told: str) -> None:
        assert child.wait() == -signal.SIGKILL, f"{told}: {child.stderr.read_text()}"
        self.kills.append(told)
        self.in_a_save += any((self.path / "checkpoints").glob(".tmp-*"))

    def go_on(self, steps: int, *overrides: str) -> None:
        """From now on both runs are given these overrides too, and end at another step."""
        self.steps = steps
        self.overrides = (*self.overrides, *overrides, f"train.max_steps={steps}")

    def end(self) -> None:
        """Takes the run and its twin to their last step."""
        last = self.start()
        assert last.wait() == 0, f"{self.kills[-1:]}: {last.stderr.read_text()}"
        child = self.nursery.start(*words(self.folder, *self.overrides, run="whole"))
        assert child.wait() == 0, child.stderr.read_text()

    def finish(self, last_step: int | None = None) -> None:
        """Goes on to the end and compares everything with the run that was left alone."""
        self.end()
        assert_same_run(self.path, self.folder / "whole")
        assert not [*self.path.rglob(".*")], "something is left behind"
        records = [json.loads(line) for line in lines(self.path)]
        steps = [one["step"] for one in records if one["kind"] == "step"]
        assert steps == list(range(1, (last_step or self.steps) + 1))
