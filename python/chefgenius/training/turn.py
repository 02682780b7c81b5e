"""When a trainer may train: once, in its block, and one run at a time in a process."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock, Thread, current_thread

from chefgenius.run.signals import Stop
from chefgenius.run.state import RunError

_AGAIN = "open the run again, and it goes on from what is saved"


class Turn:
    """The one turn of a trainer.

    A second one would begin in the middle of a window, and two at a time would draw from the same random
    generators, those of the process.
    """

    _lock = Lock()
    _last: "Turn | None" = None
    """of the process"""

    def __init__(self) -> None:
        self.complete = False
        """whether it came to its end: nothing is left to do"""
        self._by: Thread | None = None
        """the thread that trains: no lock, which an interrupt could leave taken"""
        self._over = ""

    @contextmanager
    def taken(self, name: str) -> Iterator[None]:
        """The turn, in the block. Raises RunError where it may not be; `name` is that of the trainer."""
        with Turn._lock:
            if self._over:
                raise RunError(f"{name} {self._over}")
            if Turn._last is not None and Turn._last._by is not None:
                raise RunError(
                    "another run trains in this process, and both would draw from its random generators: "
                    "train one after the other, or each in a process of its own"
                )
            Turn._last, self._by, self._over = self, current_thread(), "trains already: wait for its end"
        try:
            yield
            self.complete = True
        finally:
            self._over, self._by = f"has trained already: {_AGAIN}", None

    def end(self, stop: Stop) -> None:
        """The block ends: a turn in another thread is stopped and waited for, and there is none any more."""
        while self._by not in (None, current_thread()):
            stop.requested = stop.requested or "its block has ended"
            time.sleep(0.001)
        # that of this thread is over, also where an interrupt broke off its last line
        self._over, self._by = f"belongs to a block that has ended: {_AGAIN}", None
