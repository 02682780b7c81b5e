"""The command `python -m chefgenius.ckpt`: look at checkpoints, check them, compare, remove and export them.

1. `parser` holds the five commands; each is a function here that asks a module of its theme and prints.
2. `inventory` lists, `manifest` verifies, `comparison` compares, `pruning` removes, `export` copies.
3. Exit codes: 0 done, 1 damaged, different or nothing good to keep, 2 bad input, 3 in use by a trainer, 74
   input/output, 130 interrupted.

What a command needs is imported when it runs: `--help` and `ls` answer at once, and nothing imports torch.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from chefgenius.command import Parser, at_least, finish, which
from chefgenius.console.screen import age, columns, gigabytes, paint
from chefgenius.run.absence import YET, were_there, why_none
from chefgenius.run.inventory import (
    LOSS,
    Inventory,
    NotFoundError,
    directory,
    find_checkpoint,
    find_run,
    is_run,
    read_state,
    take,
)
from chefgenius.run.manifest import DamagedError, verify
from chefgenius.run.rundir import RunDirectory
from chefgenius.run.state import one_line

HEAD = ("step", "epoch", "saved", "size", "val. loss")
COMMANDS = """\
  ls RUN                 list the checkpoints of a run
  verify PATH...         read every byte of runs or checkpoints
  diff A B               compare two runs or checkpoints, to the bit
  prune RUN              remove what the run need not keep
  export PATH OUT        a model's files and tokenizer alone

