"""The look of every command: columns, a little colour and a bar in a terminal, plain lines elsewhere.

`columns` sets rows side by side, `paint` prints lines in a style, `bar` shows how far a long action is,
`count`, `gigabytes` and `age` are numbers, sizes and times in words. Rich is imported for a terminal alone.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TextIO

Advance = Callable[[int], None]
"""is told how much is done"""


def columns(rows: Sequence[Sequence[str]], numbers: slice) -> Iterator[str]:
    """Rows as lines with two spaces between the columns; those of `numbers` are set to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    right = range(*numbers.indices(len(widths)))
    for row in rows:
        cells = [
            cell.rjust(width) if place in right else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()


def paint(lines: Iterable[str], file: TextIO, style: str = "", *, cut: bool = False) -> None:
    """Print lines. Where `file` is a terminal: in this style, and with `cut` no wider than it."""
    text = "\n".join(lines)
    if text and (style or cut) and file.isatty():
        from rich.console import Console
        from rich.text import Text

        Console(file=file).print(Text(text, style), soft_wrap=not cut, no_wrap=True, overflow="ellipsis")
    elif text:
        print(text, file=file)


def show_table(rows: Sequence[Sequence[str]], numbers: slice) -> None:
    """Print rows as columns, the first one as their head, in a terminal cut to its width."""
    head, *rest = columns(rows, numbers)
    paint([head], sys.stdout, "bold", cut=True)
    paint(rest, sys.stdout, cut=True)


@contextmanager
def bar(what: str, total: int) -> Iterator[Advance]:
    """A bar on stderr with the time that is left, gone at the end; nothing where that is no terminal.

    `total` may be more than comes. What is left is told by the pace since the bar began.
    """
    if not sys.stderr.isatty():
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    made = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        TaskProgressColumn(),
        TimeRemainingColumn(compact=True),
        console=Console(stderr=True, highlight=False),
        transient=True,
        expand=True,
        refresh_per_second=8,
        speed_estimate_period=10**6,
    )
    task = made.add_task(what, total=total)
    with made:
        yield lambda done: made.update(task, completed=min(done, total))


def count(number: int, noun: str) -> str:
    """`1 recipe`, `1,200 recipes`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def gigabytes(size: int) -> str:
    """Bytes for a person, in decimal units."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= factor / 2:
            return f"{size / factor:.2f} {unit}"
    return count(size, "byte")


def age(saved: datetime, now: datetime) -> str:
    """How long ago, in the largest unit of which there are two."""
    seconds = max(int((now - saved).total_seconds()), 0)
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit} ago"
    return f"{seconds} s ago"
