import errno
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from chefgenius.run.disk import check_space
from test_manifest import no_file_beyond


def with_free(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Makes the file system tell of so many free bytes; more are reserved for root."""
    found = SimpleNamespace(f_bavail=size // 512, f_bfree=10**9, f_frsize=512, f_bsize=10**6)
    monkeypatch.setattr(os, "statvfs", lambda path: found)


def test_a_disk_with_room_is_left_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"1")
    (tmp_path / ".tmp-probe").write_bytes(b"left by a killed process")
    check_space(tmp_path, 1000, standing=False)
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize(
    ("free", "standing", "enough"),
    [(2048, False, True), (2047, False, False), (1024, True, True), (1023, True, False)],
)
def test_room_for_two_or_for_one_where_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, standing: bool, enough: bool
) -> None:
    with_free(monkeypatch, free * 10**6 // 512 * 512)
    if enough:
        check_space(tmp_path, 1023_999_488, standing=standing)
        return
    with pytest.raises(OSError, match="no room for") as error:
        check_space(tmp_path, 1023_999_488, standing=standing)
    assert (error.value.errno, error.value.filename) == (errno.ENOSPC, str(tmp_path))
    needed, what = ("1.024", "another checkpoint") if standing else ("2.048", "two checkpoints")
    assert str(error.value.strerror).startswith(
        f"no room for {what}: needed are {needed} GB, free {free / 1000} GB"
    )


def test_a_look_at_the_room_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chefgenius.run.disk.write_file", lambda *_: pytest.fail("written"))
    check_space(tmp_path / "not" / "there", 1000, standing=False, touch=False)
    with_free(monkeypatch, 1024)
    with pytest.raises(OSError, match="no room for"):
        check_space(tmp_path / "not" / "there", 1000, standing=False, touch=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("call", ["rename", "fsync"])
def test_a_disk_that_cannot_be_written_to_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def broken(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), "there")

    monkeypatch.setattr(os, call, broken)
    with pytest.raises(OSError, match="Input/output error"):
        check_space(tmp_path, 1, standing=True)
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with no_file_beyond(100), pytest.raises(OSError, match="File too large") as error:
        check_space(tmp_path, 1, standing=True)
    assert error.value.filename == str(tmp_path / ".tmp-probe")
    assert list(tmp_path.iterdir()) == []
