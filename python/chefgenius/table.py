"""Lines and tables for a person: rich in a terminal, plain elsewhere; nothing here imports torch."""

import sys
from collections.abc import Sequence
from typing import TextIO

from chefgenius.screen import paint
from chefgenius.state import printable


def show_table(
    head: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = (), file: TextIO | None = None
) -> None:
    """Print rows under a head; the columns named in `right` are set to the right."""
    file = file or sys.stdout
    cells = [[printable(cell).replace("\n", " ") for cell in row] for row in rows]
    if file.isatty():
        _rich(head, cells, right, file)
    else:
        _plain(head, cells, right, file)


def say(text: str, style: str = "", file: TextIO | None = None) -> None:
    """Print lines, in this style in a terminal."""
    paint([printable(text)], file or sys.stdout, style)


def _plain(head: Sequence[str], rows: list[list[str]], right: Sequence[str], file: TextIO) -> None:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in [list(head), *rows]:
        cells = [
            cell.rjust(width) if name in right else cell.ljust(width)
            for name, cell, width in zip(head, row, widths, strict=True)
        ]
        print("  ".join(cells).rstrip(), file=file)


def _rich(head: Sequence[str], rows: list[list[str]], right: Sequence[str], file: TextIO) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for place, name in enumerate(head):
        last = place == len(head) - 1
        made.add_column(
            name,
            justify="right" if name in right else "left",
            no_wrap=True,
            overflow="ellipsis",
            min_width=min(len(name), 8) if last else len(name),
        )
    for row in rows:
        made.add_row(*map(Text, row))
    Console(file=file).print(made)
