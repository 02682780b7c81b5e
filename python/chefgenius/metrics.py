"""What a run writes down.

    metrics.jsonl   what a rerun must repeat bit for bit; two kinds of lines:
        {"kind": "step", "step", "epoch", "loss", "learning_rate", "grad_norm", "samples", "input_tokens",
         "target_tokens", "digest"}                                   loss: mean by target token of this step
         alone
        {"kind": "evaluation", "step", "epoch", "validation_loss", ...}
    timing.jsonl    what it cannot repeat: seconds, throughput, memory
    samples.jsonl   generated recipes with their prompts

A log knows its length in bytes; a resume cuts it to the length at the boundary, so no line stands twice.
"""

import json
import os
import resource
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import blake3
import numpy as np
import numpy.typing as npt
import torch

from chefgenius.manifest import named_errors
from chefgenius.state import Progress, ResumeError, State

NAMES = ("metrics.jsonl", "timing.jsonl", "samples.jsonl")


class JsonLines:
    """One append-only file of JSON lines."""

    def __init__(self, path: Path) -> None:
        """Opens the file, made if need be, at its end. Raises OSError."""
        self.path = path
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115 - closed by `close`
        self.length = self._file.seek(0, os.SEEK_END)

    def write(self, values: dict[str, Any]) -> None:
        """Appends one line.

        Raises OSError with the file's name, ValueError for a number that is not finite.
        """
        line = (json.dumps(values, ensure_ascii=False, allow_nan=False) + "\n").encode()
        with named_errors(self.path):
            written = 0
            while written < len(line):
                written += self._file.write(line[written:]) or 0
        self.length += len(line)

    def cut(self, length: int) -> None:
        """Shortens the file. Raises ResumeError when it is shorter already: lines are missing."""
        size = os.fstat(self._file.fileno()).st_size
        if size < length:
            raise ResumeError(
                f"`{self.path}` has {size} bytes, the checkpoint was saved with {length}: restore the file, "
                "or go on from this checkpoint in a new `run_dir`"
            )
        self._file.truncate(length)
        self.length = length

    def sync(self) -> None:
        """Make every line durable."""
        with named_errors(self.path):
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Logs:
    """The three files of a run; the section `logs` of state.json holds their lengths in bytes."""

    def __init__(self, directory: Path) -> None:
        self.metrics, self.timing, self.samples = self._all = [JsonLines(directory / name) for name in NAMES]

    def begin(self) -> None:
        """Empties the files, for a run that begins."""
        for log in self._all:
            log.cut(0)

    def sync(self) -> None:
        """Makes every line durable; a checkpoint calls it before it appears."""
        for log in self._all:
            log.sync()

    def close(self) -> None:
        """Close the files."""
        for log in self._all:
            log.close()

    def state_dict(self) -> State:
        """The section."""
        return {log.path.name: log.length for log in self._all}

    def load_state_dict(self, state: State) -> None:
        """Take a saved section."""
        for log in self._all:
            log.cut(int(state[log.path.name]))


def adopt_logs(source: Path, target: Path, lengths: State) -> State:
    """Copies the logs of the run that a foreign checkpoint belongs to, up to its boundary.

    Returns the lengths to load: those given, or zeros when the other run's files are not there in full.
    """
    if any(not (source / name).is_file() or (source / name).stat().st_size < lengths[name] for name in NAMES):
        return dict.fromkeys(NAMES, 0)
    for name in NAMES:
        shutil.copyfile(source / name, target / name)
    return lengths


class RollingDigest:
    """BLAKE3 chained over the record ids of every micro-batch: equal digests mean equal records and order."""

    def __init__(self) -> None:
        self.value = blake3.blake3(b"chefgenius digest 1").hexdigest()

    def update(self, record_ids: npt.NDArray[np.int64]) -> None:
        """Add one micro-batch."""
        ids = np.ascontiguousarray(record_ids, dtype="<i8").tobytes()
        self.value = blake3.blake3(bytes.fromhex(self.value) + ids).hexdigest()

    def state_dict(self) -> State:
        """The section."""
        return {"value": self.value}

    def load_state_dict(self, state: State) -> None:
        """Take a saved section."""
        self.value = str(state["value"])


class Stopwatch:
    """Seconds and throughput since this start of the process; nothing of it is saved.

    Rates count the seconds of training only, not those of evaluations and checkpoints.
    """

    def __init__(self, progress: Progress) -> None:
        self._start = self._lap = time.perf_counter()
        self._first = self._last = _counts(progress)
        self._paused = self._paused_before = self._waited = 0.0

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Around an evaluation or a checkpoint."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._paused += time.perf_counter() - start

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Around the wait for a batch."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._waited += time.perf_counter() - start

    def rates(self, progress: Progress) -> tuple[float, float, float]:
        """Steps, recipes and tokens a second, on average since this start."""
        seconds = max(time.perf_counter() - self._start - self._paused, 1e-9)
        steps, samples, tokens = (
            (now - first) / seconds for first, now in zip(self._first, _counts(progress), strict=True)
        )
        return steps, samples, tokens

    def lap(self, progress: Progress) -> dict[str, Any]:
        """One line of timing.jsonl: what went by since the line before; seconds, and bytes of memory."""
        now, counts = time.perf_counter(), _counts(progress)
        paused = self._paused - self._paused_before
        seconds = max(now - self._lap - paused, 1e-9)
        line: dict[str, Any] = {
            "step": progress.step,
            "time": time.time(),
            "seconds": seconds,
            "paused": paused,
            "data_wait": self._waited,
            "recipes_per_second": (counts[1] - self._last[1]) / seconds,
            "tokens_per_second": (counts[2] - self._last[2]) / seconds,
            "peak_memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        }
        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            line["peak_cuda_memory"] = torch.cuda.max_memory_allocated()
        self._lap, self._last, self._paused_before, self._waited = now, counts, self._paused, 0.0
        return line


def _counts(progress: Progress) -> tuple[int, int, int]:
    """Steps, samples, tokens of prompts and targets."""
    return progress.step, progress.samples, progress.input_tokens + progress.target_tokens
