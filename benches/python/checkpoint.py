"""Checkpoints: how long they stop the training, how long it takes to go on, and what damage does.

    python benches/python/checkpoint.py

A model of 77 million float32 parameters with random weights and its AdamW state, 0.92 GB, is saved in turn
by chefgenius, by `torch.save` and by transformers' Trainer, in one process and in another order each round;
the first round is not counted. Before each save the disk is idle (`os.sync`) and a training step has changed
every number. chefgenius fsyncs every file and directory before a checkpoint counts; of the others only the
row that says so does. Then all three load what they saved, from memory. `--quick` shows in seconds that
everything works, and its figures mean nothing.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import damage
import torch
from chefgenius.cookbook import TOKENIZER
from corpus import store
from figures import HEAD, Figure, Spread, table
from loader import machine
from saving import FEW, SMALL, TINY, WORDS, Ours, fresh, peer, seconds
from states import load, state_at
from variants import PLANS

NEAR, FAR = 10, 10_000_000
"""optimizer steps to whose data the loader goes"""
ALONE = 3
"""steps that are timed before a save, to hold those beside the writer against"""


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--rounds", type=int, default=5, help="of contenders in turn (%(default)s)")
    made.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of torch (%(default)s)")
    made.add_argument("--records", type=int, default=21_158, help="of the loader's store (%(default)s)")
    made.add_argument("--samples", type=int, default=200, help="of each seek (%(default)s)")
    made.add_argument("--work", type=Path, default=Path("target/bench"), help="for files (%(default)s)")
    made.add_argument("--quick", action="store_true", help="a tiny model, few recipes, two rounds")
    return made


def saves_and_loads(options: argparse.Namespace) -> Iterator[Figure]:
    """The three ways to save and to load."""
    shape, words = (TINY, FEW) if options.quick else (SMALL, WORDS)
    folder: Path = options.work / "saves"
    ours = Ours(fresh(folder / "ours"), shape, words)
    chance = random.Random(0)
    taken: dict[str, list[float]] = defaultdict(list)
    trainer = peer(fresh(folder / "trainer"), shape, words, options.rounds + 1)

    def wait() -> None:
        stall, durable = ours.save_and_wait()
        taken["stall"].append(stall)
        taken["durable"].append(durable)

    def train() -> None:
        stall, ratio = ours.save_and_train(ALONE)
        taken["stall"].append(stall)
        if ratio is not None:
            taken["beside"].append(ratio)

    def around(save: Callable[[], None]) -> None:
        """A round, when the Trainer has taken a step and is to save."""
        turns: dict[str, Callable[[], None]] = {
            "wait": wait,
            "train": train,
            "torch.save": lambda: taken["torch.save"].append(ours.torch_save(sync=False)),
            "synced": lambda: taken["synced"].append(ours.torch_save(sync=True)),
            "trainer": lambda: taken["trainer"].append(seconds(save)),
        }
        for name in chance.sample(list(turns), len(turns)):
            ours.step()
            os.sync()
            turns[name]()
        if trainer.state.global_step == 1:
            taken.clear()

    trainer.around = around
    trainer.train()
    print(f"{ours.parameters:,} parameters, {ours.size / 1e9:.2f} GB a checkpoint", flush=True)
    yield Figure("stall of training per save, chefgenius", "{:.3f} s", Spread.of(taken["stall"]), 0.3, 0.2)
    yield Figure("the same, torch.save, without fsync", "{:.3f} s", Spread.of(taken["torch.save"]))
    yield Figure("the same, torch.save and fsync", "{:.3f} s", Spread.of(taken["synced"]))
    yield Figure("the same, Trainer, without fsync", "{:.3f} s", Spread.of(taken["trainer"]))
    yield Figure("until it is durable, chefgenius", "{:.3f} s", Spread.of(taken["durable"]))
    if taken["beside"]:
        yield Figure("a step beside the writer, against one alone", "{:.2f} x", Spread.of(taken["beside"]))
    last = max((folder / "trainer").glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    loads: dict[str, Callable[[], float]] = {
        "verified load, chefgenius": ours.load,
        "unverified load, torch.load": ours.torch_load,
        "unverified load, Trainer": lambda: trainer.load(last),
    }
    spent: dict[str, list[float]] = {name: [] for name in loads}
    for turn in range(options.rounds + 1):
        for name in chance.sample(list(loads), len(loads)):
            one = loads[name]()
            if turn:
                spent[name].append(one)
    ours.close()
    bounds = {"verified load, chefgenius": (1.0, 0.6)}
    for name, values in spent.items():
        yield Figure(name, "{:.3f} s", Spread.of(values), *bounds.get(name, (None, None)))


def seeks(options: argparse.Namespace) -> Iterator[Figure]:
    """From a saved state to the batch of an early and of a far step."""
    made = store([], TOKENIZER, 400 if options.quick else options.records, options.work)
    samples = 6 if options.quick else options.samples
    for variant in PLANS:
        with variant.open(made) as loader:
            for batch in loader:  # every block of the store is read and checked once
                del batch
            taken: dict[int, list[float]] = {NEAR: [], FAR: []}
            slots = loader.micro_batches // loader.steps_per_epoch
            for _ in range(samples):
                for step, times in taken.items():
                    epoch, within = divmod(step, loader.steps_per_epoch)
                    place = epoch, within * slots
                    times.append(load(loader, state_at(loader, place), place))
        near, far = Spread.of(taken[NEAR]), Spread.of(taken[FAR])
        for step, spread in ((NEAR, near), (FAR, far)):
            yield Figure(f"seek to step {step:,}, {variant.name}", "{:.3f} ms", spread, 50.0, 5.0)
        ratio = statistics.median(taken[FAR]) / statistics.median(taken[NEAR])
        yield Figure(f"the far one against the near one, {variant.name}", "{:.2f} x", ratio, 1.5, 1.1)


def damages(options: argparse.Namespace) -> Iterator[Figure]:
    """Kinds of damage that are not noticed."""
    for name, look in (("chefgenius", damage.ours), ("Trainer", damage.theirs)):
        found = look(fresh(options.work / "damage"))
        rows = [[*case.split(", "), outcome] for case, outcome in found.items()]
        print(f"\n{table(rows, (name, 'damage', 'the run'))}", flush=True)
        silent = sum(outcome == "goes on" for outcome in found.values())
        must = (0.0, 0.0) if name == "chefgenius" else (None, None)
        yield Figure(f"damage that {name} goes on from, of {len(found)}", "{:.0f}", float(silent), *must)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print; the exit code is 0 also where a target is missed."""
    options = parser().parse_args(arguments)
    options.rounds = 2 if options.quick else options.rounds
    torch.set_num_threads(options.threads)
    kept: Path = options.work  # of the loader's store, which other benches use too
    options.work = kept / "checkpoint"
    options.work.mkdir(parents=True, exist_ok=True)
    print(f"{machine()}, {options.threads} threads", flush=True)
    try:
        figures = [*saves_and_loads(options), *damages(options)]
    finally:
        shutil.rmtree(options.work)
    options.work = kept
    figures += seeks(options)
    print("\n" + table([figure.cells() for figure in figures], HEAD))
    print(f"\n{len(figures)} figures, {sum(figure.met == 'no' for figure in figures)} targets missed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
