"""What a run began from, where that is not its own step 0: origin.json in its directory.

Either the checkpoint of another run, which it went on from, or a directory whose weights alone it took. It is
written before anything else of such a run, so that the same command goes on with it from then on, also when
it was killed before its first save. Nothing here imports torch.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from chefgenius.run.manifest import NAME as MANIFEST
from chefgenius.run.manifest import hash_file, plain, replace_file, to_json
from chefgenius.run.state import ResumeError, one_line

SCHEMA = "chefgenius.origin/1"
NAME = "origin.json"
WEIGHTS = "model.safetensors"
_Kind = TypeVar("_Kind")


@dataclass(frozen=True)
class Descent:
    """The checkpoint that a run began from."""

    checkpoint: Path
    step: int
    manifest: str
    """BLAKE3 of its manifest.json"""

    def is_from(self, path: Path) -> bool:
        """Whether `path`, a checkpoint or a run directory, is where the run began.

        The manifest decides where it is there, wherever it lies; else the name does.
        """
        return _leads_to(path, self.checkpoint, MANIFEST, self.manifest) is not None


@dataclass(frozen=True)
class Weights:
    """The directory whose weights a run began with."""

    directory: Path
    blake3: str
    """of its model.safetensors"""

    def found_at(self, path: Path) -> Path | None:
        """The directory that `path`, itself or the run directory around it, leads to; None for other weights.

        The contents decide where they are there, wherever they lie; else the name does.
        """
        return _leads_to(path, self.directory, WEIGHTS, self.blake3)


def write_descent(run_path: Path, checkpoint: Path, step: int) -> None:
    """Makes it durable that the run goes on from a checkpoint. Raises OSError."""
    values = {
        "schema": SCHEMA,
        "checkpoint": str(checkpoint.resolve()),
        "step": step,
        "manifest": hash_file(checkpoint / MANIFEST),
    }
    replace_file(run_path / NAME, to_json(values))


def write_weights(run_path: Path, weights: Weights) -> None:
    """Makes it durable that the run begins with these weights. Raises OSError."""
    values = {"schema": SCHEMA, "weights": str(weights.directory), "blake3": weights.blake3}
    replace_file(run_path / NAME, to_json(values))


def read_descent(run_path: Path) -> Descent | None:
    """None for a run that went on from no other. Raises ResumeError when the file cannot be read."""

    def take(values: dict[str, Any]) -> Descent | None:
        if "weights" in values:
            return None
        return Descent(_path(values["checkpoint"]), int(values["step"]), str(values["manifest"]))

    return _read(run_path / NAME, take)


def read_weights(run_path: Path) -> Weights | None:
    """None for a run that began with weights of its own. Raises ResumeError when the file cannot be read."""

    def take(values: dict[str, Any]) -> Weights | None:
        return Weights(_path(values["weights"]), str(values["blake3"])) if "weights" in values else None

    return _read(run_path / NAME, take)


def _read(path: Path, take: Callable[[dict[str, Any]], _Kind]) -> _Kind | None:
    if not path.exists():
        return None
    try:
        with open(path, "rb", opener=plain) as file:
            values = json.loads(file.read())
        if values["schema"] != SCHEMA:
            raise ValueError(f"its schema is `{values['schema']}`, read is `{SCHEMA}`")
        return take(values)
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise ResumeError(
            f"`{path}` says what this run began from, and cannot be read: "
            f"{type(error).__name__}: {one_line(error)}: restore it from a copy, or choose another `run_dir`"
        ) from error


def _path(text: Any) -> Path:
    if not isinstance(text, str) or "\0" in text:
        raise ValueError(f"`{text!r:.60}` is no path")
    return Path(text)


def _leads_to(path: Path, known: Path, file: str, digest: str) -> Path | None:
    path = path.resolve()
    for place in (path, path / "checkpoints" / known.name):
        if (place / file).is_file():
            return place if hash_file((place / file).resolve()) == digest else None
    return known if path in (known, known.parent.parent) else None
