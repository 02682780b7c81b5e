"""Page-locked memory for batches, so that they are copied to a GPU in the background."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from chefgenius.data.store import Ids


class PinnedMemory:
    """Page-locked memory for batches, from torch's caching allocator, which knows of copies under way.

    The core fills blocks that it is given. Each batch gets one of its own, and its tensors are views of it.
    The block goes back to torch's allocator with the last of them.

    Args:
        give: brings the core a block.
    """

    def __init__(self, give: Callable[[Ids], None]) -> None:
        self._give = give
        self._blocks: dict[int, Tensor] = {}

    def supply(self, words: int, blocks: int) -> None:
        """Give the core so many blocks of so many words of 8 bytes."""
        for _ in range(blocks):
            block = torch.empty(words, dtype=torch.int64, pin_memory=torch.cuda.is_available())
            self._blocks[block.data_ptr()] = block
            self._give(block.numpy())

    def tensors(
        self, address: int, places: list[tuple[str, int, int, int | None, bool]]
    ) -> dict[str, Tensor]:
        """Views of the block that a batch was released from, which is then the batch's alone."""
        block = self._blocks.pop(address)
        narrow = block.view(torch.int32)
        tensors = {}
        for name, word, rows, columns, wide in places:
            shape = (rows,) if columns is None else (rows, columns)
            stride = (1,) if columns is None else (columns, 1)
            base, start = (block, word) if wide else (narrow, 2 * word)
            tensors[name] = base.as_strided(shape, stride, start)
        return tensors
