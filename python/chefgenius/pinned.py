"""Page-locked memory for batches, so that they are copied to a GPU in the background."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from weakref import WeakValueDictionary

import torch
from torch import Tensor

from chefgenius.store import Ids


class PinnedMemory:
    """Page-locked memory for batches, from torch's caching allocator, which knows of copies under way.

    The core fills blocks that it is given. Each batch gets one of its own, and its tensors are views of it.
    The block goes back to torch's allocator with the last of them.

    Args:
        ahead: blocks that the core may hold beside one for each call under way.
        give: brings the core a block; whoever lets go of the array gives the block up.
    """

    def __init__(self, ahead: int, give: Callable[[Ids], None]) -> None:
        self._ahead = ahead
        self._give = give
        self._lock = Lock()
        self._words = 0
        self._calls = 0
        self._blocks: dict[int, Tensor] = {}
        # The core alone keeps the arrays alive, so this knows what it has, wherever Ctrl-C came between.
        self._given: WeakValueDictionary[int, Ids] = WeakValueDictionary()

    @contextmanager
    def supplied(self, words: int) -> Iterator[None]:
        """Around a call that takes a batch of at most so many `words` of 8 bytes: there is a block for it."""
        with self._lock:
            self._calls += 1
        try:
            self._supply(words)
            yield
        finally:
            with self._lock:
                self._calls -= 1

    def _supply(self, words: int) -> None:
        with self._lock:
            if words > self._words:
                # The blocks of smaller batches, which another plan had, count no more.
                self._words, self._given = words, WeakValueDictionary()
            while len(self._given) < self._ahead + self._calls:
                block = torch.empty(self._words, dtype=torch.int64, pin_memory=torch.cuda.is_available())
                array = block.numpy()
                self._blocks[block.data_ptr()] = block
                self._given[block.data_ptr()] = array
                self._give(array)

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
