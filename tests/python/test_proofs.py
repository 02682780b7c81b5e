"""What is tried of a model before its first step: learned positions, and kinds that cannot be packed."""

from typing import Any

import pytest
from chefgenius.model.model import build_model
from chefgenius.model.proofs import prove
from chefgenius.settings.config import Config, ConfigError, ModelConfig
from kinds import WORDS, tiny

GPT2 = {"n_positions": 128}
BART = {"max_position_embeddings": 60}


@pytest.mark.parametrize(
    ("kind", "changes", "lengths", "told"),
    [
        ("gpt2", GPT2, (64, 64, 64), ""),
        ("gpt2", GPT2, (129, 2, 0), "`data.max_input_length`: rows of up to 129 tokens, and this `gpt2`"),
        ("gpt2", GPT2, (64, 65, 0), "`data.max_target_length`: rows of up to 129 tokens of prompt and text"),
        ("gpt2", GPT2, (64, 64, 65), "`eval.max_new_tokens`: rows of up to 129 tokens of prompt and text"),
        ("bart", BART, (60, 60, 60), ""),
        ("bart", BART, (61, 60, 60), "`data.max_input_length`: rows of up to 61 tokens, and this `bart`"),
        ("bart", BART, (60, 61, 60), "`data.max_target_length`: rows of up to 61 tokens, and this `bart`"),
        ("bart", BART, (60, 60, 61), "`eval.max_new_tokens`: rows of up to 61 tokens, and this `bart`"),
        ("t5", {}, (5_000, 5_000, 5_000), ""),
        ("llama", {"max_position_embeddings": 128}, (500, 500, 500), ""),
    ],
)
def test_rows_that_learned_positions_end_before_are_refused(
    kind: str, changes: dict[str, Any], lengths: tuple[int, int, int], told: str
) -> None:
    prompt, target, new = lengths
    values = {
        "data": {"max_input_length": prompt, "max_target_length": target},
        "eval": {"every_steps": 5, "max_new_tokens": max(new, 1), "prompts": min(new, 1), "samples": 0},
    }
    model = tiny(kind, **changes)
    if not told:
        prove(model, Config.model_validate(values))
        return
    with pytest.raises(ConfigError) as error:
        prove(model, Config.model_validate(values))
    assert told in str(error.value)
    assert f"has {next(iter(changes.values()))} learned positions: lower it" in str(error.value)


@pytest.mark.parametrize(
    ("kind", "sizes"),
    [
        ("bloom", {"hidden_size": 16, "n_layer": 1, "n_head": 2}),
        ("mamba", {"hidden_size": 16, "num_hidden_layers": 1, "state_size": 4}),
    ],
)
def test_a_kind_that_fails_at_a_packed_row_is_refused_like_one_that_mixes_it(
    kind: str, sizes: dict[str, int]
) -> None:
    model = build_model(ModelConfig(config={"model_type": kind, **sizes}), WORDS, 1)
    with pytest.raises(
        ConfigError, match=r"`data\.plan=packed`: a model of the kind .*: use `data\.plan=bucketed`"
    ):
        prove(model, Config.model_validate({"data": {"plan": "packed"}}))
    prove(model, Config())
