"""Where a run was started, stopped and gone on with, as starts.jsonl tells it; see `callbacks.starts`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chefgenius.report.charts import Mark
from chefgenius.report.files import real


@dataclass(frozen=True)
class Start:
    """One process of a run."""

    number: int
    """from 1"""
    began: str
    """date and time"""
    step: int
    """the boundary that it began at"""
    until: int | None
    """the boundary that it ended at; None for one that was killed, or is still running"""
    lasted: str
    ended: str
    """how"""
    version: str
    lost: int
    """steps that the next start had to take again"""


def starts(events: Sequence[dict[str, Any]], *, running: bool, reached: int) -> list[Start]:
    """The starts in order. `running` says that the last one, if it has no end, is known to go on.

    `reached` is the last step that is logged.
    """
    begun = [place for place, line in enumerate(events) if line.get("event") == "start"]
    found = []
    for number, place in enumerate(begun, start=1):
        after = events[place + 1] if place + 1 < len(events) else {}
        end = after if after.get("event") == "end" else {}
        follower = next((one for one in events[place + 1 :] if one.get("event") == "start"), None)
        until = int(end["step"]) if end else None
        if end:
            ended = str(end.get("why") or "stopped")
            if end.get("finished") is True:
                ended = "finished" if not end.get("why") else f"finished: {ended}"
        elif follower is None:
            ended = "goes on" if running else "no end is noted: it still goes on, or was killed"
            until = reached if running else None
        else:
            ended = "killed: no end is noted"
        lost = 0 if follower is None or until is None else max(until - int(follower["step"]), 0)
        began = real(events[place].get("time"))
        found.append(
            Start(
                number=number,
                began=moment(began),
                step=int(events[place]["step"]),
                until=until,
                lasted=span(real(end.get("time")) - began) if end else "",
                ended=ended,
                version=str(events[place].get("version") or ""),
                lost=lost,
            )
        )
    return found


def marks(found: Sequence[Start]) -> list[Mark]:
    """A line in every chart for each start but one at step 0; starts at the same step share one."""
    steps: dict[int, list[Start]] = {}
    for one in found:
        if one.number > 1 or one.step > 0:
            steps.setdefault(one.step, []).append(one)
    made = []
    for step, here in sorted(steps.items()):
        numbers = " and ".join(str(one.number) for one in here)
        told = f"start {numbers} went on here, at step {step:,}, {here[0].began}"
        made.append(Mark(step, str(here[-1].number), told))
    return made


def moment(seconds: float) -> str:
    """A date and a time of the day, here; empty for none."""
    try:
        return f"{datetime.fromtimestamp(seconds).astimezone():%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError, OSError):
        return ""


def span(seconds: float) -> str:
    """How long, in two units: `4 min 05 s`; empty for none."""
    if not seconds >= 0:
        return ""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 2 * 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} days {whole % 86400 // 3600} h"
