"""A run ends when a metric does not get better: at the same step however it was stopped, and says so."""

import json
import random
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from chefgenius.evaluation.evaluator import Evaluation, Evaluator
from chefgenius.run.rundir import RunDirectory
from chefgenius.settings import options
from chefgenius.settings.config import ConfigError
from chefgenius.settings.measures import MEASURES
from chefgenius.settings.watching import EarlyStoppingConfig
from chefgenius.training.early_stopping import EarlyStopping
from fitting import fit, metrics, stop_at
from running import COUNTING, Nursery, assert_same_run, opened, outcome, run_here, words

SOON = (
    "eval.early_stopping.metric=validation_loss",
    "eval.early_stopping.patience=2",
    "eval.early_stopping.min_delta=100",  # nothing is ever so much better
    "eval.every_steps=2",
)


def naive(values: Sequence[float | None], patience: int, delta: float, higher: bool) -> int | None:
    """The twin: at which value the run ends; None where it does not."""
    for end in range(len(values)):
        best: float | None = None
        best_at = -1
        for at, value in enumerate(values[: end + 1]):
            if value is None:
                continue
            if best is None or (value - best > delta if higher else best - value > delta):
                best, best_at = value, at
        if end - best_at >= patience:
            return end
    return None


def test_the_end_is_that_of_the_naive_twin() -> None:
    chance = random.Random(2)
    ends = 0
    for _ in range(400):
        metric = chance.choice(["validation_loss", "bleu"])
        settings = EarlyStoppingConfig(
            metric=metric, patience=chance.randint(1, 4), min_delta=chance.choice([0.0, 1.0])
        )
        values = [chance.choice([None, *map(float, range(6))]) for _ in range(10)]
        found, stopping = None, EarlyStopping(settings)
        for at, value in enumerate(values):
            again = EarlyStopping(settings)
            again.load_state_dict(json.loads(json.dumps(stopping.state_dict())))
            stopping = again  # as after a kill between any two
            stopping.judge(value, at)
            if stopping.reached:
                found = at
                break
        ends += found is not None
        higher = MEASURES[metric].higher_is_better
        assert found == naive(values, settings.patience, settings.min_delta, higher)
    assert 100 < ends < 400


def test_without_a_metric_nothing_is_counted() -> None:
    stopping = EarlyStopping()
    for step in range(10):
        stopping.judge(1.0, step)
    assert not stopping.reached
    assert stopping.state_dict() == {"metric": None, "best": None, "best_step": None, "evaluations": 0}


def test_another_metric_counts_anew_and_other_patience_takes_effect() -> None:
    settings = EarlyStoppingConfig(metric="bleu", patience=2)
    stopping = EarlyStopping(settings)
    for step, value in enumerate((3.0, 2.0, 2.5)):
        stopping.judge(value, step)
    assert stopping.reached
    assert stopping.told == "`bleu` did not get better than 3 of step 0 in 2 evaluations"
    more = EarlyStopping(settings.model_copy(update={"patience": 3}))
    more.load_state_dict(stopping.state_dict())
    assert not more.reached
    other = EarlyStopping(settings.model_copy(update={"metric": "chrf"}))
    other.load_state_dict(stopping.state_dict())
    assert other.waiting.evaluations == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("eval.best_metric=blue", "`eval.best_metric`: unknown metric `blue`: did you mean `bleu`"),
        ("eval.early_stopping.metric=loss", "unknown metric `loss`: known are validation_loss, perplexity"),
        ("eval.best_metric=bleu", "add `bleu` to `eval.metrics`"),
        ("eval.early_stopping.metric=parsed eval.prompts=0", "raise `eval.prompts`"),
        ("eval.early_stopping.metric=validation_loss eval.every_steps=0", "raise `eval.every_steps`"),
        ("eval.metrics=[recipe,meteor]", "`eval.metrics`"),
        ("eval.early_stopping.patience=0", "`eval.early_stopping.patience`"),
    ],
)
def test_what_nothing_computes_cannot_decide(words: str, told: str) -> None:
    with pytest.raises(ConfigError) as error:
        options.load(None, words.split())
    assert told in str(error.value)


