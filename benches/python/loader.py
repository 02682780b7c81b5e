"""The loader as a Python user sees it, measured, beside numpy and the plain copy.

    python benches/python/loader.py --source recipes.jsonl.xz --tokenizer t5

Without options it measures the bundled recipes; `--quick` shows in seconds that everything works, and its
figures mean nothing. Stores are built once in the work directory (a million records: minutes, two gigabytes).
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

import torch
from chefgenius import TokenStore
from corpus import store
from figures import HEAD, Figure, table
from shares import memory, padding, view
from speed import delivery, speed
from states import states
from variants import ABSENT, FIXED, PLANS, SPEEDS

QUICK = {"small": 400, "records": 1500, "rounds": 2, "batches": 20, "samples": 6}


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--source", type=Path, nargs="+", default=[], help="JSON Lines, also .xz and .gz")
    made.add_argument("--tokenizer", type=Path, help="a tokenizer.json, or a directory that holds one")
    made.add_argument("--small", type=int, default=21_158, help="records of the small store (%(default)s)")
    made.add_argument("--records", type=int, default=1_000_000, help="of the big store (%(default)s)")
    made.add_argument("--work", type=Path, default=Path("target/bench"), help="for stores (%(default)s)")
    made.add_argument("--rounds", type=int, default=15, help="of contenders in turn (%(default)s)")
    made.add_argument("--batches", type=int, default=4000, help="of a turn, at most (%(default)s)")
    made.add_argument("--samples", type=int, default=200, help="of what is timed singly (%(default)s)")
    made.add_argument("--quick", action="store_true", help="tiny stores and few rounds")
    return made


def machine() -> str:
    """Processor, cores, versions and time, in a line."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    versions = ", ".join(f"{name} {version(name)}" for name in ("chefgenius", "torch", "numpy"))
    processor = f"{len(names)} x {names[0]}" if names else platform.machine()
    return f"{time.strftime('%Y-%m-%d %H:%M')}, {processor}, Python {platform.python_version()}, {versions}"


def measure(made: TokenStore, big: bool, options: argparse.Namespace) -> Iterator[Figure]:
    """All figures of one store; the table of contenders is printed on the way."""
    size = f"{len(made) / 1e6:.2g}M" if len(made) > 950_000 else f"{len(made) / 1e3:.3g}k"
    rows, contenders = speed(made, size, big, options.work, options.rounds, options.batches)
    print(f"\n{made!r}\n\n{contenders}\n", flush=True)
    yield from rows
    for variant in PLANS:
        yield from states(made, variant, size, options.samples, min(5, options.rounds))
    for variant in SPEEDS:
        yield delivery(made, variant, size, options.samples)
    for variant in PLANS:
        yield padding(made, variant, size, big, 40 if options.quick else sys.maxsize)
    if big:
        for variant in PLANS:
            yield from view(made, variant, size, 5)
    for variant in (FIXED,) if options.quick else PLANS:
        yield from memory(made, variant, size, 3)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print; the exit code is 0 also where a target is missed."""
    options = parser().parse_args(arguments)
    if options.quick:
        vars(options).update(QUICK)
    torch.set_num_threads(1)
    print(machine(), flush=True)
    print(f"{options.rounds} rounds, contenders in turn; median (least to most)", flush=True)
    rows: list[Figure] = []
    for big, count in ((False, options.small), (True, options.records)):
        rows += measure(store(options.source, options.tokenizer, count, options.work), big, options)
    print(table([row.cells() for row in rows], HEAD))
    print(f"\n{len(rows)} figures, {sum(row.met == 'no' for row in rows)} targets missed")
    for name in ABSENT:
        print(f"{name}: not in this build")
    return 0


if __name__ == "__main__":
    sys.exit(main())
