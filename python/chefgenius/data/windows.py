"""Which records stand in which micro-batch and in which step, by number; nothing here imports torch.

`data.RecipeLoader` delivers the same micro-batches as tensors.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chefgenius import _core
from chefgenius._core import LoaderError, StateMismatchError
from chefgenius.data.store import Ids, TokenStore, whole_number

__all__ = ["LoaderError", "StateMismatchError", "Window", "Windows"]


@dataclass(frozen=True)
class Window:
    """What one optimizer step holds, over all ranks; known from the plan, without building a batch.

    Attributes:
        micro_batches, samples: how many.
        input_tokens, target_tokens: ids that count, end-of-text tokens included, padding not. The inputs of
            a causal model hold its targets too; its target tokens are the labels that are learned.
    """

    micro_batches: int
    samples: int
    input_tokens: int
    target_tokens: int


class Windows:
    """The micro-batches of a store: each a function of store, plan, seed, epoch and index.

    Args:
        store: a `TokenStore`.
        specification: the plan as `plan.specification` writes it down.
        seed: of the order.
        tombstones: numbers of records that vanish from their batches; nothing else moves.
        delivery: of a loader that delivers them: rank, world_size, prefetch, threads, narrow, given.
    """

    def __init__(
        self,
        store: TokenStore,
        specification: str,
        seed: int,
        tombstones: Collection[int] = (),
        **delivery: Any,
    ) -> None:
        alone = {"rank": 0, "world_size": 1, "prefetch": 0, "threads": 1, "narrow": False, "given": False}
        self.store = store
        self.specification = specification
        """JSON of the plan: all that decides the batches besides store, seed and order"""
        self._core = _core.Loader(
            store._core,
            plan=specification,
            seed=seed,
            tombstones=list(tombstones),
            **{**alone, **delivery},
        )

    @property
    def records(self) -> int:
        """Records that the plan holds, over all ranks; without weights an epoch shows each once."""
        return self._core.records

    @property
    def micro_batches(self) -> int:
        """Micro-batches of every epoch, over all ranks."""
        return self._core.micro_batches

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps of every epoch; the last may have fewer micro-batches."""
        return self._core.steps_per_epoch

    @property
    def columns(self) -> tuple[int, int] | None:
        """Columns of inputs and labels of `packed`: for the least padding, labels take 1.5 or 2 times the
        longest target, inputs what matches. None where rows are padded to the longest of a batch."""
        return self._core.columns

    @property
    def tombstones(self) -> Ids:
        """The masked records, ascending (int64 array)."""
        return self._core.tombstones

    @property
    def plan_fingerprint(self) -> str:
        """Names everything besides store, seed and order that decides the batches."""
        return self._core.plan_fingerprint

    @property
    def order(self) -> int:
        """Version of the order: another one deals the same records otherwise."""
        return int(json.loads(self._core.state())["order"])

    def record_ids_at(self, epoch: int, index: int) -> Ids:
        """The records of a micro-batch (int64 array) without building it."""
        return self._core.record_ids_at(
            whole_number("epoch", epoch, 2**63), whole_number("index", index, 2**63)
        )

    def arrays_at(self, epoch: int, index: int) -> dict[str, NDArray[np.integer[Any]]]:
        """The tensors of a micro-batch as arrays of numpy; `batch.Batch` tells what they are."""
        epoch, index = whole_number("epoch", epoch, 2**63), whole_number("index", index, 2**63)
        arrays: dict[str, NDArray[np.integer[Any]]] = self._core.batch_at(
            epoch, index, lambda delivered: delivered.arrays()
        )
        return arrays

    def when(self, record_id: int, epoch: int) -> list[int]:
        """The optimizer steps of `epoch` that see a record, from the order's inverse.

        One step without weights; none where the record is outside the split, filtered or masked.
        """
        return self._core.when(
            whole_number("epoch", epoch, 2**63), whole_number("record_id", record_id, len(self.store))
        )

    def view_record_ids(self, n: int) -> Ids:
        """The first `n` records that this loader sees, in the order of the store (int64 array)."""
        return self._core.first_records(whole_number("n", n, 2**63))

    def step_info(self, epoch: int, step: int) -> Window:
        """What optimizer step `step` of `epoch` holds over all ranks."""
        epoch, step = whole_number("epoch", epoch, 2**63), whole_number("step", step, 2**63)
        return Window(*self._core.step_info(epoch, step))
