"""`--init-from`: a new run that takes weights, and no more."""

import json
import shutil
from pathlib import Path

import pytest
from chefgenius import ckpt
from chefgenius.run.rundir import RunDirectory
from chefgenius.training.trainer import Trainer
from running import run_here
from safetensors.torch import load_file
from samples import files_below
from transformers.utils.logging import disable_progress_bar, enable_progress_bar

QUICK = ("eval.every_steps=0",)
NEW = (*QUICK, "model.config=null", "data.tokenizer=null", "train.max_steps=2")


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A run that stands at step 3, with a checkpoint of step 0 besides."""
    assert run_here(tmp_path, *QUICK, "train.max_steps=3") == 0
    return tmp_path / "run"


def begin(folder: Path, path: Path | str, *words: str, run: str = "new") -> int:
    return run_here(folder, *NEW, *words, "--init-from", str(path), run=run)


def weights(run: Path, step: int) -> dict[str, list[float]]:
    path = RunDirectory(run).step_path(step) / "model.safetensors"
    return {name: tensor.flatten().tolist() for name, tensor in load_file(path).items()}


@pytest.mark.parametrize("what", ["run", "checkpoint", "plain"])
def test_weights_alone_are_taken(
    tmp_path: Path, base: Path, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    last = RunDirectory(base).step_path(3)
    plain = tmp_path / "plain"
    plain.mkdir()
    for name in ("model.safetensors", "config.json", "tokenizer.json"):
        shutil.copyfile(last / name, plain / name)
    given = {"run": base, "checkpoint": last, "plain": plain}[what]
    assert begin(tmp_path, given) == 0
    told = capsys.readouterr().out.replace("\n", "")
    assert f"weights from {plain if what == 'plain' else last}" in told
    assert weights(tmp_path / "new", 0) == weights(base, 3)
    assert weights(tmp_path / "new", 2) != weights(base, 3)
    state = json.loads((RunDirectory(tmp_path / "new").step_path(2) / "state.json").read_bytes())
    assert state["sections"]["progress"]["step"] == 2
    assert (
        not (RunDirectory(tmp_path / "new").step_path(0) / "optim.safetensors").read_bytes().count(b"exp_avg")
    )
    lines = (tmp_path / "new" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2]


def test_the_kernel_of_attention_that_is_asked_for_is_taken(tmp_path: Path, base: Path) -> None:
    assert begin(tmp_path, base, "model.attention=eager") == 0
    assert json.loads((tmp_path / "new" / "run.json").read_text())["facts"]["attention"] == "eager"


def test_an_adapter_begins_on_the_weights(tmp_path: Path, base: Path) -> None:
    words = ("model.lora.rank=2", "optim.learning_rate=0.1")
    assert begin(tmp_path, base, *words, "train.max_steps=1") == 0
    assert begin(tmp_path, base, *words) == 0, "the same command goes on"
    last = RunDirectory(tmp_path / "new").step_path(2)
    assert not (last / "model.safetensors").exists()
    named = json.loads((last / "adapter_config.json").read_bytes())["base_model_name_or_path"]
    assert Path(named) == RunDirectory(base).step_path(3)
    whole = tmp_path / "whole"
    assert ckpt.main(["export", str(tmp_path / "new"), str(whole)]) == 0
    assert begin(tmp_path, whole, run="next") == 0, "a new run begins from what was merged"
    assert weights(tmp_path / "next", 0).keys() == weights(base, 3).keys()


def test_the_same_command_goes_on(tmp_path: Path, base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert begin(tmp_path, base, "train.max_steps=1") == 0
    (RunDirectory(base).step_path(3) / "model.safetensors").unlink()  # it is not needed again
    assert begin(tmp_path, base) == 0
    assert "going on from" in capsys.readouterr().out
    assert RunDirectory(tmp_path / "new").steps()[0] == 2


def killed(folder: Path, path: Path, patch: pytest.MonkeyPatch) -> None:
    """A run that was killed before its first save."""

    def stop(trainer: Trainer) -> None:
        raise KeyboardInterrupt

    with patch.context() as context:
        context.setattr(Trainer, "fit", stop)
        assert begin(folder, path) == 130
    assert not RunDirectory(folder / "new").steps()


def test_a_run_killed_before_its_first_save_begins_with_the_same_weights(
    tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    last = RunDirectory(base).step_path(3)
    killed(tmp_path, base, monkeypatch)
    assert run_here(tmp_path, *QUICK, "train.max_steps=4") == 0, "a newer checkpoint, which is not meant"
    capsys.readouterr()
    assert run_here(tmp_path, *QUICK, run="new") == 3
    assert f"start it with `--init-from {last}`" in capsys.readouterr().err
    assert begin(tmp_path, base) == 0
    assert weights(tmp_path / "new", 0) == weights(base, 3)


def test_other_weights_in_their_place_are_refused(
    tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    last = RunDirectory(base).step_path(3)
    killed(tmp_path, last, monkeypatch)
    before = files_below(tmp_path / "new")
    shutil.copyfile(RunDirectory(base).step_path(0) / "model.safetensors", last / "model.safetensors")
    capsys.readouterr()
    assert begin(tmp_path, last) == 3
    assert "those in" in capsys.readouterr().err
    shutil.rmtree(last)
    assert begin(tmp_path, last) == 3
    assert "which are gone or others now" in capsys.readouterr().err
    assert files_below(tmp_path / "new") == before


def test_weights_that_moved_are_known_by_their_contents(
    tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed(tmp_path, base, monkeypatch)
    base.rename(tmp_path / "moved")
    assert begin(tmp_path, tmp_path / "moved") == 0
    assert weights(tmp_path / "new", 0) == weights(tmp_path / "moved", 3)


def test_what_cannot_be_taken_is_named(
    tmp_path: Path, base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    last = RunDirectory(base).step_path(3)

    def told(code: int, expected: int = 3) -> str:
        error = capsys.readouterr().err
        assert code == expected, error
        return error

    capsys.readouterr()
    assert "has no file `model.safetensors`" in told(begin(tmp_path, tmp_path / "none"))
    assert "give either `--init-from` or `--resume PATH`" in told(
        begin(tmp_path, base, "--resume", str(base)), 2
    )
    other = begin(tmp_path, base, "model.config={model_type: bart}")
    assert "give either `--init-from` or `model.config`" in told(other, 2)
    assert "holds a run that did not begin from" in told(begin(tmp_path, base, run="run"))
    (last / "optim.safetensors").write_bytes(b"")
    assert "is damaged: `optim.safetensors` has 0 bytes" in told(begin(tmp_path, last))
    assert RunDirectory(base).steps()[0] == 3, "another run is not touched"
    assert begin(tmp_path, base) == 0
    assert "step-00000000" in capsys.readouterr().out.replace("\n", ""), "the newest good one"
    assert "those in" in told(begin(tmp_path, last, run="new"))


def test_no_bar_stands_where_there_is_no_terminal(
    tmp_path: Path, base: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    enable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        assert begin(tmp_path, base) == 0
    finally:
        disable_progress_bar()  # type: ignore[no-untyped-call]
    told = capfd.readouterr()
    assert "weights from" in told.out
    assert "%|" not in told.out + told.err
