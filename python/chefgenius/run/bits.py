"""Two safetensors files side by side, tensor by tensor, bit by bit; without torch.

`safe_open` checks the header, numpy maps the bytes: memory holds no more than a piece of two tensors.
https://github.com/huggingface/safetensors#format
"""

import json
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import safe_open

_FLOATS = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}
_PIECE = 1 << 20
"""elements that are compared at once"""

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Tensor:
    """One tensor of a file, its bytes mapped."""

    dtype: str
    """in the format's words, as `F32`"""
    shape: tuple[int, ...]
    data: npt.NDArray[np.uint8]

    @property
    def kind(self) -> str:
        """Dtype and shape, for a person."""
        return f"{self.dtype} {list(self.shape)}"


def read(path: Path) -> dict[str, Tensor]:
    """The tensors of a file by name. Raises OSError and SafetensorError."""
    with safe_open(path, "numpy"):  # refuses a header that contradicts itself or the file
        pass
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    data = np.memmap(path, np.uint8, "r", offset=8 + length) if any_bytes(header) else np.empty(0, np.uint8)
    return {
        name: Tensor(one["dtype"], tuple(one["shape"]), data[slice(*one["data_offsets"])])
        for name, one in header.items()
    }


def any_bytes(header: dict[str, Any]) -> bool:
    """Whether a tensor of the header has elements: nothing can be mapped where none has."""
    return any(one["data_offsets"][0] < one["data_offsets"][1] for one in header.values())


def differences(a: dict[str, Tensor], b: dict[str, Tensor]) -> Iterator[tuple[str, str]]:
    """Name and description of every tensor that is not the same on both sides, by name."""
    for name in sorted({*a, *b}):
        if name not in a or name not in b:
            side = "a" if name in a else "b"
            yield name, f"only in {side}, {(a.get(name) or b[name]).kind}"
        elif a[name].kind != b[name].kind:
            yield name, f"{a[name].kind} in a, {b[name].kind} in b"
        elif told := difference(a[name], b[name]):
            yield name, told


def difference(a: Tensor, b: Tensor) -> str | None:
    """What differs in two tensors of one dtype and shape; None when every bit is equal."""
    elements = math.prod(a.shape)
    width = len(a.data) // elements if elements else 1
    unequal, most, where = 0, -1.0, 0
    for start in range(0, elements, _PIECE):
        bounds = slice(start * width, (start + _PIECE) * width)
        first, second = a.data[bounds], b.data[bounds]
        if np.array_equal(first, second):
            continue
        rows = (first != second).reshape(-1, width).any(axis=1)
        unequal += int(rows.sum())
        far = _distances(a.dtype, first, second)
        if far is not None:
            far[~rows] = -1.0  # equal bits, also those of NaN and infinity, are no distance
            place = int(far.argmax())
            if far[place] > most:
                most, where = float(far[place]), start + place
    if not unequal:
        return None
    told = f"{a.kind}: {unequal:,} of {elements:,} elements differ"
    if most < 0:
        return told
    index = [int(one) for one in np.unravel_index(where, a.shape)]
    return f"{told}, most by {most:.3g} at {index}"


def _distances(dtype: str, first: Array, second: Array) -> npt.NDArray[np.float64] | None:
    """Absolute differences, infinite beside a NaN; None for a dtype that is no float numpy can read."""
    pair = []
    for data in (first, second):
        if dtype == "BF16":  # the upper half of a float32
            values = (data.view("<u2").astype("<u4") << 16).view("<f4")
        elif dtype in _FLOATS:
            values = np.ascontiguousarray(data).view(_FLOATS[dtype])
        else:
            return None
        pair.append(values.astype(np.float64))
    with np.errstate(invalid="ignore"):
        far = np.abs(pair[0] - pair[1])
    far[np.isnan(far)] = np.inf
    return far
