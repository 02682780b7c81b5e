"""The boundary that a run stands at, or stood at last: how it is taken, saved, and saved when the run ends.

Only between the update of the weights and the next `take` nothing can be saved: then an end goes on from the
checkpoint before.
"""

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch

from chefgenius.run.signals import SaveRequests, StopRequested
from chefgenius.run.state import DivergedError, Registry, State, exited
from chefgenius.training.checkpoint import Checkpointer
from chefgenius.training.memory import Memory
from chefgenius.training.ranks import Ranks

_REMEDY = (
    ": lower `optim.learning_rate` and start again, "
    "if need be with `--resume` from an older checkpoint in another `run_dir`"
)


@dataclass
class Boundary:
    """The sections of the last boundary, and the saves of it."""

    registry: Registry
    memory: Memory
    checkpoints: Checkpointer
    requests: SaveRequests
    ranks: Ranks
    drop: Callable[[], None]
    """drops the window that goes on, and its gradients"""
    told: Callable[[Path], None]
    """called for each checkpoint that stands"""
    moving: bool = True
    """whether weights and optimizer are not those of the sections"""
    _sections: dict[str, State] = field(default_factory=dict)
    _disk_failed: bool = False

    def take(self) -> None:
        """Takes the sections of the boundary that the run stands at: from now on it can be saved."""
        self._sections = self.registry.state_dict()
        self.moving = False

    def save(self, *, anew: bool = False) -> None:
        """Saves the boundary whose sections were taken last, which weights and optimizer still stand at."""
        self.requests.begun(self.checkpoints.run.step_path(self._sections["progress"]["step"]))
        self.ask(lambda: self.checkpoints.save(self._sections, self.memory.best.steps, anew=anew))

    def ask(self, saving: Callable[[], list[Path] | None]) -> None:
        """Does something with the saves, and tells of those that stand. Raises OSError of one that failed."""
        try:
            saved = saving()
        except OSError:
            self._disk_failed = True
            raise
        for path in saved or ():
            self.told(path)
        self.requests.settle()

    @contextmanager
    def rescuing(self) -> Iterator[None]:
        """Whatever ends the block, the last boundary is saved where it can be, and the error says what is.

        KeyboardInterrupt waits for no save.
        """
        try:
            yield
        except StopRequested as end:
            raise _noted(StopRequested(f"{end}; {self.rescue()}"), end) from None
        except DivergedError as end:
            self.ranks.agreed = True
            raise _noted(DivergedError(f"{end}; {self.rescue_after(end)}{_REMEDY}"), end) from None
        except SystemExit as end:  # of the model: those of callbacks are errors by now
            error = exited(end)
            error.add_note(self.rescue_after(end))
            raise error from end
        except Exception as error:
            error.add_note(self.rescue_after(error))
            raise

    def rescue(self) -> str:
        """Saves the last boundary if the run still stands at it; says what the next start goes on from.

        Raises OSError, and what a callback raises that is told of the checkpoint; a note says the same then.
        """
        self.drop()
        try:
            if not self.moving and not self._disk_failed:
                self.save()
            self.ask(self.checkpoints.drain)
        except Exception as error:
            error.add_note(self.left())
            raise
        return self.left()

    def rescue_after(self, error: BaseException) -> str:
        """The same after an error, which stays the first one whatever goes wrong now."""
        if isinstance(error, MemoryError | torch.OutOfMemoryError):
            traceback.clear_frames(error.__traceback__)  # they hold the activations
        if self.checkpoints.sharded and not self.ranks.agreed:
            self.moving = True  # the other ranks, which have the other parts, do not come to this save
        try:
            return self.rescue()
        except Exception as second:
            return f"{self.left()} (while saving: {type(second).__name__}: {second})"

    def left(self) -> str:
        """What the next start goes on from."""
        if not (steps := self.checkpoints.run.steps()):
            place = self.checkpoints.run.checkpoints
            return "nothing is saved" if place.is_dir() else f"`{place}` is gone"
        if self._sections and self._sections["progress"]["step"] == steps[0]:
            return f"step {steps[0]} is saved"
        return f"the next start goes on from step {steps[0]}"


def _noted(error: BaseException, before: BaseException) -> BaseException:
    """The error, with the notes of the one before."""
    for note in getattr(before, "__notes__", ()):
        error.add_note(note)
    return error
