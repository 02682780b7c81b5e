import errno
import json
import os
import resource as limits
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import blake3
import numpy as np
import pytest
from chefgenius.run import manifest
from chefgenius.run.manifest import (
    DamagedError,
    Entry,
    hash_file,
    publish,
    replace_file,
    seal,
    verify,
    write_file,
)


def sealed(folder: Path, step: int = 5) -> Path:
    """A directory with three files, one of them empty, and its manifest."""
    folder.mkdir()
    contents = {"a.bin": bytes(range(256)) * 9, "b.json": b"{}\n", "empty": b""}
    files = {name: write_file(folder / name, [data]) for name, data in contents.items()}
    seal(folder, step, {"store": "b3:1"}, files)
    return folder


def reason(folder: Path) -> str:
    with pytest.raises(DamagedError) as error:
        verify(folder)
    return str(error.value)


def test_a_sealed_directory_verifies(tmp_path: Path) -> None:
    found = verify(sealed(tmp_path / "x"))
    assert (found.step, found.fingerprints) == (5, {"store": "b3:1"})
    assert set(found.files) == {"a.bin", "b.json", "empty"}
    assert found.files["a.bin"].size == 2304
    assert found.files["empty"].blake3 == blake3.blake3(b"").hexdigest()


def test_write_file_hashes_what_it_writes(tmp_path: Path) -> None:
    chunks: list[bytes | memoryview] = [b"abc", memoryview(b"defg")[1:], b""]
    entry = write_file(tmp_path / "x", chunks)
    assert (tmp_path / "x").read_bytes() == b"abcefg"
    assert (entry.size, entry.blake3) == (6, hash_file(tmp_path / "x"))


def test_a_file_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"1")
    with pytest.raises(FileExistsError):
        write_file(tmp_path / "x", [b"2"])
    assert (tmp_path / "x").read_bytes() == b"1"


