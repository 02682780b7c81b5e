"""What is no speed: the share of padding, the view, and the memory of a process that iterates."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from chefgenius import RecipeLoader, TokenStore
from contenders import IGNORED, Tensors
from figures import Figure, Spread
from variants import Variant

CHILD = Path(__file__).with_name("memory.py")
PADDING: Mapping[str, Mapping[bool, tuple[float, float]]] = {
    "bucketed": {False: (5.0, 4.0), True: (3.0, 2.6)},
    "packed": {False: (4.0, 2.5), True: (4.0, 2.5)},
    "packed causal": {False: (2.0, 1.0), True: (2.0, 1.0)},
}
"""percent that must and should be reached, by plan and whether the store is the big one"""
GROWTH = 1.0
"""megabytes that count as none: the allocator gives and takes pages"""


def padding(store: TokenStore, variant: Variant, size: str, big: bool, most: int) -> Figure:
    """Percent of the numbers in inputs and labels, over an epoch (or its first `most` batches)."""
    name = f"padding share, {variant.name}, {size}"
    must, aim = PADDING.get(variant.name, {}).get(big, (None, None))
    padded = numbers = 0
    with variant.open(store) as loader:
        for batch, _ in zip(loader, range(most), strict=False):
            more, of = padding_of(batch, causal=variant.options.get("layout") == "causal")
            padded, numbers = padded + more, numbers + of
    return Figure(name, "{:.2f} %", 100 * padded / numbers, must, aim)


def padding_of(batch: Tensors, causal: bool) -> tuple[int, int]:
    """Padding in inputs and labels, and how many numbers they have.

    Inputs are padded where the mask (or the segment) is 0, labels where they are ignored. A causal row
    ignores its prompt too, which is no padding: there the labels are padded where the inputs are.
    """
    inputs, labels = batch["input_ids"], batch["labels"]
    mask = batch["segment_ids" if "attention_mask" not in batch else "attention_mask"]
    padded = int((mask == 0).sum())
    of_labels = padded if causal else int((labels == IGNORED).sum())
    return padded + of_labels, inputs.numel() + labels.numel()


def view(store: TokenStore, variant: Variant, size: str, times: int) -> Iterator[Figure]:
    """Milliseconds to build the view, for a million records, and bytes of the file that keeps it."""
    where = f"{variant.name}, {size}"
    kept = store.path / "views"
    fresh, again, bytes_ = [], [], 0
    records = len(store)
    for _ in range(times):
        shutil.rmtree(kept, ignore_errors=True)
        fresh.append(_opened(store, variant))
        bytes_ = sum(path.stat().st_size for path in kept.iterdir()) if kept.exists() else 0
        again.append(_opened(store, variant))
    scale = 1e6 / records
    yield Figure(f"view, ms a million, {where}", "{:.1f} ms", Spread.of(fresh).scaled(scale), 100.0, 50.0)
    if bytes_:
        yield Figure(f"view kept, ms a million, {where}", "{:.1f} ms", Spread.of(again).scaled(scale))
        yield Figure(f"view, bytes a record, {where}", "{:.1f} bytes", bytes_ / records, 8.0)


def _opened(store: TokenStore, variant: Variant) -> float:
    """Milliseconds to make a loader."""
    start = time.perf_counter_ns()
    loader: RecipeLoader = variant.open(store)
    taken = (time.perf_counter_ns() - start) / 1e6
    loader.close()
    return taken


def memory(store: TokenStore, variant: Variant, size: str, epochs: int) -> Iterator[Figure]:
    """Megabytes of a process of its own: what iterating adds, and what later epochs add to the first."""
    where = f"{variant.name}, {size}"
    names = [f"memory beyond the mapped store, {where}", f"memory, growth in {epochs} epochs, {where}"]
    told = subprocess.run(
        [sys.executable, str(CHILD), str(store.path.parent), json.dumps(dict(variant.options)), str(epochs)],
        check=True,
        stdout=subprocess.PIPE,
    )
    found: dict[str, Any] = json.loads(told.stdout)
    queue = found["queue"]
    yield Figure(names[0], "{:.1f} MB", found["beyond"], 40 + queue, remark=f"{queue:.1f} MB of it the queue")
    yield Figure(names[1], "{:.1f} MB", found["growth"], GROWTH)
