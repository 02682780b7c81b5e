"""What a start would do, in lines of at most 80 columns, paths apart: `--explain`.

1. `overview` tells where the run stands, and of a run that may go on what is left.
2. `differences` tells what is not as it was saved, by class, with the reason and with what would allow it.

Nothing here imports torch, and nothing is changed.
"""

from __future__ import annotations

import textwrap
import time
from typing import TYPE_CHECKING

from chefgenius.run.differences import Comparison, Difference
from chefgenius.run.manifest import NAME as MANIFEST
from chefgenius.run.resume import Origin
from chefgenius.run.state import one_line

if TYPE_CHECKING:
    from chefgenius.training.built import Built

_WIDTH = 80
_COLUMN = 12


def position(origin: Origin | None) -> list[str]:
    """Which checkpoint would be used, of when, and where it stands."""
    if origin is None:
        return [_row("checkpoint", "none: a new run would begin")]
    progress = origin.sections["progress"]
    age = time.time() - (origin.directory / MANIFEST).stat().st_mtime
    size = sum(entry.size for entry in origin.manifest.files.values())
    return [
        _row("checkpoint", str(origin.directory)),
        _row("", f"written {_ago(age)}, {size / 1e6:,.1f} MB, all checksums match"),
        _row(
            "stands at",
            f"step {origin.step}, epoch {one_line(progress.get('epoch'))}, "
            f"micro-batch {one_line(progress.get('index'))}",
        ),
    ]


def differences(comparison: Comparison) -> list[str]:
    """Everything that is not as it was saved, by class."""
    if not (comparison.identity or comparison.exactness or comparison.free):
        return [_row("differs", "nothing")]
    refused = [one for one in comparison.exactness if one in comparison.refused]
    leave = f"only with `{comparison.leave}`" if comparison.leave else "refused"
    return [
        *_group("another run, never allowed", comparison.identity),
        *_group(f"not exact, {leave}", refused),
        *_group("not exact, allowed", comparison.changes),
        *_group("free", comparison.free),
    ]


def verdict(built: Built) -> list[str]:
    """What would happen now."""
    total, taken = built.schedule.total_steps, 0 if built.origin is None else built.origin.step
    if built.finished:
        return [_row("would", "do nothing: the run is finished"), *_wrapped(built.ending)]
    rows = [_row("exact", _sentence(built))]
    if built.moved:
        rows += [_row("data", ""), *_wrapped(built.moved)]
    kind = "begin a new run" if built.origin is None else "go on"
    return [
        *rows,
        _row("left", f"{total - taken:,} of {total:,} steps"),
        _row("would", f"{kind} in {built.config.run_path}"),
    ]


def _sentence(built: Built) -> str:
    since = built.exactness.since
    return "yes" if since is None else f"no, not since step {since}"


def _group(title: str, found: list[Difference]) -> list[str]:
    if not found:
        return []
    lines = textwrap.wrap(f"{title}:", _WIDTH, break_long_words=False, break_on_hyphens=False)
    for reason in dict.fromkeys(one.meaning.reason for one in found):
        for one in found:
            if one.meaning.reason == reason:
                lines += _fitted(one)
        lines += textwrap.wrap(reason, _WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6)
    return lines


def _fitted(one: Difference) -> list[str]:
    """A difference in one line where it fits, else in two."""
    line = f"  {one}"
    if len(line) <= _WIDTH:
        return [line]
    name, _, values = line.partition(": ")
    return [f"{name}:", f"    {values}"]


def _row(name: str, text: str) -> str:
    return f"{name:<{_COLUMN}}{text}"


def _wrapped(text: str) -> list[str]:
    indent = " " * _COLUMN
    return textwrap.wrap(
        text, _WIDTH, initial_indent=indent, subsequent_indent=indent, break_long_words=False
    )


def _ago(seconds: float) -> str:
    for unit, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= unit:
            count = int(seconds // unit)
            return f"{count} {name}{'s' if count > 1 else ''} ago"
    return "less than a minute ago"
