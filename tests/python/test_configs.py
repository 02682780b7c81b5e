"""Every file in `configs/` trains for a few steps, with a tiny stand-in for the model that it names."""

import json
import math
import shutil
from pathlib import Path

import pytest
from chefgenius import train
from chefgenius.cookbook import TOKENIZER
from chefgenius.model.model import Vocabulary, build_model
from chefgenius.settings import options
from chefgenius.settings.config import ModelConfig
from fitting import metrics
from running import MODEL, Nursery
from samples import recipes, write_lines

CONFIGS = Path(__file__).parents[2] / "configs"
FILES = sorted(CONFIGS.glob("*.yaml"))
NAMES = {"bundled", "causal-lora", "flan-t5-base", "flan-t5-large-lora", "two-gpus"}


CAUSAL = {
    "model_type": "qwen2",
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
}


@pytest.fixture(scope="module")
def stand_ins(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    """Models of the package's tokenizer with one layer, as `save_pretrained` leaves them; by being causal."""
    words = json.loads(TOKENIZER.read_bytes())["model"]["vocab"]
    made = {}
    for causal, config in ((False, MODEL), (True, CAUSAL)):
        made[causal] = tmp_path_factory.mktemp("model")
        build_model(ModelConfig(config=config), Vocabulary(len(words), 0, 1), 1).save_pretrained(made[causal])
        shutil.copy(TOKENIZER, made[causal] / "tokenizer.json")
    return made


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
        "log.report=false",
    ]


def test_all_are_here_and_say_how_they_are_started() -> None:
    assert {path.stem for path in FILES} == NAMES
    for path in FILES:
        text = path.read_text()
        assert f"chefgenius train configs/{path.name}" in text.replace("\n# ", " ")
        config = options.load(str(path))
        assert config.run_dir == f"runs/{path.stem}"
        assert options.load(str(path), ["eval.samples=1"]).eval.samples == 1


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_trains(path: Path, stand_ins: dict[bool, Path], tmp_path: Path) -> None:
    config = options.load(str(path))
    more = small(tmp_path)
    if config.model.name_or_path is not None:
        more.append(f"model.name_or_path={stand_ins[path.stem == 'causal-lora']}")
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


@pytest.mark.long
def test_two_processes_train_the_one_for_two(
    nursery: Nursery, stand_ins: dict[bool, Path], tmp_path: Path
) -> None:
    """As its head says, by gloo in place of two GPUs; and one process takes the same steps alone."""
    path, found = CONFIGS / "two-gpus.yaml", []
    for size, name in ((2, "run"), (1, "alone")):
        more = [*small(tmp_path), f"model.name_or_path={stand_ins[False]}", f"run_dir={tmp_path / name}"]
        ranks = nursery.start_ranks(size, str(path), *more)
        assert [rank.wait() for rank in ranks] == [0] * size, [rank.stderr.read_text() for rank in ranks]
        assert all(rank.stdout.read_text() == "" for rank in ranks[1:])
        found.append(metrics(tmp_path / name))
    for line, other in zip(*found, strict=True):
        assert line.pop("loss") == pytest.approx(other.pop("loss"), rel=1e-3)
        assert line.pop("grad_norm") == pytest.approx(other.pop("grad_norm"), rel=1e-2)
        assert line == other
    facts = json.loads((tmp_path / "run" / "run.json").read_bytes())["facts"]
    assert facts["world_size"] == options.load(str(path)).train.gradient_accumulation_steps // 2 == 2
