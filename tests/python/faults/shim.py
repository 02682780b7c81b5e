"""Builds `shim.c`, arms it in a forked child, and reads the traces that it writes."""

import ctypes
import shutil
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

SOURCE = Path(__file__).with_name("shim.c")
FLAGS = ("-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-U_FORTIFY_SOURCE")

SAVE = "@(*checkpoints/*|fsync *checkpoints|fsync *.jsonl)"
"""operations of saving a checkpoint, the logs' fsync included; not the lines that the run writes meanwhile"""


def compiled(folder: Path) -> Path | None:
    """The library, or None on a machine without a C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    library = folder / "shim.so"
    subprocess.run([compiler, *FLAGS, str(SOURCE), "-o", str(library), "-ldl"], check=True)
    return library


@dataclass(frozen=True)
class Faults:
    """What is to happen to the file operations of one child; patterns are those of `shim.c`."""

    root: str
    """the directory that is watched, without symbolic links"""
    trace: str | None = None
    strike: str = ""
    first: int = 0
    """number of the first operation that is struck, among those that match, from 0"""
    times: int = 1
    signal: int = 0
    within: bool = False
    """in the middle of a write, after any other; else before it"""
    error: int = 0
    unreadable: str = ""
    on_open: bool = False
    slow: str = ""
    pause: float = 0.0
    """seconds before each operation that matches `slow`"""
    disk: int | None = None
    """bytes that are left on the disk"""
    exchanges: bool = True
    """whether the file system can exchange two names"""

    def order(self) -> dict[str, Any]:
        """What crosses the pipe to the nursery."""
        return asdict(self)

    @classmethod
    def of(cls, order: dict[str, Any]) -> Self:
        return cls(**order)

    def arm(self) -> None:
        """In the child, which was started with the library preloaded."""
        shim = ctypes.CDLL(None)
        if self.strike:
            shim.shim_strike(
                self.strike.encode(),
                ctypes.c_long(self.first),
                ctypes.c_long(self.times),
                self.signal,
                int(self.within),
                self.error,
            )
        if self.unreadable:
            shim.shim_unreadable(self.unreadable.encode(), int(self.on_open))
        if self.slow:
            shim.shim_slow(self.slow.encode(), ctypes.c_long(round(self.pause * 1e6)))
        if self.disk is not None:
            shim.shim_disk(ctypes.c_longlong(self.disk))
        if not self.exchanges:
            shim.shim_no_exchange()
        shim.shim_watch(self.root.encode(), None if self.trace is None else self.trace.encode())


@dataclass(frozen=True)
class Operation:
    """One line of a trace; paths are relative to the watched directory."""

    name: str
    path: str
    target: str
    data: bytes
    """the bytes that were written, all of them that the kernel took"""
    offset: int
    """where they were written; the new length of a `truncate`"""
    result: int
    """as the call returned it, or minus the error"""

    def __str__(self) -> str:
        return f"{self.name} {self.path} {self.target}".rstrip()


def operations(trace: Path) -> list[Operation]:
    """Everything in a trace, in order."""
    return list(_parse(trace.read_bytes()))


def _parse(data: bytes) -> Iterator[Operation]:
    head = struct.Struct("=6q")
    at = 0
    while at < len(data):
        *lengths, offset, result = head.unpack_from(data, at)
        at += head.size
        parts = []
        for length in lengths:
            parts.append(data[at : at + length])
            at += length
        name, path, target, written = parts
        yield Operation(name.decode(), path.decode(), target.decode(), written, offset, result)
