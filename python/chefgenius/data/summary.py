"""What became of every record, for a person: a short table, and a warning where the tokenizer loses text.

1. `outcomes` is the table of sources: records read, and of them kept, filtered and bad.
2. `facts` are the figures of the whole store, a name and a line each.
3. `warning` is what nobody should overlook: fidelity under 99 %.
4. `show` prints them.

`report.json` beside the store holds all of it and more.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chefgenius.console.screen import columns, count, paint
from chefgenius.data.outcome import Report

WORST, ERRORS, CHARACTERS = 3, 5, 8
"""how many examples, bad records and characters are shown; `report.json` has more"""

HEAD = ("source", "format", "read", "kept", "filtered", "bad")


def outcomes(report: Report) -> list[tuple[str, ...]]:
    """A row for each source and, of several, one for all of them."""
    rows = [(source["name"], source["format"], source["counts"]) for source in report.sources]
    if len(rows) > 1:
        rows.append(("all", f"{len(rows)} sources", report.counts))
    return [(name, form, *(f"{n:,}" for n in tally(counts))) for name, form, counts in rows]


def tally(counts: Mapping[str, Any]) -> tuple[int, int, int, int]:
    """Records read, kept, filtered and bad; the first is the sum of the others."""
    kept, filtered, bad = int(counts["kept"]), sum(counts["filtered"].values()), int(counts["bad"])
    return kept + filtered + bad, kept, filtered, bad


def facts(report: Report, path: Path) -> list[tuple[str, str]]:
    """Name and value of each figure of the whole store."""
    fidelity, used = report.fidelity, report.vocabulary
    filtered = [f"{n:,} {reason}" for reason, n in report.counts["filtered"].items() if n]
    made = [
        ("filtered", ", ".join(filtered)),
        ("prompts", lengths(report.prompt_lengths)),
        ("targets", lengths(report.target_lengths)),
        (
            "fidelity",
            f"{percent(fidelity['records_same'], fidelity['records'])} of the records and "
            f"{percent(fidelity['quantities_same'], fidelity['quantities'])} of their "
            f"{fidelity['quantities']:,} quantities come back from their ids",
        ),
        ("unknown", f"{100 * report.unknown_share:.3f} % of the tokens"),
        ("vocabulary", f"{used['used']:,} of {used['size']:,} tokens are in use"),
        *((kind, listed(report.spelling[kind])) for kind in ("respelt", "dropped", "unspelt")),
        ("tokenizer", tokenizing(report)),
        ("store", built(report)),
    ]
    return [(name, value) for name, value in made if value] + [("", str(path))]


def lengths(spread: Mapping[str, float]) -> str:
    """How many tokens texts have, in a line."""
    p50, p95, most = (f"{spread[name]:,}" for name in ("p50", "p95", "max"))
    return f"{spread['min']:,} to {most} tokens, half of them up to {p50}, 95 % up to {p95}"


def percent(part: int, whole: int) -> str:
    """A share with two digits, never rounded up to all."""
    return f"{10000 * part // max(whole, 1) / 100 if whole else 100:.2f} %"


def listed(characters: Sequence[Mapping[str, Any]]) -> str:
    """Characters with what was written for them and how often, the most frequent first."""
    shown = []
    for one in characters[:CHARACTERS]:
        written = f"`{one['character']}`" + (f" as `{one['as']}`" if one["as"] else "")
        shown.append(f"{written} {one['count']:,} time{'' if one['count'] == 1 else 's'}")
    return ", ".join(shown) + (", ..." if len(characters) > CHARACTERS else "")


def tokenizing(report: Report) -> str:
    """How ids were made and, where words are remembered, how many were known."""
    counts = report.tokenizer["counts"]
    known = f", {percent(counts['hits'], counts['words'])} of the words known" if counts["words"] else ""
    return f"{report.tokenizer['method']}{known}"


def built(report: Report) -> str:
    """What was done, and with how much."""
    size = f"{count(report.kept, 'record')}, {count(report.tokens, 'token')}"
    if not report.built:
        return f"already built, {size}"
    reused = f", {report.reused:,} taken over" if report.reused else ""
    return f"built in {report.seconds:.1f} s, {size}{reused}"


def errors(report: Report, path: Path) -> list[str]:
    """The first bad records, a line each."""
    made = report.errors()[:ERRORS]
    more = report.bad - len(made)
    return made + ([f"and {more:,} more: `{path.parent / 'report.json'}`"] if made and more else [])


def warning(report: Report, path: Path) -> list[str]:
    """The lines of a warning where the tokenizer loses text; one alone where the build told of it."""
    if not report.loses:
        return []
    fidelity = report.fidelity
    share = f"only {percent(fidelity['records_same'], fidelity['records'])} of the records come back"
    if not report.built:
        return [f"WARNING: {share} from their ids, as when it was built: `{path.parent / 'report.json'}`"]
    made = [
        f"WARNING: {share} from their ids.",
        "This tokenizer loses text, and a model that learns from these ids learns the loss.",
    ]
    for lost in fidelity["worst"][:WORST]:
        made += [f"  {lost['source']}, {lost['place']}"]
        made += [f"    written    {lost['written']}", f"    read back  {lost['read_back']}"]
    if report.spelling["unspelt"]:
        made.append(f"  It cannot spell {listed(report.spelling['unspelt'])}")
    return [
        *made,
        "Take a tokenizer that spells what you write, such as a byte-level one: docs/prepare.md",
    ]


def show(report: Report, path: Path) -> None:
    """Print all of it; the warning goes to stderr."""
    paint(columns([HEAD, *outcomes(report)], slice(2, None)), sys.stdout)
    paint(errors(report, path), sys.stdout, "yellow")
    print()
    paint(columns(facts(report, path), slice(2, None)), sys.stdout)
    paint(warning(report, path), sys.stderr, "bold red")
