"""Generated recipes by step, side by side for each prompt, beside the one that was held out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chefgenius.data.recipe import Recipe

STEPS, PROMPTS = 6, 6
"""that are shown at most"""
TEXT = 400
"""characters of a text that is no recipe"""


@dataclass(frozen=True)
class Card:
    """One text."""

    head: str
    recipe: Recipe | None
    text: str
    """of one that is no recipe; cut if long"""
    told: str
    """how many of the asked ingredients it lists"""
    is_reference: bool = False


@dataclass(frozen=True)
class Row:
    """What became of one prompt."""

    prompt: str
    cards: list[Card]


def rows(samples: Sequence[dict[str, Any]], best: int | None) -> list[Row]:
    """A row for each of the first prompts; the first step, the last, the best and some between."""
    prompts = list(dict.fromkeys(one.get("record_id") for one in samples))[:PROMPTS]
    made = []
    for prompt in prompts:
        mine = {int(one["step"]): one for one in samples if one.get("record_id") == prompt}
        chosen = chosen_steps(sorted(mine), best)
        cards = [_card(mine[step], f"step {step:,}{', best' * (step == best)}") for step in chosen]
        last = mine[chosen[-1]]
        recipe, text = _read(str(last.get("reference", "")))
        made.append(
            Row(str(last.get("prompt", "")), [*cards, Card("as it was held out", recipe, text, "", True)])
        )
    return made


def chosen_steps(steps: Sequence[int], best: int | None) -> list[int]:
    """At most `STEPS` of them: the first, the last, the best where it is one of them, and some between."""
    if len(steps) <= STEPS:
        return list(steps)
    held = {steps[0], steps[-1], *({best} & set(steps) if best is not None else ())}
    count = STEPS - len(held) + 2  # with both ends
    spread = [steps[round(place * (len(steps) - 1) / (count - 1))] for place in range(count)]
    return sorted(held | set(spread))[:STEPS]


def _card(sample: dict[str, Any], head: str) -> Card:
    recipe, text = _read(str(sample.get("text", "")))
    asked, found = sample.get("asked"), sample.get("found")
    return Card(head, recipe, text, f"lists {found} of {asked} asked ingredients" if asked else "")


def _read(text: str) -> tuple[Recipe | None, str]:
    recipe = Recipe.parse(text)
    return recipe, text if len(text) <= TEXT else f"{text[:TEXT]} ..."
