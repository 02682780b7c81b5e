"""From raw JSON Lines to a ready store, measured beside the tokenizers library's own batch encoding.

    python benches/python/prepare.py --source recipes.jsonl.xz --tokenizer t5 gpt2

Without options it measures the bundled recipes, varied to as many as the real collection has; `--quick`
shows in seconds that everything works, and its figures mean nothing. Contenders take turns in one process, in
another order each round:

- chefgenius: `prepare` of the unpacked file into an empty directory. Reading, normalising, tokenizing, every
  record's fidelity, duplicates, checksums and the flush to disk are in it, and so is loading the tokenizer.
- the library: `batch_ids.py`, its batch call on every core and the ids into a numpy file. It is handed ready
  texts and a loaded tokenizer; once more with `json.loads` of every line, the least that a reader must do.

Before that the ids of every record are compared: texts rendered here and encoded by the library, against a
store that was built without respelling.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from batch_ids import encode
from chefgenius import Recipe, TokenStore, ingredient_name, prepare
from chefgenius.cookbook import RECIPES, TOKENIZER
from corpus import recipes, unpacked, varied
from figures import HEAD, Figure, Spread, table
from loader import machine
from tokenizers import Tokenizer

RECORDS = 21_158
QUICK = 300
OURS, PEER, PARSED = "chefgenius.prepare", "library, ready texts", "library and json.loads"
UNIGRAM, OTHER, SECOND = (12.0, 25.0), (1.0, 10.0), 1.0
"""what must and what should be reached: times the library for a Unigram tokenizer, for any other; seconds"""


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--source", type=Path, nargs="+", default=[], help="JSON Lines, also .xz and .gz")
    made.add_argument("--tokenizer", type=Path, nargs="+", default=[TOKENIZER],
                      help="a tokenizer.json or its directory; several one after another")  # fmt: skip
    made.add_argument("--rounds", type=int, default=5, help="of contenders in turn (%(default)s)")
    made.add_argument("--work", type=Path, default=Path("target/bench"), help="for files (%(default)s)")
    made.add_argument("--rc", type=Path, metavar="PYTHON",
                      help="an interpreter with another version of the library, and numpy")  # fmt: skip
    made.add_argument("--quick", action="store_true", help="few recipes, two rounds")
    return made


def raw_lines(sources: Sequence[Path], out: Path, quick: bool) -> Path:
    """The unpacked sources as they are, or the bundled recipes varied, as one file of JSON Lines."""
    if sources:
        lines = [line for path in sources for line in unpacked(path).splitlines(keepends=True)]
    else:
        made = varied(recipes([Path(RECIPES)]), QUICK if quick else RECORDS)
        lines = [json.dumps(recipe, ensure_ascii=False).encode() + b"\n" for recipe in made]
    out.write_bytes(b"".join(lines[:QUICK] if quick else lines))
    return out


def texts_of(recipe: Recipe) -> tuple[str, str]:
    """Prompt and target of the default template, written here to hold the store's against them."""
    target = recipe.text()
    clean = Recipe.parse(target)
    assert clean is not None
    names = ", ".join(dict.fromkeys(filter(None, map(ingredient_name, clean.ingredients))))
    return f"Write a recipe for {clean.title}. Ingredients: {names}.", target


def compared(raw: Path, tokenizer: Tokenizer, path: Path, work: Path) -> tuple[list[str], int]:
    """The texts of all records that are kept, prompt and target in turn, and the number of their ids.

    Raises SystemExit at the first record whose ids in the store are not the library's.
    """
    store = fresh(raw, path, work / "compared", respell=False)
    lines = raw.read_bytes().splitlines()
    texts: list[str] = []
    count = 0
    for number in range(len(store)):
        stored = store.record(number)
        record = json.loads(lines[stored.ordinal])
        pair = texts_of(Recipe(*(record[part] for part in ("title", "ingredients", "directions"))))
        for text, ids in zip(pair, (stored.prompt_ids, stored.target_ids), strict=True):
            expected = tokenizer.encode(text, add_special_tokens=False).ids
            if expected != ids.tolist():
                raise SystemExit(f"other ids: record {number}, line {stored.ordinal + 1}: `{text[:200]}`")
            count += len(expected)
        texts += pair
    return texts, count


def fresh(raw: Path, tokenizer: Path, out: Path, respell: bool = True) -> TokenStore:
    """A store that nothing was there for."""
    shutil.rmtree(out, ignore_errors=True)
    return prepare([raw], tokenizer=tokenizer, out=out, on_error="skip", respell=respell)


def seconds(do: Callable[[], object]) -> float:
    start = time.perf_counter()
    do()
    return time.perf_counter() - start


