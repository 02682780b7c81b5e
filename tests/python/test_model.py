import json
from pathlib import Path
from typing import Any

import pytest
import torch
from chefgenius.config import ConfigError, ModelConfig
from chefgenius.generators import capture
from chefgenius.model import (
    Vocabulary,
    build_model,
    count_parameters,
    describing_files,
    is_local,
    named_tensors,
)
from running import MODEL
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedModel

WORDS = Vocabulary(40, 0, 1)


def small(seed: int = 1, **changes: Any) -> PreTrainedModel:
    return build_model(ModelConfig(config={**MODEL, "dropout_rate": 0.0, **changes}), WORDS, seed)


def saved(model: PreTrainedModel, folder: Path) -> Path:
    model.save_pretrained(folder)
    return folder


def test_new_weights_depend_on_the_seed_alone() -> None:
    before = capture()
    one, two, other = small(1), small(1), small(2)
    assert capture() == before
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    assert not torch.equal(one.get_parameter("shared.weight"), other.get_parameter("shared.weight"))


def test_a_new_model_takes_vocabulary_and_marks_from_the_tokenizer() -> None:
    model = small()
    assert model.config.vocab_size == 40
    assert (model.config.pad_token_id, model.config.eos_token_id) == (0, 1)
    assert model.config.decoder_start_token_id == 0
    assert model.training
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_tied_tensors_are_named_once() -> None:
    model = small()
    names = named_tensors(model)
    assert "shared.weight" in names
    assert not [name for name in names if "embed_tokens" in name or "lm_head" in name]
    assert sum(tensor.numel() for tensor in names.values()) == count_parameters(model)


def test_describing_files_are_those_of_save_pretrained(tmp_path: Path) -> None:
    model = small()
    saved(model, tmp_path)
    for name, data in describing_files(model).items():
        assert json.loads(data) == json.loads((tmp_path / name).read_bytes()), name


def test_a_directory_is_loaded_as_float32(tmp_path: Path) -> None:
    model = small(3)
    saved(model.to(torch.bfloat16), tmp_path)  # type: ignore[arg-type]
    again = build_model(ModelConfig(name_or_path=str(tmp_path)), WORDS, 1)
    assert {parameter.dtype for parameter in again.parameters()} == {torch.float32}
    assert torch.equal(again.get_parameter("shared.weight").bfloat16(), model.get_parameter("shared.weight"))


def test_a_resume_needs_the_configuration_only(tmp_path: Path) -> None:
    for name, data in describing_files(small()).items():
        (tmp_path / name).write_bytes(data)
    model = build_model(ModelConfig(name_or_path="/gone"), WORDS, 1, saved=tmp_path)
    assert list(named_tensors(model)) == list(named_tensors(small()))


# As in a run, where a warning of torch is no error.
@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"d_modle": 3}, "unknown key `model.config.d_modle`: did you mean `d_model`?"),
        ({"model_type": "t6"}, "transformers has no `t6`"),
        ({"model_type": None}, "`model.config.model_type`: is needed"),
        ({"d_model": "x"}, "`model.config` makes no model"),
        ({"d_model": 0}, "`model.config` makes no model: ZeroDivisionError"),
        ({"vocab_size": 39}, "the model has 39 embeddings, the tokenizer 40 tokens"),
        ({"eos_token_id": 5}, "`eos_token_id` is 5 in the model, 1 in the tokenizer"),
        ({"pad_token_id": 5}, "`pad_token_id` is 5 in the model, 0 in the tokenizer"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError) as error:
        small(**changes)
    assert told in str(error.value)


def test_a_causal_model_is_refused(tmp_path: Path) -> None:
    told = "kind `gpt2`, which is no encoder-decoder"
    with pytest.raises(ConfigError, match=told):
        build_model(ModelConfig(config={"model_type": "gpt2"}), WORDS, 1)
    saved(GPT2LMHeadModel(GPT2Config(vocab_size=40, n_embd=8, n_layer=1, n_head=1)), tmp_path)
    with pytest.raises(ConfigError, match=told):
        build_model(ModelConfig(name_or_path=str(tmp_path)), WORDS, 1)


def test_a_directory_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"check the path in `model.name_or_path`"):
        build_model(ModelConfig(name_or_path=str(tmp_path / "x")), WORDS, 1)
    with pytest.raises(ConfigError, match="cannot load"):
        build_model(ModelConfig(name_or_path=str(tmp_path)), WORDS, 1)


def test_a_directory_with_missing_weights_is_refused(tmp_path: Path) -> None:
    saved(small(), tmp_path)
    wider = json.loads((tmp_path / "config.json").read_bytes())
    (tmp_path / "config.json").write_text(json.dumps({**wider, "num_layers": 2}))
    with pytest.raises(ConfigError, match="lacks 8 weights"):
        build_model(ModelConfig(name_or_path=str(tmp_path)), WORDS, 1)


def test_names_that_look_like_paths_need_no_network(tmp_path: Path) -> None:
    assert is_local(None)
    assert is_local("./x")
    assert is_local("/x/y")
    assert is_local(str(tmp_path))
    assert not is_local("google-t5/t5-small")
