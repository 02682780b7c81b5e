"""A recipe, its one text form, and the parser of it: what models are trained on and what they write."""

from __future__ import annotations

from dataclasses import dataclass

from chefgenius import _core


@dataclass(frozen=True)
class Recipe:
    """A recipe. Its one text form is what models are trained on and what they write."""

    title: str
    ingredients: list[str]
    directions: list[str]

    @classmethod
    def parse(cls, text: str) -> Recipe | None:
        """The recipe that `text` is the text form of; None where it is none."""
        parts = _core.parse_recipe(text)
        return None if parts is None else cls(*parts)

    def text(self) -> str:
        """The text form, normalised: one line, items separated by ` | `."""
        return _core.recipe_text(self.title, self.ingredients, self.directions)


def ingredient_name(line: str) -> str:
    """What an ingredient line is about: `ingredient_name("1 1/2 cups flour, sifted") == "flour"`."""
    return _core.ingredient_name(line)
