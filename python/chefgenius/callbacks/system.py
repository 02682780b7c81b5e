"""What a run takes of its machine: processor, memory, disk and GPU, a line of RUN/system.jsonl now and then.

A rerun cannot repeat it, so it never stands in metrics.jsonl.
"""

import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import torch

from chefgenius.callbacks.protocol import Callback, Outcome, RunInfo, StepInfo
from chefgenius.evaluation.evaluator import Evaluation
from chefgenius.run.manifest import named_errors


class SystemMonitor(Callback):
    """Looks at the first step or evaluation that ends after `seconds`; memory in bytes, use in per cent."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._next = 0.0
        self._path: Path | None = None
        self._process = psutil.Process()

    def on_train_start(self, info: RunInfo) -> None:
        """Begin to count the use of the processor; the first line comes after the first step."""
        self._path = info.run_path / "system.jsonl"
        psutil.cpu_percent()
        self._process.cpu_percent()

    def on_step_end(self, info: StepInfo) -> None:
        """Look, when it is time."""
        self._look(info.step)

    def on_eval_end(self, evaluation: Evaluation) -> None:
        """Look, when it is time."""
        self._look(evaluation.step)

    def on_train_end(self, outcome: Outcome | None) -> None:
        """A last look."""
        if outcome is not None:
            self._next = 0.0
            self._look(outcome.step)

    def _look(self, step: int) -> None:
        if self._path is None or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + self._seconds
        line = {"time": time.time(), "step": step, **self._figures(self._path.parent), **gpu()}
        with named_errors(self._path), open(self._path, "ab") as file:
            if file.tell() and not _ends_with_a_line(self._path):
                file.write(b"\n")  # a killed process was writing
            file.write(json.dumps(line).encode() + b"\n")

    def _figures(self, place: Path) -> dict[str, Any]:
        memory = psutil.virtual_memory()
        return {
            "cpu": psutil.cpu_percent(),
            "process_cpu": self._process.cpu_percent(),
            "process_memory": self._process.memory_info().rss,
            "memory_available": memory.available,
            "memory_total": memory.total,
            "disk_free": psutil.disk_usage(str(place)).free,
        }


def gpu() -> dict[str, Any]:
    """Memory of the GPU that this process uses, and its use where the driver tells; nothing without one."""
    if not torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return {}
    free, total = torch.cuda.mem_get_info()
    found: dict[str, Any] = {
        "gpu_memory_free": free,
        "gpu_memory_total": total,
        "gpu_memory_process": torch.cuda.memory_reserved(),
    }
    with suppress(ModuleNotFoundError, RuntimeError):  # without the package that asks the driver
        found["gpu"] = torch.cuda.utilization()
    return found


def _ends_with_a_line(path: Path) -> bool:
    with open(path, "rb") as file:
        file.seek(-1, 2)
        return file.read(1) == b"\n"
