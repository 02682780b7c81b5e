"""The scale of the loss under fp16: a closed form of what was, saved with the run, and no divergence."""

from pathlib import Path

import pytest
import torch
from chefgenius.run.signals import StopRequested
from chefgenius.run.state import DivergedError, Registry, ResumeError
from chefgenius.training.scaler import CEILING, FIRST, FLOOR, INTERVAL, LossScale
from chefgenius.training.trainer import Trainer
from fitting import QUIET, StopAt, fit, metrics, stop_at
from running import assert_same_run, opened, outcome

FP16 = ("train.precision=fp16", *QUIET)


def test_it_moves_as_torchs_own_does() -> None:
    """Against `torch.amp.GradScaler`, told the same overflows."""
    theirs = torch.amp.GradScaler("cpu", init_scale=FIRST, growth_interval=INTERVAL)
    ours = LossScale()
    weight = torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([weight], lr=0.0)
    overflows = {1, 2, 50, 2049, 2050, 4200}
    for step in range(1, 6400):
        weight.grad = torch.full((1,), float("inf") if step in overflows else 1.0)
        theirs.scale(torch.zeros(1))
        theirs.step(optimizer)
        theirs.update()
        ours.update(overflow=step in overflows)
        assert ours.scale == theirs.get_scale(), step
    assert ours.overflows == len(overflows)
    assert ours.scale == FIRST / 2**6 * 2**2


def test_it_ends_at_its_floor_and_its_ceiling() -> None:
    low = LossScale()
    while low.is_overflow(1.0, float("inf")):
        low.update(overflow=True)
    assert (low.scale, low.overflows) == (FLOOR, 16)
    high = LossScale(CEILING, INTERVAL - 1)
    high.update(overflow=False)
    assert (high.scale, high.good_steps) == (CEILING, 0)


def test_a_loss_that_is_not_finite_is_no_overflow() -> None:
    scale = LossScale()
    assert scale.is_overflow(1.0, float("inf"))
    assert scale.is_overflow(1.0, float("nan"))
    assert not scale.is_overflow(float("nan"), float("nan"))
    assert not scale.is_overflow(1.0, 1.0)


@pytest.mark.parametrize(
    "change",
    [{"scale": 3.0}, {"scale": 0.5}, {"scale": 2.0**25}, {"good_steps": INTERVAL}, {"good_steps": -1}],
)
def test_a_section_that_cannot_be_is_refused(change: dict[str, float]) -> None:
    registry, scale = Registry(), LossScale(8.0, 3, 1)
    registry.register("scaler", scale)
    saved = scale.state_dict()
    with pytest.raises(ResumeError, match="section `scaler` of the saved state does not fit"):
        registry.load_state_dict({"scaler": {**saved, **change}})
    assert scale.state_dict() == saved


def overflowing(trainer: Trainer, steps: set[int]) -> None:
    """Gradients that overflow at these steps as long as the scale of the loss is above 2^14."""
    weight = next(trainer.model.parameters())

    def hook(gradient: torch.Tensor) -> torch.Tensor:
        memory = trainer.memory
        bad = memory.progress.step + 1 in steps and memory.scale.scale > 2.0**14
        return gradient * float("inf") if bad else gradient

    weight.register_hook(hook)  # type: ignore[no-untyped-call]


def test_an_overflow_counts_as_a_step_and_moves_nothing(tmp_path: Path) -> None:
    fit(tmp_path, *FP16, "train.max_steps=1", "optim.schedule=constant", run="before")
    with opened(tmp_path, *FP16, "train.max_steps=2", "optim.schedule=constant") as trainer:
        overflowing(trainer, {2})
        trainer.fit()
    assert outcome(tmp_path / "run")["model"] == outcome(tmp_path / "before")["model"]
    first, second = metrics(tmp_path / "run")
    assert first["loss_scale"] == second["loss_scale"] == 2.0**16
    assert second["loss"] is not None
    assert second["grad_norm"] is None
    assert "skipped" not in second
    sections = outcome(tmp_path / "run")["sections"]
    assert sections["scaler"] == {"scale": 2.0**15, "good_steps": 0, "overflows": 1}
    assert sections["tombstones"] == {"skipped": []}


def test_a_resume_around_overflows_is_exact(tmp_path: Path) -> None:
    with opened(tmp_path, *FP16, run="whole") as trainer:
        overflowing(trainer, {3, 4})
        trainer.fit()
    for at in (3, 4, 5, None):
        with opened(tmp_path, *FP16) as trainer:
            overflowing(trainer, {3, 4})
            if at is None:
                trainer.fit()
                continue
            trainer.callbacks = [StopAt(trainer.stop, step=at)]
            with pytest.raises(StopRequested):
                trainer.fit()
    assert_same_run(tmp_path / "run", tmp_path / "whole")
    assert outcome(tmp_path / "run")["sections"]["scaler"]["overflows"] == 2
    assert [line["loss_scale"] for line in metrics(tmp_path / "run")][1:6] == [
        2.0**16,
        2.0**16,
        2.0**15,
        2.0**14,
        2.0**14,
    ]


def test_an_overflow_at_the_floor_is_a_divergence(tmp_path: Path) -> None:
    with opened(tmp_path, *FP16) as trainer:
        trainer.memory.scale.scale = FLOOR
        weight = next(trainer.model.parameters())
        weight.register_hook(lambda gradient: gradient * float("inf"))  # type: ignore[no-untyped-call]
        with pytest.raises(DivergedError, match=r"diverged in step 1: .* step 0 is saved"):
            trainer.fit()


def test_fp16_follows_float32(tmp_path: Path) -> None:
    """The parameters are float32, and the scale does not show: the losses are nearly the same."""
    dropout = ("model.config.dropout_rate=0.0",)
    fit(tmp_path, *FP16, *dropout, run="half")
    fit(tmp_path, *QUIET, *dropout, run="full")
    half, full = metrics(tmp_path / "half"), metrics(tmp_path / "full")
    assert [one["loss"] for one in half] != [one["loss"] for one in full]
    for one, other in zip(half, full, strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=2e-3)
        assert one["grad_norm"] == pytest.approx(other["grad_norm"], rel=0.03)
    assert "loss_scale" not in full[0]
    stop_at(tmp_path, *FP16, *dropout, step=4)
    fit(tmp_path, *FP16, *dropout)
    assert_same_run(tmp_path / "run", tmp_path / "half")
