"""The loader and its batches: what crosses from Rust in every step, as torch tensors."""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import torch
from torch import Tensor

from chefgenius import _core
from chefgenius._core import LoaderError, StateMismatchError
from chefgenius.store import Ids, TokenStore, whole_number

__all__ = ["Batch", "LoaderError", "RecipeLoader", "StateMismatchError", "StepInfo"]

Arrays = tuple[Ids, Ids, Ids, Ids, int, int]
"""input ids, attention mask, labels, record ids, epoch, index"""
State = str | Callable[[], str]
"""a loader's state as JSON, or how to get it"""


@dataclass(frozen=True)
class StepInfo:
    """What one optimizer step holds, over all ranks; known from the plan, without building a batch.

    Attributes:
        micro_batches, samples: how many.
        input_tokens, target_tokens: ids that count, end-of-text tokens included, padding not.
    """

    micro_batches: int
    samples: int
    input_tokens: int
    target_tokens: int


class Batch(dict[str, Tensor]):
    """One micro-batch: a dict of int64 tensors.

    `input_ids` and `attention_mask` are rows x input length, `labels` are rows x target length. Rows are
    padded to the longest of the batch: ids with the padding token, the mask with 0, labels with -100. The
    tensors own their memory; the loader never writes them again.

    Attributes:
        epoch: from 0.
        index: the global number of the micro-batch within the epoch, from 0.
        record_ids: int64 array, the store's number of each row's record.
    """

    def __init__(
        self, tensors: Mapping[str, Tensor], record_ids: Ids, epoch: int, index: int, state: State
    ) -> None:
        super().__init__(tensors)
        self.record_ids = record_ids
        self.epoch = epoch
        self.index = index
        self._state = state

    @property
    def state(self) -> dict[str, Any]:
        """The loader's `state_dict()` just after this batch, whenever it is asked for."""
        if callable(self._state):
            self._state = self._state()
        state: dict[str, Any] = json.loads(self._state)
        return state

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and other processes get the state itself, not the loader that can tell it."""
        state = json.dumps(self.state, separators=(",", ":"))
        return Batch, (dict(self), self.record_ids, self.epoch, self.index, state)


class RecipeLoader:
    """Seeded, resettable batches of a token store: a batch is a function of store, plan, seed and place.

    Iterating gives the rest of the current epoch as `Batch`; after its last batch the loader stands at the
    next epoch, which the next `for` gives. Leaving a `for` and entering again goes on after the last
    delivered batch.

    Args:
        store: a `TokenStore`.
        batch_size: rows of a micro-batch; an epoch's last one may have fewer. No record is dropped.
        seed: of the order, 0 to 2**64 - 1. Each epoch has an order of its own.
        split: `train`, `validation` or `all`.
        rank, world_size: this process takes the slots with slot % world_size == rank of each step.
        micro_batches_per_step: micro-batches of an optimizer step over all ranks, at least `world_size`.
        prefetch: batches that threads build ahead; with 0 each is built when asked for.
        threads: how many build ahead, 1 to 64; the caller helps while it waits.
        validation_fraction: the share of recipe bodies held out, chosen by content.
        validation_sources: names of sources held out whole, instead of a fraction.
        split_seed: chooses which bodies are held out; not the training seed.
        min_quality: leaves out records with a score below it; records without a score stay.
        max_input_length: ids of a row at most; a longer text is cut before its end-of-text token.
        max_target_length: likewise for the labels.

    Raises:
        ValueError: an argument out of range, or no record left; the message names the option.
    """

    def __init__(
        self,
        store: TokenStore,
        batch_size: int = 32,
        *,
        seed: int = 42,
        split: Literal["train", "validation", "all"] = "train",
        rank: int = 0,
        world_size: int = 1,
        micro_batches_per_step: int = 1,
        prefetch: int = 8,
        threads: int = 1,
        validation_fraction: float = 0.05,
        validation_sources: Sequence[str | Path] = (),
        split_seed: int = 0,
        min_quality: float | None = None,
        max_input_length: int = 256,
        max_target_length: int = 512,
    ) -> None:
        numbers = {
            "batch_size": batch_size,
            "rank": rank,
            "world_size": world_size,
            "micro_batches_per_step": micro_batches_per_step,
            "prefetch": prefetch,
            "threads": threads,
            "max_input_length": max_input_length,
            "max_target_length": max_target_length,
        }
        for name, value in numbers.items():
            whole_number(name, value, 2**32)
        whole_number("seed", seed, 2**64)
        whole_number("split_seed", split_seed, 2**64)
        if not isinstance(store, TokenStore):
            raise ValueError(f"bad value for `store`: `{store!r}` is none: open one with `TokenStore.open`")
        if split not in ("train", "validation", "all"):
            raise ValueError(f"bad value for `split`: `{split!r}` is none of `train`, `validation`, `all`")
        least = 0.0 if min_quality is None else min_quality
        for name, share in {"validation_fraction": validation_fraction, "min_quality": least}.items():
            if not isinstance(share, int | float):
                raise ValueError(f"bad value for `{name}`: `{share!r}` is no number")
        if isinstance(validation_sources, str | Path):
            raise ValueError(
                f"bad value for `validation_sources`: `{validation_sources}` is one name: pass a list"
            )
        self.store = store
        self._core = _core.Loader(
            store._core,
            seed=seed,
            split=split,
            validation_fraction=validation_fraction,
            validation_sources=[str(source) for source in validation_sources],
            split_seed=split_seed,
            min_quality=min_quality,
            **numbers,
        )
        # A batch that is held may outlive the loader; the loader's threads must not.
        weakref.finalize(self, self._core.close)

    def __iter__(self) -> Iterator[Batch]:
        epoch = self._core.begin()
        while (arrays := self._core.next(epoch)) is not None:
            yield self._batch(arrays)

    def _batch(self, arrays: Arrays) -> Batch:
        """Tensors over the memory of the arrays; nothing is copied."""
        input_ids, attention_mask, labels, record_ids, epoch, index = arrays
        tensors = {
            "input_ids": torch.from_numpy(input_ids),
            "attention_mask": torch.from_numpy(attention_mask),
            "labels": torch.from_numpy(labels),
        }
        return Batch(tensors, record_ids, epoch, index, partial(self._core.state_after, epoch, index))

    def __len__(self) -> int:
        """Batches that this rank gets in a whole epoch."""
        return self._core.own_batches

    @property
    def epoch(self) -> int:
        """The current epoch, from 0."""
        return self._core.position()[0]

    @property
    def index(self) -> int:
        """The global number of the next micro-batch within the epoch, from 0."""
        return self._core.position()[1]

    @property
    def records(self) -> int:
        """Records that an epoch shows, over all ranks."""
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
    def plan_fingerprint(self) -> str:
        """Names everything besides store, seed and order that decides the batches."""
        return self._core.plan_fingerprint

    def set_epoch(self, epoch: int) -> None:
        """Go to the beginning of `epoch`; do nothing when that is the current one."""
        self._core.set_epoch(whole_number("epoch", epoch, 2**63))

    def reset(self) -> None:
        """Go to the beginning of the current epoch."""
        self._core.reset()

    def batch_at(self, epoch: int, index: int) -> Batch:
        """Any micro-batch of any epoch, alone, in the time of one batch. The position stays."""
        arrays = self._core.batch_at(whole_number("epoch", epoch, 2**63), whole_number("index", index, 2**63))
        return self._batch(arrays)

    def record_ids_at(self, epoch: int, index: int) -> Ids:
        """The records of a micro-batch (int64 array) without building it."""
        return self._core.record_ids_at(
            whole_number("epoch", epoch, 2**63), whole_number("index", index, 2**63)
        )

    def view_record_ids(self, n: int) -> Ids:
        """The first `n` records that this loader sees, in the order of the store (int64 array)."""
        return self._core.first_records(whole_number("n", n, 2**63))

    def step_info(self, epoch: int, step: int) -> StepInfo:
        """What optimizer step `step` of `epoch` holds over all ranks."""
        epoch, step = whole_number("epoch", epoch, 2**63), whole_number("step", step, 2**63)
        return StepInfo(*self._core.step_info(epoch, step))

    def state_dict(self) -> dict[str, Any]:
        """Where the loader stands after the last delivered batch, and what must be the same to go on there.

        A dict of JSON values, at most 512 bytes of JSON:

            {"schema": "chefgenius.loader/1", "order": 1, "seed": 42, "epoch": 0, "index": 17,
             "store": "b3:...", "tokenizer": "b3:...", "plan": "b3:...", "tombstones": "",
             "witness": "x3:..."}
        """
        state: dict[str, Any] = json.loads(self._core.state())
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go to where `state` stands.

        Raises:
            StateMismatchError: data, tokenizer, plan, seed or order differ; the message says which.
            ValueError: `state` is none of a loader's.
        """
        if not isinstance(state, Mapping):
            raise ValueError(f"bad loader state: `{state!r:.40}` is no dict: pass what `state_dict()` gave")
        self._core.restore(json.dumps(dict(state), separators=(",", ":")))

    def close(self) -> None:
        """End the prefetch threads. The loader delivers nothing afterwards; `batch_at` still works."""
        self._core.close()

    def __enter__(self) -> RecipeLoader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return (
            f"RecipeLoader(records={self.records:,}, micro_batches={self.micro_batches:,}, "
            f"plan={self.plan_fingerprint[:11]})"
        )
