"""The training batches of a run, and the records that it leaves out.

1. `Feed` gives micro-batches one epoch after another. `Feed.mask` takes records out of all that are still to
   come, as if the loader had been opened without them: nothing else moves.
2. `Tombstones` remembers the windows that were skipped; a resume masks their records before it goes on.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

import blake3

from chefgenius.data.batch import Batch, Window
from chefgenius.data.loader import RecipeLoader, StateMismatchError
from chefgenius.data.store import Ids
from chefgenius.run.state import ResumeError, State
from chefgenius.run.world import World


class Feed:
    """Micro-batches without end; the section `loader` of state.json.

    Args:
        open_loader: opens the loader of the run without the records of the given numbers.
        masked: records that are left out from the beginning.
        world: the process that the loader gives the micro-batches of.
    """

    def __init__(
        self,
        open_loader: Callable[[Collection[int]], RecipeLoader],
        masked: Collection[int] = (),
        world: World | None = None,
    ) -> None:
        self._world = world or World()
        self._open = open_loader
        self.loader = open_loader(masked)
        self.left_out: list[int] = self.loader.tombstones.tolist()
        """the records that are left out from the beginning, ascending"""
        numbers = self.loader.tombstones.astype("<i8").tobytes()
        self.configured = f"b3:{blake3.blake3(numbers).hexdigest(16)}" if numbers else ""
        """names the set that is left out from the beginning; empty for none"""
        self._batches = self._stream()

    def next(self) -> Batch:
        """The next micro-batch. One whose records are all masked has no rows."""
        return next(self._batches)

    def step(self, epoch: int, index: int) -> int:
        """The optimizer step of `epoch` that micro-batch `index` is part of, by the plan of that epoch."""
        return index // self.loader.step_info(epoch, 0).micro_batches

    def window(self, epoch: int, index: int) -> Window:
        """What the step that begins with micro-batch `index` of `epoch` holds, without the masked records."""
        return self.loader.step_info(epoch, self.step(epoch, index))

    def records(self, epoch: int, index: int, window: Window) -> list[Ids]:
        """The records of each micro-batch of the step that begins at `index`, over all ranks, in order."""
        return [self.loader.record_ids_at(epoch, index + slot) for slot in range(window.micro_batches)]

    @property
    def place(self) -> tuple[int, int]:
        """Epoch and index of the boundary that all ranks come to once each has its part of the step."""
        if self._world.size == 1:
            return self.loader.epoch, self.loader.index
        state = self.loader.state_dict()
        return int(state["epoch"]), int(state["index"])

    def settle(self, window: Window) -> None:
        """Ends a step that this rank may have had no part of."""
        if self._world.rank >= window.micro_batches:
            self.loader.skip(1)

    def mask(self, records: Collection[int]) -> None:
        """Leaves out these records too, from the next micro-batch on; batches built ahead are built anew.

        Raises ValueError for a number that is no record, and changes nothing then.
        """
        wanted = {*self.loader.tombstones.tolist(), *records}
        if len(wanted) == len(self.loader.tombstones):
            return
        former, loader = self.loader, self._open(sorted(wanted))
        try:
            loader.load_state_dict(former.state_dict(), allow=["tombstones"])
        except BaseException:
            loader.close()
            raise
        self.loader, self._batches = loader, self._stream()
        former.close()

    def close(self) -> None:
        """Ends the threads."""
        self.loader.close()

    def state_dict(self) -> State:
        """The section."""
        return self.loader.state_dict()

    def load_state_dict(self, state: State) -> None:
        """Take a saved section. Raises ResumeError when the batches would be others than those saved."""
        try:
            self.loader.load_state_dict(state)
        except StateMismatchError as error:
            raise ResumeError(f"the saved place in the data is another one's: {error}") from error

    def _stream(self) -> Iterator[Batch]:
        while True:  # each `for` over the loader ends with an epoch
            yield from self.loader


@dataclass
class Tombstones:
    """The windows that were skipped since they were not finite; the section `tombstones` of state.json.

    Their records stay masked for the rest of the run.
    """

    feed: Feed
    skipped: list[dict[str, Any]] = field(default_factory=list)
    """`{"step": 12, "records": [3, 8]}` each, in the order of the steps"""

    def skip(self, step: int, records: Collection[int]) -> None:
        """Notes a skipped window and masks its records from the next micro-batch on."""
        self.feed.mask(records)
        self.skipped.append({"step": step, "records": sorted(records)})

    def in_a_row(self, step: int) -> int:
        """How many steps up to `step` were skipped one after another."""
        steps = {one["step"] for one in self.skipped}
        first = step
        while first in steps:
            first -= 1
        return step - first

    def state_dict(self) -> State:
        """The section."""
        return {"skipped": [dict(one) for one in self.skipped]}

    def load_state_dict(self, state: State) -> None:
        """Take a saved section; before the section `loader`, which is about what is masked."""
        skipped, masked = [], set()
        for one in state["skipped"]:
            records = [int(record) for record in one["records"]]
            skipped.append({"step": int(one["step"]), "records": records})
            masked.update(records)
        self.feed.mask(masked)
        self.skipped = skipped


def flat(records: list[Ids]) -> list[int]:
    """The numbers of the records of several micro-batches, in order."""
    return [int(record) for ids in records for record in ids]
