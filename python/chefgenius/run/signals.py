"""How a run is asked to stop, or to save.

1. SIGTERM or the first SIGINT sets a flag that the trainer looks at before and after each forward and each
   backward, between evaluation batches and between generated tokens; before the training begins, when there
   is nothing to save, it ends the program at once. The first one is answered with a line, and the SIGINT
   after that aborts: those that arrive before Python runs the handler are one.
2. `guard` and `ignore` cover the edges of a command: the imports at its begin, and what comes after its end.
3. `held_back` keeps both from what must not be left half-way: the start of a thread, the end of a block.
4. SIGUSR1, a file `save` in the run directory, or time asks for a checkpoint of the next boundary; the run
   goes on, and what it computes does not depend on it.
"""

import os
import signal
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, Self

BOUND = "one forward or backward of a micro-batch and one save"
"""the longest that a stop can take: Python runs no handler inside a call of torch"""


class StopRequested(BaseException):
    """SIGTERM or SIGINT; the last boundary is saved, and the same command goes on from there.

    No `Exception`: it may be raised anywhere, also inside a library that goes on after any of those.
    """

    exit_code = 75


def guard() -> None:
    """Lets SIGTERM and SIGINT end the process at once with one line and 75, until a `Stop` takes over.

    For a command whose own imports take long; only for the main thread.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    signal.signal(signal.SIGUSR1, _nothing_to_save)


def ignore() -> None:
    """Lets no SIGTERM, SIGINT or SIGUSR1 change any more how the process ends; only for the main thread."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)


def _leave(number: int, frame: FrameType | None) -> None:
    name = signal.Signals(number).name
    _write(f"stopped on request ({name}): start the same command again to go on")
    os._exit(StopRequested.exit_code)


def _nothing_to_save(number: int, frame: FrameType | None) -> None:
    _write("SIGUSR1 is ignored: nothing is being trained, so there is nothing to save")


def _write(line: str) -> None:
    """A line on stderr, past Python's buffers, which a handler may have interrupted."""
    with suppress(OSError):  # nobody reads it
        os.write(2, f"{line}\n".encode())


@contextmanager
def held_back(told: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Within the block SIGTERM and SIGINT wait for its end, each one of them told at once.

    For what must not be left half-way: the handlers of before hear of them then.
    """
    if threading.current_thread() is not threading.main_thread():  # which alone is ever interrupted
        yield
        return
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)
        with suppress(Exception):
            told()

    numbers = signal.SIGTERM, signal.SIGINT
    handlers = {number: signal.getsignal(number) for number in numbers}
    ours = [number for number, handler in handlers.items() if handler is not None]  # else not Python's
    try:
        for number in ours:
            signal.signal(number, note)
        yield
    finally:
        for number in ours:
            signal.signal(number, handlers[number])
        for caught in dict.fromkeys(came):
            signal.raise_signal(caught)


def surely(act: Callable[[], object], told: Callable[[], object] = lambda: None) -> None:
    """Does what must not be left undone, held back from signals; again, where one came just before that.

    `act` may be called twice, and does then what is left.
    """
    try:
        with held_back(told):
            act()
    finally:
        with held_back(told):
            act()


class Stop:
    """A context manager that holds the handlers of SIGTERM, SIGINT and SIGUSR1; only for the main thread."""

    def __init__(self) -> None:
        self.requested: str | None = None
        self.rank = 0
        """of this process among several; only 0 answers a request with a line"""
        self._save = False
        self._deferred = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        self._before[signal.SIGUSR1] = signal.signal(signal.SIGUSR1, self._handle_save)
        for number in (signal.SIGTERM, signal.SIGINT):
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextmanager
    def heard(self) -> Iterator[None]:
        """After the block no request changes anything any more: how the program ends is decided."""
        try:
            yield
        finally:
            ignore()

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Within the block a request waits for `check` or `take_save`."""
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False

    def check(self) -> None:
        """Raises StopRequested when a stop was asked for."""
        if self.requested is not None:
            raise StopRequested(f"stopped on request ({self.requested})")

    def take_save(self) -> bool:
        """Whether SIGUSR1 came since the last call."""
        if not self._save:
            return False
        self._save = False
        return True

    def _handle(self, number: int, frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        if self.requested is not None and number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # a third one needs no interpreter
            raise KeyboardInterrupt
        if self._deferred and self.requested is None and not self.rank:
            _write(f"{name}: saving the last boundary, then ending; Ctrl-C from now on aborts at once")
        self.requested = name
        if not self._deferred:
            self.check()

    def _handle_save(self, number: int, frame: FrameType | None) -> None:
        self._save = self._deferred
        if not self._deferred:
            _nothing_to_save(number, frame)


class SaveRequests:
    """When a boundary is saved besides the steps that are due anyway.

    Args:
        stop: is asked for SIGUSR1.
        file: asks by being there; removed once the checkpoint stands.
        minutes: since the last save began; None for never.
    """

    def __init__(self, stop: Stop, file: Path, minutes: float | None) -> None:
        self._stop, self._file = stop, file
        self._seconds = None if minutes is None else 60 * minutes
        self._began = time.monotonic()
        self._seen: tuple[int, int] | None = None
        self._saving: tuple[Path, tuple[int, int]] | None = None

    def due(self) -> bool:
        """Whether this boundary is asked for. Costs one stat of a file."""
        signalled = self._stop.take_save()
        self._seen = self._named()
        asked = self._seen is not None and (self._saving is None or self._saving[1] != self._seen)
        late = self._seconds is not None and time.monotonic() - self._began >= self._seconds
        return signalled or asked or late

    def begun(self, checkpoint: Path) -> None:
        """A save begins, asked for or not, of the boundary that `due` was last called at."""
        self._began = time.monotonic()
        if self._seen is not None and (self._saving is None or self._saving[1] != self._seen):
            self._saving = checkpoint, self._seen

    def settle(self) -> None:
        """Removes the file once the checkpoint that it asked for stands. Raises OSError."""
        if self._saving is None or not self._saving[0].is_dir():
            return
        if self._named() == self._saving[1]:  # else it was made anew meanwhile, and asks again
            self._file.unlink(missing_ok=True)
        self._saving = None

    def _named(self) -> tuple[int, int] | None:
        """Which file stands there: its number and time of change; None for none, or for no plain file."""
        try:
            found = os.lstat(self._file)
        except FileNotFoundError:
            return None
        return (found.st_ino, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None
