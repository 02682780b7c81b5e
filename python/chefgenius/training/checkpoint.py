"""Saving a boundary.

1. `Checkpointer.save` copies weights, optimizer and sections at the boundary: the only part that must stand
   still. It goes on while a thread does the rest.
2. The thread writes a directory beside its place, makes it durable and renames it, then removes what need not
   be kept. A boundary that is saved anew takes the other's place in one step. Where the disk is full it makes
   room and tries once more.
3. `Checkpointer.check` tells the training thread what became of it.
4. As a context manager it lets nobody leave while a save is in flight.
"""

import errno
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Self

import torch
from transformers import PreTrainedModel

from chefgenius.run.base import AVERAGES
from chefgenius.run.manifest import DamagedError, fsync_directory, publish, seal, to_json, write_file
from chefgenius.run.resume import STATE_SCHEMA
from chefgenius.run.retention import Retention
from chefgenius.run.rundir import RunDirectory, remove_tree
from chefgenius.run.signals import held_back, surely
from chefgenius.run.state import State
from chefgenius.training.ema import Averages
from chefgenius.training.loading import OPTIMIZER, saved_tensors, weights_file
from chefgenius.training.optim import refuse_unrestorable, state_tensors
from chefgenius.training.ranks import Ranks
from chefgenius.training.tensors import Image, take_part

STATE = "state.json"

MENDABLE = {errno.ENOSPC, errno.EDQUOT, errno.EIO}
"""what a save may fail with where more room, or another place on the disk, may help"""

NOTICEABLE = 1.0
"""seconds of waiting for the save before that are told"""


@dataclass(frozen=True)
class Snapshot:
    """A boundary, apart from the run: writing it needs nothing else. Valid until the next one is taken."""

    step: int
    files: dict[str, list[bytes | memoryview]]
    """contents by name"""
    best: list[int]
    """the steps of the best evaluations"""
    anew: bool
    """whether it takes the place of what is saved of the step"""


