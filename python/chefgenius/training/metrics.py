"""What a run writes down.

    metrics.jsonl   what a rerun must repeat bit for bit; two kinds of lines:
        {"kind": "step", "step", "epoch", "loss", "learning_rate", "grad_norm", "samples", "input_tokens",
         "target_tokens", "digest"}                                   loss: mean by target token of this step
         alone
        {"kind": "evaluation", "step", "epoch", "validation_loss", "validation_tokens", "prompts",
         "perplexity", ...}                                           and what `measures` names of texts
    timing.jsonl    what it cannot repeat: seconds, throughput, memory
    samples.jsonl   generated recipes with their prompts

A checkpoint holds the length of each file at its boundary, and the BLAKE3 of the first so many bytes of those
that a rerun must repeat. A resume verifies them, then cuts, so no line stands twice and none is another's.
timing.jsonl may be lost.
"""

import io
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import blake3
import torch

from chefgenius.console.screen import count
from chefgenius.run.ledger import CHUNK, check, saved_length
from chefgenius.run.manifest import named_errors, plain
from chefgenius.run.state import Progress, State

NAMES = ("metrics.jsonl", "timing.jsonl", "samples.jsonl")
_MAXRSS = 1 if sys.platform == "darwin" else 1024
"""bytes of the unit that the system counts memory in"""


class JsonLines:
    """One append-only file of JSON lines, with the BLAKE3 of its bytes; no file is touched before `open`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.length = 0
        self.hasher = blake3.blake3()
        self._file: io.FileIO | None = None

    def open(self, length: int = 0, hasher: blake3.blake3 | None = None) -> None:
        """Opens the file, made if need be, cuts it to `length` bytes and goes on from there.

        `hasher` has seen these bytes. Raises ResumeError for what is no plain file, OSError.
        """
        self.close()
        self._file = open(self.path, "ab", buffering=0, opener=plain)  # noqa: SIM115 - closed by `close`
        with named_errors(self.path):
            self._file.truncate(length)
        self.length = length
        self.hasher = hasher or blake3.blake3()

    def write(self, values: dict[str, Any]) -> None:
        """Appends one line.

        Raises OSError with the file's name, ValueError for a number that is not finite or a file that is not
        open.
        """
        line = (json.dumps(values, ensure_ascii=False, allow_nan=False) + "\n").encode()
        if self._file is None or self._file.closed:
            raise ValueError(f"`{self.path}` is not open: open it first")
        with named_errors(self.path):
            written = 0
            while written < len(line):
                written += self._file.write(line[written:]) or 0
        self.length += len(line)
        self.hasher.update(line)

    def sync(self) -> None:
        """Make every line durable. Raises OSError, ValueError for a file that was closed."""
        if self._file is not None:
            with named_errors(self.path):
                os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


class _Unwritten(JsonLines):
    """The same without a file, for a process that is not the one to write it."""

    def open(self, length: int = 0, hasher: blake3.blake3 | None = None) -> None:
        """Nothing to do."""

    def write(self, values: dict[str, Any]) -> None:
        """Nothing to do."""


class Logs:
    """The three files of a run; the section `logs` of state.json says what they held at the boundary.

    Nothing is made or changed before `begin` or `load_state_dict`, which only verifies without `touch`.
    Without `write` there are no files, and nothing is looked at.
    """

    def __init__(
        self,
        directory: Path,
        say: Callable[[str], None] = print,
        *,
        touch: bool = True,
        write: bool = True,
    ) -> None:
        self._touch, self._write = touch, write
        self._directory = self._source = directory
        self._claim: Callable[[], None] | None = None
        self._say = say
        self.metrics, self.timing, self.samples = self._all = [
            (JsonLines if write else _Unwritten)(directory / name) for name in NAMES
        ]
        self._exact = (self.metrics, self.samples)

    def adopt(self, source: Path, claim: Callable[[], None]) -> None:
        """Lets `load_state_dict` copy the files of another run, which the section is about.

        `claim` is called when they are verified, before the first copy.
        """
        self._source, self._claim = source, claim

    def begin(self) -> None:
        """Empties the files, for a run that begins."""
        for log in self._all:
            log.open()

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
        state: State = {
            log.path.name: {"bytes": log.length, "blake3": log.hasher.hexdigest()} for log in self._exact
        }
        return {**state, self.timing.path.name: {"bytes": self.timing.length}}

    def load_state_dict(self, state: State) -> None:
        """Take a saved section.

        Raises ResumeError, before anything is changed, when a file is not what was saved.
        """
        if not self._write:
            return
        hashers = [check(self._source / log.path.name, state[log.path.name]) for log in self._exact]
        timing = saved_length(state[self.timing.path.name])
        if not self._touch:
            return
        if self._claim is not None:
            self._claim()
            for log in self._all:
                if os.path.lexists(self._source / log.path.name):
                    _copy(self._source / log.path.name, log.path, saved_length(state[log.path.name]))
        whole = _whole_lines(self._source / self.timing.path.name, timing, self._say)
        for log, hasher in zip(self._exact, hashers, strict=True):
            log.open(int(state[log.path.name]["bytes"]), hasher)
        self.timing.open(whole)


def _copy(source: Path, target: Path, length: int) -> None:
    """The first so many bytes alone: a step logged after them would tell of a checkpoint that is lost."""
    with open(source, "rb", opener=plain) as there, open(target, "wb", opener=plain) as here:
        while length and (chunk := there.read(min(length, CHUNK))):
            with named_errors(target):
                here.write(chunk)
            length -= len(chunk)


def _whole_lines(path: Path, length: int, say: Callable[[str], None]) -> int:
    """How many of the first `length` bytes can be kept of a file that may be lost; tells of what is."""
    data = b""
    if os.path.lexists(path):
        with open(path, "rb", opener=plain) as file:
            data = file.read(length)
    if len(data) == length:
        return length
    state = f"has {count(len(data), 'byte')} instead of {length}" if path.exists() else "is missing"
    say(f"`{path}` {state}: going on with what is there, only timings are lost")
    return data.rfind(b"\n") + 1


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
            "peak_memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _MAXRSS,
        }
        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            line["peak_cuda_memory"] = torch.cuda.max_memory_allocated()
        self._lap, self._last, self._paused_before, self._waited = now, counts, self._paused, 0.0
        return line


def _counts(progress: Progress) -> tuple[int, int, int]:
    """Steps, samples, tokens of prompts and targets."""
    return progress.step, progress.samples, progress.input_tokens + progress.target_tokens
