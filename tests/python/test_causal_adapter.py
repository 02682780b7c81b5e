"""Adapters on causal models, from the command to the export; and activations that are computed again."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from adapters import LORA, logits, on_base, vocabulary
from chefgenius import ckpt
from chefgenius.model.model import build_model
from chefgenius.run.rundir import RunDirectory
from chefgenius.settings.config import ModelConfig
from fitting import QUIET, fit, metrics, stop_at, weights
from kinds import KINDS
from peft import PeftModel
from running import assert_same_run, opened
from transformers import AutoModelForCausalLM

# peft's own call, which transformers warns of.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")

DROPOUT: dict[str, dict[str, Any]] = {
    "gpt2": {"resid_pdrop": 0.1, "attn_pdrop": 0.1},
    "llama": {"attention_dropout": 0.1},
}


def on_causal(folder: Path, kind: str) -> tuple[str, ...]:
    """Overrides of a run that trains an adapter on a small model of this kind."""
    base = folder / kind
    if not base.exists():
        config = ModelConfig(config={**KINDS[kind], **DROPOUT[kind]})
        build_model(config, vocabulary(), 3).save_pretrained(base)
    return ("model.config=null", f"model.name_or_path={base}", *LORA, "optim.learning_rate=0.03")


@pytest.mark.parametrize("kind", DROPOUT)
def test_an_adapter_of_a_causal_model_goes_on_exactly_and_is_merged(kind: str, tmp_path: Path) -> None:
    words = (*on_causal(tmp_path, kind), "train.max_steps=8")
    fit(tmp_path, *words, run="whole")
    stop_at(tmp_path, *words, step=3)
    stop_at(tmp_path, *words, step=6)
    fit(tmp_path, *words)
    assert_same_run(tmp_path / "run", tmp_path / "whole")
    evaluations = metrics(tmp_path / "run", "evaluation")
    assert evaluations[-1]["validation_loss"] < evaluations[0]["validation_loss"]

    with opened(tmp_path, *words) as trainer:
        expected = logits(trainer.model)
    out = tmp_path / "out"
    assert ckpt.main(["export", str(tmp_path / "run"), str(out)]) == 0
    merged = AutoModelForCausalLM.from_pretrained(out, local_files_only=True)
    assert (logits(merged) - expected).abs().max() < 1e-5
    base = AutoModelForCausalLM.from_pretrained(tmp_path / kind, local_files_only=True)
    assert (logits(base) - expected).abs().max() > 1e-2, "it learned something"
    last = RunDirectory(tmp_path / "run").step_path(8)
    described = json.loads((last / "adapter_config.json").read_bytes())
    assert (described["task_type"], described["fan_in_fan_out"]) == ("CAUSAL_LM", kind == "gpt2")
    assert torch.equal(logits(PeftModel.from_pretrained(base, last)), expected)


@pytest.mark.parametrize("kind", ["t5", "llama"])
def test_activations_that_are_computed_again_give_the_same_adapter(kind: str, tmp_path: Path) -> None:
    """Dropout of base and adapter included."""
    words = on_base(tmp_path) if kind == "t5" else on_causal(tmp_path, kind)
    words = (*words, *QUIET, "train.max_steps=4")
    fit(tmp_path, *words, run="kept")
    fit(tmp_path, *words, "train.activation_checkpointing=true", run="again")
    assert weights(tmp_path / "again") == weights(tmp_path / "kept")
