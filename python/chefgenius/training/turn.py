"""When a trainer may train: once, in its block, and one run at a time in a process."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Lock

from chefgenius.run.signals import Stop
from chefgenius.run.state import RunError


class Turn:
    """The one turn of a trainer.

    A second one would begin in the middle of a window, and two at a time would draw from the same random
    generators, those of the process.
    """

    _current: "Turn | None" = None
    _lock = Lock()

    def __init__(self) -> None:
        self.complete = False
        """whether it came to its end: nothing is left to do"""
        self._rests = Event()
        self._rests.set()
        self._over = ""

    @contextmanager
    def taken(self, name: str) -> Iterator[None]:
        """The turn, in the block. Raises RunError where it may not be; `name` is that of the trainer."""
        with Turn._lock:
            if self._over:
                raise RunError(f"{name} {self._over}")
            if Turn._current is not None and not Turn._current._rests.is_set():
                raise RunError(
                    "another run trains in this process, and both would draw from its random generators: "
                    "train one after the other, or each in a process of its own"
                )
            Turn._current, self._over = self, "trains already: wait for its end"
        try:
            self._rests.clear()
            yield
            self.complete = True
        finally:
            self._over = "has trained already: open the run again, and it goes on from what is saved"
            self._rests.set()

    def end(self, stop: Stop) -> None:
        """The block ends: a turn in another thread is stopped and waited for, and there is none any more."""
        if not self._rests.is_set():
            stop.requested = stop.requested or "its block has ended"
            self._rests.wait()
        self._over = (
            "belongs to a block that has ended: open the run again, and it goes on from what is saved"
        )
