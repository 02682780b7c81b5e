"""Stores of any size from one file of recipes: the file itself first, then the same recipes varied.

1. `recipes` reads the sources, or the bundled recipes.
2. `varied` gives as many as asked: round 0 is the source as it is; in every later round a recipe has its
   ingredients in another order, its steps begun at another place, and another recipe's title. So lengths
   stay those of the source, while texts, digests and split keys differ.
3. `store` prepares them once and keeps the store.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import lzma
import random
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from chefgenius import TokenStore, prepare
from chefgenius.cookbook import RECIPES, TOKENIZER

VERSION = 1
"""of the variations; part of the name of every store"""


def recipes(sources: Sequence[Path]) -> list[dict[str, Any]]:
    """The records of JSON Lines files with title, ingredients and directions; .xz and .gz are unpacked."""
    made = []
    for path in sources:
        made += [json.loads(line) for line in unpacked(path).splitlines() if line.strip()]
    if not made:
        raise SystemExit(f"no recipe in `{sources[0]}`: pass JSON Lines files")
    return made


def unpacked(path: Path) -> bytes:
    """What a file holds, without its packing."""
    if path.suffix == ".xz":
        return lzma.decompress(path.read_bytes())
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def varied(source: Sequence[dict[str, Any]], count: int) -> Iterator[dict[str, Any]]:
    """The first `count` of an endless list that begins with `source`."""
    size = len(source)
    for number in range(count):
        turn, place = divmod(number, size)
        recipe = source[place]
        if turn:
            chance = random.Random(number)
            ingredients, steps = list(recipe["ingredients"]), list(recipe["directions"])
            chance.shuffle(ingredients)
            first = chance.randrange(len(steps)) if steps else 0
            recipe = {
                "title": source[chance.randrange(size)]["title"],
                "ingredients": ingredients,
                "directions": steps[first:] + steps[:first],
            }
        yield recipe


def store(sources: Sequence[Path], tokenizer: Path | None, count: int, work: Path) -> TokenStore:
    """A store of `count` records in `work`, built where it is not there yet; minutes for a million."""
    sources, tokenizer = sources or [Path(RECIPES)], tokenizer or Path(TOKENIZER)
    vocabulary = tokenizer / "tokenizer.json" if tokenizer.is_dir() else tokenizer
    contents = [hashlib.blake2b(path.read_bytes()).hexdigest() for path in (*sources, vocabulary)]
    digest = hashlib.blake2b(json.dumps([VERSION, contents]).encode(), digest_size=4).hexdigest()
    out = work / f"store-{count}-{digest}"
    if (out / "current").exists():
        return TokenStore.open(out)
    print(f"building a store of {count:,} records", file=sys.stderr, flush=True)
    work.mkdir(parents=True, exist_ok=True)
    lines = work / f"recipes-{count}-{digest}.jsonl"
    try:
        with lines.open("w") as file:
            for recipe in varied(recipes(sources), count):
                file.write(json.dumps(recipe, ensure_ascii=False) + "\n")
        made = prepare(
            [lines],
            tokenizer=tokenizer,
            out=out,
            on_error="skip",
            max_bad=max(1000, count // 10),
        )
    except BaseException:
        shutil.rmtree(out, ignore_errors=True)
        raise
    finally:
        lines.unlink(missing_ok=True)
    return made
