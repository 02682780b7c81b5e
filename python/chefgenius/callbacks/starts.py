"""When a run was started and how each start ended: two lines of RUN/starts.jsonl for each start.

    {"event": "start", "step": 120, "time": 1796022338.8, "total_steps": 1500, "version": "0.1.0"}
    {"event": "end", "step": 340, "time": 1796022380.1, "finished": false, "why": "stopped (SIGINT)"}

No rerun can repeat it, and no resume cuts it: also starts whose steps were lost stand there. A start that was
killed has no end.
"""

import json
import os
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from chefgenius.callbacks.protocol import Callback, Outcome, RunInfo, StepInfo
from chefgenius.run.manifest import named_errors, plain
from chefgenius.run.rundir import STARTS
from chefgenius.run.state import one_line


class Starts(Callback):
    """Notes the start and the end of this process."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._step = 0

    def on_train_start(self, info: RunInfo) -> None:
        """Note the start."""
        self._path, self._step = info.run_path / STARTS, info.step
        self._note("start", total_steps=info.total_steps, version=_version())

    def on_step_end(self, info: StepInfo) -> None:
        """Remember the boundary."""
        self._step = info.step

    def on_train_end(self, outcome: Outcome | None) -> None:
        """Note the end; where the run ends by an error, that is what is being handled now."""
        if outcome is not None:
            self._note("end", finished=True, why=outcome.ended)
        else:
            error = sys.exception()
            why = "" if error is None else one_line(error) or type(error).__name__
            self._note("end", finished=False, why=why)

    def _note(self, event: str, **values: Any) -> None:
        if self._path is None:
            return
        line = json.dumps({"event": event, "step": self._step, "time": time.time(), **values})
        with named_errors(self._path), open(self._path, "a+b", opener=plain) as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(end - 1, 0))
            torn = file.read(1) not in (b"", b"\n")  # by a kill
            file.write(b"\n" * torn + line.encode() + b"\n")


def _version() -> str:
    try:
        return version("chefgenius")
    except PackageNotFoundError:  # it runs from its sources
        return ""
