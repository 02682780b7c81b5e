"""`--explain` tells what a start would do, and changes nothing."""

import os
import shutil
import time
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from chefgenius.run.rundir import RunDirectory
from running import run_here
from samples import files_below
from test_checkpoint import rename_one, resealed

QUICK = ("eval.every_steps=0", "checkpoint.every_steps=2")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("explained")
    assert run_here(made, *QUICK, "train.max_steps=4") == 0
    return made


def runs(folder: Path) -> dict[str, bytes]:
    """All files but those of the stores, which are made where they are missing."""
    return {name: data for name, data in files_below(folder).items() if not name.startswith("stores/")}


def explained(
    folder: Path, capsys: pytest.CaptureFixture[str], *words: str, code: int = 0, run: str = "run"
) -> tuple[str, str]:
    """What was printed, and the error; every line fits, paths apart, and no run has changed."""
    before = runs(folder)
    capsys.readouterr()
    assert run_here(folder, *QUICK, *words, "--explain", run=run) == code
    told = capsys.readouterr()
    assert runs(folder) == before
    own = [line for line in told.out.splitlines() if str(folder) not in line]
    assert all(len(line) <= 80 for line in own), max(own, key=len)
    return told.out, told.err


def test_a_run_that_would_go_on(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = RunDirectory(whole / "run").step_path(4)
    written = time.time() - 3 * 3600 - 60
    os.utime(place / "manifest.json", (written, written))
    out, error = explained(whole, capsys, "optim.learning_rate=0.001")
    assert error == ""
    for text in (
        f"checkpoint  {place}\n",
        "            written 3 hours ago, ",
        "all checksums match",
        "stands at   step 4, epoch 0, micro-batch 8\n",
        "free:\n  `optim.learning_rate`: saved `0.005`, here `0.001`\n",
        "      takes effect from here on\n",
        "exact       yes\n",
        "left        6 of 10 steps\n",
        f"would       go on in {whole / 'run'}\n",
    ):
        assert text in out


def test_a_run_that_would_be_refused(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    long = ("train.gradient_accumulation_steps=4", "seed=43", "model.config.dropout_rate=0.25")
    out, error = explained(whole, capsys, *long, code=3)
    assert "not exact, only with" in out
    assert "--allow-change seed,train.gradient_accumulation_steps,model.config" in out.replace("\n", " ")
    assert "  `seed`: saved `42`, here `43`\n      another order, other dropout; goes on" in out
    assert "other batches; the epoch is finished with the saved ones" in out
    assert "`model.config.dropout_rate`: saved `0.1`, here `0.25`" in out
    assert "would " not in out
    assert error.startswith("error: cannot go on from ")


def test_a_run_that_is_in_use_is_refused_as_a_start_would_be(
    whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(RunDirectory(whole / "run").lock()):
        _, error = explained(whole, capsys, code=3)
        assert f"run directory `{whole / 'run'}` is in use by this process" in error
    explained(whole, capsys)


def test_a_run_that_would_go_on_with_leave(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = explained(whole, capsys, "seed=43", "--allow-change", "seed")
    assert "not exact, allowed:\n  `seed`: saved `42`, here `43`" in out
    assert "exact       no, not since step 4\n" in out
    assert "the rest of epoch 0 is left out, going on with epoch 1" in " ".join(out.split())


def test_a_checkpoint_that_would_be_set_aside(
    tmp_path: Path, whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(whole / "run", tmp_path / "run")
    run = RunDirectory(tmp_path / "run")
    (run.step_path(4) / "state.json").write_bytes(b"")
    shutil.copytree(whole / "stores", tmp_path / "stores")
    shutil.copyfile(whole / "recipes.jsonl", tmp_path / "recipes.jsonl")
    assert run_here(tmp_path, *QUICK, "train.max_steps=1", run="makes-the-store") == 0
    out, _ = explained(tmp_path, capsys)
    assert "is damaged: `state.json` has 0 bytes" in out
    assert "it would be set aside; taking the next older one" in out
    assert "stands at   step 2, " in out


def test_a_beginning_and_an_end(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = explained(whole, capsys, run="other")
    assert "checkpoint  none: a new run would begin\n" in out
    assert "left        10 of 10 steps\n" in out
    out, _ = explained(whole, capsys, "train.max_steps=4")
    assert "would       do nothing: the run is finished\n" in out
    assert "To go on raise `train.max_steps`" in " ".join(out.split())


def test_what_a_start_would_refuse_of_logs_and_tensors(
    tmp_path: Path, whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All that stands in the files of a run, and not only in state.json's settings."""
    shutil.copytree(whole, tmp_path / "copy")
    assert run_here(tmp_path / "copy", *QUICK, "train.max_steps=4") == 0  # makes its store
    metrics = tmp_path / "copy" / "run" / "metrics.jsonl"
    plain = metrics.read_bytes()
    metrics.write_bytes(b"[" + plain[1:])
    for more in ((), ("--resume", str(tmp_path / "copy" / "run"), f"run_dir={tmp_path / 'copy' / 'other'}")):
        out, error = explained(tmp_path / "copy", capsys, *more, code=3)
        assert "`metrics.jsonl` has changed" in error.replace(f"{metrics.parent}/", "")
        assert "free:" in out
        assert "would " not in out
    metrics.write_bytes(plain)
    run = RunDirectory(tmp_path / "copy" / "run")
    resealed(run.step_path(4), rename_one, "model.safetensors")
    out, error = explained(tmp_path / "copy", capsys, code=3)
    assert "is of another model: 2 parameters stand on one side only" in error
    assert "would " not in out


def test_room_that_a_start_would_miss(
    whole: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    none = SimpleNamespace(f_bavail=0, f_frsize=512)
    monkeypatch.setattr(os, "statvfs", lambda path: none)
    _, error = explained(whole, capsys, code=74)
    assert "no room for another checkpoint" in error
