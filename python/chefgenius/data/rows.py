"""The records of a micro-batch with what is fed of each; nothing here imports torch."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chefgenius.data.windows import Windows

_IGNORED = -100
Array = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Row:
    """One record in a step."""

    record: int
    slot: int
    """which micro-batch of the step, from 0"""
    row: int
    """which row of that, from 0; packed rows hold several records"""
    input_tokens: int
    """ids of the input, marks included; of a causal model those of the target too"""
    target_tokens: int
    """ids that are learned"""


def rows_of(windows: Windows, epoch: int, index: int, slot: int) -> Iterator[Row]:
    """The records of a micro-batch, in its order."""
    records = windows.record_ids_at(epoch, index)
    arrays = windows.arrays_at(epoch, index)
    counts = _packed(arrays) if "segment_ids" in arrays else _padded(arrays)
    for record, (row, inputs, targets) in zip(records.tolist(), counts, strict=True):
        yield Row(record, slot, row, inputs, targets)


def _padded(arrays: dict[str, Array]) -> Iterator[tuple[int, int, int]]:
    inputs = arrays["attention_mask"].sum(axis=1).tolist()
    targets = (arrays["labels"] != _IGNORED).sum(axis=1).tolist()
    for row, (one, other) in enumerate(zip(inputs, targets, strict=True)):
        yield row, one, other


def _packed(arrays: dict[str, Array]) -> Iterator[tuple[int, int, int]]:
    segments = arrays["segment_ids"]
    learned = arrays.get("decoder_segment_ids", segments) * (arrays["labels"] != _IGNORED)
    for row, (inputs, targets) in enumerate(zip(segments, learned, strict=True)):
        for segment in range(1, int(inputs.max(initial=0)) + 1):
            yield row, int((inputs == segment).sum()), int((targets == segment).sum())
