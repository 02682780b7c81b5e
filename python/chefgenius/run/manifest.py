"""Files that are whole or not there: durable writing, and the manifest that makes a directory trustworthy.

1. `write_file` writes, hashes and fsyncs one file and returns its `Entry`.
2. `seal` writes manifest.json last: size and BLAKE3 of every other file, then its own checksum.
3. `publish` makes a finished directory appear by one rename.
4. `verify` trusts nothing before every byte was read and matched.

Nothing here imports torch.
"""

import errno
import json
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import blake3

from chefgenius.run.state import ResumeError, one_line

SCHEMA = "chefgenius.checkpoint/1"
NAME = "manifest.json"
STDOUT = Path("standard output")
"""for `named_errors`"""
_MOST_BYTES = 16 << 20
_NOT_PLAIN = (errno.ELOOP, errno.EISDIR, errno.ENXIO)
_NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG)


class DamagedError(Exception):
    """A directory that must not be used; the message is the reason, without the path of the directory."""

    def __init__(self, reason: str) -> None:
        super().__init__(one_line(reason))  # with names and values that anybody may have chosen


@dataclass(frozen=True)
class Entry:
    """What the manifest says of one file."""

    size: int
    """bytes"""
    blake3: str
    """64 hexadecimal digits"""


@dataclass(frozen=True)
class Manifest:
    """The contents of a verified directory."""

    step: int
    fingerprints: dict[str, str]
    files: dict[str, Entry]


def write_file(path: Path, chunks: Sequence[bytes | memoryview]) -> Entry:
    """Writes a new file, hashing on the way, and fsyncs it.

    Nobody may write to the chunks meanwhile. Raises OSError with its name, also when it exists.
    """
    from chefgenius import _core  # it brings numpy, which what only looks at names does without

    with named_errors(path):
        return Entry(*_core.write_file(str(path), chunks))


@contextmanager
def named_errors(path: Path) -> Iterator[None]:
    """Gives an OSError of a write or fsync the name of its file, and the system's words alone."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error


def to_json(value: Any) -> bytes:
    """The one spelling of a JSON file here: UTF-8, two spaces, a line end; no NaN."""
    return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def seal(directory: Path, step: int, fingerprints: dict[str, str], files: dict[str, Entry]) -> None:
    """Writes manifest.json, the last file of a directory, and fsyncs both."""
    write_file(directory / NAME, [_render(Manifest(step, fingerprints, files))])
    fsync_directory(directory)


def publish(directory: Path, name: Path) -> None:
    """Renames a sealed directory to its final name on the same file system and fsyncs the parent."""
    os.rename(directory, name)
    fsync_directory(name.parent)


def exchange(one: Path, other: Path) -> bool:
    """Exchanges what two names stand for, in one step; False, and nothing done, where the file system cannot.

    Raises OSError with the first name.
    """
    from chefgenius import _core  # as in `write_file`

    with named_errors(one):
        return _core.exchange(str(one), str(other))


def fsync_directory(path: Path) -> None:
    """Makes the names in a directory durable. Raises OSError with its name."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with named_errors(path):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directory(path: Path, remedy: str) -> None:
    """Makes a directory with those above it, where there is none.

    Raises NotADirectoryError where a file is in the way and FileNotFoundError where the system makes none,
    both with what to do; OSError.
    """
    refuse_file(path, remedy)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileNotFoundError as error:
        raise nowhere(path, remedy) from error


def refuse_file(path: Path, remedy: str) -> None:
    """Raises NotADirectoryError, with what to do, where a directory cannot be since a file is in the way."""
    there = next((one for one in (path, *path.parents) if os.path.lexists(one)), None)
    if there is not None and not there.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, f"is a file, no directory: {remedy}", str(there))


def nowhere(path: Path, remedy: str) -> FileNotFoundError:
    """What is to be raised where the system makes no directory."""
    return FileNotFoundError(errno.ENOENT, f"no directory can be made there: {remedy}", str(path))


