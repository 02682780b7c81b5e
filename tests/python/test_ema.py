"""Averages of the weights: what they are, that training does not see them, that a resume keeps each bit."""

from pathlib import Path

import pytest
import torch
from chefgenius import ckpt
from chefgenius.callbacks import Callback, StepInfo
from chefgenius.run.base import AVERAGES
from chefgenius.run.rundir import RunDirectory
from chefgenius.run.state import ResumeError
from chefgenius.training.ema import Averages, decay_at
from chefgenius.training.tensors import read_tensors
from fitting import QUIET, fit, metrics, stop_at
from running import assert_same_run, opened, outcome, refused, run_here
from torch import Tensor, nn
from transformers import AutoModelForSeq2SeqLM

EMA = ("train.ema_decay=0.9",)


def test_the_past_weighs_less_in_the_first_steps() -> None:
    assert [decay_at(step, 0.5) for step in (1, 2, 7, 8, 9)] == [2 / 11, 0.25, 8 / 17, 0.5, 0.5]
    assert decay_at(10**6, 0.999) == 0.999


def test_averages_equal_their_naive_twin() -> None:
    weight = nn.Parameter(torch.tensor([1.0, -2.0]))
    frozen = nn.Parameter(torch.ones(2), requires_grad=False)
    averages, expected = Averages({"weight": weight}, 0.6), weight.detach().double()
    for step in range(1, 30):
        with torch.no_grad():
            weight.mul_(-0.9).add_(step)
        averages.update(step)
        past = min(0.6, (1 + step) / (10 + step))
        expected = past * expected + (1 - past) * weight.detach().double()
        found = averages.over({"a": weight, "b": frozen})
        torch.testing.assert_close(found["a"].double(), expected, rtol=1e-5, atol=1e-5)
        assert found["b"] is frozen


def test_in_place_swaps_and_puts_every_bit_back() -> None:
    weight = nn.Parameter(torch.tensor([1.0, -0.0, float("nan")]))
    averages = Averages({"weight": weight}, 0.5)
    with torch.no_grad():
        weight.add_(1)
    before, mean = weight.detach().clone(), averages.over({"": weight})[""].clone()
    place = weight.data_ptr()
    seen: list[object] = []

    def stopped() -> None:
        with averages.in_place():
            seen.extend(weight.detach().view(torch.int32).tolist())
            seen.append(weight.data_ptr())
            raise KeyError

    with pytest.raises(KeyError):
        stopped()
    assert seen == [*mean.view(torch.int32).tolist(), place]
    assert weight.detach().view(torch.int32).tolist() == before.view(torch.int32).tolist()
    assert averages.over({"": weight})[""].view(torch.int32).tolist() == mean.view(torch.int32).tolist()


class Watch(Callback):
    """Averages made by hand from the weights after each step."""

    def __init__(self) -> None:
        self.mean: dict[str, Tensor] = {}
        self.model: nn.Module | None = None

    def begin(self, model: nn.Module) -> None:
        self.model = model
        self.mean = {name: one.detach().double() for name, one in model.named_parameters()}

    def on_step_end(self, info: StepInfo) -> None:
        assert self.model is not None
        past = decay_at(info.step, 0.9)
        for name, one in self.model.named_parameters():
            self.mean[name] = past * self.mean[name] + (1 - past) * one.detach().double()


def test_training_does_not_see_them_and_an_evaluation_may(tmp_path: Path) -> None:
    watch = Watch()
    with opened(tmp_path, *EMA, "eval.use_ema=true", run="judged", callbacks=[watch]) as trainer:
        watch.begin(trainer.model)
        trainer.fit()
    fit(tmp_path, *EMA, run="kept")
    fit(tmp_path, run="plain")
    judged, kept, plain = (outcome(tmp_path / name) for name in ("judged", "kept", "plain"))
    assert judged["model"] == kept["model"] == plain["model"]
    assert judged["optimizer"] == kept["optimizer"] == plain["optimizer"]
    assert kept["metrics"] == plain["metrics"]
    assert metrics(tmp_path / "judged") == metrics(tmp_path / "plain")
    losses = [
        [line["validation_loss"] for line in metrics(tmp_path / name, "evaluation")]
        for name in ("judged", "plain")
    ]
    assert losses[0][0] == losses[1][0]
    assert all(one != other for one, other in zip(losses[0][1:], losses[1][1:], strict=True))
    means = [
        read_tensors(RunDirectory(tmp_path / name).step_path(10) / AVERAGES) for name in ("judged", "kept")
    ]
    assert set(means[0]) == set(watch.mean)
    for name, one in means[0].items():
        assert torch.equal(one, means[1][name])
        torch.testing.assert_close(one.double(), watch.mean[name], rtol=1e-4, atol=1e-5)


