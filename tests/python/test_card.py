"""The card of an exported model: true figures of a real run, and open words where something is not known."""

import json
import re
import shutil
from pathlib import Path

import pytest
from chefgenius.exporting.export import export
from chefgenius.run.rundir import RunDirectory
from fitting import fit, metrics
from ruamel.yaml import YAML
from stored import add_checkpoint
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, GenerationConfig


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds `run`, a finished one of 4 steps, and `model`, exported from it."""
    made = tmp_path_factory.mktemp("card")
    fit(made, "train.max_steps=4", "eval.every_steps=2")
    export(RunDirectory(made / "run").step_path(4), made / "model")
    return made


def rows(text: str) -> dict[str, str]:
    """The tables of two columns, and the metrics with their values."""
    return {
        cells[0]: cells[1]
        for line in text.splitlines()
        if len(cells := re.findall(r"\| ([^|]*?) (?=\|)", line)) > 1
    }


def test_the_card_tells_the_run_as_it_was(folder: Path) -> None:
    text = (folder / "model" / "README.md").read_text()
    head = YAML(typ="safe").load(text.split("---\n")[1])
    assert head["pipeline_tag"] == "text2text-generation"
    assert (head["library_name"], head["license"]) == ("transformers", "unknown")
    told = rows(text)
    (last,) = [line for line in metrics(folder / "run", "evaluation") if line["step"] == 4]
    assert float(told["validation_loss"]) == pytest.approx(last["validation_loss"], rel=1e-3)
    assert float(told["parsed"]) == pytest.approx(last["parsed"], rel=1e-3)
    facts = json.loads((folder / "run" / "run.json").read_text())["facts"]
    assert (told["store"], told["tokenizer"]) == (facts["store"], facts["tokenizer"])
    assert told["exact"].startswith("yes")
    assert told["step"] == "4"
    assert told["the recipes"] == "to be stated"
    assert "50 kept, 0 bad" in told["records"]
    assert "100.00% of the recipes" in told["fidelity"]
    assert re.search(r"\| recipes\.jsonl \| JSON Lines \| \d+ \| `b3:\w{32}` \|", text)
    assert str(folder) not in text, "no path of this machine"


def test_what_is_exported_opens_everywhere(folder: Path) -> None:
    place = folder / "model"
    model = AutoModelForSeq2SeqLM.from_pretrained(place, local_files_only=True)
    tokenizer = AutoTokenizer.from_pretrained(place, local_files_only=True)
    settings = GenerationConfig.from_pretrained(place)
    assert settings.decoder_start_token_id == model.config.decoder_start_token_id == 0
    assert settings.eos_token_id == tokenizer.eos_token_id == 1
    words = tokenizer("Write a recipe for Tea.", return_tensors="pt")
    assert model.generate(**words, max_new_tokens=3).shape[1] <= 4


def test_a_store_that_is_gone_is_said_to_be(folder: Path, tmp_path: Path) -> None:
    moved = tmp_path / "run"
    shutil.copytree(folder / "run", moved)
    facts = json.loads((moved / "run.json").read_text())
    (moved / "run.json").write_text(
        json.dumps({**facts, "store": "/nowhere", "exact": False, "not_exact_since": 3})
    )
    export(RunDirectory(moved).step_path(4), tmp_path / "model")
    text = (tmp_path / "model" / "README.md").read_text()
    assert "counts and fidelity are not known" in text
    assert rows(text)["exact"] == "not since step 3"


def test_a_checkpoint_alone_has_a_card_too(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    add_checkpoint(
        run, 4, config={"model.name_or_path": "/home/me/models/t5 | base", "data.sources": ["a|b.csv"]}
    )
    export(run.step_path(4), tmp_path / "model")
    text = (tmp_path / "model" / "README.md").read_text()
    assert YAML(typ="safe").load(text.split("---\n")[1])["base_model"] == "t5 | base"
    assert r"| sources | a\|b.csv |" in text
    assert "| exact | not known |" in text
    assert "/home/me" not in text.split("## Training")[0]
