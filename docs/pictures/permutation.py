"""permutation.svg: the order that the core gives a few recipes, and some thousands, over three epochs.

`strips` shows 40 recipes by their colours, a row for each epoch, and one of them followed through. `clouds`
shows 4,200, for which the order is the network and no table: across the place in the epoch, upwards the
number of the recipe.
"""

import colorsys
import json
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from chefgenius import RecipeLoader, TokenStore, prepare
from chefgenius.cookbook import TOKENIZER
from drawing import HERE, INK, RED, TEAL, Drawing

EPOCHS, FEW, MANY, SEED = 3, 40, 4200, 42
FOLLOWED, DRAWN = 7, 3
"""the recipe that is followed; of the many, each of so many places is drawn"""
WIDTH, HEIGHT = 760, 488


def orders(records: int, folder: Path) -> list[list[int]]:
    """For each epoch the numbers of the recipes, in the order in which a run sees them."""
    lines = [
        {"title": f"Tea {n}", "ingredients": [f"{n} cups tea"], "directions": [f"Brew {n} cups of tea."]}
        for n in range(records)
    ]
    source = folder / "tea.jsonl"
    source.write_text("\n".join(map(json.dumps, lines)))
    store: TokenStore = prepare([source], tokenizer=TOKENIZER, out=folder / "store")
    loader = RecipeLoader(store, batch_size=records, split="all", seed=SEED, prefetch=0)
    return [list(loader.batch_at(epoch, 0).record_ids) for epoch in range(EPOCHS)]


def strips(drawing: Drawing, top: float, deals: list[list[int]]) -> None:
    """A row of coloured cells for each epoch, and a line from place to place of one recipe."""
    left, cell, height, gap = 90, 16, 26, 22
    rows = [list(range(FEW)), *deals]
    names = ["number", *(f"epoch {epoch}" for epoch in range(EPOCHS))]
    places = []
    for row, (name, deal) in enumerate(zip(names, rows, strict=True)):
        y = top + row * (height + gap)
        drawing.text(left - 12, y + height / 2 + 5, name, anchor="end")
        for place, record in enumerate(deal):
            red, green, blue = colorsys.hls_to_rgb(0.42 + 0.4 * record / FEW, 0.30 + 0.40 * record / FEW, 0.5)
            colour = f"#{round(255 * red):02x}{round(255 * green):02x}{round(255 * blue):02x}"
            drawing.cell(left + place * cell, y, cell - 1, height, colour)
        place = deal.index(FOLLOWED)
        places.append((left + place * cell + (cell - 1) / 2, y))
    for (x, y), (to_x, to_y) in pairwise(places):
        drawing.path(f"M{x:g} {y + height + 2:g}L{to_x:g} {to_y - 2:g}", stroke=RED, width=2)
    for x, y in places:
        drawing.box(x - cell / 2, y - 1, cell, height + 2, stroke=RED)


def clouds(drawing: Drawing, top: float, deals: list[list[int]]) -> None:
    """A square for each epoch: a dot where place and number meet."""
    left, side, gap = 90, 194, 29
    for epoch, deal in enumerate(deals):
        x, y = left + epoch * (side + gap), top
        drawing.box(x, y, side, side)
        dots = [
            f"M{x + 2 + place / MANY * (side - 4):.1f} {y + side - 2 - record / MANY * (side - 4):.1f}h0"
            for place, record in enumerate(deal)
            if place % DRAWN == 0
        ]
        drawing.path("".join(dots), stroke=TEAL, width=1.6)
        drawing.text(x + side / 2, y + side + 20, f"place in epoch {epoch}", anchor="middle")
    drawing.text(left - 12, top + 14, f"{MANY - 1:,}", anchor="end", size=12)
    drawing.text(left - 12, top + side / 2 + 5, "number", anchor="end")
    drawing.text(left - 12, top + side, "0", anchor="end", size=12)


def draw() -> str:
    """The picture as SVG; the same as long as the version of the order is."""
    with TemporaryDirectory() as folder:
        few, many = orders(FEW, Path(folder)), orders(MANY, Path(folder))
    drawing = Drawing(WIDTH, HEIGHT, "The order of recipes over three epochs")
    drawing.text(0, 18, f"{FEW} recipes, coloured by their number; number {FOLLOWED} is followed", fill=INK)
    strips(drawing, 34, few)
    drawing.text(0, 248, f"{MANY:,} recipes, their order computed; every {DRAWN}rd place is drawn")
    clouds(drawing, 264, many)
    return drawing.svg()


if __name__ == "__main__":
    (HERE / "permutation.svg").write_text(draw())
