"""A run as a program sees it: one JSON object a line on standard output, in the place of the console."""

import json
import sys
from pathlib import Path
from typing import Any, TextIO

from chefgenius.callbacks.protocol import Callback, Outcome, RunInfo, StepInfo
from chefgenius.evaluation.evaluator import Evaluation, figures
from chefgenius.run.manifest import STDOUT, named_errors


class JsonLines(Callback):
    """A line at each point: `event` is `message`, `start`, `step`, `evaluation`, `saved` or `end`.

    Steps are told every `log.every_steps`. A rerun repeats metrics.jsonl; this is for those who watch.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._every = 1

    def say(self, text: str) -> None:
        """One message."""
        self._write("message", text=text)

    def on_train_start(self, info: RunInfo) -> None:
        """Where the run begins."""
        self._every = info.log_every
        self._write("start", run=str(info.run_path), step=info.step, total_steps=info.total_steps)

    def on_step_end(self, info: StepInfo) -> None:
        """A step that is due, the last, and one that was skipped."""
        if info.step % self._every == 0 or info.step == info.total_steps or info.skipped:
            self._write("step", **{**vars(info), "skipped": list(info.skipped)})

    def on_eval_end(self, evaluation: Evaluation) -> None:
        """Every figure of an evaluation."""
        self._write("evaluation", **{name: v for name, v in figures(evaluation).items() if name != "kind"})

    def on_save(self, checkpoint: Path) -> None:
        """A checkpoint."""
        self._write("saved", checkpoint=str(checkpoint))

    def on_train_end(self, outcome: Outcome | None) -> None:
        """How it ended."""
        if outcome is None:
            self._write("end", finished=False)
        else:
            self._write("end", finished=True, step=outcome.step, early=outcome.ended, best=outcome.best)

    def _write(self, event: str, **values: Any) -> None:
        with named_errors(STDOUT):
            stream = self._stream or sys.stdout
            stream.write(json.dumps({"event": event, **values}, ensure_ascii=False) + "\n")
            stream.flush()
