import fcntl
import os
import shutil
from pathlib import Path

import pytest
from chefgenius.run import rundir
from chefgenius.run.manifest import DamagedError, seal, write_file
from chefgenius.run.rundir import RunDirectory, remove_tree
from samples import run_python
from test_manifest import no_file_beyond


def put(run: RunDirectory, *steps: int) -> RunDirectory:
    """Small checkpoints that verify."""
    for step in steps:
        path = run.step_path(step)
        path.mkdir(parents=True)
        seal(path, step, {}, {"a": write_file(path / "a", [b"1"])})
    return run


def test_steps_are_listed_newest_first(tmp_path: Path) -> None:
    run = put(RunDirectory(tmp_path / "run"), 5, 20, 100_000_000, 0)
    for name in ("step-5", "corrupt-step-00000007", ".tmp-step-00000009", "other"):
        (run.checkpoints / name).mkdir()
    assert run.steps() == [100_000_000, 20, 5, 0]
    assert [path.name for path in run.set_aside()] == ["corrupt-step-00000007"]
    assert not RunDirectory(tmp_path / "none").steps()
    assert not RunDirectory(tmp_path / "none").set_aside()


def test_two_trainers_never_share_a_directory(tmp_path: Path) -> None:
    code = (
        "import pathlib, sys\n"
        "from chefgenius.run.rundir import RunDirectory\n"
        "from chefgenius.run.state import ResumeError\n"
        "try:\n"
        "    RunDirectory(pathlib.Path(sys.argv[1])).lock()\n"
        "    print('free')\n"
        "except ResumeError as error:\n"
        "    print(error)\n"
    )
    run = RunDirectory(tmp_path / "run").lock()
    told = run_python(code, run.path)
    assert "is in use by another process" in told
    assert "choose another `run_dir`" in told
    run.close()
    assert run_python(code, run.path).strip() == "free"


