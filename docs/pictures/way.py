"""way.svg: the way of the data, from raw files to a checkpoint, with what each step depends on."""

from drawing import AMBER, HERE, TEAL, Drawing

STEPS = [
    ("raw files", "JSON, CSV, Parquet, ...", TEAL),
    ("recipe", "title, ingredients, steps", TEAL),
    ("text pair", "prompt and target", TEAL),
    ("token ids", "untruncated", TEAL),
    ("token store", "named by its content", TEAL),
    ("view", "split, filter, lengths", TEAL),
    ("order", "seed and epoch", TEAL),
    ("plan", "rows of micro-batches", TEAL),
    ("batch", "epoch and index", TEAL),
    ("tensors", "torch", AMBER),
    ("step", "from a boundary", AMBER),
    ("checkpoint", "one rename", AMBER),
]
ACROSS, BOX, HIGH, GAP, DOWN = 4, 164, 56, 28, 40


def draw() -> str:
    """The picture as SVG."""
    rows = -(-len(STEPS) // ACROSS)
    width = ACROSS * BOX + (ACROSS - 1) * GAP + 4
    drawing = Drawing(width, rows * (HIGH + DOWN) + 4, "The way of the data")
    for number, (name, about, colour) in enumerate(STEPS):
        row, column = divmod(number, ACROSS)
        x, y = 2 + column * (BOX + GAP), 2 + row * (HIGH + DOWN)
        drawing.box(x, y, BOX, HIGH, stroke=colour)
        drawing.text(x + BOX / 2, y + 24, name, anchor="middle", size=15, fill=colour)
        drawing.text(x + BOX / 2, y + 43, about, anchor="middle", size=12)
        if column < ACROSS - 1:
            drawing.arrow(x + BOX + 4, y + HIGH / 2, x + BOX + GAP - 4, y + HIGH / 2)
        elif number + 1 < len(STEPS):
            middle, start, end = y + HIGH + DOWN / 2, x + BOX / 2, 2 + BOX / 2
            drawing.path(f"M{start:g} {y + HIGH + 4:g}V{middle:g}H{end:g}")
            drawing.arrow(end, middle, end, y + HIGH + DOWN - 4)
    foot = rows * (HIGH + DOWN) - 12
    drawing.text(2, foot, "Rust", fill=TEAL)
    drawing.text(50, foot, "Python", fill=AMBER)
    return drawing.svg()


if __name__ == "__main__":
    (HERE / "way.svg").write_text(draw())
