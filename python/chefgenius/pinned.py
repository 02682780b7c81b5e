"""Page-locked memory for batches, so that they are copied to a GPU in the background."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from chefgenius._core import Delivered, Loader


class PinnedMemory:
    """Page-locked memory for batches, from torch's caching allocator, which knows of copies under way.

    Each batch gets a block of its own; the core fills it, and the batch's tensors are views of it. The block
    goes back to torch's allocator with the last of them.
    """

    def __init__(self, core: Loader, ahead: int) -> None:
        self._core = core
        self._ahead = ahead
        self._blocks: dict[int, Tensor] = {}

    def supply(self) -> None:
        """Give the core as many blocks as it can have in use at a time."""
        words = self._core.most_words
        while len(self._blocks) < self._ahead:
            block = torch.empty(words, dtype=torch.int64, pin_memory=torch.cuda.is_available())
            self._blocks[block.data_ptr()] = block
            self._core.give(block.numpy())

    def tensors(self, delivered: Delivered) -> dict[str, Tensor]:
        """Views of the block that holds a batch, which is then the batch's alone."""
        address, places = delivered.release()
        block = self._blocks.pop(address)
        narrow = block.view(torch.int32)
        tensors = {}
        for name, word, rows, columns, wide in places:
            shape = (rows,) if columns is None else (rows, columns)
            stride = (1,) if columns is None else (columns, 1)
            base, start = (block, word) if wide else (narrow, 2 * word)
            tensors[name] = base.as_strided(shape, stride, start)
        return tensors
