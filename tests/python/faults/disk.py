"""What a loss of power may leave of the files that a process wrote: a disk without a journal.

1. `Disk.apply` replays a traced operation. What the process sees changes at once; what is sure to be there
   after a loss of power changes only by `fsync`: of a file for its bytes, of a directory for its names.
2. `Disk.after_power_loss` makes one of the states that may be found then: of the changes since the last
   `fsync` any may have reached the disk, whatever their order. A write may be there in part, or its length
   without its bytes, which read as zeros. Only a rename is one change: never both names, never none; so is an
   exchange of two.

Stricter than the common file systems, and than each of them in its own way.
"""

import random
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from faults.shim import Operation


@dataclass(frozen=True)
class Change:
    """Of a file: `data` written at `offset`, or without data its length set to `offset`."""

    offset: int
    data: bytes | None = None

    def on(self, content: bytearray, *, zeros: bool = False) -> None:
        if self.data is None:
            del content[self.offset :]
            content.extend(bytes(self.offset - len(content)))
            return
        content.extend(bytes(max(0, self.offset - len(content))))
        written = bytes(len(self.data)) if zeros else self.data
        content[self.offset : self.offset + len(self.data)] = written


@dataclass
class File:
    durable: bytes = b""
    pending: list[Change] = field(default_factory=list)

    def sync(self) -> None:
        self.durable, self.pending = self.content(), []

    def content(self) -> bytes:
        """What the process reads."""
        content = bytearray(self.durable)
        for change in self.pending:
            change.on(content)
        return bytes(content)

    def after_power_loss(self, chance: random.Random) -> bytes:
        """What may be read then."""
        if not self.pending:
            return self.durable
        content = bytearray(self.durable)
        kind = chance.choice(("none", "all", "cut", "zeros", "some"))
        if kind == "none":
            return self.durable
        if kind == "all":
            return self.content()
        if kind == "cut":  # the first changes, the last of them in part
            for change in self.pending[: chance.randrange(len(self.pending))]:
                change.on(content)
            if len(content) > len(self.durable):
                del content[chance.randint(len(self.durable), len(content)) :]
            return bytes(content)
        for change in self.pending:
            there = chance.random() < 0.5
            if kind == "zeros":
                change.on(content, zeros=not there)
            elif there:
                change.on(content)
        return bytes(content)


@dataclass
class Folder:
    durable: "dict[str, Node]" = field(default_factory=dict)
    pending: "list[dict[str, Node | None]]" = field(default_factory=list)
    """each is one change of names, which happens whole or not at all; None: a name that goes"""
    names: "dict[str, Node]" = field(default_factory=dict)
    """what the process sees"""

    def change(self, **names: "Node | None") -> None:
        self.pending.append(dict(names))
        _assign(self.names, names)

    def sync(self) -> None:
        self.durable, self.pending = dict(self.names), []

    def after_power_loss(self, chance: random.Random) -> "dict[str, Node]":
        """The names that may be found then."""
        found = dict(self.durable)
        likely = chance.choice((0.0, 0.5, 0.9, 1.0))
        for names in self.pending:
            if chance.random() < likely:
                _assign(found, names)
        return found


Node = File | Folder


def _assign(names: dict[str, Node], change: "dict[str, Node | None]") -> None:
    for name, node in change.items():
        if node is None:
            names.pop(name, None)
        else:
            names[name] = node


class Disk:
    """One directory tree, empty and durable at first."""

    def __init__(self) -> None:
        self.root = Folder()

    def apply(self, operation: Operation) -> None:
        """Raises AssertionError for an operation that the model does not know."""
        if operation.result < 0 or operation.path.endswith(" (deleted)"):
            return
        if operation.name == "fsync":
            self._find(operation.path).sync()
            return
        if operation.name in ("write", "truncate"):
            file = self._find(operation.path)
            assert isinstance(file, File)
            data = operation.data if operation.name == "write" else None
            file.pending.append(Change(operation.offset, data))
            return
        folder, name = self._place(operation.path)
        if operation.name in ("create", "mkdir"):
            folder.change(**{name: File() if operation.name == "create" else Folder()})
        elif operation.name in ("unlink", "rmdir"):
            folder.change(**{name: None})
        else:
            assert operation.name in ("rename", "exchange"), operation
            target, new = self._place(operation.target)
            assert target is folder, "a rename to another directory is not modelled"
            left = folder.names[new] if operation.name == "exchange" else None
            folder.change(**{name: left, new: folder.names[name]})

    def after_power_loss(self, chance: random.Random, into: Path) -> None:
        """Writes one of the possible states into an empty directory."""
        _write(self.root, chance, into)

    def _find(self, path: str) -> Node:
        node: Node = self.root
        for part in PurePosixPath(path).parts:
            assert isinstance(node, Folder), path
            node = node.names[part]
        return node

    def _place(self, path: str) -> tuple[Folder, str]:
        place = PurePosixPath(path)
        folder = self._find(str(place.parent))
        assert isinstance(folder, Folder)
        return folder, place.name


def _write(folder: Folder, chance: random.Random, into: Path) -> None:
    for name, node in folder.after_power_loss(chance).items():
        if isinstance(node, File):
            (into / name).write_bytes(node.after_power_loss(chance))
        else:
            (into / name).mkdir()
            _write(node, chance, into / name)
