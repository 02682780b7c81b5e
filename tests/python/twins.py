"""Each plan and layout in small, and a batch built anew in the fewest words from what `store.record` says."""

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from chefgenius import RecipeLoader, TokenStore, prepare
from chefgenius.cookbook import TOKENIZER
from chefgenius.data.batch import Batch
from samples import recipes, write_lines

PLANS: dict[str, dict[str, Any]] = {
    "fixed": {"plan": "fixed", "batch_size": 4},
    "bucketed": {"plan": "bucketed", "batch_size": 4},
    "tokens": {"plan": "bucketed", "batch_tokens": 400},
    "packed": {"plan": "packed", "batch_size": 2},
}

LAYOUTS: dict[str, dict[str, Any]] = {
    "seq2seq": {"layout": "seq2seq"},
    "causal": {"layout": "causal"},
    "causal both": {"layout": "causal", "loss_on": "both"},
    "causal bos": {"layout": "causal", "bos_id": 2},
    "causal separator": {"layout": "causal", "separator_ids": [5, 6, 7]},
    "causal all": {"layout": "causal", "bos_id": 2, "separator_ids": [5, 6], "loss_on": "both"},
}

SIDES = ("segment_ids", "position_ids", "cu_seqlens")


def mixed_store(folder: Path) -> TokenStore:
    """41 recipes from `short.jsonl`, 20 from `long.jsonl` that are two to four times as long."""
    long = recipes(20, seed=1)
    for number, recipe in enumerate(long):
        recipe["directions"] *= 2 + number % 3
    sources = [
        write_lines(folder / f"{name}.jsonl", records)
        for name, records in {"short": recipes(41), "long": long}.items()
    ]
    return prepare(sources, tokenizer=TOKENIZER, out=folder / "store")


def open_loader(
    store: TokenStore, plan: str = "fixed", layout: str = "seq2seq", **options: Any
) -> RecipeLoader:
    """A loader over all records; of most, the target or the prompt is cut or just fits."""
    given = {
        "seed": 7,
        "split": "all",
        "micro_batches_per_step": 3,
        "max_input_length": 26,
        "max_target_length": 90,
        **PLANS[plan],
        **LAYOUTS[layout],
        **options,
    }
    return RecipeLoader(store, **given)


def parts(
    store: TokenStore, record_id: int, options: dict[str, Any]
) -> tuple[list[int], list[int], list[int]]:
    """One record: its input, its labels, and which places of a sequence they count for."""
    record = store.record(record_id)
    longest = options.get("max_input_length", 26), options.get("max_target_length", 90)
    prompt, target = record.prompt_ids.tolist(), record.target_ids.tolist()
    target = [*target[: longest[1] - 1], store.eos_token_id]
    if options["layout"] == "seq2seq":
        return [*prompt[: longest[0] - 1], store.eos_token_id], target, target
    bos = [options["bos_id"]] if "bos_id" in options else []
    separator = options.get("separator_ids", [])
    prompt = [*bos, *prompt[: longest[0] - len(bos) - len(separator)], *separator]
    learned = [*prompt, *target] if options.get("loss_on") == "both" else [-100] * len(prompt) + target
    # Nothing stands before the first place that could foretell it.
    return [*prompt, *target], [-100, *learned[1:]], target


def twin(
    store: TokenStore, loader: RecipeLoader, batch: Batch, layout: str, **options: Any
) -> dict[str, Any]:
    """All tensors of a batch as lists; which records share a row is taken from its own `segment_ids`."""
    options = {**LAYOUTS[layout], **options}
    records = iter([parts(store, int(record), options) for record in batch.record_ids])
    packed = loader.columns is not None
    shares = batch["segment_ids"].amax(1).tolist() if packed else [1] * len(batch.record_ids)
    rows = [list(islice(records, share)) for share in shares]
    assert next(records, None) is None, "every record stands in a row"
    inputs = [[one[0] for one in row] for row in rows]
    labels = [[one[1] for one in row] for row in rows]
    wide, long = (loader.columns or (0, 0)) if packed else (longest_row(inputs), longest_row(labels))
    made = {
        "input_ids": padded(inputs, wide, store.pad_token_id),
        "attention_mask": padded([[[1] * len(one) for one in row] for row in inputs], wide, 0),
        "labels": padded(labels, long, -100),
    }
    if packed:
        made |= zip(SIDES, segments(inputs, wide), strict=True)
        if options["layout"] == "seq2seq":
            made |= zip([f"decoder_{name}" for name in SIDES], segments(labels, long), strict=True)
    return made


def segments(rows: list[list[list[int]]], width: int) -> Iterator[Any]:
    """Segment ids, position ids and cumulative lengths of rows of records."""
    yield padded([[[number] * len(one) for number, one in enumerate(row, 1)] for row in rows], width, 0)
    yield padded([[list(range(len(one))) for one in row] for row in rows], width, 0)
    yield np.cumsum([0, *(len(one) for row in rows for one in row)]).tolist()


def longest_row(rows: list[list[list[int]]]) -> int:
    return max((sum(map(len, row)) for row in rows), default=0)


def padded(rows: list[list[list[int]]], width: int, fill: int) -> list[list[int]]:
    """The records of each row one after another, then `fill`."""
    flat = [[token for one in row for token in one] for row in rows]
    assert all(len(row) <= width for row in flat)
    return [row + [fill] * (width - len(row)) for row in flat]


def assert_equal(batch: Batch, expected: Batch) -> None:
    """Every tensor bit for bit with its type, the records, the place and the state."""
    assert_equal_content(batch, expected)
    assert batch.state == expected.state


def assert_equal_content(batch: Batch, expected: Batch) -> None:
    """The same without the state, which tells ranks of a step its beginning."""
    assert (batch.epoch, batch.index) == (expected.epoch, expected.index)
    assert list(batch) == list(expected)
    for name, tensor in batch.items():
        assert tensor.dtype == expected[name].dtype, name
        assert torch.equal(tensor, expected[name]), name
    assert np.array_equal(batch.record_ids, expected.record_ids)


def contents(batch: Batch) -> dict[str, torch.Tensor]:
    """A copy of what the tensors hold now."""
    return {name: tensor.clone() for name, tensor in batch.items()}


def assert_unchanged(batch: Batch, was: Mapping[str, torch.Tensor]) -> None:
    assert batch.keys() == was.keys()
    assert all(torch.equal(tensor, was[name]) for name, tensor in batch.items())