examples:
  chefgenius ckpt ls runs/mine
  chefgenius ckpt verify runs/mine runs/other
  chefgenius ckpt diff runs/mine runs/other
  chefgenius ckpt prune runs/mine --keep 3 --dry-run
  chefgenius ckpt export runs/mine models/mine --checkpoint best"""


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = Parser(
        prog="chefgenius ckpt",
        usage="%(prog)s COMMAND ...",
        description="Look at the checkpoints of a run without starting it.",
        epilog=f"commands (`COMMAND --help` has the options):\n{COMMANDS}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = made.add_subparsers(
        required=True, metavar="COMMAND", help=argparse.SUPPRESS, parser_class=Parser
    )

    def command(do: Callable[[argparse.Namespace], int], about: str) -> argparse.ArgumentParser:
        name = do.__name__.rstrip("_")
        one: argparse.ArgumentParser = commands.add_parser(
            name, prog=f"{made.prog} {name}", description=about, allow_abbrev=False
        )
        one.set_defaults(do=do)
        return one

    one = command(ls, "List the checkpoints of a run by names and sizes; no contents are read.")
    one.add_argument("run", type=directory, metavar="RUN")
    one.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    one = command(
        verify_,
        "Read every byte and compare it with the checksums, of a run also its logs. Changes nothing; 1 when "
        "one is damaged.",
    )
    one.add_argument("paths", type=directory, nargs="+", metavar="PATH", help="a run, or one checkpoint")
    one = command(
        diff,
        "Compare configuration, memory and every tensor, of runs also metrics.jsonl; of a run the newest "
        "checkpoint. Exit code 0 for equal, 1 for different; where and how fast they ran does not count.",
    )
    for name in ("a", "b"):
        one.add_argument(name, type=directory, metavar=name.upper(), help="a run, or one checkpoint")
    one = command(
        prune,
        "Remove the checkpoints that the run's own settings need not keep. The newest good ones, the best, "
        "the multiples and the pinned stay.",
    )
    one.add_argument("run", type=directory, metavar="RUN")
    one.add_argument("--keep", type=at_least(2), metavar="N", help="newest ones that stay, at least 2")
    one.add_argument("--keep-best", type=at_least(1), metavar="K", help="best ones that stay")
    one.add_argument("--set-aside", action="store_true", help="remove the damaged ones set aside, too")
    one.add_argument("--dry-run", action="store_true", help="only say what would go")
    one = command(
        export,
        "Copy the model's files and tokenizer into a new directory for `from_pretrained`; an adapter is "
        "merged into its base.",
    )
    one.add_argument("path", type=directory, metavar="PATH", help="a run, or one checkpoint")
    one.add_argument("out", type=directory, metavar="OUT", help="a directory that is not there yet")
    one.add_argument(
        "--checkpoint",
        "--step",
        type=which,
        metavar="WHICH",
        help="of a run: best, newest (default) or a step",
    )
    one.add_argument("--adapter", action="store_true", help="of one with an adapter: that alone, unmerged")
    one.add_argument("--ema", action="store_true", help="the averages of the weights in place of the weights")
    one.add_argument("--base", type=directory, metavar="DIR", help="where the adapter's base lies now")
    return made


def ls(options: argparse.Namespace) -> int:
    """List a run."""
    found = take(find_run(options.run))
    if options.json:
        print(json.dumps(found.to_json(), indent=2))  # ASCII: a name may be anything
        return 0
    lines = list(columns(_rows(found), slice(0)))
    paint(lines[:1] if found.checkpoints else (), sys.stdout, "bold")
    for one, line in zip(found.checkpoints, lines[1:], strict=True):
        paint([line], sys.stdout, "red" if one.problem else "green" if "best" in one.marks else "")
    paint(_others(found), sys.stdout, "yellow")
    print(f"{gigabytes(found.size)} in all; {_next(found)}")
    return 0


def verify_(options: argparse.Namespace) -> int:
    """Read every byte."""
    good = True
    for path in options.paths:
        if is_run(path):
            run = RunDirectory(path)
            if not run.steps():
                raise NotFoundError(why_none(path))
            found = {step: _verified(run.step_path(step), f"step {step}", step) for step in run.steps()}
            good &= all(found.values())
            good &= _kept(run, [step for step, sound in found.items() if sound])
        else:
            good &= _verified(find_checkpoint(path), f"`{path}`", None)
    return 0 if good else 1


def diff(options: argparse.Namespace) -> int:
    """Compare."""
    from chefgenius.run.comparison import compare, compare_logs, open_side
    from chefgenius.run.located import standing

    places = [_chosen(path, None) for path in (options.a, options.b)]
    with standing(*places):
        a, b = map(open_side, places)
        print(f"a: {a.path}\nb: {b.path}")
        found = list(compare(a, b))
    if is_run(options.a) and is_run(options.b):
        found += compare_logs(options.a, options.b)
    kinds = Counter(one.kind for one in found if one.counts)
    told = ", ".join(f"{count} of kind {kind}" for kind, count in kinds.items())
    beside = "; what stands in brackets does not count" if kinds.total() < len(found) else ""
    print(f"{f'different: {told}' if kinds else 'equal'}{beside}")
    for one in found:
        kind = one.kind if one.counts else f"({one.kind})"
        print(f"{kind:<11}  {one_line(one.name)}: {one_line(one.told)}")
    return 1 if kinds else 0


def prune(options: argparse.Namespace) -> int:
    """Remove what need not be kept."""
    from chefgenius.run.pruning import carry_out, plan

    run = find_run(options.run)
    try:
        if not options.dry_run:
            run.lock()
            for name in run.clean():
                print(f"removed {one_line(name)}, left by a killed writer")
        made = plan(run, options.keep, options.keep_best, set_aside=options.set_aside)
        for kept in made.staying:
            print(f"step {kept.stored.step} stays: {kept.reason}")
        going = [f"step {one.step}" for one in made.going] + [
            one_line(one.path.name) for one in made.set_aside
        ]
        if not options.dry_run:
            carry_out(run, made)
        for name in going:
            print(f"{name} {'would go' if options.dry_run else 'is removed'}")
        print(f"{gigabytes(made.freed)} {'would be free' if options.dry_run else 'freed'}")
    finally:
        run.close()
    return 0


def export(options: argparse.Namespace) -> int:
    """Copy a model."""
    from chefgenius.exporting.export import export as copy
    from chefgenius.run.located import standing

    checkpoint = _chosen(options.path, options.checkpoint)
    with standing(checkpoint):
        size = copy(checkpoint, options.out, adapter=options.adapter, base=options.base, averages=options.ema)
    what = f"{'averaged ' if options.ema else ''}{'adapter' if options.adapter else 'model'}"
    print(f"`{options.out}`: the {what} of `{checkpoint}`, {gigabytes(size)}")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    options = parser().parse_args(arguments)
    return finish(lambda: int(options.do(options)))


def _chosen(path: Path, asked: str | None) -> Path:
    """The checkpoint that is meant; tells where a damaged one is passed over."""
    from chefgenius.run.located import passed_over, step_of

    taken = find_checkpoint(path, step_of(path, asked))
    if warning := passed_over(path, asked, taken):
        print(warning, file=sys.stderr, flush=True)
    return taken


def _verified(path: Path, name: str, step: int | None) -> bool:
    """Prints a line; whether nothing is wrong with it."""
    try:
        found = verify(path)
        if step not in (None, found.step):
            raise DamagedError(f"it holds step {found.step}")
    except DamagedError as error:
        if step is not None and not os.path.lexists(path):
            print(f"{name}: removed by the trainer meanwhile")
            return True
        paint([f"{name}: damaged: {error}"], sys.stdout, "red")
        return False
    except OSError as error:
        paint([f"{name}: cannot be read: {error}"], sys.stdout, "red")
        return False
    print(f"{name}: good, {gigabytes(sum(one.size for one in found.files.values()))}", flush=True)
    return True


def _kept(run: RunDirectory, sound: Sequence[int]) -> bool:
    """Whether the logs are what the newest of the sound checkpoints says that they were; prints lines."""
    from chefgenius.run.ledger import EXACT, lost

    found = ((step, read_state(run.step_path(step))) for step in sound)
    step, state = next(((step, state) for step, state in found if state), (0, {}))
    told = lost(run.path, state)
    paint((f"damaged: {one}" for one in told), sys.stdout, "red")
    if "logs" in state and not told:
        print(f"{' and '.join(EXACT)}: good, with all that step {step} tells of")
    return not told


def _rows(found: Inventory) -> list[tuple[str, ...]]:
    """A head, and each checkpoint; what decides on the best has a column."""
    other = [] if found.best_metric == LOSS else [found.best_metric]
    rows = [(*HEAD, *other, "marks")]
    for one in found.checkpoints:
        shown = [one.validation_loss, *(one.best_value for _ in other)]
        values = ("" if value is None else f"{value:.4f}" for value in shown)
        saved = f"{one.saved.astimezone():%Y-%m-%d %H:%M}, {age(one.saved, datetime.now(UTC))}"
        marks = f"damaged: {one.problem}" if one.problem else ", ".join(one.marks)
        epoch = "" if one.epoch is None else str(one.epoch)
        rows.append((str(one.step), epoch, saved, gigabytes(one.size), *values, marks))
    return rows


def _others(found: Inventory) -> Iterator[str]:
    for left in found.set_aside:
        yield f"set aside: {one_line(left.path.name)}, {gigabytes(left.size)}: {left.reason}"
    for left in found.temporary:
        yield f"temporary: {one_line(left.path.name)}, {gigabytes(left.size)}: {left.reason}"


def _next(found: Inventory) -> str:
    if not (found.checkpoints or found.set_aside):
        return "its checkpoints are gone: `metrics.jsonl` tells of steps" if were_there(found.run) else YET
    if found.next is None:
        return "a start finds nothing here to go on from"
    return f"a start would verify and take {found.next.name}"


if __name__ == "__main__":
    sys.exit(main())
