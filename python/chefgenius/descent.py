"""Which checkpoint of another run a run began from: origin.json in its directory.

It is written before anything else of such a run, so that the same command goes on with it from then on, also
when it was killed before its first save. Nothing here imports torch.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from chefgenius.manifest import NAME as MANIFEST
from chefgenius.manifest import hash_file, replace_file, to_json
from chefgenius.state import ResumeError

SCHEMA = "chefgenius.origin/1"
NAME = "origin.json"


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
        path = path.resolve()
        for place in (path, path / "checkpoints" / self.checkpoint.name):
            if (place / MANIFEST).is_file():
                return hash_file(place / MANIFEST) == self.manifest
        return path in (self.checkpoint, self.checkpoint.parent.parent)


def write_descent(run_path: Path, checkpoint: Path, step: int) -> None:
    """Makes it durable. Raises OSError."""
    values = {
        "schema": SCHEMA,
        "checkpoint": str(checkpoint.resolve()),
        "step": step,
        "manifest": hash_file(checkpoint / MANIFEST),
    }
    replace_file(run_path / NAME, to_json(values))


def read_descent(run_path: Path) -> Descent | None:
    """None for a run that began from nothing. Raises ResumeError when the file cannot be read."""
    path = run_path / NAME
    if not path.exists():
        return None
    try:
        values = json.loads(path.read_bytes())
        if values["schema"] != SCHEMA:
            raise ValueError(f"its schema is `{values['schema']}`, read is `{SCHEMA}`")
        return Descent(Path(values["checkpoint"]), int(values["step"]), str(values["manifest"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ResumeError(
            f"`{path}` says which checkpoint this run began from, and cannot be read: "
            f"{type(error).__name__}: {error}: restore it from a copy, or choose another `run_dir`"
        ) from error
