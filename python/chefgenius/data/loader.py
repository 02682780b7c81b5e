"""The loader: what crosses from Rust in every step, as torch tensors."""

from __future__ import annotations

import atexit
import json
import weakref
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal

import torch
from torch.utils.data import IterableDataset

from chefgenius import _core
from chefgenius.data.batch import Batch
from chefgenius.data.pinned import PinnedMemory
from chefgenius.data.plan import (
    LayoutKind,
    PlanKind,
    SplitName,
    one_of,
    several,
    specification,
    whole_numbers,
)
from chefgenius.data.store import TokenStore, whole_number
from chefgenius.data.windows import LoaderError, StateMismatchError, Windows

__all__ = ["LoaderError", "RecipeLoader", "StateMismatchError"]


class RecipeLoader(IterableDataset[Batch], Windows):
    """Seeded, resettable batches of a token store: a batch is a function of store, plan, seed and place.

    Iterating gives the rest of the current epoch as `Batch`; after its last batch the loader stands at the
    next epoch, which the next `for` gives. Leaving a `for` and entering again goes on after the last
    delivered batch. To torch it is a dataset of ready batches: `DataLoader(loader, batch_size=None)`.

    Args:
        store: a `TokenStore`.
        batch_size: rows of a micro-batch (32 where `batch_tokens` is not given either); one of an epoch may
            have fewer. No record is dropped.
        plan: how records are grouped. `fixed`: as the order deals them. `bucketed`: by like lengths of input
            and target. `packed`: rows that hold several records each, filled to `columns`; the model must
            keep them apart by the segments in the batch. All show every record once an epoch, with other
            batch-mates in each.
        batch_tokens: instead of `batch_size`, with `bucketed`: rows x (columns + target columns) at most.
        layout: `seq2seq`, prompt and target apart; or `causal`, both in one sequence.
        loss_on: causal: `target`, or `both` prompt and target.
        bos_id: causal: the id before each prompt.
        separator_ids: causal: the ids between prompt and target.
        seed: of the order, 0 to 2**64 - 1. Each epoch has an order of its own.
        split: `train`, `validation` or `all`.
        rank: this process takes the slots with slot % world_size == rank of each step.
        world_size: of any number up to `micro_batches_per_step`: it sees the same records in the same slots.
        micro_batches_per_step: of an optimizer step, over all ranks: batch `index` is in step `index // ...`.
        on_plan_change: what `load_state_dict` does with the state of another plan (batch size, lengths,
            steps, kind; not another split): `refuse`, or `next_epoch`, which first finishes the saved epoch
            with the saved plan, as the store's `views` hold it. `len` and the counts are then that epoch's.
        weights: by name of a source, how often an epoch draws each of its records; 1 where not named, 0
            leaves the source out. Over the epochs a source's records are drawn equally often, or once more;
            by length, blocks of 8 draws and more an epoch differ by the rounding of their draws.
        tombstones: numbers of records that vanish from their batches; nothing else moves. A batch may be
            left empty: skip it.
        prefetch: batches that threads build ahead; with 0 each is built when asked for.
        threads: how many build ahead, 1 to 64; the caller helps while it waits. They change no batch.
        input_dtype: torch.int64 or torch.int32, of all tensors but `labels`, which losses want as int64.
        pin_memory: whether batches lie in page-locked memory, which `to(device, non_blocking=True)` copies
            in the background; by default where CUDA is.
        validation_fraction: the share of recipe bodies held out, chosen by content.
        validation_sources: names of sources held out whole, instead of a fraction.
        split_seed: chooses which bodies are held out; not the training seed.
        min_quality: leaves out records with a score below it; records without a score stay.
        max_input_length: ids of a prompt at most, special tokens included; a longer one is cut before its
            end-of-text token or separator.
        max_target_length: likewise for the target.

    Raises:
        ValueError: an argument out of range, or no record left; the message names the option.
    """

    def __init__(
        self,
        store: TokenStore,
        batch_size: int | None = None,
        *,
        plan: PlanKind = "fixed",
        batch_tokens: int | None = None,
        layout: LayoutKind = "seq2seq",
        loss_on: Literal["target", "both"] = "target",
        bos_id: int | None = None,
        separator_ids: Sequence[int] = (),
        seed: int = 42,
        split: SplitName = "train",
        rank: int = 0,
        world_size: int = 1,
        micro_batches_per_step: int = 1,
        on_plan_change: Literal["refuse", "next_epoch"] = "refuse",
        weights: Mapping[str, float] | None = None,
        tombstones: Collection[int] = (),
        prefetch: int = 8,
        threads: int = 1,
        input_dtype: torch.dtype = torch.int64,
        pin_memory: bool | None = None,
        validation_fraction: float = 0.05,
        validation_sources: Sequence[str | Path] = (),
        split_seed: int = 0,
        min_quality: float | None = None,
        max_input_length: int = 256,
        max_target_length: int = 512,
    ) -> None:
        if not isinstance(store, TokenStore):
            raise ValueError(f"bad value for `store`: `{store!r}` is none: open one with `TokenStore.open`")
        if input_dtype not in (torch.int64, torch.int32):
            raise ValueError(f"bad value for `input_dtype`: `{input_dtype}` is neither torch.int64 nor int32")
        self._on_plan_change = one_of("on_plan_change", on_plan_change, ("refuse", "next_epoch"))
        if pin_memory is not None and not isinstance(pin_memory, bool):
            raise ValueError(f"bad value for `pin_memory`: `{pin_memory!r}` is none of True, False, None")
        pinned = torch.cuda.is_available() if pin_memory is None else pin_memory
        Windows.__init__(
            self,
            store,
            specification(
                store,
                plan=plan,
                batch_size=batch_size,
                batch_tokens=batch_tokens,
                layout=layout,
                loss_on=loss_on,
                bos_id=bos_id,
                separator_ids=separator_ids,
                max_input_length=max_input_length,
                max_target_length=max_target_length,
                micro_batches_per_step=micro_batches_per_step,
                split=split,
                validation_fraction=validation_fraction,
                validation_sources=validation_sources,
                split_seed=split_seed,
                min_quality=min_quality,
                weights=weights,
            ),
            whole_number("seed", seed, 2**64),
            whole_numbers("tombstones", tombstones, 2**63),
            rank=whole_number("rank", rank, 2**32),
            world_size=whole_number("world_size", world_size, 2**32),
            prefetch=whole_number("prefetch", prefetch, 2**32),
            threads=whole_number("threads", threads, 2**32),
            narrow=input_dtype == torch.int32,
            given=pinned,
        )
        self._pinned = PinnedMemory(self._core.give) if pinned else None
        self._supply = self._pinned.supply if self._pinned else None
        # A batch that is held may outlive the loader; the loader's threads must not.
        weakref.finalize(self, self._core.close)
        _at_exit()

    def __iter__(self) -> Iterator[Batch]:
        # An iterator of the core: no Ctrl-C can come between its delivery and the loop.
        return self._core.batches(self._batch, self._supply)

    def _batch(self, delivered: _core.Delivered) -> Batch:
        """Tensors over the core's memory, or over page-locked memory."""
        if self._pinned is None:
            tensors = {name: torch.from_numpy(array) for name, array in delivered.arrays().items()}
        else:
            tensors = self._pinned.tensors(*delivered.release())
        epoch, index = delivered.epoch, delivered.index
        later = partial(self._core.state_after, epoch, index)
        # Where a `load_state_dict` may give this epoch another plan it would be too late.
        state = later() if self._on_plan_change == "next_epoch" else later
        return Batch(tensors, (delivered.record_ids, epoch, index, state))

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

    def set_epoch(self, epoch: int) -> None:
        """Go to the beginning of `epoch`; do nothing when that is the current one."""
        self._core.set_epoch(whole_number("epoch", epoch, 2**63))

    def reset(self) -> None:
        """Go to the beginning of the current epoch."""
        self._core.reset()

    def skip(self, steps: int) -> None:
        """Go to the beginning of the optimizer step that lies `steps` after the current one. O(1)."""
        self._core.skip(whole_number("steps", steps, 2**63))

    def batch_at(self, epoch: int, index: int) -> Batch:
        """Any micro-batch of any epoch, alone, in the time of one batch. The position stays."""
        epoch, index = whole_number("epoch", epoch, 2**63), whole_number("index", index, 2**63)
        batch: Batch = self._core.batch_at(epoch, index, self._batch, self._supply)
        return batch

    def state_dict(self) -> dict[str, Any]:
        """Where the loader stands after the last delivered batch, and what must be the same to go on there.

        With several ranks the end of a step; within one, its beginning. It is the same on every rank.

        A dict of JSON values, at most 512 bytes of JSON:

            {"schema": "chefgenius.loader/1", "order": 1, "seed": 42, "epoch": 0, "index": 17,
             "store": "b3:...", "tokenizer": "b3:...", "plan": "b3:...", "tombstones": "",
             "witness": "x3:..."}
        """
        return dict(json.loads(self._core.state()))

    def load_state_dict(self, state: Mapping[str, Any], *, allow: Collection[str] = ()) -> None:
        """Go to where `state` stands. Nothing is replayed: the cost is that of one batch.

        Args:
            state: what `state_dict()` or `Batch.state` gave, in this process or another.
            allow: `["tombstones"]` to go on although other records are masked now than then.

        Raises:
            StateMismatchError: data, tokenizer, plan, seed, order or tombstones differ; it says which.
            ValueError: `state` is none of a loader's.
        """
        for name in several("allow", allow):
            one_of("allow", name, ("tombstones",))
        try:
            text = json.dumps(dict(state), separators=(",", ":"))
        except (TypeError, ValueError):
            raise ValueError(
                f"bad loader state: `{state!r:.40}` is no dict of JSON values: pass what `state_dict()` gave"
            ) from None
        self._core.restore(
            text,
            other_plan=self._on_plan_change == "next_epoch",
            other_tombstones="tombstones" in allow,
        )

    def close(self) -> None:
        """End the threads. The loader delivers nothing afterwards; `batch_at` still works."""
        self._core.close()

    def __enter__(self) -> RecipeLoader:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def __repr__(self) -> str:
        size = f"records={self.records:,}, micro_batches={self.micro_batches:,}"
        return f"RecipeLoader({size}, plan={self.plan_fingerprint[:11]})"


@cache
def _at_exit() -> None:
    """At exit, before loaders are closed: threads that are in the core stay there."""
    atexit.register(_core.exiting)
