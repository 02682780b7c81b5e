"""The recipes of a step as a person reads them: place, lengths, title, loss; nothing here imports torch."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chefgenius.console.screen import paint, show_table
from chefgenius.data.course import Leg
from chefgenius.data.inspection import laid_out
from chefgenius.data.recipe import Recipe
from chefgenius.data.rows import Row
from chefgenius.data.store import Place, StoredRecord, TokenStore
from chefgenius.inspecting.itinerary import Stop
from chefgenius.run.state import one_line, printable

PATIENCE = 0.4
"""seconds that the lines of a step may take to be found in their sources"""
_TITLE = 60


@dataclass(frozen=True)
class Seen:
    """A record of a step, with all that is told of it."""

    row: Row
    stored: StoredRecord
    place: Place
    title: str
    whole: tuple[int, int]
    """ids of input and target before they were cut"""
    loss: float | None

    @property
    def told_place(self) -> str:
        """File and line, or the number within the source where the line is not known."""
        return told_place(self.stored, self.place)

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "record": self.row.record,
            "source": self.stored.source,
            **place_json(self.stored, self.place),
            "quality": self.stored.quality,
            "title": self.title,
            "micro_batch": self.row.slot,
            "row": self.row.row,
            "input_tokens": self.row.input_tokens,
            "target_tokens": self.row.target_tokens,
            "input_tokens_uncut": self.whole[0],
            "target_tokens_uncut": self.whole[1],
            "loss": self.loss,
        }


def look_up(
    store: TokenStore, stop: Stop, losses: Mapping[int, float], patience: float | None = PATIENCE
) -> list[Seen]:
    """What is known of each record of a step."""
    places = store.places([row.record for row in stop.rows], patience)
    found = []
    for row, place in zip(stop.rows, places, strict=True):
        stored = store.record(row.record)
        title, whole = title_of(store, stored), _whole(stop.leg, row, stored)
        found.append(Seen(row, stored, place, title, whole, losses.get(row.record)))
    return found


def title_of(store: TokenStore, stored: StoredRecord) -> str:
    """The title that the model is to write; the beginning of a text that is no recipe."""
    text = store.decode(stored.target_ids)
    recipe = Recipe.parse(text)
    return " ".join((text if recipe is None else recipe.title).split())[:_TITLE]


def told_place(stored: StoredRecord, place: Place) -> str:
    """Where a record stands, as short as it can be told."""
    name = Path(stored.source).name if place.file is None else place.file
    if place.number is not None:
        return f"{name}, {place.kind} {place.number:,}"
    return f"{name}, number {stored.ordinal:,}"


def place_json(stored: StoredRecord, place: Place) -> dict[str, Any]:
    """Where a record stands, in JSON values; `place_unknown` says why there is no line."""
    found: dict[str, Any] = {"file": place.file, "ordinal": stored.ordinal}
    if place.number is None:
        return {**found, "line": None, "place_unknown": place.kind}
    return {**found, place.kind: place.number}


def say(text: str, style: str = "") -> None:
    """Print lines that a recipe may be in, in this style in a terminal."""
    paint([printable(text)], sys.stdout, style)


def show(found: Sequence[Seen], *, causal: bool) -> None:
    """The recipes of a step, a line each."""
    losses = any(one.loss is not None for one in found)
    head = ["batch", "record", "all ids" if causal else "input", "target", *(["loss"] if losses else [])]
    rows = [[*head, "place", "title"]]
    for one in found:
        cells = [str(one.row.slot), str(one.row.record)]
        for fed, whole in zip((one.row.input_tokens, one.row.target_tokens), one.whole, strict=True):
            cells.append(f"{fed:,} of {whole:,}" if whole > fed else f"{fed:,}")
        if losses:
            cells.append("" if one.loss is None else f"{one.loss:.4f}")
        rows.append([*cells, one_line(one.told_place), one_line(one.title)])
    show_table(rows, slice(len(head)))
    for line in dict.fromkeys(unknown(one.place) for one in found if one.place.number is None):
        say(line, "yellow")


def unknown(place: Place) -> str:
    """Why a line is not known."""
    return {
        "gone": "lines are not known: the source is not where the store was made from it",
        "changed": "lines are not known: the source has changed since the store was made of it",
    }.get(place.kind, "lines are not looked up further: it takes long; `--lines` waits for it")


def show_text(store: TokenStore, stored: StoredRecord) -> None:
    """Prompt and target as text."""
    say("  prompt", "bold")
    say(f"    {store.decode(stored.prompt_ids)}")
    say("  target", "bold")
    for line in laid_out(store.decode(stored.target_ids)):
        say(f"    {line}")


def _whole(leg: Leg, row: Row, stored: StoredRecord) -> tuple[int, int]:
    """How many ids of input and target there would be, had nothing been cut."""
    layout = leg.specification["layout"]
    prompt, target = len(stored.prompt_ids), len(stored.target_ids) + 1
    if layout["model"] == "seq2seq":
        return prompt + 1, target
    around = (layout["bos_id"] is not None) + len(layout["separator_ids"])
    learned = row.target_tokens if layout["loss_on_prompt"] else target
    return around + prompt + target, learned
