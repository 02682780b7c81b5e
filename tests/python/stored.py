"""Checkpoints made by hand, without torch: what the tests of `ckpt` and its parts look at."""

from typing import Any

import numpy as np
import numpy.typing as npt
from blake3 import blake3
from chefgenius.run.manifest import Entry, publish, seal, to_json
from chefgenius.run.resume import STATE_SCHEMA
from chefgenius.run.rundir import RunDirectory
from safetensors.numpy import save

Tensors = dict[str, npt.NDArray[Any]]

CONFIG = {
    "seed": 42,
    "run_dir": "runs/a",
    "optim.learning_rate": 0.005,
    "checkpoint.keep": 2,
    "checkpoint.keep_best": 1,
    "checkpoint.keep_every_steps": None,
}
FACTS = {"store": "b3:1", "tokenizer": "b3:2", "torch": "2.15.0", "transformers": "5.23.0", "threads": 1}


def sections(step: int, best_step: int | None = None, **changes: Any) -> dict[str, dict[str, Any]]:
    """The sections of a step; `changes` replaces keys of a section of that name."""
    made: dict[str, dict[str, Any]] = {
        "progress": {"step": step, "epoch": step // 4, "index": step % 4},
        "evaluation": {"first": None, "last": {"step": step, "validation_loss": 1.5}},
        "best": best_section(best_step),
        "config": dict(CONFIG),
        "facts": dict(FACTS),
        "logs": {"metrics.jsonl": {"bytes": 10 * step}, "timing.jsonl": {"bytes": 7 * step}},
    }
    for name, values in changes.items():
        made[name] = {**made.get(name, {}), **values}
    return made


def best_section(step: int | None) -> dict[str, Any]:
    return {
        "metric": "validation_loss",
        "kept": [] if step is None else [{"step": step, "value": 1.5}],
    }


def weights(step: int) -> Tensors:
    return {"a.weight": np.full((2, 3), step, np.float32), "b.bias": np.arange(4, dtype=np.float32)}


def add_checkpoint(
    run: RunDirectory,
    step: int,
    best_step: int | None = None,
    model: Tensors | None = None,
    **changes: Any,
) -> None:
    """A whole checkpoint, as the writer publishes one."""
    run.checkpoints.mkdir(parents=True, exist_ok=True)
    directory = run.checkpoints / ".tmp-made"
    directory.mkdir()
    contents = {
        "config.json": to_json({"model_type": "t5"}),
        "tokenizer.json": b"{}",
        "empty.txt": b"",
        "model.safetensors": save(weights(step) if model is None else model),
        "optim.safetensors": save({"a.weight/exp_avg": np.full(3, step / 8, np.float32)}),
        "state.json": to_json({"schema": STATE_SCHEMA, "sections": sections(step, best_step, **changes)}),
    }
    files = {}
    for name, data in contents.items():  # not durable, which takes its time
        (directory / name).write_bytes(data)
        files[name] = Entry(len(data), blake3(data).hexdigest())
    seal(directory, step, {"store": "b3:1"}, files)
    publish(directory, run.step_path(step))


def flip(run: RunDirectory, step: int, name: str = "model.safetensors") -> None:
    """One bit of a file changes, its size does not."""
    path = run.step_path(step) / name
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
