"""Which recipes each step of a run takes, whether it is taken already or not; nothing here imports torch.

1. `Itinerary` reads the run's course from run.json, or else its newest checkpoint, and opens the store.
2. `Itinerary.step` builds the micro-batches of one step: they follow from the leg that it is part of.
3. `Itinerary.proof` holds them against the digests in metrics.jsonl.
4. `Itinerary.when` goes the other way, from a record to the steps that see it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from chefgenius.data.course import Course, Leg, Skip, saved_course, skips
from chefgenius.data.rows import Row, rows_of
from chefgenius.data.shelf import Shelf
from chefgenius.data.store import Ids, TokenStore
from chefgenius.run.absence import why_none
from chefgenius.run.digest import RollingDigest
from chefgenius.run.inventory import NotFoundError, find_run, read_state
from chefgenius.run.logbook import around, last_step, read_steps
from chefgenius.run.rundir import read_run_facts
from chefgenius.run.state import ResumeError

_MOST = 4096
"""micro-batches that are looked through to prove a step"""


@dataclass(frozen=True)
class Stop:
    """One step of a run, and all that it takes."""

    step: int
    """number of the step, from 1"""
    epoch: int
    number: int
    """which step of its epoch, from 0"""
    steps: int
    """steps of its epoch"""
    rows: list[Row]
    """its records in order"""
    left_out: int
    """how many records are left out of it"""
    leg: Leg


@dataclass(frozen=True)
class Side:
    """On which side of the split a record stands, or that it stands on none."""

    name: str
    """`train`, `validation` or `left out`"""
    told: str


class ContradictionError(Exception):
    """What the data give is not what the run has seen."""


class Itinerary:
    """The way of a run through its data.

    Args:
        path: the directory of the run.
        store: where its store lies, when that is not where it was.

    Raises NotFoundError for what is no run, ResumeError for one whose course cannot be read.
    """

    def __init__(self, path: Path, store: Path | None = None) -> None:
        self.run = find_run(path)
        self.facts = read_run_facts(path)
        self.sections = next((one for one in map(self._sections, self.run.steps()) if one), {})
        self.course = self._course()
        self.skipped = self._skipped()
        config = self.sections.get("config")
        self.shelf = Shelf(path, self.facts, store, config if isinstance(config, dict) else {})

    @property
    def taken(self) -> int:
        """Steps that were taken, as far as anything tells."""
        return max(int(self.sections.get("progress", {}).get("step", 0)), last_step(self.run.path))

    @property
    def total(self) -> int | None:
        """The last step of the run as it was started last; None where run.json does not tell."""
        total = self.facts.get("total_steps")
        return total if isinstance(total, int) else None

    def step(self, step: int) -> Stop:
        """What a step takes.

        Raises NotFoundError for no step of a run, and where its store or plan is not there any more.
        """
        leg, epoch, number = self._place(step)
        masked = self.course.left_out(step, self.skipped)
        windows = self.shelf.windows(leg, masked)
        info = windows.step_info(epoch, number)
        first = number * windows.step_info(epoch, 0).micro_batches
        rows = [
            row for slot in range(info.micro_batches) for row in rows_of(windows, epoch, first + slot, slot)
        ]
        whole = self.shelf.windows(leg).step_info(epoch, number).samples
        return Stop(step, epoch, number, windows.steps_per_epoch, rows, whole - len(rows), leg)

    def records(self, step: int) -> list[Ids]:
        """The records of each micro-batch of a step."""
        leg, epoch, number = self._place(step)
        windows = self.shelf.windows(leg)
        count = windows.step_info(epoch, number).micro_batches
        first = number * windows.step_info(epoch, 0).micro_batches
        found = [windows.record_ids_at(epoch, first + slot) for slot in range(count)]
        masked = list(self.course.left_out(step, self.skipped))
        return [ids[~np.isin(ids, masked)] for ids in found] if masked else found

    def proof(self, step: int) -> tuple[int, int] | None:
        """The steps before and after this one whose digests in metrics.jsonl say that it took these records.

        None where the log does not tell. Raises ContradictionError where it says otherwise.
        """
        before, after = around(self.run.path, step)
        first = 0 if before is None else int(before["step"])
        if after is None or "digest" not in after or (before is not None and "digest" not in before):
            return None
        last, digest = int(after["step"]), RollingDigest()
        slots = self.shelf.windows(self.course.leg(step)).step_info(0, 0).micro_batches
        if (last - first) * slots > _MOST:
            return None
        if before is not None:
            digest.value = str(before["digest"])
        try:
            for one in range(first + 1, last + 1):
                for ids in self.records(one):
                    digest.update(ids)
        except (NotFoundError, ValueError):  # a neighbour of another store; or no digest at all
            return None
        if digest.value != after["digest"]:
            raise ContradictionError(
                f"metrics.jsonl says that steps {first + 1} to {last} of `{self.run.path}` took other "
                "recipes than its store and plan give: which ones cannot be told"
            )
        return first, last

    def when(self, record: int) -> Iterator[tuple[int, int]]:
        """The steps and epochs that see a record of the present store, up to the end of the run."""
        legs = self.course.legs
        end = max(self.total or 0, self.taken)
        for leg, until in zip(legs, [*(leg.step for leg in legs[1:]), end], strict=True):
            last = min(until, end)
            if leg.store != legs[-1].store or leg.step >= last:
                continue
            windows = self.shelf.windows(leg)
            slots, steps = windows.step_info(0, 0).micro_batches, windows.steps_per_epoch
            for epoch in range(leg.epoch, leg.place(last - 1, slots, steps)[0] + 1):
                for number in windows.when(record, epoch):
                    step = leg.step + 1 + (epoch - leg.epoch) * steps + number - leg.index // slots
                    seen = leg.step < step <= last
                    if seen and record not in self.course.left_out(step, self.skipped):
                        yield step, epoch

    def side(self, record: int) -> Side:
        """Where a record of the present store stands. Raises what `step` does."""
        leg, store = self.present()
        if record in leg.masked:
            return Side("left out", "left out of training by `data.tombstones`")
        for one in self.skipped:
            if record in one.records and record in self.course.left_out(self.taken + 1, self.skipped):
                return Side("left out", f"left out of training since step {one.step}, which was not finite")
        windows = self.shelf.windows(leg)
        if record in windows.view_record_ids(windows.records):
            return Side("train", "kept, on the training side")
        if record in self.shelf.side(leg, "validation"):
            return Side("validation", "kept, on the validation side: it is held out, and never trained on")
        if record in self.shelf.side(leg, "train"):
            return Side("left out", "left out of training: its source has the weight 0 in `data.weights`")
        quality, least = store.record(record).quality, leg.specification["view"]["min_quality"]
        return Side("left out", f"left out: its quality {quality:.3g} is under `data.min_quality` {least:g}")

    def present(self) -> tuple[Leg, TokenStore]:
        """The leg that the run is on, and its store."""
        leg = self.course.leg(max(self.taken, 1))
        return leg, self.shelf.store(leg.store)

    def _place(self, step: int) -> tuple[Leg, int, int]:
        """The leg of a step, its epoch and its number in that."""
        if step < 1:
            raise NotFoundError(f"no step {step}: steps count from 1")
        leg = self.course.leg(step)
        windows = self.shelf.windows(leg)
        slots = windows.step_info(0, 0).micro_batches
        return leg, *leg.place(step - 1, slots, windows.steps_per_epoch)

    def _sections(self, step: int) -> dict[str, Any]:
        return read_state(self.run.step_path(step))

    def _course(self) -> Course:
        """That of the last start, which run.json has before any checkpoint; else that of the newest one."""
        for place, sections in (("run.json", self.facts), ("its newest checkpoint", self.sections)):
            if "course" in sections:
                try:
                    return saved_course(self.run.path / place, sections)
                except ResumeError:
                    if place != "run.json" or "course" not in self.sections:
                        raise
        if not self.run.steps():
            raise NotFoundError(why_none(self.run.path))
        if not self.sections:
            raise NotFoundError(f"run `{self.run.path}` has no checkpoint that can be read: see `ckpt ls`")
        raise NotFoundError(
            f"run `{self.run.path}` does not tell its way through the data: it was last started by a version "
            "of chefgenius that did not note it"
        )

    def _skipped(self) -> list[Skip]:
        """The windows that were not finite: as the newest checkpoint has them, and as was logged after it."""
        try:
            found = skips(self.sections["tombstones"]["skipped"])
            begin = int(self.sections["logs"]["metrics.jsonl"]["bytes"])
        except (KeyError, TypeError, ValueError):
            found, begin = [], 0
        known = {one.step for one in found}
        logged = (line for line in read_steps(self.run.path, begin) if line.get("skipped"))
        return found + [Skip(one["step"], one["skipped"]) for one in logged if one["step"] not in known]
