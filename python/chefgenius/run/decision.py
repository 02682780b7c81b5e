"""Where a run begins, as rank 0 decided and verified it, told to the other processes that see the same files.

Nothing here imports torch.
"""

from pathlib import Path
from typing import Any

from chefgenius.run.descent import Weights
from chefgenius.run.manifest import NAME as MANIFEST
from chefgenius.run.manifest import DamagedError, hash_file, outline
from chefgenius.run.resume import Origin, origin_at
from chefgenius.run.state import ResumeError


def tell(decided: tuple[Origin | None, Weights | None]) -> list[Any]:
    """What `follow` makes the same of in another process that sees the same files: JSON values."""
    origin, weights = decided
    return [
        None
        if origin is None
        else [str(origin.directory.absolute()), hash_file(origin.directory / MANIFEST), origin.foreign],
        None if weights is None else [str(weights.directory), weights.blake3],
    ]


def follow(told: list[Any]) -> tuple[Origin | None, Weights | None]:
    """What another process decided, whose bytes it has verified. Raises ResumeError."""
    origin, weights = told
    begin = None if weights is None else Weights(Path(weights[0]), weights[1])
    if origin is None:
        return None, begin
    directory, manifest = Path(origin[0]), origin[1]
    try:
        if hash_file(directory / MANIFEST) != manifest:
            raise DamagedError("it is another one than rank 0 sees")
        return origin_at(directory, outline(directory), foreign=origin[2]), begin
    except (DamagedError, OSError) as error:
        raise ResumeError(
            f"checkpoint `{directory}`: {error}: all processes must see the same files: "
            "put `run_dir` where they do"
        ) from error
