"""Where a run may begin: it replaces nothing that no run wrote, and leaves nothing after a refusal."""

import shutil
from pathlib import Path

import pytest
from chefgenius.run.rundir import FILES, RunDirectory
from running import run_here
from samples import files_below

QUICK = ("eval.every_steps=0", "train.max_steps=2", "checkpoint.every_steps=1")


@pytest.mark.parametrize("wish", ["auto", "never"])
def test_a_run_begins_only_where_it_replaces_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], wish: str
) -> None:
    home = tmp_path / "run"
    (home / ".work.new").mkdir(parents=True)
    own = [home / ".work.new" / "notes", home / ".bashrc.new"]
    for path in (*own, *(home / name for name in FILES)):
        path.write_text('{"step": 1, "loss": 3.0}\n')
    while strange := [name for name in FILES if (home / name).exists()]:
        before = files_below(home)
        assert run_here(tmp_path, *QUICK, "--resume", wish) == 3
        assert files_below(home) == before
        (home / strange[-1]).unlink()
    assert "is there already, and no run wrote it" in capsys.readouterr().err
    assert run_here(tmp_path, *QUICK, "--resume", wish) == 0
    assert all(path.read_text() == '{"step": 1, "loss": 3.0}\n' for path in own)


def test_a_run_that_lost_its_checkpoints_does_not_begin_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither at step 0 nor at the checkpoint of another run that it began from."""
    assert run_here(tmp_path, *QUICK) == 0
    source = str(RunDirectory(tmp_path / "run").step_path(1))
    assert run_here(tmp_path, *QUICK, "--resume", source, run="other") == 0
    for run, words in (("other", ()), ("other", ("--resume", source)), ("run", ())):
        shutil.rmtree(tmp_path / run / "checkpoints", ignore_errors=True)
        before = files_below(tmp_path / run)
        capsys.readouterr()
        assert run_here(tmp_path, *QUICK, *words, run=run) == 3
        assert "tells of steps, but" in capsys.readouterr().err
        assert files_below(tmp_path / run) == before


@pytest.mark.parametrize("words", [("--resume", "must"), ("--init-from", "nowhere"), ("--resume", "nowhere")])
def test_a_refused_start_leaves_no_directory(tmp_path: Path, words: tuple[str, str]) -> None:
    assert run_here(tmp_path, *QUICK, *words) == 3
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("explain", [(), ("--explain",)])
def test_a_checkpoint_of_another_run_finishes_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], explain: tuple[str, ...]
) -> None:
    """Copied in among a run's own, and past its end: the logs do not tell of it."""
    longer = (*QUICK, "train.max_steps=4", "optim.learning_rate=0.02", "optim.schedule=constant")
    assert run_here(tmp_path, *longer, run="longer") == 0
    assert run_here(tmp_path, *QUICK, "optim.schedule=constant") == 0
    home = RunDirectory(tmp_path / "run")
    shutil.copytree(RunDirectory(tmp_path / "longer").step_path(4), home.step_path(4))
    before = files_below(home.path)
    capsys.readouterr()
    assert run_here(tmp_path, *QUICK, "optim.schedule=constant", *explain) == 3
    told = capsys.readouterr()
    assert "metrics.jsonl" in told.err
    assert "finished: " not in told.out
    assert files_below(home.path) == before
    shutil.rmtree(home.step_path(4))
    assert run_here(tmp_path, *QUICK, "optim.schedule=constant", *explain) == 0
