"""The command `bench`: how fast the loader is here, with a store of one's own or the bundled recipes.

1. `measure` lets a loader deliver for a while, after a start that does not count.
2. Padding and tokens are counted from the plan and the shapes of its first batches, outside that time.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

from chefgenius.command import Parser, at_least, finish, page

if TYPE_CHECKING:
    from chefgenius.data.loader import RecipeLoader
    from chefgenius.data.store import TokenStore

PLANS: tuple[Literal["fixed", "bucketed", "packed"], ...] = ("fixed", "bucketed", "packed")
WARM, COUNTED = 16, 64
"""batches before the clock starts, and those whose padding is counted"""


@dataclass(frozen=True)
class Speed:
    """What one loader delivers."""

    plan: str
    threads: int
    batches_per_second: float
    records_per_second: float
    tokens_per_second: float
    """of prompts and targets, without padding"""
    padding: float
    """share of the places of inputs and labels that hold no token"""


def parser() -> Parser:
    """The command's options."""
    made = page(
        "bench",
        "[STORE] [options]",
        "Measure what the loader delivers, by plan: batches, records and tokens a second\n"
        "with one thread and with all, and the share of padding. A few seconds.",
        "chefgenius bench stores/mine --batch-size 64",
    )
    add = made.add_argument
    add("store", nargs="?", type=Path, metavar="STORE", help="of `prepare` (default: the bundled recipes)")
    add("--batch-size", type=at_least(1), default=32, metavar="N", help="rows of a batch (default: 32)")
    add("--causal", action="store_true", help="prompt and target in one sequence")
    add("--threads", type=at_least(1), metavar="N", help="in place of all cores")
    add("--seconds", type=at_least(1), default=1, metavar="N", help="for each figure (default: 1)")
    add("--json", action="store_true", help="a JSON list instead of a table")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    options = parser().parse_args(arguments)
    return finish(lambda: bench(options))


def bench(options: argparse.Namespace) -> int:
    """Measure, and print."""
    from chefgenius.console.screen import bar, show_table
    from chefgenius.data.loader import RecipeLoader

    cores = options.threads or len(os.sched_getaffinity(0))
    threads = sorted({1, min(cores, 64)})
    found: list[Speed] = []
    with opened(options.store) as store:
        if not options.json:
            what = options.store or "the bundled recipes"
            print(f"{what}: {len(store):,} records, {store.tokens:,} tokens\n", flush=True)
        with bar("measuring", len(PLANS) * len(threads)) as advance:
            for plan in PLANS:
                for count in threads:
                    advance(len(found))
                    with RecipeLoader(
                        store,
                        options.batch_size,
                        plan=plan,
                        layout="causal" if options.causal else "seq2seq",
                        split="all",
                        threads=count,
                    ) as loader:
                        found.append(measure(loader, plan, count, options.causal, options.seconds))
    if options.json:
        print(json.dumps([asdict(one) for one in found], indent=2))
        return 0
    rows: list[tuple[str, ...]] = [("plan", "threads", "batches/s", "records/s", "tokens/s", "padding")]
    for one in found:
        figures = one.batches_per_second, one.records_per_second, one.tokens_per_second
        shown = (f"{figure:,.0f}" for figure in figures)
        rows.append((one.plan, str(one.threads), *shown, f"{100 * one.padding:.1f} %"))
    show_table(rows, slice(1, None))
    return 0


@contextmanager
def opened(path: Path | None) -> Iterator[TokenStore]:
    """The store that is given, or one of the bundled recipes that goes again."""
    from chefgenius.cookbook import RECIPES, TOKENIZER
    from chefgenius.data.store import TokenStore, prepare

    if path is not None:
        yield TokenStore.open(path.expanduser())
        return
    with TemporaryDirectory() as folder:
        yield prepare([RECIPES], tokenizer=TOKENIZER, out=folder)


def measure(loader: RecipeLoader, plan: str, threads: int, causal: bool, seconds: float) -> Speed:
    """Batches as they come, epoch after epoch, for so many seconds."""
    places = tokens = records = 0
    counted = min(COUNTED, loader.micro_batches)
    for index in range(counted):
        batch, info = loader.batch_at(0, index), loader.step_info(0, index)
        places += batch["input_ids"].numel() + (0 if causal else batch["labels"].numel())
        tokens += info.input_tokens + (0 if causal else info.target_tokens)
        records += info.samples
    began, delivered = 0.0, -WARM
    while not began or time.perf_counter() - began < seconds:
        for _ in loader:
            delivered += 1
            if delivered == 0:
                began = time.perf_counter()
            elif began and time.perf_counter() - began >= seconds:
                break
    pace = delivered / (time.perf_counter() - began)
    return Speed(plan, threads, pace, pace * records / counted, pace * tokens / counted, 1 - tokens / places)


if __name__ == "__main__":
    sys.exit(main())
