import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from chefgenius.model.generators import capture, isolated
from chefgenius.model.head import head_of, last_layer
from chefgenius.model.loss import TokenLoss
from chefgenius.model.model import (
    Vocabulary,
    build_model,
    count_parameters,
    describing_files,
    is_local,
    kind_of,
    named_tensors,
)
from chefgenius.model.proofs import checkpoint_activations, prove
from chefgenius.settings.config import Config, ConfigError, ModelConfig
from kinds import ENCODER_DECODERS, KINDS, batch_of, tiny
from running import MODEL
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer

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
        ({"vocab_size": 39}, "the model has 39 embeddings, the tokenizer 40 tokens: leave `vocab_size` out"),
        ({"eos_token_id": 5}, "`eos_token_id` is 5 in the model, 1 in the tokenizer"),
        ({"pad_token_id": 5}, "`pad_token_id` is 5 in the model, 0 in the tokenizer"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError) as error:
        small(**changes)
    assert told in str(error.value)


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_of_each_kind_is_new_or_from_a_directory(kind: str, tmp_path: Path) -> None:
    settings = ModelConfig(config=KINDS[kind])
    model = build_model(settings, WORDS, 1)
    assert kind_of(settings) == ("seq2seq" if kind in ENCODER_DECODERS else "causal")
    assert model.config.vocab_size == 40
    saved(model, tmp_path)
    named = ModelConfig(name_or_path=str(tmp_path))
    assert kind_of(named) == kind_of(settings)
    again = build_model(named, WORDS, 2)
    assert type(again) is type(model)
    assert {one.dtype for one in again.parameters()} == {torch.float32}
    for name, tensor in named_tensors(model).items():
        assert torch.equal(named_tensors(again)[name], tensor), name
    resumed = build_model(ModelConfig(name_or_path="/gone"), WORDS, 2, saved=tmp_path)
    assert kind_of(ModelConfig(name_or_path="/gone"), tmp_path) == kind_of(settings)
    assert named_tensors(resumed).keys() == named_tensors(model).keys()


def test_a_causal_model_may_have_another_token_for_padding(tmp_path: Path) -> None:
    """GPT-2 and Llama have none: any will do, since nothing looks at it."""
    saved(GPT2LMHeadModel(GPT2Config(vocab_size=40, n_embd=8, n_layer=1, n_head=1, eos_token_id=1)), tmp_path)
    model = build_model(ModelConfig(name_or_path=str(tmp_path)), Vocabulary(40, 1, 1), 1)
    assert model.config.pad_token_id == 1
    with pytest.raises(ConfigError, match="`eos_token_id` is 1 in the model, 2 in the tokenizer"):
        build_model(ModelConfig(name_or_path=str(tmp_path)), Vocabulary(40, 2, 2), 1)


def test_one_of_several_end_marks_will_do(tmp_path: Path) -> None:
    """As Llama 3 and Qwen have them."""
    model = small_causal("llama", eos_token_id=[5, 1])
    assert model.config.eos_token_id == [5, 1]


def small_causal(kind: str, **changes: Any) -> PreTrainedModel:
    return build_model(ModelConfig(config={**KINDS[kind], **changes}), WORDS, 1)


def rows(model: PreTrainedModel) -> torch.Tensor:
    embeddings: torch.nn.Module = model.get_input_embeddings()
    return embeddings.get_parameter("weight")


@pytest.mark.parametrize("kind", ["t5", "flan-t5", "bart", "gpt2", "llama"])
def test_a_model_grows_with_its_tokenizer(kind: str, tmp_path: Path) -> None:
    model = tiny(kind)
    saved(model, tmp_path)
    said: list[str] = []
    settings, words = ModelConfig(name_or_path=str(tmp_path)), Vocabulary(43, 0, 1)
    before = capture()
    grown, again, other = (build_model(settings, words, seed, say=said.append) for seed in (1, 1, 2))
    assert capture() == before
    assert "3 new rows were drawn" in said[0]
    assert grown.config.vocab_size == 43
    old, new = rows(model), rows(grown)
    assert torch.equal(new[:40], old)
    assert torch.equal(new, rows(again))
    assert not torch.equal(new[40:], rows(other)[40:])
    assert new[40:].isfinite().all()
    layer = last_layer(grown).get_parameter("weight")
    assert len(layer) == 43
    assert (layer is new) == (last_layer(model).get_parameter("weight") is old)
    assert head_of(grown).rows
    # and a checkpoint of it is built with all its rows
    saved(grown, tmp_path / "step")
    resumed = build_model(settings, words, 1, saved=tmp_path / "step", say=said.append)
    assert resumed.config.vocab_size == 43
    assert len(said) == 3


