"""The command `generate`: it writes what the run itself wrote, and by chance the same for the same seed."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from chefgenius import ckpt, generate
from chefgenius.data.recipe import Recipe
from chefgenius.generate import Shown
from chefgenius.generation import writing
from chefgenius.generation.writing import OwnChance
from running import run_here

RECIPE = "title: Lemon Rice | ingredients: 1 cup rice | 2 limes | directions: Boil it. | Eat."
SHOWN = "Lemon Rice\n\n  - 1 cup rice\n  - 2 limes\n\n1. Boil it.\n2. Eat.\n"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generate")
    longer = (
        "train.max_steps=20",
        "optim.learning_rate=0.03",
        "eval.every_steps=20",
        "eval.max_new_tokens=12",
    )
    assert run_here(folder, *longer, "checkpoint.every_steps=1000") == 0
    return folder / "run"


def written(capsys: pytest.CaptureFixture[str], run: Path, *arguments: str) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert generate.main([str(run), *arguments, "--json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_it_writes_what_the_run_wrote(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [json.loads(line) for line in (run / "samples.jsonl").read_text().splitlines()]
    samples = [line for line in lines if line["step"] == 20]
    asked = []
    for sample in samples:
        recipe = Recipe.parse(sample["reference"])
        assert recipe is not None
        asked.append(json.dumps({"title": recipe.title, "ingredients": recipe.ingredients}))
    (tmp_path / "asked").write_text("\n".join(asked))
    found = written(capsys, run, "--prompts", str(tmp_path / "asked"), "--checkpoint", "20")
    assert len(found) == len(samples) == 3
    assert all(len(sample["text"]) > 10 for sample in samples)
    for one, sample in zip(found, samples, strict=True):
        assert (one["prompt"], one["text"]) == (sample["prompt"], sample["text"])
        assert (one["recipe"], one["step"]) == (None, 20)
    exported = tmp_path / "model"
    assert ckpt.main(["export", str(run), str(exported), "--step", "20"]) == 0
    again = written(capsys, exported, "--prompts", str(tmp_path / "asked"), "--max-new-tokens", "12")
    assert [one["text"] for one in again] == [one["text"] for one in found]


def test_a_seed_decides_alone(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "asked").write_text("rice, egg\nlime\nrice, egg\n")
    chance = ("--prompts", str(tmp_path / "asked"), "--temperature", "1", "--top-p", "0.95", "--top-k", "50")
    before = torch.random.get_rng_state()
    first = written(capsys, run, *chance, "--seed", "3")
    assert torch.equal(torch.random.get_rng_state(), before), "nothing of the process's own is drawn"
    torch.manual_seed(99)
    assert written(capsys, run, *chance, "--seed", "3") == first
    assert written(capsys, run, *chance, "--seed", "3", "--batch-size", "1") == first
    assert first[0]["text"] != first[2]["text"], "a repeated prompt has a chance of its own"
    alone = written(
        capsys, run, "--ingredients", "lime", "--temperature", "1", "--top-p", "0.95", "--top-k", "50",
        "--seed", "3",
    )  # fmt: skip
    assert alone == [first[1]]
    other = written(capsys, run, *chance, "--seed", "4")
    assert all(one["text"] != two["text"] for one, two in zip(first, other, strict=True))
    copies = written(capsys, run, "--ingredients", "lime", "--temperature", "1", "--copies", "3")
    assert len({one["text"] for one in copies}) == 3


def test_own_chance_draws_from_the_softmax() -> None:
    scores = torch.log(torch.tensor([0.5, 0.3, 0.15, 0.05, 0.0]))
    rows = 8000
    drawn = OwnChance(range(rows))(torch.zeros(rows, 1), scores.expand(rows, 5)).argmax(1)
    counts = np.array([Counter(drawn.tolist())[n] for n in range(5)])
    assert counts[4] == 0
    expected = rows * np.array([0.5, 0.3, 0.15, 0.05])
    assert ((counts[:4] - expected) ** 2 / expected).sum() < 16.3  # 0.1 % of a chi-square of 3


def test_a_recipe_is_shown_to_be_read_and_parsed_in_json(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(writing, "write", lambda *_: [RECIPE])
    [one] = written(capsys, run, "--ingredients", "rice, lime")
    assert one["recipe"] == {
        "title": "Lemon Rice", "ingredients": ["1 cup rice", "2 limes"], "directions": ["Boil it.", "Eat."],
    }  # fmt: skip
    assert generate.main([str(run), "--ingredients", "rice, lime"]) == 0
    told = capsys.readouterr()
    assert told.out == f"Write a recipe for Rice and Lime. Ingredients: rice, lime.\n\n{SHOWN}"
    assert told.err.endswith("greedy\n")
    assert told.err.startswith("step ")


def test_a_single_text_grows_in_a_terminal(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("--ingredients", "rice, lime", "--max-new-tokens", "30", "--temperature", "1.5")
    [one] = written(capsys, run, *asked)
    shown = Shown()
    shown(one["text"])
    shown.end()
    expected = capsys.readouterr().out
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    pieces: list[str] = []
    monkeypatch.setattr(Shown, "__call__", _noting(Shown.__call__, pieces))
    assert generate.main([str(run), *asked]) == 0
    assert capsys.readouterr().out == expected
    assert len(pieces) > 5


def _noting(plain: Any, pieces: list[str]) -> Any:
    def call(self: Shown, text: str) -> None:
        pieces.append(text)
        plain(self, text)

    return call


@pytest.mark.parametrize("size", [1, 3, 7, 200])
def test_the_parts_of_a_text_become_lines(size: int, capsys: pytest.CaptureFixture[str]) -> None:
    shown = Shown()
    for start in range(0, len(RECIPE), size):
        shown(RECIPE[start : start + size])
    shown.end()
    assert capsys.readouterr().out == SHOWN


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["--ingredients", "rice", "--beams", "2", "--temperature", "1"],
            "either `--temperature` or `--beams`",
        ),
        (["--ingredients", "rice", "--copies", "2"], "`--copies` needs chance"),
        (["--ingredients", "rice", "--top-k", "2"], "`--top-k` needs chance"),
        (["--ingredients", " , "], "no ingredient"),
        (["--prompts", "nowhere"], "`nowhere`: No such file"),
        (["--prompts", "nowhere", "--title", "x"], "give each line its own"),
        (["--ingredients", "rice", "--checkpoint", "7"], "has no checkpoint of step 7"),
        (["--ingredients", "rice", "--ema"], "holds no averages"),
    ],
)
def test_a_bad_line_is_answered_in_one(
    run: Path, arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert generate.main([str(run), *arguments]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1


def test_a_letter_that_is_dropped_from_a_prompt_is_told(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    asked = ("--ingredients", "rice, ☃", "--max-new-tokens", "2")
    assert generate.main([str(run), *asked]) == 0
    assert "cannot spell `☃`, which is left out" in capsys.readouterr().err
