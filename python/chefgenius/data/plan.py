"""The options that decide what a micro-batch is, checked and written down for the core."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from chefgenius.data.store import TokenStore, whole_number

PlanKind = Literal["fixed", "bucketed", "packed"]
LayoutKind = Literal["seq2seq", "causal"]
SplitName = Literal["train", "validation", "all"]

BATCH_SIZE = 32
"""rows of a micro-batch where neither `batch_size` nor `batch_tokens` is given"""


def one_of(name: str, value: str, choices: Sequence[str]) -> str:
    """`value` where it is one of `choices`; raises ValueError that names the option."""
    if value not in choices:
        listed = ", ".join(f"`{choice}`" for choice in choices)
        raise ValueError(f"bad value for `{name}`: `{value!r}` is none of {listed}")
    return value


def several(name: str, values: Any) -> list[Any]:
    """What is in a collection; raises ValueError that names the option where `values` is none."""
    if isinstance(values, str | bytes | Path) or not isinstance(values, Iterable):
        raise ValueError(f"bad value for `{name}`: `{values!r}` is one value: pass a list")
    return list(values)


def whole_numbers(name: str, values: Any, bound: int) -> list[int]:
    """Whole numbers below `bound`; raises ValueError that names the option."""
    return [whole_number(name, value, bound) for value in several(name, values)]


def specification(
    store: TokenStore,
    *,
    plan: str,
    batch_size: int | None,
    batch_tokens: int | None,
    layout: str,
    loss_on: str,
    bos_id: int | None,
    separator_ids: Sequence[int],
    max_input_length: int,
    max_target_length: int,
    micro_batches_per_step: int,
    split: str,
    validation_fraction: float,
    validation_sources: Sequence[str | Path],
    split_seed: int,
    min_quality: float | None,
    weights: Mapping[str, float] | None,
) -> str:
    """JSON of the plan as the core reads it; `RecipeLoader` tells what the options mean.

    Raises:
        ValueError: an option out of range; the message names it.
    """
    if batch_size is not None and batch_tokens is not None:
        raise ValueError("bad value for `batch_tokens`: `batch_size` is given too: pass one of them")
    if batch_tokens is not None:
        limit = {"tokens": whole_number("batch_tokens", batch_tokens, 2**32)}
    else:
        rows = BATCH_SIZE if batch_size is None else batch_size
        limit = {"rows": whole_number("batch_size", rows, 2**32)}
    specification = {
        "kind": one_of("plan", plan, ("fixed", "bucketed", "packed")),
        "view": {
            "split": one_of("split", split, ("train", "validation", "all")),
            "validation_fraction": _number("validation_fraction", validation_fraction),
            "validation_sources": sorted(
                {_source(store, name) for name in several("validation_sources", validation_sources)}
            ),
            "split_seed": whole_number("split_seed", split_seed, 2**64),
            "min_quality": None if min_quality is None else _number("min_quality", min_quality),
        },
        "layout": {
            "model": one_of("layout", layout, ("seq2seq", "causal")),
            "max_input_length": whole_number("max_input_length", max_input_length, 2**31),
            "max_target_length": whole_number("max_target_length", max_target_length, 2**31),
            "bos_id": None if bos_id is None else whole_number("bos_id", bos_id, store.vocab_size),
            "separator_ids": whole_numbers("separator_ids", separator_ids, store.vocab_size),
            "loss_on_prompt": one_of("loss_on", loss_on, ("target", "both")) == "both",
            "eos_id": store.eos_token_id,
            "pad_id": store.pad_token_id,
        },
        "limit": limit,
        "micro_batches_per_step": whole_number("micro_batches_per_step", micro_batches_per_step, 2**32),
        "weights": _weights(store, {} if weights is None else weights),
    }
    return json.dumps(specification)


def _weights(store: TokenStore, weights: Mapping[str, float]) -> dict[str, float]:
    if not isinstance(weights, Mapping):
        raise ValueError(f"bad value for `weights`: `{weights!r}` is no dict from sources to numbers")
    numbers = {
        store._core.source_number(str(name), weights=True): _number("weights", weight)
        for name, weight in weights.items()
    }
    # A weight of 1 is no weight.
    return {str(source): weight for source, weight in sorted(numbers.items()) if weight != 1}


def _source(store: TokenStore, name: Any) -> int:
    return store._core.source_number(str(name), weights=False)


def _number(name: str, value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"bad value for `{name}`: `{value!r}` is no number")
    return float(value)
