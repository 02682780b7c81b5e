"""Which checkpoints of a run are kept: the newest, the best, every so many steps, and the pinned.

Nothing here imports torch.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from chefgenius.run.rundir import RunDirectory

_PINNED = re.compile(r"step-(\d{8,})\.pinned")


@dataclass(frozen=True)
class Retention:
    """What `checkpoint.keep` and `checkpoint.keep_every_steps` ask for."""

    keep: int
    """newest checkpoints that stay, at least 2"""
    keep_every_steps: int | None = None
    """checkpoints of its multiples stay, step 0 among them"""

    def removable(self, run: RunDirectory, best: Sequence[int]) -> list[int]:
        """The steps that need not be kept, oldest first; `best` are those of the best evaluations.

        A checkpoint that lacks a file, or has one of another size, is not counted as one of the newest: it
        goes when enough whole ones are newer.
        """
        stays = {*best, *pinned(run)}
        steps, whole = run.steps(), 0
        for place, step in enumerate(steps):
            whole += run.is_complete(step)
            if whole == self.keep:
                return [one for one in reversed(steps[place + 1 :]) if not self._stays(one, stays)]
        return []

    def is_multiple(self, step: int) -> bool:
        """Whether the step stays for good."""
        return self.keep_every_steps is not None and step % self.keep_every_steps == 0

    def _stays(self, step: int, stays: set[int]) -> bool:
        return step in stays or self.is_multiple(step)


def pinned(run: RunDirectory) -> set[int]:
    """The steps that a person keeps with a file beside the checkpoint: `touch step-00001200.pinned`."""
    if not run.checkpoints.is_dir():
        return set()
    found = [_PINNED.fullmatch(path.name) for path in run.checkpoints.iterdir()]
    return {int(match[1]) for match in found if match}
