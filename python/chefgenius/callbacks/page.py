"""report.html of a run, written while it trains and at its end, by a process of its own.

Training pays for nothing but the start of that process: it has the lowest priority, threads of its own, no
GPU, one at a time, and nothing of it comes back but whether it failed.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

from chefgenius.callbacks.protocol import Callback, Outcome, RunInfo, StepInfo
from chefgenius.run.state import one_line

FIRST, EVERY = 20.0, 60.0
"""seconds from the start to the first page, and from one page to the next"""
SHARE = 20
"""a page that took long is written anew after so many times as long"""
AT_END, AT_STOP = 60.0, 5.0
"""seconds that the end of a run waits for its page, and a stop for the begin of one that goes on alone"""
_ALONE = {
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    "CUDA_VISIBLE_DEVICES": "",
}


class ReportPage(Callback):
    """Has `python -m chefgenius.report RUN` write the page. Raises RuntimeError for one that failed."""

    def __init__(self) -> None:
        self._run: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._next = self._begun = 0.0

    def on_train_start(self, info: RunInfo) -> None:
        """The first page comes a little later."""
        self._run = info.run_path
        self._next = time.monotonic() + FIRST

    def on_step_end(self, info: StepInfo) -> None:
        """Start the next page when it is time and the last one is done; two looks at a clock else."""
        now = time.monotonic()
        if now < self._next:
            return
        if self._process is None:
            self._start("--during")
        elif self._process.poll() is None:
            return
        else:
            self._next = now + max(EVERY, SHARE * (now - self._begun))
            self._collect()

    def on_train_end(self, outcome: Outcome | None) -> None:
        """Write the last page, and wait for it; a stop does not wait, its page comes a little later."""
        if self._run is None:
            return
        self._end()  # the page that is being written is out of date
        seconds = AT_STOP if outcome is None else AT_END
        process = self._start("--after") if outcome is None else self._start()
        try:
            process.wait(seconds)
            self._collect()
        except subprocess.TimeoutExpired:
            state = "begun" if outcome is None else "ready"
            raise TimeoutError(
                f"the page was not {state} in {seconds:.0f} s: write it with `chefgenius report {self._run}`"
            ) from None
        finally:
            self._end()

    def _start(self, *options: str) -> subprocess.Popen[bytes]:
        self._begun = time.monotonic()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "chefgenius.report", *options, "--", str(self._run)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL if "--after" in options else subprocess.PIPE,
            env={**os.environ, **_ALONE},
            start_new_session=True,  # Ctrl-C in a terminal is for the run
        )
        return self._process

    def _collect(self) -> None:
        """Takes a process that has ended. Raises RuntimeError with its last words where it failed."""
        process, self._process = self._process, None
        assert process is not None
        _, words = process.communicate()
        if process.returncode:
            lines = (words or b"").decode(errors="replace").strip().splitlines()
            told = one_line(lines[-1]) if lines else f"it ended with {process.returncode}"
            raise RuntimeError(f"report.html was not written: {told}")

    def _end(self) -> None:
        """No process of this one is left."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None