@dataclass
class Checkpointer:
    """Writes the checkpoints of one run and removes those that need not be kept.

    One save is in flight at most. Its thread ends with it, touches neither model nor optimizer, and does not
    keep the process from ending. A `with` block waits for it, whatever ends the block: then nothing writes
    any more, and the run directory may be let go.
    """

    run: RunDirectory
    model: PreTrainedModel
    optimizer: torch.optim.Optimizer
    companions: dict[str, bytes] = field(default_factory=dict)
    """files that make the directory open with `from_pretrained`: configuration and tokenizer"""
    fingerprints: dict[str, str] = field(default_factory=dict)
    """stand in the manifest: of store, tokenizer and plan"""
    retention: Retention = field(default_factory=lambda: Retention(2))
    sync_logs: Callable[[], None] = lambda: None
    """makes every log line durable that the sections count"""
    say: Callable[[str], None] = print
    """told, by `check` and `save`, of long waits and of what a full disk costs"""
    began_at: int | None = None
    """the checkpoint of this directory that the process began from: it stays until two newer ones stand"""
    ranks: Ranks = field(default_factory=Ranks)
    """rank 0 alone writes"""
    sharded: bool = False
    """whether each rank has a part of every tensor: then all call `save` together"""
    best: Sequence[int] = ()
    """the steps of the best evaluations by the newest checkpoint: they stay until there is a newer one"""
    averages: Averages | None = None
    """of the weights, saved beside them"""
    _images: tuple[Image, Image, Image] = field(
        default_factory=lambda: (Image(), Image(), Image()), repr=False
    )
    _saving: bool = field(default=False, repr=False)
    """whether a save is in flight: no lock and no `join`, which an interrupt may leave in a wrong state"""
    _writing: int | None = field(default=None, repr=False)
    _saved: SimpleQueue[Path] = field(default_factory=SimpleQueue, repr=False)
    _told: SimpleQueue[str] = field(default_factory=SimpleQueue, repr=False)
    _failed: BaseException | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Raises ConfigError for what could be saved and never restored."""
        refuse_unrestorable(self.model, self.optimizer)

    def save(self, sections: dict[str, State], best: Sequence[int], *, anew: bool = False) -> None:
        """Copies the boundary that `sections` describe and has it written; what comes of it, `check` tells.

        The model and the optimizer must still stand at that boundary. `best` are the steps of the best
        evaluations, best first, which are kept. Waits for the save in flight before. Does nothing when this
        step is being saved, or is saved and verifies (unless it is to be saved `anew`, since the memory at
        the boundary is another now), or when `check` has a failure to tell.
        """
        step = int(sections["progress"]["step"])
        wanted = self.ranks.world.leads and self._is_wanted(step, anew=anew)
        if self.sharded:
            wanted = self.ranks.agree("save", wanted)
        if wanted and self.ranks.world.leads:
            self._begin(self._snapshot(step, sections, best, anew=anew))
        elif wanted:
            take_part(own := saved_tensors(self.model))
            if self.averages is not None:
                take_part(self.averages.over(own))
            take_part(state_tensors(self.model, self.optimizer))

    def _is_wanted(self, step: int, *, anew: bool) -> bool:
        """Whether the step is to be written, once the save before it is over."""
        if self._saving:
            if self._writing == step and not anew:
                return False
            self._wait()
        return self._failed is None and (anew or not self._is_saved(step))

    def _begin(self, snapshot: Snapshot) -> None:
        self._writing = snapshot.step
        with held_back():
            self._saving = True
            try:
                Thread(target=self._run, args=[snapshot], name="chefgenius-save", daemon=True).start()
            except RuntimeError:  # the machine has no thread left
                self._saving = False
                raise

    def check(self) -> list[Path]:
        """The checkpoints that appeared since the last call, without waiting.

        Raises what a save failed with, an OSError as a rule, once; what was saved before stays whole then.
        """
        while not self._told.empty():
            self.say(self._told.get())
        if self._failed is not None:
            failed, self._failed = self._failed, None
            raise failed
        saved = []
        while not self._saved.empty():
            saved.append(self._saved.get())
        return saved

    def drain(self) -> list[Path]:
        """Waits for the save in flight, then `check`."""
        self.close()
        return self.check()

    def close(self) -> None:
        """Waits for the save in flight; raises nothing of it."""
        while self._saving:
            time.sleep(0.001)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Waits for the save in flight, then `check`; where an error ends the block, a failure is only said.

        An interrupt is answered with a line and heard when the save is over: before, whoever goes on with the
        run would meet a writer.
        """
        surely(self.close, lambda: self.say(f"step {self._writing} is still being saved: waiting for it"))
        try:
            self.check()
        except Exception as failure:
            if error is None:
                raise
            steps = self.run.steps()
            last = f"the next start goes on from step {steps[0]}" if steps else "nothing is saved"
            self.say(f"saving step {self._writing}: {type(failure).__name__}: {failure}; {last}")

    def _wait(self) -> None:
        begin = time.monotonic()
        self.close()
        if (waited := time.monotonic() - begin) >= NOTICEABLE:
            self.say(f"waited {waited:.1f} s for the disk: step {self._writing} was still being saved")

    def _is_saved(self, step: int) -> bool:
        """Whether the step is on disk and whole; one that is not is set aside, so that its place is free."""
        if step not in self.run.steps():
            return False
        try:
            self.run.verify(step)
        except (DamagedError, OSError) as error:  # also one that cannot be read: the same is written again
            aside = self.run.reject(step, str(error))
            self.say(
                f"step {step} is saved, but of no use: {error}: set aside as `{aside.name}`, saving it again"
            )
            return False
        return True

    def _snapshot(
        self, step: int, sections: dict[str, State], best: Sequence[int], *, anew: bool
    ) -> Snapshot:
        model, optimizer, averages = self._images
        own = saved_tensors(self.model)
        files: dict[str, list[bytes | memoryview]] = {
            **{name: [data] for name, data in self.companions.items()},
            weights_file(self.model): model.take(own),
            **({} if self.averages is None else {AVERAGES: averages.take(self.averages.over(own))}),
            OPTIMIZER: optimizer.take(state_tensors(self.model, self.optimizer)),
            STATE: [to_json({"schema": STATE_SCHEMA, "sections": sections})],
        }
        return Snapshot(step, files, list(best), anew)

    def _run(self, snapshot: Snapshot) -> None:
        """The thread: one save, and what follows from it."""
        try:
            self._write_or_make_room(snapshot)
            self.best = snapshot.best
            self._saved.put(self.run.step_path(snapshot.step))
            self._retain(snapshot.best)
        except BaseException as error:
            self._failed = error
        finally:
            self._saving = False

    def _write_or_make_room(self, snapshot: Snapshot) -> None:
        try:
            self._write(snapshot)
        except OSError as error:
            if error.errno not in MENDABLE:
                raise
            self._told.put(f"cannot save step {snapshot.step}: {error.strerror}")
            self._make_room(snapshot.best)
            self._write(snapshot)

    def _write(self, snapshot: Snapshot) -> None:
        """Writes a snapshot beside its place, durably, and puts it there.

        Raises OSError and leaves nothing half-written then.
        """
        target = self.run.step_path(snapshot.step)
        directory = target.with_name(f".tmp-{target.name}")
        if (
            target.exists() and not snapshot.anew
        ):  # the attempt before came this far: all but the name is durable
            fsync_directory(target.parent)
            return
        remove_tree(directory)
        try:
            directory.mkdir()
            files = {name: write_file(directory / name, chunks) for name, chunks in snapshot.files.items()}
            seal(directory, snapshot.step, self.fingerprints, files)
            self.sync_logs()
            if target.exists():
                self.run.replace(snapshot.step, directory)
            else:
                publish(directory, target)
        except BaseException:
            remove_tree(directory)
            raise

    def _retain(self, best: Sequence[int]) -> None:
        try:
            self._retire(best)
        except OSError as error:
            if error.errno not in MENDABLE:
                raise
            self._told.put(f"cannot remove a checkpoint: {error.strerror}; trying once more")
            self.run.clean_checkpoints()  # one that was removed in part
            self._retire(best)

    def _retire(self, best: Sequence[int]) -> None:
        for step in self._removable(self.retention, best):
            self.run.delete(step)

    def _make_room(self, best: Sequence[int]) -> None:
        """Removes all that the run can go on without: what was left behind or set aside, and all checkpoints
        but the latest two, the best (also of the newest that stands) and the pinned."""
        for name in self.run.clean_checkpoints():
            self._told.put(f"removed `{name}` for room")
        for path in self.run.set_aside():
            remove_tree(path)
            self._told.put(f"removed `{path.name}` for room")
        for step in self._removable(Retention(2), [*best, *self.best]):
            self.run.delete(step)
            self._told.put(f"removed the checkpoint of step {step} for room")

    def _removable(self, retention: Retention, best: Sequence[int]) -> list[int]:
        steps = retention.removable(self.run, best)
        return [step for step in steps if step != self.began_at or self._is_outlived(step)]

    def _is_outlived(self, step: int) -> bool:
        """Whether two newer checkpoints have every byte right, as far as they can be read."""
        good = 0
        for newer in self.run.steps():
            if newer > step and good < 2:
                try:
                    self.run.verify(newer)
                except (DamagedError, OSError):
                    continue
                good += 1
        return good == 2
