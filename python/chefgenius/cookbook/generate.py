"""Writes the bundled cookbook: `python -m chefgenius.cookbook.generate`.

1. `recipes` fills in the dishes, evenly by their shares, from one seeded stream of numbers.
2. `write` packs them as JSON Lines, and the tokenizer of `vocabulary` beside them.

The same code writes the same bytes: the stream is `random.Random.random`, whose values Python promises to
keep, and the gzip header holds neither a time nor a name. (Another zlib may pack the same recipes otherwise.)
"""

import gzip
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Final

from chefgenius.cookbook import RECIPES, TOKENIZER
from chefgenius.cookbook.dishes import DISHES, Dish
from chefgenius.cookbook.tables import CUISINES, INGREDIENTS, Ingredient
from chefgenius.cookbook.timings import TIMINGS, time
from chefgenius.cookbook.vocabulary import tokenizer

SEED: Final = 20261122
COUNT: Final = 4800
PEOPLE: Final = ("2", "4")
ATTEMPTS: Final = 400
"""How often a dish is tried anew before its tables count as too small for its share."""


@dataclass(frozen=True)
class Recipe:
    """One recipe, with the larder rows and the size it was made from."""

    title: str
    ingredients: tuple[str, ...]
    directions: tuple[str, ...]
    rows: tuple[Ingredient, ...]
    size: int

    def record(self) -> dict[str, str | list[str]]:
        """The JSON record."""
        return {
            "title": self.title,
            "ingredients": list(self.ingredients),
            "directions": list(self.directions),
        }


def _choose(random: Random, options: Sequence[str]) -> str:
    return options[int(random.random() * len(options))]


def _row(offer: str) -> Ingredient:
    """The larder's row; `carrots@2@4@grated` is one with amounts and preparation of its own."""
    name, *own = offer.split("@")
    row = INGREDIENTS[name]
    if not own:
        return row
    small, large, prep = own if len(own) == 3 else (*own, row.prep)
    return replace(row, amounts=(small, large), prep=prep)


def _offers(slot: str, cuisine: str) -> list[str]:
    """What a slot offers; `{herb}` is the column of the cuisine."""
    column: str = getattr(CUISINES[cuisine], slot.strip("{}")) if slot.startswith("{") else slot
    return column.split(", ")


def _words(dish: Dish, rows: Mapping[str, Ingredient], size: int) -> dict[str, str]:
    """The words that a title and steps may use; a time that no table knows is missing, so using it fails."""
    words = {"people": PEOPLE[size]}
    for slot, row in rows.items():
        words |= {slot: row.called(size), f"{slot}_as": row.adjective(), f"{slot}_of": row.noun(size)}
        words |= {f"{slot}_{how}": time(how, row.name) for how, table in TIMINGS.items() if row.name in table}
    if dish.pace:
        how, *pair = dish.pace.split()
        quick, slow = sorted(pair, key=lambda slot: TIMINGS[how][rows[slot].name][0])
        words |= {"slow": words[slow], "slow_time": words[f"{slow}_{how}"]}
        words |= {"quick": words[quick], "quick_time": words[f"{quick}_{how}"]}
    return words


def cook(dish: Dish, random: Random) -> Recipe:
    """One recipe of a dish, chosen at random; an earlier one may be the same."""
    cuisine = _choose(random, dish.cuisines.split(", "))
    size = int(random.random() * 2)
    rows: dict[str, Ingredient] = {}
    for slot, text in dish.slots.items():
        taken = {row.name for row in rows.values()}
        offers = [offer for offer in _offers(text, cuisine) if offer.partition("@")[0] not in taken]
        rows[slot] = _row(_choose(random, offers))
    words = {"cuisine": cuisine, **_words(dish, rows, size)}
    return Recipe(
        title=dish.title.format_map(words),
        ingredients=tuple(row.line(size) for row in rows.values()),
        directions=tuple(_choose(random, step).format_map(words) for step in dish.steps),
        rows=tuple(rows.values()),
        size=size,
    )


def recipes(count: int = COUNT, seed: int = SEED) -> list[Recipe]:
    """`count` recipes in a shuffled order; no two have the same ingredients, so no two share a body."""
    random = Random(seed)
    pool = [dish for dish in DISHES for _ in range(dish.share)]
    seen: set[tuple[str, ...]] = set()
    made: list[Recipe] = []
    for number in range(count):
        dish = pool[number * len(pool) // count]
        for _ in range(ATTEMPTS):
            recipe = cook(dish, random)
            key = tuple(sorted(row.named(recipe.size) for row in recipe.rows))
            if key not in seen:
                break
        else:
            raise ValueError(
                f"the dish `{dish.title}` has no room for its share: widen its slots or lower `share`"
            )
        seen.add(key)
        made.append(recipe)
    for last in range(len(made) - 1, 0, -1):
        other = int(random.random() * (last + 1))
        made[last], made[other] = made[other], made[last]
    return made


def pack(made: list[Recipe]) -> bytes:
    """The recipes as gzipped JSON Lines."""
    lines = "".join(json.dumps(recipe.record(), ensure_ascii=False) + "\n" for recipe in made)
    target = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=target, mtime=0) as file:
        file.write(lines.encode())
    return target.getvalue()


def write(recipes_path: Path = RECIPES, tokenizer_path: Path = TOKENIZER) -> None:
    """Writes both files."""
    made = recipes()
    recipes_path.write_bytes(pack(made))
    tokenizer_path.write_bytes(tokenizer(recipe.record() for recipe in made))


if __name__ == "__main__":
    write()