def race(contenders: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each contender, round by round; one round before them is not timed."""
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    chance = random.Random(0)
    for turn in range(rounds + 1):
        for name in chance.sample(list(contenders), len(contenders)):
            time_taken = seconds(contenders[name])
            if turn:
                taken[name].append(time_taken)
    return taken


def against(slow: Sequence[float], fast: Sequence[float]) -> Spread:
    """How many times `fast` is as fast, round by round."""
    return Spread.of([one / other for one, other in zip(slow, fast, strict=True)])


def second_call(raw: Path, tokenizer: Path, out: Path, rounds: int) -> Spread:
    """Seconds of a whole process that finds nothing changed."""
    words = [sys.executable, "-m", "chefgenius.prepare", raw, "--tokenizer", tokenizer, "--out", out]
    command = [str(word) for word in (*words, "--on-error", "skip")]

    def call() -> None:
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        assert "already built" in done.stdout, done.stdout

    return Spread.of([seconds(call) for _ in range(rounds)])


def other_version(options: argparse.Namespace, path: Path, texts: Path, threads: int) -> dict[str, Any]:
    """What another interpreter's library is, and the seconds of each of its rounds; so many threads."""
    script = Path(__file__).with_name("batch_ids.py")
    words = [options.rc, script, path, texts, options.work / "other.npy", "--rounds", options.rounds + 1]
    env = {
        **os.environ,
        "RAYON_NUM_THREADS": str(threads),
        "TOKENIZERS_PARALLELISM": str(threads > 1).lower(),
    }
    done = subprocess.run(
        [str(word) for word in words], env=env, stdout=subprocess.PIPE, text=True, check=True
    )
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def measure(raw: Path, given: Path, options: argparse.Namespace) -> Iterator[Figure]:
    """All figures of one tokenizer; the table of contenders is printed on the way."""
    path = given / "tokenizer.json" if given.is_dir() else given
    unigram = json.loads(path.read_bytes())["model"].get("type") == "Unigram"
    tokenizer = Tokenizer.from_file(str(path))
    name = path.parent.name
    work: Path = options.work
    texts, count = compared(raw, tokenizer, path, work)
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    print(
        f"\n{name}: {len(texts) // 2:,} records, {megabytes:.1f} MB of text, {count:,} ids as the library's\n"
    )

    def parsed() -> None:
        for line in raw.read_bytes().splitlines():
            json.loads(line)
        encode(tokenizer, texts, work / "ids.npy")

    taken = race(
        {
            OURS: lambda: fresh(raw, path, work / "ours"),
            PEER: lambda: encode(tokenizer, texts, work / "ids.npy"),
            PARSED: parsed,
        },
        options.rounds,
    )
    rows = [[who, *shown(spent, len(texts) // 2)] for who, spent in taken.items()]
    yield Figure(f"raw to store, {name}, against the library", "{:.1f} x",
                 against(taken[PEER], taken[OURS]), *(UNIGRAM if unigram else OTHER), False)  # fmt: skip
    yield Figure(f"raw to store, {name}, against it with json.loads", "{:.1f} x",
                 against(taken[PARSED], taken[OURS]))  # fmt: skip
    if options.rc:
        (work / "texts.json").write_text(json.dumps(texts))
        whole, single = (
            other_version(options, path, work / "texts.json", threads) for threads in (os.cpu_count() or 1, 1)
        )
        if not np.array_equal(np.load(work / "other.npy"), np.load(work / "ids.npy")):
            raise SystemExit(f"other ids: tokenizers {whole['version']}")
        other = f"tokenizers {whole['version']}"
        rows += [
            [f"{other}, {when}", *shown(spent, len(texts) // 2)]
            for when, spent in (("first pass", whole["seconds"][:1]), ("later ones", whole["seconds"][1:]))
        ]
        yield Figure(
            f"raw to store, {name}, against {other}", "{:.1f} x", against(whole["seconds"][1:], taken[OURS])
        )
        for when, spent in (("first pass", single["within"][:1]), ("warm", single["within"][1:])):
            speeds = Spread.of([megabytes / one for one in spent])
            yield Figure(f"{other} alone, {name}, one thread, {when}", "{:.1f} MB/s", speeds)
    yield Figure(f"second call, nothing changed, {name}", "{:.2f} s",
                 second_call(raw, path, work / "ours", options.rounds), SECOND)  # fmt: skip
    print(table(rows, ("contender", "seconds", "records/s")), flush=True)


def shown(spent: Sequence[float], records: int) -> tuple[str, str]:
    spread = Spread.of(spent)
    return f"{spread.median:.2f} ({spread.least:.2f} to {spread.most:.2f})", f"{records / spread.median:,.0f}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print; the exit code is 0 also where a target is missed."""
    options = parser().parse_args(arguments)
    options.rounds = 2 if options.quick else options.rounds
    options.work = options.work / "prepare"
    options.work.mkdir(parents=True, exist_ok=True)
    print(machine(), flush=True)
    try:
        raw = raw_lines(options.source, options.work / "raw.jsonl", options.quick)
        print(f"{raw.stat().st_size / 1e6:.1f} MB of JSON Lines; {options.rounds} rounds in turn; "
              "median (least to most)", flush=True)  # fmt: skip
        figures = [figure for given in options.tokenizer for figure in measure(raw, given, options)]
    finally:
        shutil.rmtree(options.work)
    print("\n" + table([figure.cells() for figure in figures], HEAD))
    print(f"\n{len(figures)} figures, {sum(figure.met == 'no' for figure in figures)} targets missed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
