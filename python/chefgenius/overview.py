"""All runs of a directory in a table: how far each is, how good, and whether it is exact.

From names, sizes and the small files, as `inventory` reads them: nothing is changed, and trainers may write
meanwhile. Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chefgenius.console.screen import age, columns, gigabytes
from chefgenius.run.inventory import LOSS, find_run, is_run, read_evaluations, read_state, take
from chefgenius.run.rundir import read_run_facts
from chefgenius.settings.measures import MEASURES

HEAD = ("run", "step", "of", "best", "at step", "exact", "saved", "size")


@dataclass(frozen=True)
class Run:
    """One run as it stands on the disk."""

    path: Path
    step: int | None
    """of the newest checkpoint with the right sizes; None without one"""
    total_steps: int | None
    """None where run.json does not say"""
    finished: bool
    metric: str
    """by which the best is chosen"""
    best: float | None
    best_step: int | None
    exact: bool | None
    """whether it is the run that was never stopped nor changed, to the bit; None where nothing tells"""
    saved: datetime | None
    size: int
    """bytes of all checkpoints"""

    def row(self, now: datetime) -> tuple[str, ...]:
        """Its cells, as `HEAD` names them."""
        best = "" if self.best is None else f"{MEASURES[self.metric].told(self.best)}"
        if best and self.metric != LOSS:
            best = f"{best} ({self.metric})"
        return (
            self.path.name,
            "none" if self.step is None else f"{self.step:,}",
            "" if self.total_steps is None else f"{self.total_steps:,}{', done' if self.finished else ''}",
            best,
            "" if self.best_step is None else f"{self.best_step:,}",
            "-" if self.exact is None else "yes" if self.exact else "no",
            "" if self.saved is None else age(self.saved, now),
            gigabytes(self.size),
        )


class Runs(list[Run]):
    """Runs by name; shown as a table."""

    def __repr__(self) -> str:
        if not self:
            return "no runs"
        now = datetime.now(UTC)
        return "\n".join(columns([HEAD, *(one.row(now) for one in self)], slice(1, None)))


def runs(path: str | Path = "runs") -> Runs:
    """The runs in a directory, or the one run that it is. Raises FileNotFoundError without the directory."""
    place = Path(path).expanduser()
    if not place.is_dir():
        raise FileNotFoundError(f"no such directory: `{place}`: give one that holds runs")
    found = [place] if is_run(place) else sorted(one for one in place.iterdir() if is_run(one))
    return Runs(look_at(one) for one in found)


def look_at(path: Path) -> Run:
    """One run. Raises NotFoundError where there is none."""
    inventory, facts = take(find_run(path)), read_run_facts(path)
    newest = next((one for one in inventory.checkpoints if one.path == inventory.next), None)
    metric = inventory.best_metric
    values = {step: one[metric] for step, one in read_evaluations(path).items() if metric in one}
    choose = max if MEASURES[metric].higher_is_better else min
    best = choose(values.items(), key=lambda one: one[1], default=(None, None))
    step, total = None if newest is None else newest.step, facts.get("total_steps")
    return Run(
        path=path,
        step=step,
        total_steps=total if isinstance(total, int) else None,
        finished=step is not None and facts.get("finished") == step,
        metric=metric,
        best=best[1],
        best_step=best[0],
        exact=None if newest is None else _is_exact(facts, read_state(newest.path)),
        saved=None if newest is None else newest.saved,
        size=inventory.size,
    )


def _is_exact(facts: Mapping[str, Any], state: Mapping[str, Any]) -> bool | None:
    """What run.json says, or else the newest checkpoint."""
    if isinstance(told := facts.get("exact"), bool):
        return told
    section = state.get("exactness")
    changes = section.get("changes") if isinstance(section, dict) else None
    return not changes if isinstance(changes, list) else None