@contextmanager
def no_file_beyond(size: int) -> Iterator[None]:
    """The system refuses to write more than `size` bytes into any file."""
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    before = limits.getrlimit(limits.RLIMIT_FSIZE)
    limits.setrlimit(limits.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        limits.setrlimit(limits.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("size", [1, 3 << 20])
def test_an_error_while_writing_names_the_file(tmp_path: Path, size: int) -> None:
    with no_file_beyond(size), pytest.raises(OSError, match="File too large") as error:
        write_file(tmp_path / "x", [bytes(2 << 20), bytes(2 << 20)])
    assert (error.value.errno, error.value.filename) == (errno.EFBIG, str(tmp_path / "x"))
    with pytest.raises(FileNotFoundError) as missing:
        write_file(tmp_path / "none" / "x", [])
    assert missing.value.filename == str(tmp_path / "none" / "x")


@pytest.mark.parametrize("length", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 65 << 20])
def test_every_length_is_written_and_hashed(tmp_path: Path, length: int) -> None:
    data = np.arange(length // 4 + 1, dtype=np.uint32).tobytes()[:length]
    cut = length // 3
    entry = write_file(tmp_path / "x", [data[:cut], b"", memoryview(data)[cut:]])
    assert (tmp_path / "x").read_bytes() == data
    assert entry == Entry(length, blake3.blake3(data).hexdigest())
    assert hash_file(tmp_path / "x") == entry.blake3


def test_chunks_must_lie_in_one_piece(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not contiguous"):
        write_file(tmp_path / "x", [memoryview(bytes(10))[::2]])
    assert not (tmp_path / "x").exists()


def test_other_threads_go_on_while_a_file_is_written(tmp_path: Path) -> None:
    data = bytes(200 << 20)
    thread = Thread(target=write_file, args=(tmp_path / "x", [data]))
    turns = 0
    thread.start()
    while thread.is_alive():
        turns += 1
        time.sleep(0.001)
    assert turns > 5


def test_only_plain_files_are_hashed(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"1")
    (tmp_path / "link").symlink_to(tmp_path / "x")
    with pytest.raises(OSError, match="symbolic link") as error:
        hash_file(tmp_path / "link")
    assert error.value.filename == str(tmp_path / "link")
    with pytest.raises(IsADirectoryError):
        hash_file(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    assert hash_file(tmp_path / "pipe") == blake3.blake3(b"").hexdigest()  # nobody writes: it ends at once


@pytest.mark.parametrize("name", ["a.bin", "b.json", "manifest.json"])
def test_every_flipped_bit_is_found(tmp_path: Path, name: str) -> None:
    folder = sealed(tmp_path / "x")
    data = (folder / name).read_bytes()
    looked_at = 0
    for place in range(0, len(data), max(1, len(data) // 100)):
        for bit in (0, 3, 5, 7):
            changed = bytearray(data)
            changed[place] ^= 1 << bit
            (folder / name).write_bytes(changed)
            assert reason(folder)
            looked_at += 1
    assert looked_at >= 12
    (folder / name).write_bytes(data)
    verify(folder)


@pytest.mark.parametrize("name", ["a.bin", "b.json", "empty", "manifest.json"])
@pytest.mark.parametrize("damage", ["missing", "longer", "shorter", "directory", "link"])
def test_every_damaged_file_is_found(tmp_path: Path, name: str, damage: str) -> None:
    folder = sealed(tmp_path / "x")
    file = folder / name
    data = file.read_bytes()
    if damage == "shorter" and not data:
        return
    file.unlink()
    if damage == "longer":
        file.write_bytes(data + b"\n")
    elif damage == "shorter":
        file.write_bytes(data[:-1])
    elif damage == "directory":
        file.mkdir()
    elif damage == "link":
        (tmp_path / "elsewhere").write_bytes(data)
        file.symlink_to(tmp_path / "elsewhere")
    assert name in reason(folder)


def test_a_file_too_many_is_found(tmp_path: Path) -> None:
    folder = sealed(tmp_path / "x")
    (folder / "z").write_bytes(b"")
    assert reason(folder) == "`z` does not belong to it"


def test_what_is_no_directory_is_found(tmp_path: Path) -> None:
    sealed(tmp_path / "x")
    (tmp_path / "link").symlink_to(tmp_path / "x")
    (tmp_path / "file").write_bytes(b"")
    assert reason(tmp_path / "link") == reason(tmp_path / "file") == "it is no directory"
    assert "cannot read it" in reason(tmp_path / "nothing")


@pytest.mark.parametrize("name", ["../a.bin", "/etc/passwd", "..", "", "manifest.json", "a\0b"])
def test_a_manifest_cannot_name_what_lies_outside(tmp_path: Path, name: str) -> None:
    folder = sealed(tmp_path / "x")
    body = json.loads((folder / "manifest.json").read_bytes())
    body["files"][name] = body["files"].pop("a.bin")
    body.pop("checksum")
    body["checksum"] = blake3.blake3(manifest.to_json(body)).hexdigest()
    (folder / "manifest.json").write_bytes(manifest.to_json(body))
    assert "outside the directory" in reason(folder)


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "{", '{"schema": "other/1"}', "[" * 100_000, '{"schema": 1e999}']
)
def test_a_manifest_that_is_none_is_found(tmp_path: Path, text: str) -> None:
    folder = sealed(tmp_path / "x")
    (folder / "manifest.json").write_text(text)
    assert "manifest.json" in reason(folder)


def test_publish_is_a_rename(tmp_path: Path) -> None:
    publish(sealed(tmp_path / ".tmp-x"), tmp_path / "x")
    assert verify(tmp_path / "x").step == 5
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_replace_file_is_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.json"
    replace_file(path, b"1")
    replace_file(path, b"2")
    assert path.read_bytes() == b"2"

    def broken(source: Path, target: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "rename", broken)
    with pytest.raises(OSError, match="Input/output error"):
        replace_file(path, b"3")
    assert path.read_bytes() == b"2"
