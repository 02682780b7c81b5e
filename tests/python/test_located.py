"""Which checkpoint a person means."""

from pathlib import Path

import pytest
from chefgenius.run import manifest
from chefgenius.run.inventory import NotFoundError
from chefgenius.run.located import GoneError, locate, standing
from chefgenius.run.rundir import RunDirectory
from chefgenius.run.state import ResumeError
from chefgenius.settings.config import flatten
from chefgenius.settings.options import load
from stored import add_checkpoint, flip

TOLD = ["seed=7", "optim.betas=[0.8,0.9]", "data.sources=[a]", "run_dir=runs/a"]


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    made = RunDirectory(tmp_path / "run")
    config = flatten(load(None, TOLD))
    for step in (3, 6, 9):
        add_checkpoint(made, step, best_step=6, config=config)
    return made


@pytest.mark.parametrize(("asked", "step"), [(None, 6), ("best", 6), ("newest", 9), ("3", 3)])
def test_a_run_is_asked_for_one_of_its_checkpoints(run: RunDirectory, asked: str | None, step: int) -> None:
    found = locate(run.path, asked)
    assert (found.step, found.directory, found.run) == (step, run.step_path(step), run.path)
    assert found.config == load(
        None, ["seed=7", "optim.betas=[0.8,0.9]", "data.sources=[a]", "run_dir=runs/a"]
    )
    assert found.told.startswith(f"step {step} of ")


def test_a_newer_one_that_is_damaged_is_passed_over_with_a_warning(run: RunDirectory) -> None:
    assert [locate(run.path, asked).warning for asked in (None, "best", "newest", "3")] == [""] * 4
    (run.step_path(9) / "model.safetensors").unlink()
    for asked, taken in ((None, 6), ("best", 6), ("newest", 6)):
        found = locate(run.path, asked)
        assert found.step == taken
        assert found.warning == (
            f"warning: `{run.step_path(9)}` is damaged and passed over: `model.safetensors` is missing; "
            f"`step-{taken:08d}` is taken"
        )
    assert locate(run.path, "3").warning == locate(run.step_path(3)).warning == ""


def test_a_checkpoint_is_itself(run: RunDirectory) -> None:
    assert locate(run.step_path(3)).step == 3
    with pytest.raises(NotFoundError, match="leave the step out"):
        locate(run.step_path(3), "best")


def test_without_evaluations_the_newest_is_taken(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    add_checkpoint(run, 4, config=flatten(load()))
    assert locate(run.path).step == 4
    with pytest.raises(NotFoundError, match="knows no best step"):
        locate(run.path, "best")


def test_a_model_alone_has_no_run(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    found = locate(tmp_path)
    assert (found.step, found.run, found.directory) == (None, None, tmp_path)
    with pytest.raises(NotFoundError, match="leave `--checkpoint` out"):
        locate(tmp_path, "best")


def test_what_is_damaged_or_foreign_is_refused(run: RunDirectory, tmp_path: Path) -> None:
    flip(run, 6)
    with pytest.raises(ResumeError, match=r"is damaged: the checksum of .*another one with `--checkpoint N`"):
        locate(run.path)
    assert locate(run.path, "9").step == 9
    for asked in ("x", "5"):
        with pytest.raises(NotFoundError):
            locate(run.path, asked)
    with pytest.raises(NotFoundError, match="no such checkpoint or run"):
        locate(tmp_path / "nothing")
    add_checkpoint(run, 12, config={"no.such.key": 1})
    with pytest.raises(ResumeError, match="settings that are not known here"):
        locate(run.path, "12")


def test_what_a_trainer_removes_meanwhile_is_passed_over_or_told(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    verify, removed = manifest.verify, list[int]()

    def late(path: Path) -> object:
        newest = run.steps()[0]
        if path == run.step_path(newest) and newest == 9:
            removed.append(newest)
            run.delete(newest)
        return verify(path)

    monkeypatch.setattr("chefgenius.run.located.verify", late)
    assert locate(run.path, "newest").step == 6
    assert removed == [9]

    @standing(run.step_path(6))
    def read(step: int) -> None:
        run.delete(step)
        raise FileNotFoundError("check the path in `data.tokenizer`")

    with pytest.raises(FileNotFoundError):  # what still stands has other troubles
        read(3)
    with pytest.raises(GoneError, match=r"step-00000006` was removed while it was read.*start this command"):
        read(6)
