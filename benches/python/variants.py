"""The kinds of loader that are measured, and whether this build has them."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from chefgenius import RecipeLoader, TokenStore

BATCH_SIZE = 32
LENGTHS = {"max_input_length": 256, "max_target_length": 512}


@dataclass(frozen=True)
class Variant:
    """A name in the table, and the arguments of `RecipeLoader` beside store, rows and lengths."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def here(self) -> bool:
        """Whether this build's `RecipeLoader` takes these arguments."""
        known = typing.get_type_hints(RecipeLoader.__init__)
        for option, value in self.options.items():
            if option not in known:
                return False
            if typing.get_origin(known[option]) is typing.Literal and value not in typing.get_args(
                known[option]
            ):
                return False
        return True

    @property
    def plan(self) -> Mapping[str, Any]:
        """The options that decide the tensors; threads do not."""
        return {name: value for name, value in self.options.items() if name != "threads"}

    def open(self, store: TokenStore, **more: Any) -> RecipeLoader:
        """The loader, with a queue of 8 batches."""
        options: dict[str, Any] = {"prefetch": 8, **LENGTHS, **self.options, **more}
        return RecipeLoader(store, BATCH_SIZE, **options)


FIXED = Variant("fixed")
_PLANS = (
    FIXED,
    Variant("bucketed", {"plan": "bucketed"}),
    Variant("packed", {"plan": "packed"}),
    Variant("packed causal", {"plan": "packed", "layout": "causal"}),
)
_SPEEDS = (
    *_PLANS,
    Variant("fixed, 2 threads", {"threads": 2}),
    Variant("fixed, int32 inputs", {"input_dtype": torch.int32}),
)

PLANS = tuple(variant for variant in _PLANS if variant.here)
"""what has padding, views and states of its own"""
SPEEDS = tuple(variant for variant in _SPEEDS if variant.here)
"""what has a speed of its own"""
ABSENT = tuple(variant.name for variant in _SPEEDS if not variant.here)
"""what this build does not have"""
