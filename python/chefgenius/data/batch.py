"""A micro-batch as a model takes it, and what a step holds."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from copy import copy
from typing import Any

import torch
from torch import Tensor

from chefgenius.data.store import Ids
from chefgenius.data.windows import Window

__all__ = ["Batch", "Window"]

State = str | Callable[[], str]
"""a loader's state as JSON, or how to get it"""
Place = tuple[Ids, int, int, State]
"""a batch's record ids, epoch, index and state"""


class Batch(dict[str, Tensor]):
    """One micro-batch: a dict of tensors, int64 unless said otherwise.

    Rows are padded to the longest of the batch, in packed batches to the plan's `columns`:

    - `input_ids` (rows x columns): the input; for causal models prompt and target. Then the padding token.
    - `attention_mask` (rows x columns): 1 for each id that counts, 0 for padding.
    - `labels` (rows x target columns): what is learned, else -100. For causal models as wide as
      `input_ids` and not shifted: `labels[i]` is `input_ids[i]`, which the model says at i - 1. The first
      of each packed record is -100, so that a shifted loss crosses no records.

    Packed batches also say which record each place belongs to:

    - `segment_ids` (rows x columns): 1 for a row's first record, 2 for the second ..., 0 for padding.
    - `position_ids` (rows x columns): from 0 in each record, 0 for padding.
    - `cu_seqlens` (records + 1, int32): where each record begins among all ids that count, row by row;
      `input_ids[segment_ids > 0]` is what it cuts.
    - `decoder_segment_ids`, `decoder_position_ids`, `decoder_cu_seqlens`: the same of `labels`, for
      encoder-decoder models. Decoder inputs are the labels shifted right within each segment: the start
      token where `decoder_position_ids` is 0.

    With `input_dtype=torch.int32` all but `labels` are int32. The loader never writes the tensors again.

    `Batch(tensors)` alone, the way transformers makes anew every dict that it moves to a device, has the
    tensors and none of the attributes.

    Attributes:
        epoch: from 0.
        index: the global number of the micro-batch within the epoch, from 0.
        record_ids: int64 array, the store's number of each record: of each row, or row by row where rows
            hold several.
    """

    def __init__(self, tensors: Mapping[str, Tensor], place: Place | None = None) -> None:
        super().__init__(tensors)
        if place is not None:
            self.record_ids, self.epoch, self.index, self._state = place

    def __copy__(self) -> Batch:
        copied = Batch(self)
        vars(copied).update(vars(self))
        return copied

    def to(self, device: torch.device | str | int, non_blocking: bool = False) -> Batch:
        """The same batch with its tensors on `device`. Accelerate and Lightning move a batch through this."""
        moved = copy(self)
        moved.update({name: tensor.to(device, non_blocking=non_blocking) for name, tensor in self.items()})
        return moved

    @property
    def state(self) -> dict[str, Any]:
        """The loader's `state_dict()` just after this batch, whenever it is asked for.

        With several ranks that is the end of the batch's step, or its beginning while the rank has more of it
        to do.
        """
        if callable(self._state):
            self._state = self._state()
        state: dict[str, Any] = json.loads(self._state)
        return state

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and other processes get the state itself, not the loader that can tell it."""
        state = json.dumps(self.state, separators=(",", ":"))
        return Batch, (dict(self), (self.record_ids, self.epoch, self.index, state))