def test_a_resume_keeps_every_bit(tmp_path: Path) -> None:
    fit(tmp_path, *EMA, "eval.use_ema=true", run="whole")
    for step in (2, 5, 6):
        stop_at(tmp_path, *EMA, "eval.use_ema=true", step=step)
    fit(tmp_path, *EMA, "eval.use_ema=true")
    assert_same_run(tmp_path / "run", tmp_path / "whole")
    assert len(outcome(tmp_path / "run")["averages"]) > 1000


def test_averages_are_verified_and_never_begin_anew_in_silence(tmp_path: Path) -> None:
    stop_at(tmp_path, *EMA, *QUIET, step=3)
    with opened(tmp_path, *EMA, *QUIET) as trainer:
        assert trainer.checkpoints.averages is not None
    run = RunDirectory(tmp_path / "run")
    with pytest.raises(ResumeError, match=r"`train.ema_decay`: *saved `0.9`, here `0.5`"):
        fit(tmp_path, "train.ema_decay=0.5", *QUIET)
    path = run.step_path(3) / AVERAGES
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with opened(tmp_path, *EMA, *QUIET) as trainer:
        assert trainer.memory.progress.step == 0
    assert [one.name.split(".")[0] for one in run.set_aside()] == ["corrupt-step-00000003"]


def test_averages_may_begin_later_with_leave(tmp_path: Path) -> None:
    stop_at(tmp_path, *QUIET, step=3)
    weights = read_tensors(RunDirectory(tmp_path / "run").step_path(3) / "model.safetensors")
    assert run_here(tmp_path, *EMA, *QUIET, "train.max_steps=3", "--allow-change", "ema_decay") == 0
    assert run_here(tmp_path, *EMA, *QUIET, "train.max_steps=4", "--allow-change", "ema_decay") == 0
    run = RunDirectory(tmp_path / "run").step_path(4)
    after, means = read_tensors(run / "model.safetensors"), read_tensors(run / AVERAGES)
    past = decay_at(4, 0.9)
    for name, one in means.items():
        expected = past * weights[name].double() + (1 - past) * after[name].double()
        torch.testing.assert_close(one.double(), expected, rtol=1e-5, atol=1e-6)


def test_judging_averages_that_are_not_kept_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run_here(tmp_path, "eval.use_ema=true")
    assert "`eval.use_ema` needs averages to judge: set `train.ema_decay`" in refused(capsys, code, 2)


def test_averages_are_exported_by_choice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fit(tmp_path, *EMA, *QUIET, "train.max_steps=3")
    saved = RunDirectory(tmp_path / "run").step_path(3)
    for option, file in (([], "model.safetensors"), (["--ema"], AVERAGES)):
        out = tmp_path / f"out-{file}"
        assert ckpt.main(["export", str(tmp_path / "run"), str(out), *option]) == 0
        assert not (out / AVERAGES).exists()
        assert (out / "model.safetensors").read_bytes() == (saved / file).read_bytes()
    assert "the averaged model of" in capsys.readouterr().out
    model = AutoModelForSeq2SeqLM.from_pretrained(tmp_path / f"out-{AVERAGES}")
    means = read_tensors(saved / AVERAGES)
    assert all(torch.equal(one, means[name]) for name, one in model.named_parameters())
    fit(tmp_path, *QUIET, "train.max_steps=1", run="plain")
    assert ckpt.main(["export", str(tmp_path / "plain"), str(tmp_path / "none"), "--ema"]) == 2
    assert "holds no averages of the weights" in capsys.readouterr().err
