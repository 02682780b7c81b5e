"""The recipes of steps for `inspect`: found, scored, shown, and written down to be left out.

Nothing here imports torch, unless losses are asked for.
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chefgenius.data.course import Leg
from chefgenius.inspecting import leaving_out
from chefgenius.inspecting.itinerary import Itinerary, Stop
from chefgenius.inspecting.leaving_out import Doomed
from chefgenius.inspecting.listing import PATIENCE, Seen, look_up, say, show, show_text
from chefgenius.run.inventory import NotFoundError
from chefgenius.run.logbook import Line, around

Score = Callable[[Leg, Sequence[int]], Mapping[int, float]]


@dataclass(frozen=True)
class Found:
    """A step with its recipes."""

    stop: Stop
    seen: list[Seen]
    proof: tuple[int, int] | None
    """the logged steps whose digests say that these are the recipes that it took"""
    line: Line | None
    """what was logged of it"""


@dataclass
class Asker:
    """Answers for one run."""

    itinerary: Itinerary
    which: str | None
    """of which checkpoint losses are asked: `newest`, `best` or a step; None for no losses"""
    every_line: bool = False
    checkpoint: str | None = None
    """the one that gave the losses"""
    _score: Score | None = field(default=None, init=False)

    def find(self, step: int) -> Found:
        """A step with its recipes. Raises what `Itinerary.step` and `proof` do, and `losses`."""
        stop = self.itinerary.step(step)
        proof = self.itinerary.proof(step)
        _, after = around(self.itinerary.run.path, step)
        line = after if after is not None and after["step"] == step else None
        store = self.itinerary.shelf.store(stop.leg.store)
        losses = self.losses(stop.leg, [row.record for row in stop.rows])
        patience = None if self.every_line else PATIENCE
        return Found(stop, look_up(store, stop, losses, patience), proof, line)

    def losses(self, leg: Leg, records: Sequence[int]) -> Mapping[int, float]:
        """That of each record, where they were asked for. Raises ResumeError, ConfigError, OSError."""
        if self.which is None or not records:
            return {}
        if self._score is None:
            os.environ.setdefault("HF_HUB_OFFLINE", "1")  # nothing is fetched in order to look
            from chefgenius.inspecting.scoring import Scorer  # torch and transformers take seconds

            self._score = scorer = Scorer(self.itinerary, self.which)
            self.checkpoint = scorer.checkpoint
            if scorer.warning:
                print(scorer.warning, file=sys.stderr, flush=True)
        return self._score(leg, records)

    def show(self, found: Found, *, text: bool) -> None:
        """A step for a person, with `text` every recipe whole."""
        stop = found.stop
        say(f"step {stop.step}: {self._when(stop)}", "bold")
        for line, style in self._remarks(found):
            say(line, style)
        if not found.seen:
            return
        show(found.seen, causal=stop.leg.specification["layout"]["model"] == "causal")
        for one in found.seen if text else ():
            say(f"\nrecord {one.row.record}: {one.told_place}", "bold")
            show_text(self.itinerary.shelf.store(stop.leg.store), one.stored)

    def to_json(self, found: Found) -> dict[str, Any]:
        """A step as JSON values."""
        stop, line = found.stop, found.line or {}
        return {
            "step": stop.step,
            "taken": stop.step <= self.itinerary.taken,
            "total_steps": self.itinerary.total,
            "epoch": stop.epoch,
            "step_of_epoch": stop.number,
            "steps_per_epoch": stop.steps,
            "store": stop.leg.store,
            "plan": stop.leg.plan,
            "proved_by": None if found.proof is None else list(found.proof),
            "loss": line.get("loss"),
            "grad_norm": line.get("grad_norm"),
            "checkpoint": self.checkpoint,
            "left_out": stop.left_out,
            "recipes": [one.to_json() for one in found.seen],
        }

    def write(self, path: Path, steps: Mapping[str, Found], worst: int | None) -> int:
        """Writes the records of steps, or the `worst` of each; how many are left out that were not before.

        Raises NotFoundError for steps of a former store, and where a file stands or none is to go.
        """
        groups = {}
        for head, found in steps.items():
            if found.stop.leg.store != self.itinerary.present()[0].store:
                raise NotFoundError(
                    f"step {found.stop.step} took recipes of a former store, in which these numbers were "
                    "others: nothing is written"
                )
            by_loss = sorted(found.seen, key=lambda one: -(one.loss or 0.0))
            chosen = found.seen if worst is None else by_loss[:worst]
            groups[head] = [Doomed(one.row.record, _remark(one)) for one in chosen]
        if not any(groups.values()):
            raise NotFoundError(f"`{path}` is not written: no recipe was found to leave out")
        return leaving_out.write(path, self.itinerary.present()[0], groups)

    def _when(self, stop: Stop) -> str:
        where = f"epoch {stop.epoch}, step {stop.number + 1} of its {stop.steps}"
        total, taken = self.itinerary.total, self.itinerary.taken
        if stop.step <= taken:
            return where
        if total is not None and stop.step > total:
            return f"{where}; a longer run would take it, this one ends with step {total}"
        return f"{where}; not taken yet, the run is at step {taken}"

    def _remarks(self, found: Found) -> list[tuple[str, str]]:
        """What else is to be said, each with its style."""
        stop, line, made = found.stop, found.line, []
        if line is not None and line.get("skipped"):
            made.append(("it was not finite: it moved nothing, and its recipes are left out since", "red"))
        elif line is not None:
            told = [f"{name} {line[key]:.4f}" for name, key in _LOGGED if isinstance(line.get(key), float)]
            made.append((", ".join(told), ""))
        if found.proof is not None:
            steps = _both(found.proof)
            made.append((f"these are its recipes: the digests of {steps} in metrics.jsonl agree", "dim"))
        if stop.left_out:
            made.append((f"{stop.left_out:,} more are left out of it", ""))
        if not found.seen:
            made.append(("it holds no recipe: all are left out, and it moves nothing", "yellow"))
        if self.checkpoint is not None:
            made.append((f"losses by {self.checkpoint}, each recipe alone and without dropout", "dim"))
        return made


_LOGGED = (("loss", "loss"), ("gradient norm", "grad_norm"))


def _remark(one: Seen) -> str:
    loss = "" if one.loss is None else f"loss {one.loss:.4f}, "
    return f"{loss}{one.told_place}: {one.title}"


def _both(proof: tuple[int, int]) -> str:
    return f"steps {proof[0]} and {proof[1]}" if proof[0] else f"step {proof[1]}"
