import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from chefgenius.callbacks import Callback, Outcome, RunInfo, StepInfo
from chefgenius.evaluation.evaluator import Evaluation
from chefgenius.model.generators import seed_ambient
from chefgenius.run.rundir import RunDirectory
from chefgenius.run.signals import StopRequested
from chefgenius.training.optim import state_tensors
from chefgenius.training.tensors import read_tensors
from fitting import QUIET, StopAt, fit, metrics, weights
from running import assert_same_run, opened, outcome, run_here


def test_two_runs_are_equal(tmp_path: Path) -> None:
    fit(tmp_path, run="one")
    fit(tmp_path, run="two")
    assert_same_run(tmp_path / "one", tmp_path / "two")


def test_looking_at_a_run_and_saving_it_change_nothing(tmp_path: Path) -> None:
    fit(tmp_path, run="watched")
    fit(tmp_path, "eval.every_steps=1", "checkpoint.every_steps=1", "log.every_steps=5", run="often")
    fit(tmp_path, *QUIET, "data.prefetch=0", run="quiet")
    assert weights(tmp_path / "often") == weights(tmp_path / "watched") == weights(tmp_path / "quiet")
    assert metrics(tmp_path / "quiet") == metrics(tmp_path / "watched")
    first, *others = metrics(tmp_path / "watched")
    assert metrics(tmp_path / "often") == [first, *others[3::5]]


def test_another_seed_is_another_run(tmp_path: Path) -> None:
    fit(tmp_path, *QUIET, run="one")
    fit(tmp_path, *QUIET, "seed=43", run="two")
    assert metrics(tmp_path / "one")[0]["digest"] != metrics(tmp_path / "two")[0]["digest"]
    assert weights(tmp_path / "one") != weights(tmp_path / "two")


def test_accumulation_gives_the_gradient_of_one_large_batch(tmp_path: Path) -> None:
    # With an eps above their rounding, or else Adam's first update follows the sign of rounding alone.
    plain = (
        *QUIET,
        "model.config.dropout_rate=0.0",
        "train.max_steps=3",
        "data.plan=fixed",
        "optim.eps=1e-4",
    )
    lines = []
    for size, steps in ((2, 4), (4, 2), (8, 1)):
        sizes = (f"data.batch_size={size}", f"train.gradient_accumulation_steps={steps}")
        fit(tmp_path, *plain, *sizes, run=f"run-{size}")
        lines.append(metrics(tmp_path / f"run-{size}"))
    for other in lines[:2]:
        for one, large in zip(other, lines[2], strict=True):
            assert one["samples"] == large["samples"]
            assert one["target_tokens"] == large["target_tokens"]
            assert one["loss"] == pytest.approx(large["loss"], rel=1e-6)
            assert one["grad_norm"] == pytest.approx(large["grad_norm"], rel=1e-5)


def test_steps_never_cross_an_epoch(tmp_path: Path) -> None:
    fit(tmp_path, *QUIET, "train.max_steps=null", "train.epochs=2", "data.plan=fixed")
    lines = metrics(tmp_path / "run")
    samples = [after["samples"] - before["samples"] for before, after in pairwise(lines)]
    assert [line["epoch"] for line in lines] == [0] * 6 + [1] * 6
    assert samples == [8, 8, 8, 8, lines[5]["samples"] - 40, 8, 8, 8, 8, 8, lines[5]["samples"] - 40]
    losses = outcome(tmp_path / "run")["sections"]["losses"]
    assert len(losses["epochs"]) == 2
    assert losses["target_tokens"] == 0


def test_epoch_losses_are_those_of_the_steps(tmp_path: Path) -> None:
    fit(tmp_path, *QUIET, "train.max_steps=6")
    lines = metrics(tmp_path / "run")
    tokens = np.diff([0, *(line["target_tokens"] for line in lines)])
    mean = sum(line["loss"] * count for line, count in zip(lines, tokens, strict=True)) / tokens.sum()
    assert outcome(tmp_path / "run")["sections"]["losses"]["epochs"] == [pytest.approx(mean, rel=1e-6)]


def test_the_best_is_saved_and_kept(tmp_path: Path) -> None:
    fit(tmp_path, "checkpoint.every_steps=1000", "optim.schedule=constant", "train.max_steps=12")
    evaluations = metrics(tmp_path / "run", "evaluation")
    best = min(evaluations, key=lambda line: line["validation_loss"])
    section = outcome(tmp_path / "run")["sections"]["best"]
    kept = [{"step": best["step"], "value": best["validation_loss"]}]
    assert section == {"metric": "validation_loss", "kept": kept}
    assert best["step"] in RunDirectory(tmp_path / "run").steps()


