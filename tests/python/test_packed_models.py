"""Runs the code of docs/packed.md: a packed batch teaches a model what its records teach it one by one."""

import json
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from chefgenius import TokenStore
from chefgenius.data.batch import Batch
from chefgenius.model.inputs import forward_of
from chefgenius.model.loss import TokenLoss
from chefgenius.model.packing import unpadded
from chefgenius.model.proofs import prove
from chefgenius.settings.config import Config, ConfigError
from fitting import fit, metrics, stop_at
from kinds import KINDS, tiny
from running import assert_same_run
from samples import take
from torch import Tensor
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    T5Config,
    T5ForConditionalGeneration,
)
from twins import mixed_store, open_loader

GUIDE = Path(__file__).parents[2] / "docs" / "packed.md"
TOLERANCE = 1e-5
BATCHES = 2

Model = Any
"""a transformers model; its heads share no typed base that has `loss`"""
Learned = tuple[float, dict[str, Tensor]]
"""a loss and the gradient of each parameter"""


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> TokenStore:
    return mixed_store(tmp_path_factory.mktemp("mixed"))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Models this small only wait for a second thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def make(kind: str, attention: str, store: TokenStore) -> Model:
    """Two layers with random weights, large enough that it matters what a place sees; no dropout."""
    torch.manual_seed(0)
    common: dict[str, Any] = {
        "vocab_size": store.vocab_size,
        "pad_token_id": store.pad_token_id,
        "bos_token_id": store.eos_token_id,
        "eos_token_id": store.eos_token_id,
        "attn_implementation": attention,
    }
    model: Model
    if kind == "t5":
        sizes: dict[str, Any] = {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 2}
        # A start token other than padding: it must come from the model and not happen to be 0.
        sizes["decoder_start_token_id"] = 3
        model = T5ForConditionalGeneration(T5Config(**common, **sizes))
    elif kind == "gpt2":
        model = GPT2LMHeadModel(GPT2Config(**common, n_embd=16, n_layer=2, n_head=2, initializer_range=0.2))
    else:
        heads: dict[str, Any] = {"num_attention_heads": 2, "num_key_value_heads": 1, "num_hidden_layers": 2}
        wide: dict[str, Any] = {"hidden_size": 16, "intermediate_size": 32, "initializer_range": 0.2}
        model = LlamaForCausalLM(LlamaConfig(**common, **heads, **wide))
    return model.eval()


def gradients(model: Model) -> dict[str, Tensor]:
    """What the last backward passes left; the model forgets it."""
    found = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    model.zero_grad()
    return found


def as_the_guide_says(model: Model, batch: Batch) -> Learned:
    text = GUIDE.read_text()
    (block,) = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {"model": model, "batch": batch}
    exec(compile(block, GUIDE.name, "exec"), names)
    names["loss"].backward()
    return names["loss"].item(), gradients(model)


def one_by_one(model: Model, batch: Batch) -> Learned:
    """The records alone, as the bounds cut them; each counts by the labels that it is asked for."""
    causal = "decoder_cu_seqlens" not in batch
    side = "" if causal else "decoder_"
    inputs = batch["input_ids"][batch["segment_ids"] > 0]
    labels = batch["labels"][batch[f"{side}segment_ids"] > 0]
    bounds = [list(pairwise(batch[name].tolist())) for name in ("cu_seqlens", f"{side}cu_seqlens")]
    count, total = int((labels != -100).sum()), 0.0
    assert count == int((batch["labels"] != -100).sum())
    for (begin, end), (first, last) in zip(*bounds, strict=True):
        asked = labels[None, first:last]
        learned = int((asked != -100).sum())
        loss = model(input_ids=inputs[None, begin:end], labels=asked).loss * (learned / count)
        loss.backward()
        total += loss.item()
    return total, gradients(model)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize(
    ("kind", "layout"),
    [("llama", "causal"), ("llama", "causal both"), ("gpt2", "causal all"), ("t5", "seq2seq")],
)
def test_a_packed_batch_teaches_what_its_records_teach(
    mixed: TokenStore, kind: str, layout: str, attention: str
) -> None:
    model = make(kind, attention, mixed)
    for batch in take(open_loader(mixed, "packed", layout), BATCHES):
        assert int(batch["segment_ids"].max()) > 1, "some row holds several records"
        loss, learned = as_the_guide_says(model, batch)
        expected, alone = one_by_one(model, batch)
        assert loss == pytest.approx(expected, rel=0, abs=TOLERANCE)
        for name, gradient in learned.items():
            assert torch.allclose(gradient, alone[name], rtol=TOLERANCE, atol=TOLERANCE), name
        assert max(float(gradient.abs().max()) for gradient in alone.values()) > 1000 * TOLERANCE
        with torch.no_grad():
            assert abs(model(**batch).loss.item() - expected) > 10 * TOLERANCE, "mixed, and nobody says so"


