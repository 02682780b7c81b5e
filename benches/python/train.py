"""Training: chefgenius beside transformers' Seq2SeqTrainer, on one model, machine and run.

    python benches/python/train.py --source recipes.jsonl.xz --tokenizer t5

A small T5 (width 128, 2 + 2 layers) on the CPU, and a model as large as FLAN-T5 base with random weights on a
GPU where there is one. Both take turns in one process, each turn a new run from the same weights with other
data than the turn before; ratios are taken within a round. chefgenius runs by its own command, and its
figures are read from its logs. `--quick` shows in seconds that everything works; its figures mean nothing.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import get_args

import own
import seq2seq
import torch
from chefgenius import TokenStore
from chefgenius.model.compiling import compiler_of
from chefgenius.settings.config import ConfigError, keys
from corpus import store
from figures import HEAD, Figure, Spread, table
from loader import machine
from own import Pace
from promises import quality, repeated, splits
from scene import QUICK, Scene, scenes

PLANS = get_args(keys()["data.plan"].annotation)
CPU_MUST, GPU_MUST = (1.05, 2.2), (1.1, 2.0)
"""recipes a second on the same batches, and useful target tokens a second"""


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--source", type=Path, nargs="+", default=[], help="JSON Lines, also .xz and .gz")
    made.add_argument("--tokenizer", type=Path, help="a tokenizer.json, or a directory that holds one")
    made.add_argument("--records", type=int, default=21_158, help="of the store (%(default)s)")
    made.add_argument("--work", type=Path, default=Path("target/bench"), help="for files (%(default)s)")
    made.add_argument("--rounds", type=int, default=5, help="of contenders in turn (%(default)s)")
    made.add_argument("--tokens", type=int, default=240_000, help="of a run that is judged (%(default)s)")
    made.add_argument("--seeds", type=int, default=3, help="of runs that are judged (%(default)s)")
    made.add_argument("--quick", action="store_true", help="a tiny model, few recipes, two rounds")
    return made


def threads_of(scene: Scene, made: TokenStore, work: Path) -> int:
    """How many chefgenius takes for this model: written in the facts of its run."""
    run = own.train(own.words(scene, made, work / "threads", 1, 1))
    return int(own.run_facts(run)["threads"])


def speeds(scene: Scene, made: TokenStore, options: argparse.Namespace) -> Iterator[Figure]:
    """Recipes on the same batches, target tokens by each one's own way, waiting for data."""
    work: Path = options.work
    threads = threads_of(scene, made, work)
    cores = len(os.sched_getaffinity(0))
    print(f"{scene.name}, {scene.device}: {threads} threads of {cores}", flush=True)
    rows = seq2seq.Rows(scene, made)
    chance = random.Random(0)
    taken: dict[str, list[Pace]] = defaultdict(list)

    def theirs(seed: int, sampling: str, count: int | None = threads) -> Pace:
        return seq2seq.pace(scene, made, rows, work / "peer", seed, sampling, count)

    for seed in range(options.rounds):
        turns: dict[str, Callable[[int], Pace]] = {
            "bucketed": lambda at: own.pace(scene, made, work / "own", at, "data.plan=bucketed"),
            "packed": lambda at: own.pace(scene, made, work / "own", at, "data.plan=packed", *packing(scene)),
            "theirs on ours": lambda at: seq2seq.pace_on_ours(
                scene, made, work / "peer", at, "bucketed", threads
            ),
            "theirs": lambda at: theirs(at, "random"),
            "grouped": lambda at: theirs(at, "group_by_length"),
        }
        if "packed" not in PLANS:
            del turns["packed"]
        elif compiles(scene):
            turns["compiled"] = lambda at: own.pace(
                scene, made, work / "own", at, "train.compile=true", "data.plan=packed", *packing(scene)
            )
        for name in chance.sample(list(turns), len(turns)):
            taken[name].append(turns[name](seed))
            one = taken[name][-1]
            print(
                f"  {name}: {one.recipes / one.seconds:.2f} recipes/s, "
                f"{one.target_tokens / one.seconds:,.0f} target tokens/s",
                flush=True,
            )
    alone = theirs(0, "random", None)
    same, useful = CPU_MUST if scene.device == "cpu" else GPU_MUST

    def against(name: str, other: str, of: Callable[[Pace], float]) -> Spread:
        return Spread.of([of(a) / of(b) for a, b in zip(taken[name], taken[other], strict=True)])

    recipes, tokens = Pace.recipes_a_second.fget, Pace.tokens_a_second.fget  # type: ignore[attr-defined]
    peer, its_own = "against Seq2SeqTrainer", "against Seq2SeqTrainer's default"
    yield Figure(
        f"recipes/s on the same batches, {peer}, {scene.name}",
        "{:.2f} x",
        against("bucketed", "theirs on ours", recipes),
        same,
        1.2,
        at_most=False,
    )
    for name, must, aim in (("bucketed", useful, 3.0), ("packed", None, None)):
        if name not in taken:
            continue
        yield Figure(
            f"target tokens/s, {name}, {its_own}, {scene.name}",
            "{:.2f} x",
            against(name, "theirs", tokens),
            must,
            aim,
            at_most=False,
        )
    yield Figure(
        f"the same, Seq2SeqTrainer grouped by length, {scene.name}",
        "{:.2f} x",
        against("grouped", "theirs", tokens),
    )
    yield Figure(
        f"the same, Seq2SeqTrainer with all {cores} cores, one turn, {scene.name}",
        "{:.2f} x",
        tokens(alone) / tokens(taken["theirs"][0]),
    )
    for name in [one for one in ("bucketed", "packed", "theirs") if one in taken]:
        told = {"theirs": "Seq2SeqTrainer's default"}.get(name, name)
        yield Figure(
            f"target tokens/s, {told}, {scene.name}",
            "{:.0f}",
            Spread.of([tokens(one) for one in taken[name]]),
        )
    if "compiled" in taken:
        yield Figure(
            f"recipes/s, packed, compiled against eager, {scene.name}",
            "{:.2f} x",
            against("compiled", "packed", recipes),
        )
    shares = [100 * one.waited / one.seconds for one in taken["bucketed"]]
    yield Figure(f"share of a step without data, {scene.name}", "{:.3f} %", Spread.of(shares), 0.5, 0.1)