def test_a_run_ends_early_says_so_and_is_finished(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_here(tmp_path, *SOON) == 0
    told = capsys.readouterr().out
    evaluations = metrics(tmp_path / "run", "evaluation")
    assert [line["step"] for line in evaluations] == [0, 2, 4]
    first = evaluations[0]["validation_loss"]
    reason = f"`validation_loss` did not get better than {first:.6g} of step 0 in 2 evaluations"
    assert f"ended early at step 4: {reason}\n" in told
    assert evaluations[-1]["prompts"] == 3, "the last one is judged like the first"
    assert RunDirectory(tmp_path / "run").steps()[0] == 4
    assert json.loads((tmp_path / "run" / "run.json").read_text())["finished"] == 4
    before = outcome(tmp_path / "run")
    for explain in ((), ("--explain",)):
        assert run_here(tmp_path, *SOON, *explain) == 0
        told = " ".join(capsys.readouterr().out.split())
        assert "is at step 4, where it ended early: `validation_loss` did not get better" in told
        assert "raise `eval.early_stopping.patience`" in told
    assert outcome(tmp_path / "run") == before
    assert run_here(tmp_path, *SOON, "eval.early_stopping.patience=3") == 0
    assert [line["step"] for line in metrics(tmp_path / "run", "evaluation")] == [0, 2, 4, 6]
    told = capsys.readouterr().out
    assert "changed: `eval.early_stopping.patience`: saved `2`, here `3`\n" in told


@pytest.mark.parametrize("step", [pytest.param(1, marks=pytest.mark.long), 2, 4])
def test_a_resume_in_the_middle_is_exact(tmp_path: Path, step: int) -> None:
    fit(tmp_path, *SOON, run="whole")
    stop_at(tmp_path, *SOON, step=step)  # 4: inside its evaluation, which decides
    if step == 4:
        assert outcome(tmp_path / "run")["sections"]["pending"]["work"] == ["eval", "samples"]
    fit(tmp_path, *SOON)
    assert_same_run(tmp_path / "run", tmp_path / "whole")
    assert RunDirectory(tmp_path / "run").steps()[0] == 4


def test_a_run_that_was_killed_before_it_was_finished_ends_there(tmp_path: Path) -> None:
    fit(tmp_path, *SOON, run="whole")  # `finished` is not noted by `fit`
    with opened(tmp_path, *SOON, run="whole") as trainer:
        trainer.fit()
        assert trainer.memory.progress.step == 4
    assert run_here(tmp_path, *SOON, run="whole") == 0
    assert json.loads((tmp_path / "whole" / "run.json").read_text())["finished"] == 4


class Chosen:
    """Evaluations of a metric of texts as they are wanted, in the place of those of the model."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, metric: str, values: dict[int, float]) -> None:
        self.prompts: list[int] = []
        plain = Evaluator.evaluate

        def evaluate(evaluator: Evaluator, step: int, epoch: int, prompts: int) -> Any:
            self.prompts.append(prompts)
            made, samples = plain(evaluator, step, epoch, prompts)
            evaluation: Evaluation = replace(made, scores={**made.scores, metric: values[step]})
            return evaluation, samples

        monkeypatch.setattr(Evaluator, "evaluate", evaluate)


def test_the_best_by_a_metric_of_texts_is_saved_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from chefgenius import ckpt

    values = {0: 0.1, 2: 0.4, 4: 0.9, 6: 0.2, 8: 0.9, 10: 0.3}
    chosen = Chosen(monkeypatch, "ingredients_used", values)
    by = ("eval.best_metric=ingredients_used", "eval.every_steps=2", "checkpoint.every_steps=100")
    assert run_here(tmp_path, *by) == 0
    assert chosen.prompts == [3] * 6, "as many texts each time, so that they can be compared"
    assert "best asked ingredients that are used 90 % at step 4\n" in capsys.readouterr().out
    run = tmp_path / "run"
    section = outcome(run)["sections"]["best"]
    assert section == {"metric": "ingredients_used", "kept": [{"step": 4, "value": 0.9}]}
    assert RunDirectory(run).steps() == [10, 4, 2] or RunDirectory(run).steps() == [10, 4]
    assert ckpt.main(["ls", str(run)]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].split() == ["step", "epoch", "saved", "size", "val.", "loss", "ingredients_used", "marks"]
    (best,) = (line for line in shown if line.startswith("4 "))
    assert best.endswith("0.9000            best")
    assert ckpt.main(["prune", str(run), "--keep-best", "2", "--dry-run"]) == 0


def test_another_metric_begins_with_no_best(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_here(tmp_path, "train.max_steps=4") == 0
    by = "eval.best_metric=sections"
    assert run_here(tmp_path, by, "train.max_steps=8") == 0
    told = capsys.readouterr().out
    assert 'changed: `eval.best_metric`: saved `"validation_loss"`, here `"sections"`\n' in told
    section = outcome(tmp_path / "run")["sections"]["best"]
    assert section["metric"] == "sections"
    assert [one["step"] for one in section["kept"]] == [8]


def test_early_stopping_by_a_metric_of_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = {0: 0.5, 2: 0.7, 4: 0.6, 6: 0.7, 8: 0.9, 10: 0.9}
    Chosen(monkeypatch, "parsed", values)
    by = ("eval.early_stopping.metric=parsed", "eval.early_stopping.patience=2", "eval.every_steps=2")
    fit(tmp_path, *by)
    assert [line["step"] for line in metrics(tmp_path / "run", "evaluation")] == [0, 2, 4, 6]


LOOKS = {
    "none": ("eval.every_steps=0",),
    "loss": ("eval.prompts=0", "eval.samples=0"),
    "recipe": ("eval.metrics=[recipe]",),
    "bleu": ("eval.metrics=[bleu]",),
    "chrf": ("eval.metrics=[chrf]",),
    "rouge": ("eval.metrics=[rouge]",),
    "all, for the best": (
        "eval.every_steps=2",
        "eval.metrics=[recipe,bleu,chrf,rouge]",
        "eval.best_metric=chrf",
        "eval.early_stopping.metric=rougeL",
        "eval.early_stopping.patience=100",
    ),
}


QUICK = ("none", "loss", "all, for the best")


@pytest.mark.parametrize("names", [QUICK, pytest.param([*LOOKS], marks=pytest.mark.long)])
def test_evaluation_never_changes_training(tmp_path: Path, names: Sequence[str]) -> None:
    """With and without each metric, with dropout on: the same weights, optimizer and steps, bit for bit."""
    found = []
    plain = ("train.max_steps=3", "checkpoint.every_steps=1000", "eval.every_steps=1")
    for number, name in enumerate(names):
        fit(tmp_path, *plain, *LOOKS[name], run=f"run-{number}")
        made = outcome(tmp_path / f"run-{number}")
        steps = metrics(tmp_path / f"run-{number}")
        found.append((made["model"], made["optimizer"], steps, made["sections"]["generators"]))
    assert len(found) >= 3
    for one in found[1:]:
        assert one == found[0]


def test_every_metric_stands_in_the_log_and_repeats(tmp_path: Path) -> None:
    every = ("eval.metrics=[recipe,bleu,chrf,rouge]", "train.max_steps=4", "eval.every_steps=2")
    for run in ("one", "two"):
        fit(tmp_path, *every, run=run)
    lines = metrics(tmp_path / "one", "evaluation")
    assert [line["step"] for line in lines] == [0, 2, 4]
    for line in lines:
        assert set(MEASURES) <= set(line)
    assert (tmp_path / "one" / "metrics.jsonl").read_bytes() == (
        tmp_path / "two" / "metrics.jsonl"
    ).read_bytes()


def test_a_missing_package_is_told_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "sacrebleu", None)
    assert run_here(tmp_path, "eval.metrics=[bleu]") == 2
    assert "`pip install chefgenius[metrics]`" in capsys.readouterr().err
    assert not (tmp_path / "run" / "metrics.jsonl").exists()


def test_two_processes_end_early_together_and_are_finished(nursery: Nursery, tmp_path: Path) -> None:
    """Rank 0 alone evaluates, and has the callbacks; the other comes to the same end."""
    for _ in range(2):
        line = words(tmp_path, *SOON, "eval.max_new_tokens=2")
        ranks = nursery.start_ranks(2, *line, COUNTING)
        assert [rank.wait() for rank in ranks] == [0, 0], ranks[0].stderr.read_text()
        assert ranks[1].stdout.read_text() == ""
    assert "is at step 4, where it ended early" in ranks[0].stdout.read_text()
    sections = outcome(tmp_path / "run")["sections"]
    assert sections["callbacks"]["Counting"]["steps"] == 4
    assert json.loads((tmp_path / "run" / "run.json").read_text())["finished"] == 4
