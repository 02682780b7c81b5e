"""A tiny model of each kind that a run can train, with weights large enough that it matters what is seen."""

from typing import Any

import torch
from chefgenius.model.model import build_model
from chefgenius.model.vocabulary import Vocabulary
from chefgenius.settings.config import ModelConfig
from transformers import PreTrainedModel

WORDS = Vocabulary(40, 0, 1)

_T5: dict[str, Any] = {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 2}
_LLAMA: dict[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "initializer_range": 0.2,
}

KINDS: dict[str, dict[str, Any]] = {
    "t5": {"model_type": "t5", **_T5, "dropout_rate": 0.0},
    "flan-t5": {
        "model_type": "t5",
        **_T5,
        "feed_forward_proj": "gated-gelu",
        "tie_word_embeddings": False,
        "dropout_rate": 0.0,
    },
    "mt5": {"model_type": "mt5", **_T5, "dropout_rate": 0.0},
    "bart": {
        "model_type": "bart",
        "d_model": 16,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "encoder_attention_heads": 2,
        "decoder_attention_heads": 2,
        "encoder_ffn_dim": 32,
        "decoder_ffn_dim": 32,
        "init_std": 0.2,
        "dropout": 0.0,
    },
    "gpt2": {
        "model_type": "gpt2",
        "n_embd": 16,
        "n_layer": 2,
        "n_head": 2,
        "initializer_range": 0.2,
        "resid_pdrop": 0.0,
        "embd_pdrop": 0.0,
        "attn_pdrop": 0.0,
    },
    "llama": {"model_type": "llama", **_LLAMA},
    "mistral": {"model_type": "mistral", **_LLAMA},
    "qwen2": {"model_type": "qwen2", **_LLAMA},
    "qwen3": {"model_type": "qwen3", **_LLAMA, "head_dim": 8},
    "gemma2": {"model_type": "gemma2", **_LLAMA, "head_dim": 8, "final_logit_softcapping": 2.0},
}
ENCODER_DECODERS = ("t5", "flan-t5", "mt5", "bart")


def tiny(kind: str, words: Vocabulary = WORDS, attention: Any = "auto", **changes: Any) -> PreTrainedModel:
    """One of `KINDS`, in training mode; BART with a bias on its logits, as a pretrained one may have."""
    model = build_model(ModelConfig(config={**KINDS[kind], **changes}, attention=attention), words, 1)
    if kind == "bart":
        with torch.no_grad():
            model.get_buffer("final_logits_bias").normal_(generator=torch.Generator().manual_seed(3))
    return model


def batch_of(kind: str, rows: int = 3, seed: int = 0) -> dict[str, torch.Tensor]:
    """Prompts and targets of different lengths, laid out for the kind."""
    chance = torch.Generator().manual_seed(seed)
    ids = torch.randint(2, 40, (rows, 9), generator=chance)
    mask = torch.ones_like(ids)
    if kind in ENCODER_DECODERS:
        labels = torch.randint(2, 40, (rows, 7), generator=chance)
        for row in range(rows):
            mask[row, 3 + row :] = 0
            labels[row, 2 + 2 * row :] = -100
    else:
        labels = ids.clone()
        for row in range(rows):
            mask[row, 5 + row :] = 0
            labels[row, : 1 + row] = labels[row, 5 + row :] = -100
    return {"input_ids": ids * mask, "attention_mask": mask, "labels": labels}
