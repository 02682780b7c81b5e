"""Whatever stands in the place of a file of a run and is none: named, never followed and never waited for."""

import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from chefgenius.run.manifest import plain
from chefgenius.run.state import ResumeError
from running import run_here
from samples import files_below


def make_socket(path: Path) -> None:
    here = os.open(path.parent, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(f"/proc/self/fd/{here}/{path.name}")  # a name of a socket has at most 107 bytes
    os.close(here)


def make_link(path: Path) -> None:
    target = path.with_name("elsewhere")
    target.write_bytes(b"of somebody else")
    path.symlink_to(target)


KINDS: dict[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,
    "directory": os.mkdir,
    "socket": make_socket,
    "link": make_link,
    "link to nothing": lambda path: path.symlink_to("nowhere"),
    "device": lambda path: path.symlink_to("/dev/full"),
}


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    """An `open` that waits for the other end of a pipe ends with a traceback."""
    signal.alarm(60)
    yield
    signal.alarm(0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["rb", "ab", "wb"])
def test_nothing_but_a_plain_file_is_opened(tmp_path: Path, kind: str, mode: str) -> None:
    path = tmp_path / "metrics.jsonl"
    KINDS[kind](path)
    with pytest.raises(ResumeError, match=f"^`{path}` is no plain file: put the file itself there"):
        open(path, mode, opener=plain).close()
    elsewhere = tmp_path / "elsewhere"
    assert not elsewhere.exists() or elsewhere.read_bytes() == b"of somebody else"


def test_plain_files_are_opened_as_ever(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    with pytest.raises(FileNotFoundError):
        open(path, "rb", opener=plain).close()
    for mode, expected in (("ab", b"line"), ("ab", b"lineline"), ("wb", b"line")):
        with open(path, mode, opener=plain) as file:
            file.write(b"line")
        with open(path, "rb", opener=plain) as file:
            assert file.read() == expected
    path.chmod(0)
    if os.geteuid() != 0:
        with pytest.raises(PermissionError):
            open(path, "rb", opener=plain).close()


def test_a_start_refuses_what_is_no_plain_file_and_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_here(tmp_path, "train.max_steps=2", "eval.every_steps=1") == 0
    run = tmp_path / "run"
    for name in ("metrics.jsonl", "samples.jsonl", "timing.jsonl"):
        for kind in ("pipe", "link"):
            kept = (run / name).rename(tmp_path / "kept")
            KINDS[kind](run / name)
            before = files_below(run)
            capsys.readouterr()
            assert run_here(tmp_path, "train.max_steps=3", "eval.every_steps=1") == 3
            assert f": `{run / name}` is no plain file: " in capsys.readouterr().err
            assert files_below(run) == before
            (run / name).unlink()
            kept.rename(run / name)
    assert run_here(tmp_path, "train.max_steps=3", "eval.every_steps=1") == 0


def test_a_start_does_not_wait_for_where_it_began(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run").mkdir()
    os.mkfifo(tmp_path / "run" / "origin.json")
    assert run_here(tmp_path) == 3
    assert f"`{tmp_path / 'run' / 'origin.json'}` is no plain file" in capsys.readouterr().err