def test_a_model_that_looks_ahead_is_refused() -> None:
    """BERT counts as one that can write, for who sets it up as a decoder."""
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    config = {"model_type": "bert", **sizes}
    model = build_model(ModelConfig(config=config), WORDS, 1)
    with pytest.raises(ConfigError, match="kind `bert`, which looks ahead"):
        prove(model, Config())
    prove(
        build_model(ModelConfig(config={"model_type": "bert", **sizes, "is_decoder": True}), WORDS, 1),
        Config.model_validate({"data": {"max_target_length": 256}}),
    )


@pytest.mark.parametrize("kind", ["t5", "llama"])
@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_attention_is_what_was_asked_for(kind: str, attention: Any, tmp_path: Path) -> None:
    model = tiny(kind, attention=attention)
    saved(model, tmp_path)
    named = ModelConfig(name_or_path=str(tmp_path), attention=attention)
    for one in (model, build_model(named, WORDS, 1), build_model(named, WORDS, 1, saved=tmp_path)):
        assert one.config._attn_implementation == attention


def test_attention_that_is_not_there_is_refused(tmp_path: Path) -> None:
    saved(tiny("llama"), tmp_path)
    told = "`model.attention`: `flash_attention_2` cannot be used here: .*: use `auto`"
    with pytest.raises(ConfigError, match=told):
        tiny("llama", attention="flash_attention_2")
    with pytest.raises(ConfigError, match=told):
        build_model(ModelConfig(name_or_path=str(tmp_path), attention="flash_attention_2"), WORDS, 1)


CODE = """
from transformers import LlamaConfig, LlamaForCausalLM

class OwnConfig(LlamaConfig):
    model_type = "own"

class OwnForCausalLM(LlamaForCausalLM):
    config_class = OwnConfig
"""


def test_code_of_a_model_is_run_only_when_it_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "path", [*sys.path])
    home = tmp_path / "model"
    saved(tiny("llama"), home)
    (home / "own.py").write_text(CODE)
    values = json.loads((home / "config.json").read_bytes())
    values |= {"model_type": "own", "architectures": ["OwnForCausalLM"]}
    values["auto_map"] = {"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.OwnForCausalLM"}
    (home / "config.json").write_text(json.dumps(values))
    with pytest.raises(ConfigError, match=r"not run; `model\.trust_remote_code=true` would"):
        build_model(ModelConfig(name_or_path=str(home)), WORDS, 1)
    assert not (tmp_path / "cache").exists()
    trusted = ModelConfig(name_or_path=str(home), trust_remote_code=True)
    assert kind_of(trusted) == "causal"
    model = build_model(trusted, WORDS, 1)
    assert type(model).__name__ == "OwnForCausalLM"
    assert torch.equal(rows(model), rows(tiny("llama")))
    step = tmp_path / "step"
    step.mkdir()
    for name, data in describing_files(model).items():
        (step / name).write_bytes(data)
    resumed = build_model(trusted, WORDS, 1, saved=step)
    assert named_tensors(resumed).keys() == named_tensors(model).keys()


def test_activations_can_be_computed_again() -> None:
    """The loss and every gradient stay to the bit, with dropout."""
    for kind in ("t5", "gpt2", "llama"):
        changes = {
            "t5": {"dropout_rate": 0.3},
            "gpt2": {"resid_pdrop": 0.3},
            "llama": {"attention_dropout": 0.3},
        }
        found, counted = [], []
        for again in (False, True):
            model = tiny(kind, WORDS, "auto", **changes[kind])
            if again:
                checkpoint_activations(model)
            calls = [0]
            layer = next(one for one in model.modules() if isinstance(one, GradientCheckpointingLayer))
            attention = next(one for one in layer.modules() if type(one).__name__.endswith("Attention"))
            attention.register_forward_pre_hook(lambda *_, calls=calls: calls.__setitem__(0, calls[0] + 1))
            with isolated(1, "train", 1, 0):
                loss = TokenLoss(model)(batch_of(kind))
                loss.backward()
            found.append((loss.item(), [one.grad for one in model.parameters() if one.grad is not None]))
            counted.append(calls[0])
        assert counted[1] > counted[0], "nothing was computed again"
        assert found[0][0] == found[1][0]
        assert all(torch.equal(a, b) for a, b in zip(found[0][1], found[1][1], strict=True))


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