class Drawing(Callback):
    """Code of a user, which draws from an ambient generator in every step."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.drawn: list[float] = []

    def on_step_end(self, info: StepInfo) -> None:
        draw: dict[str, Callable[[], float]] = {
            "python": lambda: random.gauss(0, 1),
            "numpy": lambda: float(np.random.randn()),
            "torch": lambda: torch.randn(1).item(),
            "cuda": lambda: torch.randn(1, device="cuda").item(),
        }
        self.drawn.append(draw[self.kind]())


@pytest.mark.parametrize(
    "kind",
    [
        "python",
        "numpy",
        "torch",
        pytest.param(
            "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
        ),
    ],
)
def test_an_ambient_generator_survives_a_resume(tmp_path: Path, kind: str) -> None:
    whole = Drawing(kind)
    fit(tmp_path, *QUIET, run="whole", callbacks=(whole,))
    first, second = Drawing(kind), Drawing(kind)
    with opened(tmp_path, *QUIET) as trainer:
        trainer.callbacks = [first, StopAt(trainer.stop, step=5)]
        with pytest.raises(StopRequested):
            trainer.fit()
    seed_ambient(99)  # what another process would hold
    fit(tmp_path, *QUIET, callbacks=(second,))
    assert len(whole.drawn) == 10
    assert first.drawn + second.drawn == whole.drawn
    assert_same_run(tmp_path / "run", tmp_path / "whole")


def test_adams_moments_survive_a_resume(tmp_path: Path) -> None:
    fit(tmp_path, *QUIET, "train.max_steps=4")
    saved = read_tensors(tmp_path / "run" / "checkpoints" / "step-00000004" / "optim.safetensors")
    with opened(tmp_path, *QUIET) as trainer:
        loaded = state_tensors(trainer.model, trainer.optimizer)
        assert {name.rpartition("/")[2] for name in loaded} == {"step", "exp_avg", "exp_avg_sq"}
        assert loaded.keys() == saved.keys()
        for name, tensor in saved.items():
            assert torch.equal(loaded[name], tensor), name
            assert tensor.any(), name


def test_the_learning_rate_survives_a_resume(tmp_path: Path) -> None:
    fit(tmp_path, run="whole")
    with opened(tmp_path) as trainer:
        trainer.callbacks = [StopAt(trainer.stop, step=4)]
        with pytest.raises(StopRequested):
            trainer.fit()
    with opened(tmp_path) as trainer:
        assert trainer.schedule.learning_rate == metrics(tmp_path / "whole")[3]["learning_rate"]
        trainer.fit()
    rates = [line["learning_rate"] for line in metrics(tmp_path / "run")]
    assert rates == [line["learning_rate"] for line in metrics(tmp_path / "whole")]
    assert len(set(rates)) == 10


def test_a_new_learning_rate_takes_effect(tmp_path: Path) -> None:
    fit(tmp_path, *QUIET, "train.max_steps=4", "optim.schedule=constant")
    fit(tmp_path, *QUIET, "optim.schedule=constant", "optim.learning_rate=1e-5")
    assert {line["learning_rate"] for line in metrics(tmp_path / "run")[4:]} == {1e-5}


def test_bf16_is_exact_too(tmp_path: Path) -> None:
    low = ("train.precision=bf16", *QUIET)
    fit(tmp_path, *low, run="whole")
    with opened(tmp_path, *low) as trainer:
        trainer.callbacks = [StopAt(trainer.stop, step=5)]
        with pytest.raises(StopRequested):
            trainer.fit()
    fit(tmp_path, *low)
    assert_same_run(tmp_path / "run", tmp_path / "whole")
    fit(tmp_path, *QUIET, run="full")
    assert weights(tmp_path / "full") != weights(tmp_path / "whole")


def test_each_evaluation_among_the_best_is_saved_and_kept(tmp_path: Path) -> None:
    often = ("checkpoint.every_steps=1000", "eval.every_steps=1", "checkpoint.keep_best=3")
    fit(tmp_path, *often, "optim.schedule=constant", "train.max_steps=8")
    evaluations = metrics(tmp_path / "run", "evaluation")
    order = sorted(evaluations, key=lambda line: (line["validation_loss"], line["step"]))
    best = [line["step"] for line in order[:3]]
    assert [one["step"] for one in outcome(tmp_path / "run")["sections"]["best"]["kept"]] == best
    assert set(best) <= set(RunDirectory(tmp_path / "run").steps())


def test_callbacks_see_the_whole_run(tmp_path: Path) -> None:
    class Seen(Callback):
        def __init__(self) -> None:
            self.told: list[tuple[str, Any]] = []

        def on_train_start(self, info: RunInfo) -> None:
            self.told.append(("start", info.step))

        def on_step_end(self, info: StepInfo) -> None:
            self.told.append(("step", info.step))

        def on_eval_end(self, evaluation: Evaluation) -> None:
            self.told.append(("eval", evaluation.step))

        def on_save(self, checkpoint: Path) -> None:
            self.told.append(("save", int(checkpoint.name[5:])))

        def on_train_end(self, outcome: Outcome | None) -> None:
            assert outcome is not None
            self.told.append(("end", outcome.step))

    seen = Seen()
    fit(tmp_path, "train.max_steps=4", callbacks=(seen,))
    told = [one for one in seen.told if one[0] != "save"]
    assert told == [
        ("start", 0),
        ("eval", 0),
        ("step", 1),
        ("step", 2),
        ("step", 3),
        ("step", 4),
        ("eval", 4),
        ("end", 4),
    ]
    assert [one for one in seen.told if one[0] == "save"] == [("save", 0), ("save", 3), ("save", 4)]


def test_a_run_goes_on_in_a_directory_of_its_own(tmp_path: Path) -> None:
    fit(tmp_path, "train.max_steps=7", "checkpoint.keep=9", run="one")
    fit(tmp_path, run="whole")
    origin = tmp_path / "one" / "checkpoints" / "step-00000003"
    length = "optim.schedule=linear"
    words = (length, "--resume", str(origin))
    assert run_here(tmp_path, *words, run="two") == 0
    assert RunDirectory(tmp_path / "two").steps()[-1] >= 3
    lines = metrics(tmp_path / "two")
    assert [line["step"] for line in lines] == list(range(1, 11))
    assert lines[:3] == metrics(tmp_path / "one")[:3]
    assert lines[3]["digest"] == metrics(tmp_path / "whole")[3]["digest"]
