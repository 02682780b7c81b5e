"""Causal models from the command on: laid out, trained, stopped, gone on with, evaluated, generating."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from chefgenius import ckpt
from chefgenius.cookbook import TOKENIZER
from chefgenius.data.layout import Layout
from chefgenius.model.tokenizer import TextDecoder
from fitting import fit, metrics, stop_at
from kinds import KINDS
from running import assert_same_run, opened, outcome, run_here
from safetensors import safe_open
from samples import shared
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer, pipeline


def of(kind: str, **changes: Any) -> str:
    return f"model.config={json.dumps({**KINDS[kind], **changes})}"


DROPOUT: dict[str, dict[str, Any]] = {
    "gpt2": {"resid_pdrop": 0.1, "attn_pdrop": 0.1},
    "llama": {"attention_dropout": 0.1},
}


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_a_causal_run_goes_on_as_if_it_had_not_been_stopped(kind: str, tmp_path: Path) -> None:
    words = (of(kind, **DROPOUT[kind]), "train.max_steps=8", "optim.learning_rate=1e-2")
    fit(tmp_path, *words, run="whole")
    stop_at(tmp_path, *words, step=3)
    stop_at(tmp_path, *words, step=6)
    fit(tmp_path, *words)
    assert_same_run(tmp_path / "run", tmp_path / "whole")
    evaluations = metrics(tmp_path / "run", "evaluation")
    assert evaluations[-1]["validation_loss"] < evaluations[0]["validation_loss"]


def test_no_mask_is_advised_where_none_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr("transformers.modeling_utils.logger.warning_once", told.append)
    fit(tmp_path, of("gpt2"), "train.max_steps=1", "eval.every_steps=1")
    assert told == []


def test_a_causal_checkpoint_opens_in_transformers(tmp_path: Path) -> None:
    fit(tmp_path, of("llama"), "train.max_steps=2", "eval.every_steps=0")
    step = tmp_path / "run" / "checkpoints" / "step-00000002"
    model = AutoModelForCausalLM.from_pretrained(step)
    assert type(model).__name__ == "LlamaForCausalLM"
    assert AutoTokenizer.from_pretrained(step)("salt").input_ids
    again = (f"model.name_or_path={step}", "model.config=null", "train.max_steps=3", "eval.every_steps=0")
    fit(tmp_path, *again, run="tuned")
    assert outcome(tmp_path / "tuned")["checkpoint"] == "step-00000003"


@pytest.mark.parametrize("tied", [False, True])
def test_an_exported_causal_model_opens_elsewhere(tmp_path: Path, tied: bool) -> None:
    """With `pipeline`, and with loaders of vLLM's kind, which read the files themselves, as is done here."""
    fit(tmp_path, of("llama", tie_word_embeddings=tied), "train.max_steps=2", "eval.every_steps=0")
    out = tmp_path / "out"
    assert ckpt.main(["export", str(tmp_path / "run"), str(out)]) == 0
    names = ("config", "generation_config", "tokenizer_config")
    config, generation, tokens = (json.loads((out / f"{name}.json").read_bytes()) for name in names)
    assert config["architectures"] == ["LlamaForCausalLM"]
    assert config["model_type"] == "llama"
    assert config["dtype"] == "float32"
    tokenizer = Tokenizer.from_file(str(out / "tokenizer.json"))
    assert tokenizer.get_vocab_size() <= config["vocab_size"]
    end = tokenizer.token_to_id(tokens["eos_token"])
    assert end is not None
    assert end == config["eos_token_id"] == generation["eos_token_id"]
    (weights,) = out.glob("*.safetensors")  # such a loader takes every file of this kind for weights
    with safe_open(weights, "numpy") as file:
        shapes = {name: list(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    assert weights.name == "model.safetensors"
    assert shapes == llama_shapes(config)
    write = pipeline("text-generation", model=str(out), device="cpu")
    (found,) = write("Write a recipe.", max_new_tokens=4, do_sample=False, return_full_text=False)
    model: Any = AutoModelForCausalLM.from_pretrained(out)
    reader = AutoTokenizer.from_pretrained(out)
    asked = reader("Write a recipe.", return_tensors="pt", return_token_type_ids=False)
    made = model.generate(**asked, max_new_tokens=4, do_sample=False)[0, asked["input_ids"].shape[1] :]
    assert found["generated_text"] == reader.decode(made, skip_special_tokens=True)


def llama_shapes(config: dict[str, Any]) -> dict[str, list[int]]:
    """The tensors of such a model by the names that its readers ask for."""
    wide, inner, vocabulary = (config[name] for name in ("hidden_size", "intermediate_size", "vocab_size"))
    head = wide // config["num_attention_heads"]
    few = head * config["num_key_value_heads"]
    shapes = {"model.embed_tokens.weight": [vocabulary, wide], "model.norm.weight": [wide]}
    if not config["tie_word_embeddings"]:
        shapes["lm_head.weight"] = [vocabulary, wide]
    parts = {
        "self_attn.q_proj": [wide, wide],
        "self_attn.k_proj": [few, wide],
        "self_attn.v_proj": [few, wide],
        "self_attn.o_proj": [wide, wide],
        "mlp.gate_proj": [inner, wide],
        "mlp.up_proj": [inner, wide],
        "mlp.down_proj": [wide, inner],
        "input_layernorm": [wide],
        "post_attention_layernorm": [wide],
    }
    for layer in range(config["num_hidden_layers"]):
        shapes |= {f"model.layers.{layer}.{part}.weight": shape for part, shape in parts.items()}
    return shapes


def test_a_causal_row_is_prompt_separator_and_target(tmp_path: Path) -> None:
    with opened(tmp_path, of("gpt2")) as trainer:
        batch = trainer.feed.next()
        record = trainer.feed.loader.store.record(int(batch.record_ids[0]))
        ids = batch["input_ids"][0][batch["attention_mask"][0] > 0].tolist()
        newline = TextDecoder(TOKENIZER).between("\n")
        assert len(newline) == 1
        prompt, target = record.prompt_ids.tolist(), record.target_ids.tolist()
        assert ids[:-1] == [*prompt, *newline, *target]
        learned = batch["labels"][0]
        assert int((learned >= 0).sum()) == len(target) + 1
        assert trainer.evaluator is not None
        assert trainer.evaluator._prompt_ids(int(batch.record_ids[0])) == [*prompt, *newline]


def test_what_stands_between_prompt_and_target_can_be_said(tmp_path: Path) -> None:
    with opened(tmp_path, of("gpt2"), "data.separator= Recipe: ", "data.loss_on=both") as trainer:
        batch = trainer.feed.next()
        assert TextDecoder(TOKENIZER).decode(batch["input_ids"][0].tolist()).count("Recipe:") == 1
        counted = int(batch["attention_mask"].sum())
        assert int((batch["labels"] >= 0).sum()) == counted - len(batch.record_ids)


def test_a_separator_that_the_tokenizer_drops_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (of("gpt2"), f"data.tokenizer={shared('tokenizers/t5')}", 'data.separator="\\v"')
    assert run_here(tmp_path, *words) == 2
    assert "`data.separator`: the tokenizer has nothing for" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_prompts_of_different_lengths_are_continued_as_each_alone(kind: str, tmp_path: Path) -> None:
    with opened(tmp_path, of(kind), "eval.max_new_tokens=12") as trainer:
        evaluator = trainer.evaluator
        assert evaluator is not None
        evaluator.model.eval()  # type: ignore[no-untyped-call]
        records = [int(one) for one in evaluator.loader.view_record_ids(5)]
        prompts = [evaluator._prompt_ids(one) for one in records]
        assert len(set(map(len, prompts))) > 1
        together = evaluator._write(prompts)
        assert together == [text for one in prompts for text in evaluator._write([one])]
        # and each by the model alone, one token after another
        for prompt, text in zip(prompts, together, strict=True):
            ids = list(prompt)
            for _ in range(12):
                ids.append(int(evaluator.model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
                if ids[-1] == evaluator.store.eos_token_id:
                    break
            assert text == evaluator.decoder.decode(ids[len(prompt) :])
        assert not any(text.startswith("Write a recipe") for text in together)


def test_rows_are_filled_before_the_prompt_that_is_gone_on_with() -> None:
    prompts = [[5, 6, 7], [8]]
    assert Layout().batch(prompts, 0) == ([[5, 6, 7], [8, 0, 0]], [[1, 1, 1], [1, 0, 0]], 0)
    assert Layout("causal").batch(prompts, 0) == ([[5, 6, 7], [0, 0, 8]], [[1, 1, 1], [0, 0, 1]], 3)


def test_a_long_prompt_is_cut_as_in_training() -> None:
    layout = Layout("causal", 2, (9, 9))
    assert layout.prompt([4, 5, 6, 7], 6, 1) == [2, 4, 5, 6, 9, 9]
    assert Layout().prompt([4, 5, 6, 7], 3, 1) == [4, 5, 1]


@pytest.mark.parametrize(
    ("name", "begin", "newline"), [("gpt2", None, "\n"), ("mistral", "<s>", "\n"), ("t5", None, "")]
)
def test_tokenizers_say_what_stands_around_a_text(name: str, begin: str | None, newline: str) -> None:
    decoder = TextDecoder(shared(f"tokenizers/{name}"))
    number, between = decoder.begin_id(), decoder.between("\n")
    assert (None if number is None else decoder.token(number)) == begin
    assert len(between) == 1, "T5 has a space for it"
    text = decoder.decode([*decoder._ids("a"), *between, *decoder._ids("b")])
    assert text.replace(" ", "") == f"a{newline}b"


@pytest.mark.parametrize(("name", "kind"), [("gpt2", "gpt2"), ("mistral", "mistral"), ("t5", "llama")])
def test_a_causal_model_trains_with_a_real_tokenizer(name: str, kind: str, tmp_path: Path) -> None:
    tokenizer = shared(f"tokenizers/{name}")
    words = (of(kind), f"data.tokenizer={tokenizer}", "train.max_steps=4", "optim.learning_rate=1e-2")
    fit(tmp_path, *words, "eval.prompts=2")
    evaluations = metrics(tmp_path / "run", "evaluation")
    assert evaluations[-1]["validation_loss"] < evaluations[0]["validation_loss"]
