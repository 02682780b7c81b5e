"""Records of a store, printed back as text: what a model is given, and the recipe that it learns to write."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chefgenius.console.screen import count
from chefgenius.data.recipe import Recipe
from chefgenius.data.store import StoredRecord, TokenStore

FIRST = 3
"""records that are printed where none is named"""

MOST = 9
"""digits of a record's number, at most"""


def numbers(asked: str, records: int) -> list[int]:
    """The records that a list such as `0-4,17` names, in its order; an open end (`17-`) is the last record.

    Raises:
        ValueError: it is no such list, or names a record past the `records` of the store.
    """
    held = f"the records 0 to {records - 1}" if records else "no record"
    found: list[int] = []
    for part in asked.split(","):
        first, dash, last = (word.strip() for word in part.partition("-"))
        ends = (first, last or (str(records - 1) if dash else first))
        if not all(end.isascii() and end.isdigit() and len(end) <= MOST for end in ends):
            raise ValueError(f"bad value for `--records`: `{part}` is no range, such as `0-4`, and no number")
        low, high = map(int, ends)
        if low > high or high >= records:
            what = "ends before it begins" if low > high else f"the store has {held}"
            raise ValueError(f"bad value for `--records`: `{part}`: {what}")
        found += range(low, high + 1)
    return found


def lines(store: TokenStore, number: int, with_ids: bool) -> Iterator[str]:
    """One record, line by line: where it comes from, its prompt, and its target laid out as a recipe."""
    stored = store.record(number)
    yield f"record {number}: {place(stored)}"
    yield f"  prompt, {count(len(stored.prompt_ids), 'token')}"
    yield f"    {store.decode(stored.prompt_ids)}"
    yield f"  target, {count(len(stored.target_ids), 'token')}"
    yield from (f"    {line}" for line in laid_out(store.decode(stored.target_ids)))
    if with_ids:
        yield f"  prompt ids {spaced(stored.prompt_ids.tolist())}"
        yield f"  target ids {spaced(stored.target_ids.tolist())}"


def place(stored: StoredRecord) -> str:
    """The source, the record's number within it from 0, and its quality where it has one."""
    quality = "no quality" if stored.quality is None else f"quality {stored.quality:.3g}"
    return f"{stored.source}, number {stored.ordinal:,}, {quality}"


def laid_out(text: str) -> list[str]:
    """A recipe's text with a line for each item; a text that is no recipe as it is."""
    recipe = Recipe.parse(text)
    if recipe is None:
        return [f"no recipe: {text}"]
    return [
        f"title: {recipe.title}",
        "ingredients:",
        *(f"  - {item}" for item in recipe.ingredients),
        "steps:",
        *(f"  {number}. {step}" for number, step in enumerate(recipe.directions, 1)),
    ]


def spaced(ids: Sequence[int]) -> str:
    """Ids with a space between them."""
    return " ".join(map(str, ids))


def inspect(path: str, asked: str | None, with_ids: bool) -> None:
    """Print the records that `asked` names; the first three where it is None.

    Raises:
        FileNotFoundError: there is no store in `path`.
        StoreError: it is damaged.
        ValueError: `asked` is no list of its records.
    """
    store = TokenStore.open(path)
    wanted = range(min(FIRST, len(store))) if asked is None else numbers(asked, len(store))
    print(f"{store.path}: {count(len(store), 'record')}, {count(store.tokens, 'token')}, {store.fingerprint}")
    for number in wanted:
        print()
        for line in lines(store, number, with_ids):
            print(line)