def compiles(scene: Scene) -> bool:
    """Whether `train.compile` is tried: on the CPU, where there is a compiler.

    On packed rows, which have one shape: it is compiled before the clock runs.
    """
    if scene.device != "cpu":
        return False
    try:
        return bool(compiler_of(torch.device("cpu")))
    except ConfigError as error:
        print(f"  not compiled: {error}", flush=True)
        return False


def packing(scene: Scene) -> list[str]:
    """Rows of a packed micro-batch hold several records each: as many fewer of them."""
    return [f"data.batch_size={max(1, scene.rows // 2)}"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print; the exit code is 0 also where a target is missed."""
    options = parser().parse_args(arguments)
    if options.quick:
        options.rounds, options.records, options.tokens = 1, min(options.records, 400), 600
    print(machine(), flush=True)
    made = store(options.source, options.tokenizer, options.records, options.work)
    options.work = options.work / "train"
    figures: list[Figure] = []
    try:
        for scene in scenes(quick=options.quick):
            figures += speeds(scene, made, options)
        scene = QUICK if options.quick else scenes(quick=False)[0]
        figures += splits(scene, made, options.work)
        figures += repeated(scene, made, options.work)
        figures += quality(scene, made, options)
    finally:
        shutil.rmtree(options.work, ignore_errors=True)
    print("\n" + table([figure.cells() for figure in figures], HEAD))
    print(f"\n{len(figures)} figures, {sum(figure.met == 'no' for figure in figures)} targets missed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