def replace_file(path: Path, data: bytes) -> None:
    """Gives a small file new contents, all or nothing: a neighbour, fsync, rename, fsync of the directory.

    Raises OSError with its name, also when a directory stands there.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a directory: move it away and start again", str(path))
    neighbour = path.with_name(f".{path.name}.new")
    neighbour.unlink(missing_ok=True)
    write_file(neighbour, [data])
    publish(neighbour, path)


def read_object(path: Path, most: int = 1 << 20) -> dict[str, Any]:
    """The JSON object in a file of at most so many bytes. Raises OSError, ValueError, RecursionError."""
    with open(path, "rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise ValueError(f"it has more than {most:,} bytes")
    values = json.loads(data)
    if not isinstance(values, dict):
        raise ValueError("it holds no object")
    return values


def plain(path: str, flags: int) -> int:
    """An `opener` for `open` that takes plain files only: it follows no symbolic link and waits for no pipe.

    Raises ResumeError for anything else, OSError.
    """
    try:
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if error.errno in _NOT_PLAIN:
            raise _not_plain(path) from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _not_plain(path)
    return descriptor


def _not_plain(path: str) -> ResumeError:
    return ResumeError(f"`{path}` is no plain file: put the file itself there, or choose another `run_dir`")


def verify(directory: Path) -> Manifest:
    """Reads every byte of a checkpoint directory and compares it with its manifest.

    Raises DamagedError with the reason: a file that is missing, cut, changed, unknown or no plain file, or a
    manifest that is not exactly what `seal` writes; and OSError when a disk or a permission keeps it from
    being read, which says nothing of what is in it.
    """
    manifest = outline(directory)
    with _absent_is_damaged():
        for name, entry in manifest.files.items():
            if hash_file(directory / name) != entry.blake3:
                raise DamagedError(f"the checksum of `{name}` does not match")
    return manifest


def outline(directory: Path) -> Manifest:
    """The manifest, when it is right and every file has its size; of their contents nothing is read.

    Raises DamagedError as `verify` does.
    """
    with _absent_is_damaged():
        names = _plain_files(directory)
        if NAME not in names:
            raise DamagedError(f"`{NAME}` is missing")
        if (size := (directory / NAME).stat().st_size) > _MOST_BYTES:
            raise DamagedError(f"`{NAME}` has {size:,} bytes, more than any manifest")
        manifest = _parse((directory / NAME).read_bytes())
        listed = {*manifest.files, NAME}
        if missing := sorted(listed - names):
            raise DamagedError(f"`{missing[0]}` is missing")
        if unknown := sorted(names - listed):
            raise DamagedError(f"`{unknown[0]}` does not belong to it")
        for name, entry in manifest.files.items():
            size = (directory / name).stat().st_size
            if size != entry.size:
                raise DamagedError(f"`{name}` has {size} bytes instead of {entry.size}")
    return manifest


@contextmanager
def _absent_is_damaged() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in _NOT_THERE:
            raise
        raise DamagedError(f"cannot read it: {error}") from error


def hash_file(path: Path) -> str:
    """BLAKE3 of a file, 64 hexadecimal digits. Follows no symbolic link. Raises OSError with its name."""
    from chefgenius import _core  # as in `write_file`

    with named_errors(path):
        return _core.hash_file(str(path))


def _plain_files(directory: Path) -> set[str]:
    if not stat.S_ISDIR(os.lstat(directory).st_mode):
        raise DamagedError("it is no directory")
    names = set()
    with os.scandir(directory) as entries:
        for entry in entries:
            if not entry.is_file(follow_symlinks=False):
                raise DamagedError(f"`{entry.name}` is no plain file")
            names.add(entry.name)
    return names


def _render(manifest: Manifest) -> bytes:
    body = {
        "schema": SCHEMA,
        "step": manifest.step,
        "fingerprints": manifest.fingerprints,
        "files": {
            name: {"size": entry.size, "blake3": entry.blake3}
            for name, entry in sorted(manifest.files.items())
        },
    }
    return to_json({**body, "checksum": blake3.blake3(to_json(body)).hexdigest()})


def _parse(data: bytes) -> Manifest:
    """The manifest in `data`, which must be spelled exactly as `_render` spells it, checksum included."""
    try:
        value = json.loads(data)
        if value["schema"] != SCHEMA:
            raise DamagedError(f"`{NAME}` has the schema `{value['schema']}` instead of `{SCHEMA}`")
        files = {name: Entry(int(one["size"]), str(one["blake3"])) for name, one in value["files"].items()}
        fingerprints = {str(name): str(one) for name, one in value["fingerprints"].items()}
        manifest = Manifest(int(value["step"]), fingerprints, files)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise DamagedError(f"`{NAME}` cannot be read: {type(error).__name__}: {error!s:.200}") from error
    for name in manifest.files:
        if name in ("", ".", "..", NAME) or "/" in name or "\0" in name:
            raise DamagedError(f"`{NAME}` names a file `{name}` outside the directory")
    if _render(manifest) != data:
        raise DamagedError(f"`{NAME}` does not match its own checksum")
    return manifest
