"""The command `evaluate`: the figures of the run itself for the same checkpoint, and those of any source."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from adapters import on_base
from chefgenius import evaluate, generate
from fitting import metrics
from running import run_here
from samples import recipes, write_lines


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evaluate")
    averaged = ("train.ema_decay=0.8", "eval.use_ema=true")
    assert run_here(folder, "checkpoint.every_steps=2", "checkpoint.keep=9", *averaged) == 0
    return folder / "run"


def judged(capsys: pytest.CaptureFixture[str], run: Path, *arguments: str) -> dict[str, Any]:
    capsys.readouterr()
    assert evaluate.main([str(run), *arguments, "--json"]) == 0
    values: dict[str, Any] = json.loads(capsys.readouterr().out)
    return values


def test_a_checkpoint_has_the_figures_of_its_run(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = {line["step"]: line for line in metrics(run, "evaluation")}
    for step in (4, 10):  # texts are judged at the last step, at others the loss alone
        found = judged(capsys, run, "--checkpoint", str(step), "--metrics", "recipe")
        told = {name: found[name] for name in lines[step]}
        if step != 10:
            assert told["validation_loss"] == lines[step]["validation_loss"]
            continue
        assert told == lines[step]
    best = min(lines.values(), key=lambda line: line["validation_loss"])
    assert judged(capsys, run, "--prompts", "0")["step"] == best["step"]


@pytest.mark.parametrize("kind", ["adapter", "causal"])
def test_of_every_kind(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    causal = {"model_type": "gpt2", "n_embd": 16, "n_layer": 1, "n_head": 2}
    given = on_base(tmp_path) if kind == "adapter" else (f"model.config={json.dumps(causal)}",)
    assert run_here(tmp_path, *given, "train.max_steps=6", "optim.learning_rate=0.02") == 0
    [line] = [line for line in metrics(tmp_path / "run", "evaluation") if line["step"] == 6]
    found = judged(capsys, tmp_path / "run", "--checkpoint", "6", "--metrics", "recipe")
    assert {name: found[name] for name in line} == line
    samples = [json.loads(one) for one in (tmp_path / "run" / "samples.jsonl").read_text().splitlines()]
    asked = [json.dumps({"prompt": one["prompt"]}) for one in samples if one["step"] == 6]
    (tmp_path / "asked").write_text("\n".join(asked))
    assert generate.main([str(tmp_path / "run"), "--prompts", str(tmp_path / "asked"), "--json"]) == 0
    texts = [json.loads(one)["text"] for one in capsys.readouterr().out.splitlines()]
    assert texts == [one["text"] for one in samples if one["step"] == 6]
    assert len(texts) == 3


def test_a_run_that_was_moved_is_judged_by_its_own_store(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = judged(capsys, run, "--prompts", "0", "--metrics", "recipe")
    moved = tmp_path / "elsewhere"
    run.parent.rename(moved)
    try:
        (moved / "recipes.jsonl").rename(moved / "gone.jsonl")
        store = next((moved / "stores").glob("*/store-*")).parent
        found = judged(capsys, moved / "run", "--prompts", "0", "--metrics", "recipe", "--store", str(store))
        assert found == {**expected, "checkpoint": found["checkpoint"]}
        (moved / "gone.jsonl").rename(moved / "recipes.jsonl")
    finally:
        moved.rename(run.parent)


def test_other_recipes_are_judged_whole(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    others = write_lines(tmp_path / "others.jsonl", [*recipes(9, seed=5), *recipes(2, seed=5)])
    found = judged(capsys, run, "--source", str(others), "--prompts", "4")
    assert (found["records"], found["prompts"], found["source"]) == (11, 4, [str(others)])
    assert found["perplexity"] == math.exp(found["validation_loss"])
    assert {"bleu", "chrf", "rougeL", "parsed"} <= set(found)
    less = judged(capsys, run, "--source", str(others), "--prompts", "0", "--max-batches", "1")
    assert less["validation_tokens"] < found["validation_tokens"]
    assert evaluate.main([str(run), "--source", str(others), "--prompts", "4"]) == 0
    told = capsys.readouterr()
    assert f"validation loss  {found['validation_loss']:>9.4f}"[-10:] in told.out
    assert told.out.count("\n") >= 10
    assert max(map(len, told.out.splitlines())) <= 80
    assert "on 11 recipes" in told.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--metrics", "recipes"], "no metrics `recipes`: known are"),
        (["--checkpoint", "3"], "has no checkpoint of step 3"),
        (["--source", "nowhere.jsonl"], "nowhere.jsonl"),
        (["--store", "nowhere"], "nowhere"),
    ],
)
def test_a_bad_line_is_answered_in_one(
    run: Path, arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert evaluate.main([str(run), *arguments]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1


def test_a_model_alone_has_held_nothing_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.json").write_text("{}")
    assert evaluate.main([str(tmp_path)]) == 2
    assert "give `--source`" in capsys.readouterr().err


def test_what_is_measured_is_what_is_told(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    few = ("--max-batches", "1", "--prompts", "1", "--max-new-tokens", "2", "--metrics", "recipe")
    assert evaluate.main([str(run), "--source", str(run.parent / "recipes.jsonl"), *few]) == 0
    told = capsys.readouterr()
    assert ", the loss on 4 of the 50 recipes\n" in told.err
    assert told.out.endswith(" target tokens, and 1 generated text\n")
