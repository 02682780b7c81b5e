import builtins
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from adapters import gpt2, logits, stirred, t5
from chefgenius.model.generators import capture
from chefgenius.model.lora import (
    adapter_files,
    adapter_tensors,
    add_adapter,
    choose_base,
    is_adapted,
    peft_version,
)
from chefgenius.run.base import find_base
from chefgenius.settings.config import ConfigError, LoraConfig, ModelConfig
from chefgenius.training.optim import trained_parameters
from chefgenius.training.tensors import write_tensors
from peft import LoraConfig as PeftConfig
from peft import PeftModel, get_peft_model
from peft.tuners.lora import LoraLayer
from peft.utils import get_peft_model_state_dict
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedModel,
)

# peft's own call, which transformers warns of.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")

KINDS = ("t5", "gpt2")


def settings(**values: Any) -> LoraConfig:
    return LoraConfig(**{"rank": 4, **values})


def made(folder: Path, kind: str) -> Path:
    return t5(folder / kind) if kind == "t5" else gpt2(folder / kind)


def opened(base: Path) -> PreTrainedModel:
    kind = AutoModelForSeq2SeqLM if "t5" in base.name else AutoModelForCausalLM
    found: PreTrainedModel = kind.from_pretrained(base, local_files_only=True)
    return found


def adapted(base: Path, seed: int = 1, **values: Any) -> PreTrainedModel:
    model = opened(base)
    add_adapter(model, settings(**values), seed)
    return model


def write(model: PreTrainedModel, values: LoraConfig, base: Path, folder: Path) -> Path:
    """The part of a checkpoint that peft reads."""
    folder.mkdir()
    write_tensors(folder / "adapter_model.safetensors", adapter_tensors(model))
    for name, data in adapter_files(model, values, find_base(str(base))).items():
        (folder / name).write_bytes(data)
    return folder


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("targets", ["auto", "all-linear", "explicit"])
def test_the_adapter_is_the_one_that_peft_would_make_and_opens_there(
    tmp_path: Path, kind: str, targets: str
) -> None:
    base = made(tmp_path, kind)
    explicit = ["q", "wo"] if kind == "t5" else ["attn.c_proj", "c_attn"]
    names = tuple(explicit) if targets == "explicit" else (targets,)
    values = settings(target_modules=names, alpha=6.5)
    model = stirred(adapted(base, target_modules=names, alpha=6.5))
    peft_targets: dict[str, Any] = {"auto": None, "all-linear": "all-linear", "explicit": explicit}
    theirs = get_peft_model(
        opened(base),
        PeftConfig(
            r=4,
            target_modules=peft_targets[targets],
            fan_in_fan_out=kind == "gpt2",
            task_type="SEQ_2_SEQ_LM" if kind == "t5" else "CAUSAL_LM",
        ),
    )
    expected = {name: one.shape for name, one in get_peft_model_state_dict(theirs).items()}
    assert {name: one.shape for name, one in adapter_tensors(model).items()} == expected
    assert len(expected) >= 4

    folder = write(model, values, base, tmp_path / "adapter")
    again = PeftModel.from_pretrained(opened(base), folder)
    assert torch.equal(logits(again), logits(model))
    assert not torch.allclose(logits(model), logits(opened(base)), atol=1e-3), "it does something"
    described: Any = PeftConfig()
    known = set(described.to_dict()) | {"peft_version"}
    written = json.loads((folder / "adapter_config.json").read_bytes())
    assert set(written) <= known
    assert written["base_model_name_or_path"] == str(base)
    taken: Any = again.peft_config["default"]
    assert taken.target_modules == set(written["target_modules"])
    if targets != "explicit":
        assert all("." not in name for name in written["target_modules"])


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_adapter_changes_nothing_and_depends_on_the_seed_alone(tmp_path: Path, kind: str) -> None:
    base = made(tmp_path, kind)
    before = capture()
    one, two, other = (adapted(base, seed) for seed in (1, 1, 2))
    assert capture() == before
    assert torch.equal(logits(one), logits(opened(base)))
    first, second, third = (adapter_tensors(model) for model in (one, two, other))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert all(torch.equal(first[name], third[name]) == ("lora_B" in name) for name in first)


def test_only_the_adapter_is_trained(tmp_path: Path) -> None:
    model = adapted(t5(tmp_path / "t5"))
    trained = trained_parameters(model)
    assert {name.rpartition(".lora_")[2] for name in trained} == {"A.default.weight", "B.default.weight"}
    assert len(trained) == len(adapter_tensors(model)) == 12  # q and v of three attentions
    assert is_adapted(model)
    assert not is_adapted(opened(tmp_path / "t5"))


def test_alpha_is_twice_the_rank_unless_set(tmp_path: Path) -> None:
    base = t5(tmp_path / "t5")
    for alpha, expected in ((None, 8), (6.5, 6.5), (16.0, 16)):
        model, values = adapted(base, alpha=alpha), settings(alpha=alpha)
        written = json.loads(adapter_files(model, values, find_base(str(base)))["adapter_config.json"])
        assert written["lora_alpha"] == expected
        layers = [one for one in model.modules() if isinstance(one, LoraLayer)]
        assert {one.scaling["default"] for one in layers} == {expected / 4}


@pytest.mark.parametrize(
    ("targets", "told"),
    [
        (("qq",), "`qq`, and no layer has this name: there are k, lm_head, o, q, v, wi, wo"),
        (("shared",), "`shared`, which is no linear layer but `Embedding`: leave it out"),
        (("q", "layer_norm"), "layer_norm`, which is no linear layer but `T5LayerNorm`"),
        (("lm_head",), "`lm_head`, whose weights are those of another layer too"),
    ],
)
def test_layers_that_can_have_none_are_refused(tmp_path: Path, targets: tuple[str, ...], told: str) -> None:
    with pytest.raises(ConfigError) as error:
        adapted(t5(tmp_path / "t5"), target_modules=targets)
    assert "`model.lora.target_modules` names" in str(error.value)
    assert told in str(error.value)


def test_the_layer_that_gives_the_words_is_refused(tmp_path: Path) -> None:
    untied = GPT2Config(vocab_size=40, n_embd=8, n_layer=1, n_head=2, tie_word_embeddings=False)
    with pytest.raises(ConfigError, match="`lm_head`, which gives the words: leave it out"):
        add_adapter(GPT2LMHeadModel(untied), settings(target_modules=("lm_head",)), 1)


def test_a_kind_that_peft_does_not_know_needs_names(tmp_path: Path) -> None:
    model: Any = opened(t5(tmp_path / "t5"))
    model.config.model_type = "pegasus_x"
    with pytest.raises(
        ConfigError, match=r"no usual layers for the kind `pegasus_x`: name some, or `all-linear`"
    ):
        add_adapter(model, settings(), 1)


def test_a_new_model_has_nothing_to_keep() -> None:
    with pytest.raises(ConfigError, match=r"`model.lora.rank` is 4, and the model is a new one"):
        choose_base(ModelConfig(lora=settings()))
    assert choose_base(ModelConfig()) is None


def test_without_peft_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = builtins.__import__

    def without(name: str, *given: Any, **named: Any) -> Any:
        if name.partition(".")[0] == "peft":
            raise ImportError(name)
        return whole(name, *given, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"needs peft: install it with `pip install chefgenius\[lora\]`"):
        peft_version()
    with pytest.raises(ConfigError, match="needs peft"):
        choose_base(ModelConfig(name_or_path="x", lora=settings()))
