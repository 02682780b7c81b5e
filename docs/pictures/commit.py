"""commit.svg: how a checkpoint comes to be, and what a kill leaves behind at each moment."""

from drawing import AMBER, HERE, RED, TEAL, Drawing

STEPS = [
    ("boundary", "weights and memory are", "copied: the only stall"),
    ("write, hash, fsync", "each file", "of .tmp-step-00001200"),
    ("manifest.json", "last: size and BLAKE3", "of every file"),
    ("fsync the logs", "every line that the", "checkpoint counts"),
    ("rename", ".tmp-step-00001200", "to step-00001200"),
    ("retention", "what need not be kept", "goes"),
]
BOX, HIGH, GAP = 156, 74, 14


def draw() -> str:
    """The picture as SVG."""
    width = len(STEPS) * BOX + (len(STEPS) - 1) * GAP + 4
    drawing = Drawing(width, 160, "How a checkpoint comes to be")
    for number, (name, *about) in enumerate(STEPS):
        x, y = 2 + number * (BOX + GAP), 2
        colour = RED if name == "rename" else TEAL if name == "retention" else AMBER
        drawing.box(x, y, BOX, HIGH, stroke=colour)
        drawing.text(x + BOX / 2, y + 24, name, anchor="middle", size=15, fill=colour)
        for line, text in enumerate(about):
            drawing.text(x + BOX / 2, y + 44 + 17 * line, text, anchor="middle", size=12)
    commit = 2 + 4 * (BOX + GAP) + BOX / 2
    y = HIGH + 24
    drawing.path(f"M2 {y}H{commit - 6:g}", stroke=AMBER, width=3)
    drawing.path(f"M{commit + 6:g} {y}H{width - 2:g}", stroke=TEAL, width=3)
    drawing.path(f"M{commit:g} {HIGH + 8}V{y + 12}", stroke=RED, width=2)
    drawing.text(
        2, y + 24, "a kill here leaves a .tmp- directory: the checkpoint before is the newest", fill=AMBER
    )
    drawing.text(width - 2, y + 24, "the new one is whole", anchor="end", fill=TEAL)
    drawing.text(commit, y + 44, "the commit", anchor="middle", fill=RED)
    return drawing.svg()


if __name__ == "__main__":
    (HERE / "commit.svg").write_text(draw())
