"""The command `inspect`: which recipes a step of a run takes, when it sees a record, what stands out.

1. `parser` holds the options; `step`, `record` and `spikes` are the three questions, each one function.
2. `itinerary` knows which recipes a step takes, `spikes` which steps stand out, `asking` puts both together
   with what `scoring` has of losses, shows them, and writes down what training is to leave out.
3. Exit codes: 0 done, 1 where metrics.jsonl contradicts the data, 2 bad input, 3 a damaged checkpoint or one
   of another model, 74 input/output, 130 interrupted.

torch is imported only with `--loss`: any step of any run is there in less than a second.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from chefgenius.command import finish, page, which
from chefgenius.run.inventory import NotFoundError, directory

if TYPE_CHECKING:
    from chefgenius.inspecting.asking import Asker, Found
    from chefgenius.inspecting.spikes import Spike

CONTRADICTED = 1
SHOWN = 5
"""steps before and after the present one that are listed of a record"""
_LINE_PATIENCE = 0.7


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = page(
        "inspect",
        "RUN (--step N | --record ID | --loss-spikes) ...",
        "Show the very recipes of any step of a run, taken or not.",
        "chefgenius inspect runs/mine --loss-spikes --loss --write bad.txt",
    )
    add = made.add_argument
    add("run", type=directory, metavar="RUN", help="the directory of a run")
    what = made.add_mutually_exclusive_group(required=True).add_argument
    what("--step", type=_number, metavar="N", help="the recipes of optimizer step N, from 1")
    what("--record", type=_number, metavar="ID", help="a record, and when it was and will be seen")
    what("--loss-spikes", action="store_true", help="steps that stand out, and their recipes")
    add("--loss", action="store_true", help="the loss of each recipe, by a checkpoint")
    add("--checkpoint", type=which, metavar="WHICH", help="for --loss: newest (default), best or a step")
    add("--write", type=directory, metavar="FILE", help="write the records down, to be left out")
    add("--worst", type=_count, metavar="K", help="with --loss, write the K worst of a step (default 1)")
    add("--threshold", type=_height, metavar="X", help="a spike is X deviations high (default 6)")
    add("--most", type=_count, default=10, metavar="K", help="the K highest spikes (default 10)")
    add("--text", action="store_true", help="whole recipes, not their titles alone")
    add("--lines", action="store_true", help="find the line of each, however long it takes")
    add("--store", type=directory, metavar="DIR", help="where the store of the run lies now")
    add("--json", action="store_true", help="one JSON object")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    options = parser().parse_args(arguments)
    return finish(lambda: answer(options))


def answer(options: argparse.Namespace) -> int:
    """Answer the question; the exit code."""
    from chefgenius.inspecting.asking import Asker
    from chefgenius.inspecting.itinerary import ContradictionError, Itinerary

    for name in ("worst", "checkpoint"):
        if getattr(options, name) is not None and not options.loss:
            raise NotFoundError(f"`--{name}` is for losses: add `--loss`")
    if options.write is not None and options.write.exists():
        raise NotFoundError(f"`{options.write}` is there already: give the name of a new file")
    which = (options.checkpoint or "newest") if options.loss else None
    asker = Asker(Itinerary(options.run, options.store), which, options.lines)
    question = spikes if options.loss_spikes else step if options.record is None else record
    try:
        found = question(asker, options)
    except ContradictionError as error:
        print(f"error: {error}", file=sys.stderr)
        return CONTRADICTED
    if options.json:
        print(json.dumps({"run": str(options.run), **found}, indent=2))
    return 0


def step(asker: Asker, options: argparse.Namespace) -> dict[str, Any]:
    """The recipes of one step."""
    found = asker.find(options.step)
    if not options.json:
        asker.show(found, text=options.text)
    _write(asker, {f"step {options.step}": found}, options)
    return asker.to_json(found)


def spikes(asker: Asker, options: argparse.Namespace) -> dict[str, Any]:
    """The highest of the steps that stand out, and their recipes."""
    from chefgenius.console.screen import show_table
    from chefgenius.inspecting.listing import say
    from chefgenius.inspecting.spikes import THRESHOLD, find
    from chefgenius.run.logbook import read_steps

    threshold = THRESHOLD if options.threshold is None else options.threshold
    found, looked = find(read_steps(asker.itinerary.run.path), threshold)
    highest = sorted(found, key=lambda one: -one.height)[: options.most]
    shown = sorted(highest, key=lambda one: one.step)
    steps = [asker.find(one.step) for one in shown]
    if not options.json:
        for line in _summary(asker.itinerary.taken, looked, len(found), len(shown), threshold):
            say(line)
        if shown:
            head = ("step", "epoch", "loss", "above", "gradient norm", "above it")
            show_table([head, *map(_cells, shown)], slice(None))
        for one in steps:
            print()
            asker.show(one, text=options.text)
    if shown:
        _write(asker, {_headline(one): of for one, of in zip(shown, steps, strict=True)}, options)
    elif options.write is not None:
        raise NotFoundError(f"`{options.write}` is not written: no step stands out")
    both = zip(shown, steps, strict=True)
    return {
        "logged_steps": looked,
        "threshold": threshold,
        "found": len(found),
        "spikes": [{**asdict(one), **asker.to_json(of)} for one, of in both],
    }


def record(asker: Asker, options: argparse.Namespace) -> dict[str, Any]:
    """When a record was and will be seen, and what it is."""
    from chefgenius.inspecting import leaving_out
    from chefgenius.inspecting.listing import place_json, say, show_text, title_of, told_place, unknown

    itinerary, number = asker.itinerary, options.record
    leg, store = itinerary.present()
    if number >= len(store):
        raise NotFoundError(f"no record {number}: the store holds the records 0 to {len(store) - 1}")
    stored = store.record(number)
    (place,) = store.places([number], None if options.lines else _LINE_PATIENCE)
    side, steps = itinerary.side(number), list(itinerary.when(number))
    loss = asker.losses(leg, [number]).get(number)
    told, title = told_place(stored, place), title_of(store, stored)
    if not options.json:
        say(f"record {number}: {told}: {title}", "bold")
        for line in [] if place.number else [unknown(place)]:
            say(line, "yellow")
        say(side.told)
        for line in _visits(steps, itinerary.taken):
            say(line)
        if loss is not None:
            say(f"loss {loss:.4f} by {asker.checkpoint}, without dropout")
        show_text(store, stored)
    if options.write is not None:
        groups = {f"record {number}": [leaving_out.Doomed(number, f"{told}: {title}")]}
        _told(asker, leaving_out.write(options.write, leg, groups), options)
    prompt, target = store.text(number)
    return {
        "record": number,
        "source": stored.source,
        **place_json(stored, place),
        "quality": stored.quality,
        "side": side.name,
        "told": side.told,
        "seen": [{"step": one, "epoch": of, "taken": one <= itinerary.taken} for one, of in steps],
        "loss": loss,
        "checkpoint": asker.checkpoint,
        "prompt": prompt,
        "target": target,
    }


def _write(asker: Asker, steps: dict[str, Found], options: argparse.Namespace) -> None:
    if options.write is not None:
        worst = (options.worst or 1) if options.loss else None
        _told(asker, asker.write(options.write, steps, worst), options)


def _told(asker: Asker, new: int, options: argparse.Namespace) -> None:
    from chefgenius.inspecting.leaving_out import command
    from chefgenius.inspecting.listing import say

    if not options.json:
        say(f"\n`{options.write}` leaves out {new:,} more recipe{'' if new == 1 else 's'}; to go on without:")
        say(f"  {command(asker.itinerary.run.path, options.write)}", "bold")


def _summary(taken: int, looked: int, found: int, shown: int, threshold: float) -> Iterator[str]:
    """What was looked at, and what was found."""
    from chefgenius.console.screen import count
    from chefgenius.inspecting.spikes import FEWEST

    if looked < FEWEST:
        yield f"metrics.jsonl tells of {count(looked, 'step')}: among fewer than {FEWEST} nothing stands out"
        return
    stand = "stands" if found <= 1 else "stand"
    some = f"{found:,}" if found else "none"
    yield f"{some} of the {looked:,} logged steps {stand} out by {threshold:g} deviations or more"
    if looked < taken:
        yield f"{taken - looked:,} of the {taken:,} steps were not logged: `log.every_steps=1` logs each"
    if shown < found:
        yield f"the {shown} highest:"


def _cells(one: Spike) -> list[str]:
    if not one.finite:
        return [str(one.step), str(one.epoch), "not finite", "", "", ""]
    values = ((one.loss, one.loss_deviations), (one.grad_norm, one.norm_deviations))
    cells = [("", "") if value is None else (f"{value:.4f}", f"{above:.1f}") for value, above in values]
    return [str(one.step), str(one.epoch), *cells[0], *cells[1]]


def _headline(one: Spike) -> str:
    if not one.finite:
        return f"step {one.step}, which was not finite"
    return (
        f"step {one.step}: loss {one.loss_deviations:.1f} and gradient norm {one.norm_deviations:.1f} "
        "deviations above the steps around it"
    )


def _visits(steps: Sequence[tuple[int, int]], taken: int) -> Iterator[str]:
    """The steps that see a record: those next to the present one, a line each."""
    from chefgenius.console.screen import count

    past = [one for one in steps if one[0] <= taken]
    future = steps[len(past) :]
    if not steps:
        yield "no step of the run, as far as it goes, sees it"
        return
    yield f"seen in {count(len(past), 'step')} so far, {f'{len(future):,}' if future else 'none'} to come"
    shown = [*past[-SHOWN:], *future[:SHOWN]]
    wide = max(len(str(shown[-1][0])), len("..."))
    if len(past) > SHOWN:
        yield f"  {past[0][0]:>{wide}}  epoch {past[0][1]}, the first"
        if left := len(past) - SHOWN - 1:
            yield f"  {'...':>{wide}}  {left:,} more between"
    for one, epoch in shown:
        yield f"  {one:>{wide}}  epoch {epoch}{'' if one <= taken else ', not yet'}"
    if len(future) > SHOWN:
        yield f"  and {len(future) - SHOWN:,} more"


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise argparse.ArgumentTypeError(f"`{text}` is no whole number")
    return int(text)


def _count(text: str) -> int:
    if not _number(text):
        raise argparse.ArgumentTypeError("`0` is none")
    return int(text)


def _height(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not found > 0:
        raise argparse.ArgumentTypeError(f"`{text}` is no number above 0")
    return found


if __name__ == "__main__":
    sys.exit(main())
