"""What the files of a run say, each taken as it is: one that is missing or cut off by a kill is no error.

`Run.read` is all of it. A trainer may be writing meanwhile.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from chefgenius.report.thinning import Floats
from chefgenius.run.descent import read_descent
from chefgenius.run.differences import Change, Exactness
from chefgenius.run.inventory import Inventory, find_run, read_state, take
from chefgenius.run.ledger import lost
from chefgenius.run.manifest import plain
from chefgenius.run.rundir import are_facts_damaged, read_run_facts
from chefgenius.run.state import ResumeError

Line = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """A run as its directory tells it."""

    path: Path
    facts: Line
    """run.json; empty where there is none"""
    config: str
    """config.yaml as it stands there; empty where there is none"""
    steps: list[Line]
    evaluations: list[Line]
    """of metrics.jsonl, in order"""
    timing: list[Line]
    samples: list[Line]
    system: list[Line]
    events: list[Line]
    """of starts.jsonl: the starts of the run and how they ended"""
    inventory: Inventory
    state: dict[str, Any]
    """sections of the newest checkpoint that can be read; empty where there is none"""
    began_from: str
    """the checkpoint of another run that this one goes on from; empty for none"""
    missing: list[str] = field(default_factory=list)
    """files that are not there, or hold nothing that can be read"""
    facts_damaged: bool = False
    """whether run.json is there and cannot be read; the facts are then those of the newest checkpoint"""
    lost: list[str] = field(default_factory=list)
    """what the logs lack that the newest checkpoint tells of, a line each"""

    @classmethod
    def read(cls, path: Path) -> "Run":
        """Everything. Raises NotFoundError where no run is."""
        directory = find_run(path)
        inventory = take(directory)
        metrics = read_lines(path / "metrics.jsonl")
        logs = {
            name: read_lines(path / f"{name}.jsonl") for name in ("timing", "samples", "system", "starts")
        }
        state = next((state for one in inventory.checkpoints if (state := read_state(one.path))), {})
        facts, config = read_run_facts(path), read_text(path / "config.yaml")
        told = {
            "run.json": facts,
            "config.yaml": config,
            "metrics.jsonl": metrics,
            "timing.jsonl": logs["timing"],
            "starts.jsonl": logs["starts"],
        }
        return cls(
            path=path,
            facts=facts or {name: state[name] for name in ("facts",) if isinstance(state.get(name), dict)},
            config=config,
            steps=[line for line in metrics if line.get("kind") == "step"],
            evaluations=[line for line in metrics if line.get("kind") == "evaluation"],
            timing=logs["timing"],
            samples=logs["samples"],
            system=logs["system"],
            events=logs["starts"],
            inventory=inventory,
            state=state,
            began_from=_descent(path),
            missing=[name for name, found in told.items() if not found],
            facts_damaged=are_facts_damaged(path),
            lost=lost(path, state),
        )

    @property
    def name(self) -> str:
        """That of its directory."""
        return self.path.resolve().name

    @property
    def step(self) -> int:
        """The last step that is logged, or saved."""
        logged = [int(line["step"]) for line in (*self.steps[-1:], *self.evaluations[-1:])]
        return max([*logged, *(one.step for one in self.inventory.checkpoints[:1]), 0])

    @property
    def total(self) -> int | None:
        """The last step that it is to come to; None where that is not known."""
        total = self.facts.get("total_steps")
        return total if isinstance(total, int) else None

    @property
    def finished(self) -> bool:
        """Whether it came to its end."""
        if isinstance(self.facts.get("finished"), int):
            return True
        return bool(self.events) and self.events[-1].get("finished") is True

    @cached_property
    def exactness(self) -> Exactness | None:
        """What the newest checkpoint remembers of changes; None where none can be read."""
        try:
            changes = self.state["exactness"]["changes"]
            return Exactness([Change(int(one["step"]), [str(a) for a in one["allowed"]]) for one in changes])
        except (KeyError, TypeError, ValueError):
            return None

    @property
    def inexact_since(self) -> int | None:
        """The step from which on it is not exact; None for an exact run, and where that is not known."""
        told = self.facts.get("not_exact_since")
        if isinstance(told, int):
            return told
        return None if self.exactness is None else self.exactness.since

    def settings(self) -> Line:
        """Every key of the configuration with its value, from the newest checkpoint or config.yaml."""
        saved = self.state.get("config")
        if isinstance(saved, dict) and saved:
            return saved
        if not self.config:
            return {}
        from chefgenius.settings.config import ConfigError, flatten
        from chefgenius.settings.options import load

        try:
            return flatten(load(str(self.path / "config.yaml"), []))
        except (ConfigError, OSError):
            return {}


def read_lines(path: Path) -> list[Line]:
    """The objects in a file of JSON lines; a line that is none, such as one being written, is left out."""
    text = read_text(path)
    whole, _, torn = text.rpartition("\n")
    try:  # all at once, which takes a third of the time
        found = json.loads("[" + whole.replace("\n", ",") + "]")
    except (ValueError, RecursionError):
        found, torn = [], text
    for line in torn.split("\n"):
        try:
            found.append(json.loads(line))
        except (ValueError, RecursionError):
            continue
    return [one for one in found if isinstance(one, dict) and _is_step(one.get("step"))]


def read_text(path: Path) -> str:
    """A text; empty where it cannot be read."""
    try:
        with open(path, "rb", opener=plain) as file:
            return file.read().decode(errors="replace")
    except (OSError, ResumeError):
        return ""


def read_object(path: Path) -> Line:
    """A JSON object; empty where there is none."""
    try:
        value = json.loads(read_text(path))
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def column(lines: Sequence[Line], name: str) -> tuple[Floats, Floats]:
    """Steps and values of one field of the lines that have it; NaN where it is no number."""
    having = [line for line in lines if name in line]
    steps = np.array([line["step"] for line in having], dtype=np.float64)
    found = [line[name] for line in having]
    if {type(one) for one in found} != {float}:
        found = [real(one) for one in found]
    return steps, np.array(found, dtype=np.float64)


def real(value: Any) -> float:
    """A number as it is, anything else as NaN."""
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e300:
        return float("nan")
    return float(value)


def _is_step(value: Any) -> bool:
    return isinstance(value, int) and 0 <= value < 2**63


def _descent(path: Path) -> str:
    try:
        found = read_descent(path)
    except (ResumeError, OSError, ValueError):
        return ""
    return "" if found is None else str(found.checkpoint)
