"""Runs that are found again: in another directory, beside other stores, behind a disk that fails."""

import errno
import os
import shutil
from pathlib import Path

import pytest
from chefgenius.run import manifest
from chefgenius.run.resume import decide
from chefgenius.run.rundir import RunDirectory
from chefgenius.run.state import ResumeError
from running import outcome, run_here
from test_resume import choose, put

QUICK = ("eval.every_steps=0", "optim.schedule=constant")


@pytest.mark.parametrize("stores", ["moved", "built again"])
def test_a_run_that_moved_with_its_sources_goes_on_exactly(
    tmp_path: Path, stores: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = tmp_path / "old", tmp_path / "elsewhere" / "new"
    old.mkdir()
    assert run_here(old, *QUICK, "train.max_steps=4") == 0
    assert run_here(old, *QUICK, run="whole") == 0
    new.parent.mkdir()
    old.rename(new)
    if stores == "built again":
        shutil.rmtree(new / "stores")
    monkeypatch.chdir(new)
    capsys.readouterr()
    assert run_here(Path(), *QUICK) == 0, "relative paths, and no absolute one of before"
    told = capsys.readouterr().out.replace("\n", "")
    assert "changed: `data.sources`: saved " in told
    assert "not exact" not in told
    found, expected = outcome(new / "run"), outcome(new / "whole")
    for name in ("checkpoint", "model", "optimizer", "metrics"):
        assert found[name] == expected[name], name


def test_a_run_on_a_store_that_moved_goes_on(tmp_path: Path) -> None:
    given = ("data.sources=[]", "data.tokenizer=null", *QUICK)
    assert run_here(tmp_path, *QUICK, "train.max_steps=1", run="makes-the-store") == 0
    (made,) = (tmp_path / "stores").iterdir()
    made.rename(tmp_path / "first")
    store = f"data.store={tmp_path / 'first'}"
    assert run_here(tmp_path, *given, store, "train.max_steps=4") == 0
    (tmp_path / "first").rename(tmp_path / "second")
    assert run_here(tmp_path, *given, f"data.store={tmp_path / 'second'}", "train.max_steps=6") == 0
    assert RunDirectory(tmp_path / "run").steps()[0] == 6


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return put(RunDirectory(tmp_path / "run"), 3, 9)


def fails(run: RunDirectory, monkeypatch: pytest.MonkeyPatch, *steps: int) -> None:
    """The disk gives no byte of these checkpoints."""
    plain = manifest.hash_file

    def read(path: Path) -> str:
        if path.parent in [run.step_path(step) for step in steps]:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return plain(path)

    monkeypatch.setattr(manifest, "hash_file", read)


def test_what_cannot_be_read_stays_and_the_next_is_taken(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        fails(run, patch, 9)
        step, said = choose(run)
    assert step == 3
    assert "step-00000009` cannot be read: [Errno 5] Input/output error" in said[0]
    assert "left as it is, taking the next older one" in said[0]
    assert run.steps() == [9, 3]
    assert choose(run) == (9, []), "it was good all the while"


def test_without_another_it_is_an_error_of_the_disk(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails(run, monkeypatch, 3, 9)
    with pytest.raises(OSError, match="Input/output error") as error:
        decide(run, "auto", lambda text: None)
    assert str(error.value.filename).endswith("step-00000009/state.json")
    assert run.steps() == [9, 3]
    assert run.set_aside() == []


def test_damage_and_a_disk_that_fails_are_kept_apart(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(run, 12)
    (run.step_path(12) / "state.json").write_bytes(b"")
    fails(run, monkeypatch, 9)
    assert choose(run)[0] == 3
    assert run.steps() == [9, 3]
    assert [path.name for path in run.set_aside()] == ["corrupt-step-00000012"]


def test_a_command_ends_with_the_code_of_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_here(tmp_path, *QUICK, "train.max_steps=2") == 0
    run = RunDirectory(tmp_path / "run")
    capsys.readouterr()
    fails(run, monkeypatch, *run.steps())
    assert run_here(tmp_path, *QUICK) == 74
    assert "Input/output error: mend this, then start the same command again" in capsys.readouterr().err


def test_a_checkpoint_made_by_hand_is_named_and_not_set_aside(run: RunDirectory) -> None:
    put(run, 12, facts=None)
    with pytest.raises(ResumeError, match=r"step-00000012` has no readable state\.json"):
        decide(run, "auto", lambda text: None)
    assert run.steps() == [12, 9, 3]
