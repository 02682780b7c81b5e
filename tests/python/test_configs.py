"""Every file in `configs/` trains for a few steps, with a tiny stand-in for the model that it names."""

import json
import math
import shutil
from pathlib import Path

import pytest
from chefgenius import options, train
from chefgenius.config import ModelConfig
from chefgenius.cookbook import TOKENIZER
from chefgenius.model import Vocabulary, build_model
from fitting import metrics
from running import MODEL
from samples import recipes, write_lines

CONFIGS = Path(__file__).parents[2] / "configs"
FILES = sorted(CONFIGS.glob("*.yaml"))
NAMES = {"bundled", "flan-t5-base", "flan-t5-large-lora"}


@pytest.fixture(scope="module")
def t5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A T5 of the package's tokenizer with one layer, as `save_pretrained` leaves it."""
    folder = tmp_path_factory.mktemp("t5")
    words = json.loads(TOKENIZER.read_bytes())["model"]["vocab"]
    model = build_model(ModelConfig(config=MODEL), Vocabulary(len(words), 0, 1), 1)
    model.save_pretrained(folder)
    shutil.copy(TOKENIZER, folder / "tokenizer.json")
    return folder


def small(folder: Path) -> list[str]:
    """What makes a run of any configuration short; all else stays as the file says."""
    source = write_lines(folder / "recipes.jsonl", recipes(60))
    return [
        f"run_dir={folder / 'run'}",
        f"data.sources=[{source}]",
        f"data.tokenizer={TOKENIZER}",
        "data.batch_size=4",
        "data.max_input_length=32",
        "data.max_target_length=48",
        "data.validation_fraction=0.2",
        "train.max_steps=3",
        "eval.max_new_tokens=4",
        "eval.prompts=2",
        "eval.samples=1",
        "log.every_steps=1",
    ]


def test_all_are_here_and_say_how_they_are_started() -> None:
    assert {path.stem for path in FILES} == NAMES
    for path in FILES:
        text = path.read_text()
        assert f"chefgenius.train configs/{path.name}" in text
        config = options.load(str(path))
        assert config.run_dir == f"runs/{path.stem}"
        assert options.load(str(path), ["eval.samples=1"]).eval.samples == 1


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_trains(path: Path, t5: Path, tmp_path: Path) -> None:
    config = options.load(str(path))
    more = small(tmp_path)
    if config.model.name_or_path is not None:
        more.append(f"model.name_or_path={t5}")
    assert train.main([str(path), *more]) == 0
    lines = metrics(tmp_path / "run")
    assert [line["step"] for line in lines] == [1, 2, 3]
    assert all(math.isfinite(line["loss"]) for line in lines)
    saved = options.load(str(tmp_path / "run" / "config.yaml"))
    assert saved.train.precision == config.train.precision
    assert saved.optim == config.optim
    assert saved.model.lora == config.model.lora
    files = {file.name for file in (tmp_path / "run" / "checkpoints" / "step-00000003").iterdir()}
    assert ("adapter_model.safetensors" in files) == (config.model.lora.rank is not None)
