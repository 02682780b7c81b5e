"""chefgenius as a contender in a side-by-side harness of loaders: this one file among its adapters.

The harness gives `common` (its texts' lengths, tokenizer and batch size) and calls `prepare` and `open`. The
variant `elastic` cuts the batch of every step into two slots, so that one state serves one and two ranks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from chefgenius import RecipeLoader, TokenStore
from chefgenius import prepare as prepare_store
from common import BATCH, IGNORE, MAX_IN, MAX_TGT, PAD, TOKENIZER  # type: ignore[import-not-found]
from torch import Tensor
from torch.nn.functional import pad

VARIANTS = {"": {}, "sync": {"prefetch": 0}, "elastic": {"slots": 2}}
PROMPT = "Generate a recipe using these ingredients: {ingredients}"
TARGET = "Recipe: {title} Ingredients: {ingredients} Instructions: {directions}"
PADDING = {"input_ids": PAD, "attention_mask": 0, "labels": IGNORE}


def prepare(raw: str, out: str) -> None:
    prepare_store([raw], tokenizer=TOKENIZER, out=out, prompt_template=PROMPT, target_template=TARGET)


def open(
    out: str,
    seed: int,
    epoch: int,
    rank: int = 0,
    world: int = 1,
    state: Mapping[str, Any] | None = None,
    slots: int = 1,
    **options: Any,
) -> Loader:
    loader = RecipeLoader(
        TokenStore.open(out),
        BATCH // max(slots, world),
        seed=seed,
        split="all",
        rank=rank,
        world_size=world,
        micro_batches_per_step=max(slots, world),
        max_input_length=MAX_IN,
        max_target_length=MAX_TGT,
        **options,
    )
    loader.set_epoch(epoch)
    if state is not None:
        loader.load_state_dict(state)
    return Loader(loader, slots // world)


class Loader:
    """The harness's view of a loader; `join` micro-batches make one of its batches."""

    def __init__(self, loader: RecipeLoader, join: int) -> None:
        self._loader = loader
        self._batches = iter(loader) if join <= 1 else _joined(iter(loader), join)

    def __iter__(self) -> Iterator[Mapping[str, Tensor]]:
        return self._batches

    def __next__(self) -> Mapping[str, Tensor]:
        return next(self._batches)

    def state(self) -> dict[str, Any]:
        return self._loader.state_dict()

    def close(self) -> None:
        self._loader.close()


def _joined(batches: Iterator[Mapping[str, Tensor]], number: int) -> Iterator[Mapping[str, Tensor]]:
    """Batches of the rows of `number` batches each, padded to the longest."""
    while parts := [batch for _, batch in zip(range(number), batches, strict=False)]:
        made = {}
        for name, padding in PADDING.items():
            width = max(part[name].shape[1] for part in parts)
            wide = [pad(part[name], (0, width - part[name].shape[1]), value=padding) for part in parts]
            made[name] = torch.cat(wide)
        yield made
