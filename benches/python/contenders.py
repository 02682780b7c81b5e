"""Who is measured: chefgenius, two loaders written by hand in numpy, and the plain copy.

All give dicts of fresh int64 tensors of 32 rows, padded to the longest. The numpy ones read a file of 16-bit
ids (truncated, end-of-text token kept) through a plain view of its map: `by_rows` copies row after row, as
one would write it; `by_windows` gathers whole rows of the longest length at once and then blanks what is too
much, which is the fastest that was found for this layout. The plain copies are no loaders but the limit:
they fill tensors of the same shapes from a buffer that stays in the cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
import torch
from chefgenius import RecipeLoader, TokenStore
from numpy.typing import NDArray
from safetensors.numpy import load_file
from torch import Tensor
from variants import BATCH_SIZE, LENGTHS

Tensors = Mapping[str, Tensor]
Places = NDArray[np.int64]
Shapes = Sequence[tuple[tuple[torch.Size, torch.dtype], ...]]
SOURCE, TARGET = LENGTHS.values()
CHUNK = 50_000
IGNORED = -100


@dataclass(frozen=True)
class Contender:
    """A name, its batches of an epoch, and what a batch holds on average: records, bytes.

    `copy` names the plain copy of as many bytes.
    """

    name: str
    epoch: Callable[[int], Iterator[Tensors]]
    records: float = BATCH_SIZE
    bytes: float = 0.0
    copy: str = ""


def endless(epoch: Callable[[int], Iterator[Tensors]]) -> Iterator[Tensors]:
    """Epoch after epoch."""
    for number in count():
        yield from epoch(number)


def chefgenius(name: str, loader: RecipeLoader, copy: Contender) -> Contender:
    """The loader; its epochs follow each other by themselves."""
    return Contender(name, lambda _: iter(loader), copy.records, copy.bytes, copy.name)


class TokenFile:
    """Records as one would keep them for numpy: all ids in one file, and where each text begins.

    Args:
        store, loader: where the ids come from, and the records that take part.
        path: the file that is written.
    """

    def __init__(self, store: TokenStore, loader: RecipeLoader, path: Path) -> None:
        records = loader.view_record_ids(loader.records)
        self.pad = store.pad_token_id
        if store.vocab_size > 2**16:
            raise SystemExit("the numpy loaders keep ids in 16 bits: use a smaller vocabulary")
        bounds = [np.zeros(1, np.int64)]
        first = last = 0
        with path.open("wb") as file:
            for shard in sorted(store.path.glob("shard-*.safetensors")):
                arrays = load_file(shard)
                first, last = last, last + len(arrays["offsets"]) // 2
                own = records[(records >= first) & (records < last)] - first
                for begin in range(0, len(own), CHUNK):
                    ids, lengths = _cut(arrays, own[begin : begin + CHUNK], store.eos_token_id)
                    file.write(ids.tobytes())
                    bounds.append(bounds[-1][-1] + np.cumsum(lengths))
            file.write(bytes(2 * max(SOURCE, TARGET)))  # a window may reach past the last record
        ends = np.concatenate(bounds)
        self.records = records
        self.sources, self.targets, self.ends = ends[:-1:2].copy(), ends[1::2].copy(), ends[2::2].copy()
        # Slicing a memmap object costs more than slicing a plain view of it.
        self.ids = np.asarray(np.memmap(path, np.uint16, "r"))
        self.source_windows = np.lib.stride_tricks.sliding_window_view(self.ids, SOURCE)
        self.target_windows = np.lib.stride_tricks.sliding_window_view(self.ids, TARGET)
        self.masks = np.tri(SOURCE + 1, SOURCE, -1, dtype=np.int64)
        self.kept = np.tri(TARGET + 1, TARGET, -1, dtype=np.bool_)
        self.warmth = int(self.ids.sum(dtype=np.int64))  # touches every page once

    def contender(
        self, name: str, batch: Callable[[TokenFile, Places], Tensors], copy: Contender, seed: int = 42
    ) -> Contender:
        """Epochs in a new random order each."""

        def epoch(number: int) -> Iterator[Tensors]:
            order = np.random.default_rng([seed, number]).permutation(len(self.records))
            for begin in range(0, len(order), BATCH_SIZE):
                yield batch(self, order[begin : begin + BATCH_SIZE])

        return Contender(name, epoch, copy.records, copy.bytes, copy.name)


def _cut(
    arrays: Mapping[str, NDArray[np.generic]], records: Places, eos: int
) -> tuple[NDArray[np.uint16], Places]:
    """The ids of some records of a shard, each text cut and ended, and the lengths of the texts."""
    offsets = arrays["offsets"].astype(np.int64)
    texts = np.stack([2 * records, 2 * records + 1], 1).ravel()
    starts = offsets[texts]
    lengths = np.minimum(offsets[texts + 1] - starts + 1, np.tile([SOURCE, TARGET], len(records)))
    ends = np.cumsum(lengths)
    from_ = np.repeat(starts - (ends - lengths), lengths) + np.arange(ends[-1])
    ids = arrays["ids"].astype(np.uint16, copy=False)[np.minimum(from_, len(arrays["ids"]) - 1)]
    ids[ends - 1] = eos
    return ids, lengths


def _tensors(input_ids: Places, attention_mask: Places, labels: Places) -> Tensors:
    return {
        "input_ids": torch.from_numpy(input_ids),
        "attention_mask": torch.from_numpy(attention_mask),
        "labels": torch.from_numpy(labels),
    }


def by_rows(file: TokenFile, rows: Places) -> Tensors:
    """A batch of the records at `rows`, copied row after row."""
    sources, targets, ends = file.sources[rows], file.targets[rows], file.ends[rows]
    source_lengths, target_lengths = targets - sources, ends - targets
    width = int(source_lengths.max())
    input_ids = np.full((len(rows), width), file.pad, np.int64)
    labels = np.full((len(rows), int(target_lengths.max())), IGNORED, np.int64)
    places = zip(sources.tolist(), targets.tolist(), ends.tolist(), strict=True)
    for row, label, (source, target, end) in zip(input_ids, labels, places, strict=True):
        row[: target - source] = file.ids[source:target]
        label[: end - target] = file.ids[target:end]
    return _tensors(input_ids, file.masks[:, :width].take(source_lengths, 0), labels)


def by_windows(file: TokenFile, rows: Places) -> Tensors:
    """The same batch, gathered at once."""
    sources, targets = file.sources[rows], file.targets[rows]
    source_lengths, target_lengths = targets - sources, file.ends[rows] - targets
    width, label_width = int(source_lengths.max()), int(target_lengths.max())
    mask = file.masks[:, :width].take(source_lengths, 0)
    input_ids: Places = file.source_windows[sources, :width] * mask
    if file.pad:
        input_ids += file.pad * (1 - mask)
    labels = file.target_windows[targets, :label_width].astype(np.int64)
    labels[~file.kept[target_lengths, :label_width]] = IGNORED
    return _tensors(input_ids, mask, labels)


def shapes(batches: Iterable[Tensors], number: int) -> Shapes:
    """Shapes and types of the tensors of the first `number` batches."""
    return [tuple((tensor.shape, tensor.dtype) for tensor in batch.values()) for batch, _ in
            zip(batches, range(number), strict=False)]  # fmt: skip


def plain_copy(name: str, like: Shapes, records: float, by_clone: bool = False) -> Contender:
    """Fresh tensors of the given shapes, filled from a hot buffer."""
    most = max(shape.numel() for batch in like for shape, _ in batch)
    hot = {dtype: torch.zeros(most, dtype=dtype) for batch in like for _, dtype in batch}

    def clones(_: int) -> Iterator[Tensors]:
        for batch in like:
            yield {
                str(place): hot[dtype][: shape.numel()].view(shape).clone()
                for place, (shape, dtype) in enumerate(batch)
            }

    def copies(_: int) -> Iterator[Tensors]:
        for batch in like:
            made = {}
            for place, (shape, dtype) in enumerate(batch):
                made[str(place)] = fresh = torch.empty(shape, dtype=dtype)
                fresh.copy_(hot[dtype][: shape.numel()].view(shape))
            yield made

    mean = sum(shape.numel() * dtype.itemsize for batch in like for shape, dtype in batch) / len(like)
    return Contender(name, clones if by_clone else copies, records, mean, name)
