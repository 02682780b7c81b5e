"""How far `prepare` is: a bar in a terminal, nothing elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[[str, int, int, int], None]
"""stage, bytes done, bytes in all, records so far"""

STAGES = {
    "hash": "looking at the sources",
    "read": "preparing",
    "write": "writing",
    "wait": "waiting for another `prepare`",
}
EVERY = 0.1
"""seconds between two looks of the bar"""


@contextmanager
def progress() -> Iterator[Progress]:
    """What `prepare` calls while it works. The bar is on stderr and vanishes at the end, however that comes.

    Where stderr is no terminal only a wait for another process is told, in one line.
    """
    if not sys.stderr.isatty():
        yield _quiet()
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    bar = Bar(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TextColumn("{task.fields[pace]}"),
        TimeRemainingColumn(compact=True),
        console=Console(stderr=True, highlight=False),
        auto_refresh=False,
        transient=True,
    )
    stage_now, began, shown = "", 0.0, 0.0

    def show(stage: str, done: int, total: int, records: int) -> None:
        nonlocal stage_now, began, shown
        now = time.monotonic()
        if stage != stage_now:
            stage_now, began, shown = stage, now, 0.0
            for task in bar.task_ids:
                bar.remove_task(task)
            bar.add_task(STAGES.get(stage, stage), total=total or None, pace="")
        if now - shown < EVERY and done < total:
            return
        shown = now
        pace = f"{records / (now - began):,.0f} records/s" if records and now > began else ""
        bar.update(bar.task_ids[0], completed=done, pace=pace, refresh=True)

    with bar:
        yield show


def _quiet() -> Progress:
    told = False

    def show(stage: str, done: int, total: int, records: int) -> None:
        nonlocal told
        if stage == "wait" and not told:
            told = True
            print(f"{STAGES[stage]} in the same directory", file=sys.stderr, flush=True)

    return show
