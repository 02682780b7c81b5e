"""The data of a run by its command: what is wrong with them is named, and real ones train."""

import json
from pathlib import Path

import pytest
from chefgenius import train
from running import opened, outcome, refused, run_here
from samples import recipes, shared, write_lines


def put(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_a_missing_source_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = run_here(tmp_path, f"data.sources=[{tmp_path / 'none.jsonl'}]")
    assert f"no such file: `{tmp_path / 'none.jsonl'}`" in refused(capsys, code, 2)


def test_a_missing_validation_source_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = run_here(tmp_path, f"data.validation_sources=[{tmp_path / 'none.jsonl'}]")
    assert f"no such file: `{tmp_path / 'none.jsonl'}`" in refused(capsys, code, 2)


def test_validation_sources_are_held_out_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    held_out = write_lines(tmp_path / "held.jsonl", recipes(7, seed=1))
    assert run_here(tmp_path, f"data.validation_sources=[{held_out}]", "train.max_steps=1") == 0
    assert "57 recipes: 50 to train on, 7 held out" in capsys.readouterr().out


@pytest.mark.parametrize(("text", "told"), [("", "is empty"), ("{\n[\n", ", line 1, byte 0: ")])
def test_a_file_without_recipes_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, told: str
) -> None:
    source = put(tmp_path / "bad.jsonl", text)
    error = refused(capsys, run_here(tmp_path, f"data.sources=[{source}]"), 2)
    assert str(source) in error
    assert told in error


def test_bad_records_can_be_skipped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write_lines(tmp_path / "some.jsonl", ["{broken", *recipes(40)])
    few = (f"data.sources=[{source}]", "train.max_steps=1")
    assert f"{source}, line 1, byte 0: " in refused(capsys, run_here(tmp_path, *few), 2)
    code = run_here(tmp_path, *few, "data.on_error=skip", "data.max_bad=0")
    assert "more than 0 bad records" in refused(capsys, code, 2)
    assert run_here(tmp_path, *few, "data.on_error=skip") == 0
    told = capsys.readouterr().out
    assert "left out: 1 bad" in told
    assert f"{source}, line 1, byte 0: " in told
    assert run_here(tmp_path, *few, "data.on_error=skip") == 0
    assert "left out: 1 bad" in capsys.readouterr().out, "also when the store is there already"


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["optim.learning_rat=1"], "unknown key `optim.learning_rat`: did you mean `optim.learning_rate`?"),
        (["data.tokenizer=null"], "`data.tokenizer`: is needed with `data.sources`"),
        (["data.tokenizer=/none"], "no such file: `/none`"),
        (["data.template.prompt={titel}"], "titel"),
        (
            ["data.validation_fraction=0"],
            "raise `data.validation_fraction`, name files in `data.validation_sources`",
        ),
        (["model.config={model_type: gpt3}"], "transformers has no `gpt3`"),
        (["data.separator=x"], "`data.separator`: is for causal models"),
        (["data.loss_on=both"], "`data.loss_on`: is for causal models"),
        (["data.weights={none.jsonl: 2}"], "none.jsonl"),
        (["model.name_or_path=./none", "model.config=null"], "no such directory: `none`"),
        (["data.min_quality=0.5", "data.on_error=perhaps"], "`data.on_error`"),
    ],
)
def test_bad_values_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], overrides: list[str], told: str
) -> None:
    assert told in refused(capsys, run_here(tmp_path, *overrides), 2)


def test_a_tokenizer_that_is_none_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = put(tmp_path / "tokenizer.json", '{"model": {"type": "WordLevel", "vocab": {}}}')
    error = refused(capsys, run_here(tmp_path, f"data.tokenizer={wrong}"), 2)
    assert f"cannot use tokenizer `{wrong}`" in error


def damage(stores: Path, place: int) -> Path:
    """Flips one bit of the only store; returns its shard."""
    (shard,) = stores.glob("*/store-*/shard-*")
    with open(shard, "r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ 4]))
    return shard


def test_a_store_that_is_damaged_in_a_run_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    many = write_lines(tmp_path / "many.jsonl", recipes(1500))  # some blocks of 64 KiB
    # Small batches: opening the run reads one, and a block is checked when it is first read.
    long = (f"data.sources=[{many}]", "data.batch_size=2", "data.plan=fixed", "eval.every_steps=0")
    with train.report_errors() as report, opened(tmp_path, *long) as trainer:
        shard = damage(tmp_path / "stores", 150_000)
        trainer.fit()
    error = refused(capsys, report.code, 2)
    assert str(shard.parent) in error


def test_a_store_that_is_damaged_between_runs_is_built_again_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    quick = ("eval.every_steps=0", "optim.schedule=constant")
    assert run_here(tmp_path, *quick, run="whole") == 0
    assert run_here(tmp_path, *quick, "train.max_steps=3") == 0
    shard = damage(tmp_path / "stores", 5_000)
    assert run_here(tmp_path, *quick) == 0
    (aside,) = shard.parent.parent.glob("*.bad-1")
    assert f"the store was damaged: set aside as `{aside}`" in capsys.readouterr().out
    assert outcome(tmp_path / "run")["metrics"] == outcome(tmp_path / "whole")["metrics"]


@pytest.mark.parametrize(
    "name",
    [
        "english_21k.jsonl.xz",
        *(
            pytest.param(name, marks=pytest.mark.long)
            for name in ("public_domain_array.json", "recipenlg_style.csv", "old_format.jsonl.xz")
        ),
    ],
)
def test_real_data_train_to_a_falling_validation_loss(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    source, tokenizer = shared(name), shared("tokenizers/t5")
    given = (f"data.sources=[{source}]", f"data.tokenizer={tokenizer}", f"run_dir={tmp_path / 'run'}")
    small = ("data.max_target_length=64", "data.batch_size=8", "optim.warmup_steps=5", "data.on_error=skip")
    quick = (
        "train.max_steps=12",
        "eval.every_steps=6",
        "eval.prompts=0",
        "eval.samples=0",
        "eval.max_batches=3",
        "log.report=false",
    )
    shape = "model.config={model_type: t5, d_model: 32, d_kv: 8, d_ff: 32, num_layers: 1, num_heads: 2}"
    assert train.main([*given, *small, *quick, shape]) == 0
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    losses = [
        record["validation_loss"] for record in map(json.loads, lines) if record["kind"] == "evaluation"
    ]
    assert len(losses) == 3
    assert losses[2] < losses[1] < losses[0]
