"""The command `report`: a run as one page of HTML, or several runs side by side.

1. `files` is what a run's files say; `starts`, `samples`, `lengths` and `curves` are parts of the page, drawn
   by `charts` and made short by `thinning`.
2. `page` puts the parts together and writes RUN/report.html; `contrast` compares runs.
3. Exit codes: 0 done, 2 no such run, 74 input/output, 130 interrupted.

What is not there is said in its place, and never an error. Nothing here imports torch.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from chefgenius import command

COMPARISON = "comparison.html"
MOST = 6
"""runs that are compared at once"""


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = command.page(
        "report",
        "RUN [RUN ...] [--out FILE]",
        "Write a run as one page of HTML that needs no network: curves, starts and stops,\n"
        "sample recipes, data, configuration and versions. Of several runs: their curves\n"
        "over each other, and at which step their data or losses first differ.",
        "chefgenius report runs/mine",
    )
    made.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="the directory of a run")
    made.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="the page; none: RUN/report.html, or comparison.html here",
    )
    for name in ("--during", "--after"):  # for the training, which goes on meanwhile, or has ended
        made.add_argument(name, action="store_true", help=argparse.SUPPRESS)
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    options = parser().parse_args(arguments)
    if options.during:
        _step_back()
    if options.after and os.fork():  # who waits for this process does not wait for the page
        os._exit(0)
    return command.finish(lambda: _write(options))


def _write(options: argparse.Namespace) -> int:
    if len(options.runs) > MOST:
        raise ValueError(f"{len(options.runs)} runs are too many for one page: give at most {MOST}")
    from chefgenius.console.screen import gigabytes, paint
    from chefgenius.report.files import Run
    from chefgenius.report.page import content, exactness, render, write
    from chefgenius.run.rundir import ANEW, PAGE

    runs = [Run.read(path) for path in options.runs]
    if len(runs) == 1:
        (run,) = runs
        out = options.out or run.path / PAGE
        size = write(out, render("run.html", content(run, running=options.during)))
        print(f"{out}: step {run.step:,}, {gigabytes(size)}")
        paint((f"damaged: {one}" for one in run.lost), sys.stdout, "red")
        if run.facts_damaged:
            paint([f"damaged: `{run.path / 'run.json'}` cannot be read: {ANEW}"], sys.stdout, "red")
        print(exactness(run)[1])
        for name in run.missing:
            if not os.path.lexists(run.path / name):
                print(f"not there: {name}")
            elif name != "run.json":
                print(f"nothing to read in: {name}")
        return 0
    from chefgenius.report.contrast import content as contrast
    from chefgenius.report.contrast import names_of, told

    values = contrast(runs)
    out = options.out or Path(COMPARISON)
    size = write(out, render("comparison.html", values))
    for name, run in zip(names_of(runs), runs, strict=True):
        print(f"{name}: {run.path}, step {run.step:,}")
        paint((f"{name}: damaged: {one}" for one in run.lost), sys.stdout, "red")
    for line in told(values):
        print(line)
    print(f"{out}: {gigabytes(size)}")
    return 0


def _step_back() -> None:
    """Leaves the processor to the training that this process was started by."""
    os.nice(19)
    if hasattr(os, "SCHED_IDLE"):
        try:
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        except OSError:
            return  # not allowed here: the priority must do
