"""Checkpoints written in the background: one at a time, with room made for them, and no error lost."""

import errno
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Timer
from typing import Any

import pytest
from chefgenius.run import manifest
from chefgenius.run.retention import Retention
from chefgenius.run.rundir import RunDirectory
from chefgenius.training import checkpoint
from samples import run_python
from test_checkpoint import Run, names
from test_rundir import put


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


@contextmanager
def held(run: Run) -> Iterator[Event]:
    """Saves stand still before their rename until the event is set, and at the latest at the end."""
    gate = Event()
    run.checkpoints.sync_logs = lambda: assert_opened(gate)
    try:
        yield gate
    finally:
        gate.set()
        run.checkpoints.close()


def assert_opened(gate: Event) -> None:
    assert gate.wait(30)


def failing(times: int, number: int, plain: Callable[..., Any]) -> Callable[..., Any]:
    """`plain`, which fails the first `times` times with this errno."""
    calls = 0

    def call(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls <= times:
            raise OSError(number, os.strerror(number), "there")
        return plain(*arguments)

    return call


def test_a_save_goes_on_while_the_caller_does(run: Run) -> None:
    with held(run) as gate:
        run.checkpoints.save(run.sections(), [])
        assert run.checkpoints.check() == []
        assert run.checkpoints.run.steps() == []
        gate.set()
        path = run.checkpoints.run.step_path(0)
        assert run.checkpoints.drain() == [path]
        assert run.checkpoints.check() == run.checkpoints.drain() == []
    manifest.verify(path)


def test_one_save_is_in_flight(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "NOTICEABLE", 0.05)
    with held(run) as gate:
        run.checkpoints.save(run.sections(), [])
        run.checkpoints.save(run.sections(), [])  # the same step: nothing to wait for
        assert not gate.is_set()
        run.go()
        Timer(0.2, gate.set).start()
        run.checkpoints.save(run.sections(), [])
        assert gate.is_set()
        assert 0 in run.checkpoints.run.steps()
        run.checkpoints.drain()
    assert run.checkpoints.run.steps() == [1, 0]
    assert len(run.said) == 1
    assert "step 0 was still being saved" in run.said[0]


def test_a_failure_is_told_once_and_the_next_save_goes_through(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.save()
    run.go()
    run.checkpoints.sync_logs = failing(1, errno.EACCES, lambda: None)
    run.checkpoints.save(run.sections(), [])
    run.checkpoints.close()
    run.checkpoints.save(run.sections(), [])  # not before somebody heard of the failure
    run.checkpoints.close()
    assert names(run) == ["step-00000000"]
    with pytest.raises(PermissionError, match="Permission denied"):
        run.checkpoints.check()
    assert run.checkpoints.check() == []
    run.save()
    assert names(run) == ["step-00000000", "step-00000001"]
    assert run.said == []


def test_what_is_no_os_error_is_told_too(run: Run) -> None:
    run.checkpoints.sync_logs = {}.popitem  # type: ignore[assignment]
    run.checkpoints.save(run.sections(), [])
    with pytest.raises(KeyError):
        run.checkpoints.drain()
    assert names(run) == []


def crowded(run: Run) -> None:
    """Seven checkpoints, one of them pinned, one set aside, and what a killed writer left."""
    run.checkpoints.retention = Retention(9)
    home = put(run.checkpoints.run, *range(8))
    run.go()
    run.step = 8
    home.reject(0, "because")
    for name in (".tmp-step-00000099", ".trash-step-00000098"):
        (home.checkpoints / name).mkdir()
        (home.checkpoints / name / "model.safetensors").write_bytes(b"half")
    (home.checkpoints / "step-00000002.pinned").touch()
    (home.path / ".run.json.new").write_bytes(b"being written by somebody else")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_full_disk_gets_room_and_a_second_try(
    run: Run, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    crowded(run)
    monkeypatch.setattr(checkpoint, "write_file", failing(1, number, manifest.write_file))
    path = run.save(4)
    manifest.verify(path)
    assert run.checkpoints.run.steps() == [8, 7, 6, 4, 2]
    assert names(run)[0] == "step-00000002"
    assert (run.checkpoints.run.path / ".run.json.new").exists()
    assert run.said == [
        f"cannot save step 8: {os.strerror(number)}",
        "removed `.tmp-step-00000099` for room",
        "removed `.trash-step-00000098` for room",
        "removed `corrupt-step-00000000` for room",
        *(f"removed the checkpoint of step {step} for room" for step in (1, 3, 5)),
    ]


def test_the_best_that_stands_stays_until_another_does(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run.save(0)
    for _ in range(3):
        run.go()
        run.save(0)
    monkeypatch.setattr(checkpoint, "write_file", failing(99, errno.ENOSPC, manifest.write_file))
    run.go()
    with pytest.raises(OSError, match="No space left"):
        run.save(4)
    assert run.checkpoints.run.steps() == [3, 2, 0]
    monkeypatch.undo()
    run.save(4)
    assert run.checkpoints.run.steps() == [4, 3]


def test_a_disk_that_stays_full_ends_with_the_kept_ones_intact(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowded(run)
    monkeypatch.setattr(checkpoint, "write_file", failing(99, errno.ENOSPC, manifest.write_file))
    with pytest.raises(OSError, match="No space left"):
        run.save(4)
    assert names(run) == [
        "step-00000002",
        "step-00000002.pinned",
        *(f"step-{step:08d}" for step in (4, 6, 7)),
    ]
    for step in run.checkpoints.run.steps():
        run.checkpoints.run.verify(step)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EFBIG])
def test_what_room_cannot_mend_costs_nothing(run: Run, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    crowded(run)
    before = names(run)
    monkeypatch.setattr(checkpoint, "write_file", failing(1, number, manifest.write_file))
    with pytest.raises(OSError, match="there") as error:
        run.save()
    assert error.value.errno == number
    assert names(run) == before
    assert run.said == []


def test_a_rename_that_is_not_known_to_last_is_made_to(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, calls = os.fsync, 0

    def fsync(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:  # the first is that of the directory before its rename
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        plain(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    manifest.verify(run.save())
    assert calls == 3
    assert names(run) == ["step-00000000"]


def test_a_deletion_that_fails_once_is_tried_again(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        run.save()
        run.go()
    monkeypatch.setattr(shutil, "rmtree", failing(1, errno.EIO, shutil.rmtree))  # it was renamed by then
    run.save()
    assert names(run) == ["step-00000001", "step-00000002"]
    assert run.said == ["cannot remove a checkpoint: Input/output error; trying once more"]


@pytest.mark.parametrize(("times", "number"), [(2, errno.EIO), (1, errno.EACCES)])
def test_a_failing_deletion_is_told_and_the_checkpoint_stands(
    run: Run, monkeypatch: pytest.MonkeyPatch, times: int, number: int
) -> None:
    for _ in range(2):
        run.save()
        run.go()
    monkeypatch.setattr(RunDirectory, "delete", failing(times, number, RunDirectory.delete))
    run.checkpoints.save(run.sections(), [])
    with pytest.raises(OSError, match=os.strerror(number)):
        run.checkpoints.drain()
    assert run.checkpoints.check() == [run.checkpoints.run.step_path(2)]
    assert run.checkpoints.run.steps() == [2, 1, 0]


def test_what_cannot_be_read_outlives_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run.save()
    run.checkpoints.began_at = 0
    plain = manifest.hash_file

    def hash_file(path: Path) -> str:
        if path.parent.name == "step-00000001":
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return plain(path)

    monkeypatch.setattr(manifest, "hash_file", hash_file)
    for expected in ([1, 0], [2, 1, 0], [3, 2]):
        run.go()
        run.save()
        assert run.checkpoints.run.steps() == expected


def damage(path: Path) -> None:
    """One bit, at which no size can tell."""
    file = path / "model.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)


def test_where_a_run_began_stays_until_two_newer_ones_stand(run: Run) -> None:
    run.save()
    run.checkpoints.began_at = 0
    for expected in ([1, 0], [2, 1]):
        run.go()
        run.save()
        assert run.checkpoints.run.steps() == expected


def test_where_a_run_began_stays_while_newer_ones_are_damaged(run: Run) -> None:
    run.save()
    run.checkpoints.began_at = 0
    for expected in ([1, 0], [2, 1, 0], [3, 2], [4, 3]):
        run.go()
        path = run.save()
        assert run.checkpoints.run.steps() == expected
        if run.step < 2:
            damage(path)
    assert [run.checkpoints.run.verify(step).step for step in (4, 3)] == [4, 3]


def test_an_interrupt_waits_for_nothing(run: Run) -> None:
    with held(run):
        run.checkpoints.save(run.sections(), [])
        Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
        begin = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            run.checkpoints.drain()
        assert time.monotonic() - begin < 5


ENDS = """
import os, pathlib, sys, time
import torch
from chefgenius.training.checkpoint import Checkpointer
from chefgenius.run.retention import Retention
from chefgenius.run.rundir import RunDirectory

def begin(kind):
    model = torch.nn.Linear(4, 4)
    run = RunDirectory(pathlib.Path(sys.argv[1], kind)).lock()
    large = {"large": bytes(200 << 20)} if kind == "large" else {}
    late = lambda: time.sleep(60 if kind == "late" else 0)
    adam = torch.optim.AdamW(model.parameters())
    made = Checkpointer(run, model, adam, large, {}, Retention(2), late, print)
    made.save({"progress": {"step": 0}}, [])
    return made

for kind in ("late", "large"):
    if (child := os.fork()) == 0:
        made = begin(kind)
        time.sleep(0.05)
        assert made.run.steps() == []
        sys.exit(7)  # with the save in flight
    since = time.monotonic()
    print(kind, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), time.monotonic() - since < 20)

made = begin("fork")
made.drain()
if (child := os.fork()) == 0:
    made.save({"progress": {"step": 1}}, [])
    os._exit(len(made.drain()))
print("fork", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), made.run.steps() == [1, 0])
"""


def test_a_process_ends_with_a_save_in_flight_and_may_fork_after_one(tmp_path: Path) -> None:
    assert run_python(ENDS, tmp_path).splitlines() == ["late 7 True", "large 7 True", "fork 1 True"]
    for kind in ("late", "large"):
        left = RunDirectory(tmp_path / kind).lock()
        assert left.steps() == []
        assert left.clean() == [".tmp-step-00000000"]