def test_the_lock_is_no_file_that_can_be_deleted(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run").lock()
    assert [path.name for path in run.path.iterdir()] == ["checkpoints"]
    run.close()


def test_a_directory_that_is_replaced_while_it_is_locked_is_locked_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, locked = fcntl.flock, list[int]()

    def replaced(descriptor: int, kind: int) -> None:
        plain(descriptor, kind)
        locked.append(os.fstat(descriptor).st_ino)
        if len(locked) == 1:
            (tmp_path / "run" / "checkpoints").rename(tmp_path / "moved")

    monkeypatch.setattr(fcntl, "flock", replaced)
    run = RunDirectory(tmp_path / "run").lock()
    assert locked == [(tmp_path / "moved").stat().st_ino, run.checkpoints.stat().st_ino]
    run.close()


def test_the_lock_goes_with_its_process(tmp_path: Path) -> None:
    run_python(
        "import os, pathlib, signal, sys\n"
        "from chefgenius.run.rundir import RunDirectory\n"
        "if os.fork() == 0:\n"
        "    RunDirectory(pathlib.Path(sys.argv[1])).lock()\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "os.wait()\n",
        tmp_path / "run",
    )
    RunDirectory(tmp_path / "run").lock().close()


def test_clean_removes_what_a_killed_writer_left(tmp_path: Path) -> None:
    run = put(RunDirectory(tmp_path / "run"), 3)
    for name in (".tmp-step-00000004", ".trash-step-00000001", ".other"):
        (run.checkpoints / name).mkdir()
        (run.checkpoints / name / "model.safetensors").write_bytes(b"half")
    for name in (".run.json.new", ".config.yaml.new", "run.json"):
        (run.path / name).write_bytes(b"{")
    assert run.clean() == [
        ".config.yaml.new",
        ".run.json.new",
        ".tmp-step-00000004",
        ".trash-step-00000001",
    ]
    assert sorted(path.name for path in run.path.iterdir()) == ["checkpoints", "run.json"]
    (run.path / ".run.json.new").touch()
    (run.checkpoints / ".tmp-step-00000004").mkdir()
    assert run.clean_checkpoints() == [".tmp-step-00000004"]
    (run.path / ".run.json.new").unlink()
    assert sorted(path.name for path in run.checkpoints.iterdir()) == [".other", "step-00000003"]


def test_a_directory_in_which_nothing_began_goes_again(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "runs" / "run")
    run.lock().close()
    assert [path.name for path in tmp_path.rglob("*")] == ["runs"]
    run.lock()
    (run.path / "run.json").touch()
    run.close()
    assert run.checkpoints.is_dir()
    (run.path / "run.json").unlink()
    run.lock().close()
    assert run.checkpoints.is_dir(), "it was there before"
    run.lock()
    shutil.rmtree(run.path)
    run.close()


def test_clean_leaves_what_is_not_its_own(tmp_path: Path) -> None:
    run = put(RunDirectory(tmp_path / "run"), 3)
    (run.path / ".run.json.new").mkdir()
    for name in (".bashrc.new", ".run.json.new/x", "checkpoints/.tmp-x", "checkpoints/.trash-x"):
        (run.path / name).write_bytes(b"mine")
    assert run.clean() == []


def test_a_checkpoint_under_another_name_is_damaged(tmp_path: Path) -> None:
    run = put(RunDirectory(tmp_path / "run"), 3)
    assert run.verify(3).step == 3
    run.step_path(3).rename(run.step_path(4))
    with pytest.raises(DamagedError, match="it holds step 3"):
        run.verify(4)


def test_a_damaged_checkpoint_is_set_aside_with_its_reason(tmp_path: Path) -> None:
    run = put(RunDirectory(tmp_path / "run"), 3)
    first = run.reject(3, "because")
    put(run, 3)
    second = run.reject(3, "again")
    assert [path.name for path in run.set_aside()] == [first.name, second.name]
    assert (first.name, second.name) == ("corrupt-step-00000003", "corrupt-step-00000003-2")
    assert (first / "reason.txt").read_text() == "because\n"
    assert (first / "a").read_bytes() == b"1"
    run.step_path(4).write_bytes(b"a file")
    third = run.reject(4, "no directory")
    assert third.with_name(f"{third.name}.reason.txt").read_text() == "no directory\n"


def test_a_full_disk_keeps_nobody_from_setting_aside(tmp_path: Path) -> None:
    run = put(RunDirectory(tmp_path / "run"), 3)
    with no_file_beyond(0):
        target = run.reject(3, "because")
    assert run.steps() == []
    assert run.set_aside() == [target]
    assert (target / "a").read_bytes() == b"1"


def test_no_new_directory_is_lost_with_the_power(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    monkeypatch.setattr(rundir, "fsync_directory", lambda path: synced.append(path.name))
    RunDirectory(tmp_path / "runs" / "one").lock().close()
    assert synced == [tmp_path.name, "runs", "one"]
    RunDirectory(tmp_path / "runs" / "one").lock().close()
    assert synced[3:] == ["runs", "one"]  # who made them may have been killed before that


def test_a_complete_checkpoint_has_its_files_in_their_sizes(tmp_path: Path) -> None:
    run = put(RunDirectory(tmp_path / "run"), 3, 4)
    assert run.is_complete(3)
    (run.step_path(3) / "a").write_bytes(b"2")  # only `verify` reads it
    assert run.is_complete(3)
    with pytest.raises(DamagedError):
        run.verify(3)
    (run.step_path(3) / "a").write_bytes(b"22")
    assert not run.is_complete(3)
    run.delete(3)
    assert not run.is_complete(3)
    run.step_path(4).rename(run.step_path(5))
    assert not run.is_complete(5)
    run.step_path(6).symlink_to(run.step_path(5))
    assert not run.is_complete(6)


def test_delete_removes_a_checkpoint(tmp_path: Path) -> None:
    run = put(RunDirectory(tmp_path / "run"), 3, 4)
    (run.checkpoints / ".trash-step-00000003").mkdir()
    run.delete(3)
    assert [path.name for path in run.checkpoints.iterdir()] == ["step-00000004"]


def test_a_directory_that_cannot_be_made_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(NotADirectoryError):
        RunDirectory(tmp_path / "file").lock()


def test_remove_tree_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "x").write_bytes(b"")
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    remove_tree(tmp_path / "link")
    remove_tree(tmp_path / "nothing")
    assert (tmp_path / "kept" / "x").exists()
    assert not (tmp_path / "link").is_symlink()
