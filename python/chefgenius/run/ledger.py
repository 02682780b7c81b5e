"""What a checkpoint says of the logs of its run, held against the files; nothing here imports torch.

The section `logs` of state.json has the length of each file at the boundary and the BLAKE3 of so many bytes
of those that a rerun must repeat.

1. `check` verifies one file, which a resume then goes on with.
2. `lost` tells in a line each what is no longer as it was saved.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import blake3

from chefgenius.console.screen import count
from chefgenius.run.manifest import plain
from chefgenius.run.state import ResumeError, State

EXACT = ("metrics.jsonl", "samples.jsonl")
"""what a rerun must repeat bit for bit"""
CHUNK = 1 << 20
_REMEDY = "restore it from a copy, or take the weights alone into another `run_dir` with `--init-from`"


def check(path: Path, saved: State) -> blake3.blake3:
    """A hasher that has seen the bytes that were saved. Raises ResumeError for others, OSError."""
    length, expected = saved_length(saved), str(saved["blake3"])
    hasher, left = blake3.blake3(), length
    if length and not os.path.lexists(path):
        raise ResumeError(f"`{path}` is missing: {_REMEDY}")
    if length:
        with open(path, "rb", opener=plain) as file:
            while left and (chunk := file.read(min(left, CHUNK))):
                hasher.update(chunk)
                left -= len(chunk)
    if left:
        raise ResumeError(
            f"`{path}` has {count(length - left, 'byte')}, the checkpoint was saved with {length:,}, "
            f"lines are lost: {_REMEDY}"
        )
    if hasher.hexdigest() != expected:
        raise ResumeError(f"`{path}` has changed, its first {length} bytes are not those saved: {_REMEDY}")
    return hasher


def saved_length(saved: State) -> int:
    """The saved length in bytes. Raises ValueError for what is none."""
    length = saved["bytes"]
    if not isinstance(length, int) or not 0 <= length < 2**63:
        raise ValueError("`bytes` is no length")
    return length


def lost(run: Path, sections: Mapping[str, Any]) -> list[str]:
    """What is lost of the logs of a run since a checkpoint with these sections was saved, a line each.

    A trainer may be writing meanwhile, which only makes them longer.
    """
    found = []
    for name in EXACT:
        try:
            check(run / name, sections["logs"][name])
        except (ResumeError, OSError) as error:
            found.append(str(error))
        except (KeyError, TypeError, ValueError):
            continue  # a state of another version says nothing of them
    return found
