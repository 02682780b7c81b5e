"""How a run is asked to stop.

SIGTERM or the first SIGINT sets a flag that the trainer looks at between micro-batches, evaluation batches
and generated tokens; before the training begins, when there is nothing to save, it ends the program at once.
The second SIGINT aborts.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self

from chefgenius.state import StopRequested


class Stop:
    """A context manager that holds the handlers of SIGTERM and SIGINT; only for the main thread."""

    def __init__(self) -> None:
        self.requested: str | None = None
        self._deferred = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGTERM, signal.SIGINT):
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Within the block a request waits for `check`."""
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False

    def check(self) -> None:
        """Raises StopRequested when a stop was asked for."""
        if self.requested is not None:
            raise StopRequested(f"stopped on request ({self.requested})")

    def _handle(self, number: int, frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        if self.requested is not None and number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # a third one needs no interpreter
            raise KeyboardInterrupt
        self.requested = name
        if not self._deferred:
            self.check()