def test_padding_that_sees_nothing_stays_finite(mixed: TokenStore) -> None:
    """A target row with padding beside a source row without: that padding is shut out of every source."""
    for attention in ("sdpa", "eager"):
        model = make("t5", attention, mixed)
        batch = next(iter(open_loader(mixed, "packed")))
        full = int((batch["segment_ids"] > 0).sum(1).min())
        cut = Batch(batch)
        for name in ("input_ids", "segment_ids", "position_ids", "attention_mask"):
            cut[name] = batch[name][:, :full]
        assert (cut["segment_ids"] > 0).all()
        for name, padding in (("labels", -100), ("decoder_segment_ids", 0), ("decoder_position_ids", 0)):
            cut[name] = batch[name].clone()
            cut[name][:, -2:] = padding
        loss, learned = as_the_guide_says(model, cut)
        assert 0 < loss < 1000
        assert all(gradient.isfinite().all() for gradient in learned.values())


def packed_words(**changes: Any) -> Config:
    """A configuration with `data.plan=packed`; the model is made beside it."""
    return Config.model_validate({"data": {"plan": "packed", **changes}})


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_that_cannot_be_packed_are_found_out(kind: str) -> None:
    model = tiny(kind)
    if kind == "bart":
        with pytest.raises(ConfigError, match=r"`data\.plan=packed`: a model of the kind `bart` counts"):
            prove(model, packed_words())
    else:
        prove(model, packed_words(max_target_length=100))
    prove(model, Config())


def test_attention_that_does_not_reach_over_a_record_is_not_packed() -> None:
    model = tiny("mistral", sliding_window=300)
    prove(model, packed_words(max_input_length=100, max_target_length=200))
    with pytest.raises(ConfigError, match="of this `mistral` reaches 300 places back, records are up to 301"):
        prove(model, packed_words(max_input_length=101, max_target_length=200))


def test_ids_without_padding_are_those_of_the_records(mixed: TokenStore) -> None:
    """What kernels of variable length are given, which this machine has none of."""
    batch = next(iter(open_loader(mixed, "packed", "causal")))
    flat: dict[str, Any] = unpadded(batch)
    assert flat["input_ids"].tolist() == [batch["input_ids"][batch["segment_ids"] > 0].tolist()]
    bounds = flat["cu_seq_lens_q"].tolist()
    assert flat["max_length_q"] == max(last - first for first, last in pairwise(bounds))
    assert [flat["position_ids"][0, first] for first in bounds[:-1]] == [0] * len(batch.record_ids)
    model = make("llama", "sdpa", mixed)
    model.config._attn_implementation_internal = "flash_attention_2"
    forward = forward_of(model, batch)
    masked = TokenLoss(make("llama", "sdpa", mixed))
    expected = forward_of(masked.model, batch)
    assert forward.targets.tolist() == expected.targets.tolist()
    where = (batch["segment_ids"] > 0).flatten().nonzero().flatten()
    assert where[forward.places].tolist() == expected.places.tolist()


@pytest.mark.parametrize("kind", ["t5", "gpt2", "llama"])
def test_a_packed_run_goes_on_as_if_it_had_not_been_stopped(kind: str, tmp_path: Path) -> None:
    config = json.dumps(KINDS[kind])
    words = (f"model.config={config}", "data.plan=packed", "data.batch_size=2", "train.max_steps=5")
    fit(tmp_path, *words, run="whole")
    stop_at(tmp_path, *words, step=3)
    fit(tmp_path, *words)
    assert_same_run(tmp_path / "run", tmp_path / "whole")
    first, *_, last = metrics(tmp_path / "run", "evaluation")
    assert last["validation_loss"] < first["validation_loss"]
