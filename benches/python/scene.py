"""What is trained, where and how: the same for both trainers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from chefgenius import RecipeLoader, TokenStore

Shape = dict[str, Any]

SMALL_T5: Shape = {
    "model_type": "t5",
    "d_model": 128,
    "d_kv": 32,
    "d_ff": 512,
    "num_layers": 2,
    "num_decoder_layers": 2,
    "num_heads": 4,
    "dropout_rate": 0.1,
}
"""with T5's vocabulary of 32,100 five million parameters, four of them embeddings"""
FLAN_T5_BASE: Shape = {
    "model_type": "t5",
    "d_model": 768,
    "d_kv": 64,
    "d_ff": 2048,
    "num_layers": 12,
    "num_decoder_layers": 12,
    "num_heads": 12,
    "feed_forward_proj": "gated-gelu",
    "dropout_rate": 0.1,
}
"""as google/flan-t5-base, but for a last layer of its own, which transformers ties: 223 million parameters"""
TINY_T5: Shape = {**SMALL_T5, "d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_decoder_layers": 1}


@dataclass(frozen=True)
class Scene:
    """Model, batches and device."""

    name: str
    shape: Shape
    device: str = "cpu"
    precision: str = "float32"
    rows: int = 8
    """records of a micro-batch; 8 is what transformers takes unless told"""
    lengths: tuple[int, int] = (256, 512)
    """tokens of prompts and of targets, at most"""
    steps: int = 15
    """that are timed in a turn; as many come before. Of fewer the tokens are those of a few recipes"""
    learning_rate: float = 1e-3
    warmup: int = 10
    held_out: float = 0.05

    def without_dropout(self) -> Scene:
        return replace(self, shape={**self.shape, "dropout_rate": 0.0})

    def loader(self, store: TokenStore, seed: int, plan: str, **more: Any) -> RecipeLoader:
        """The batches that a run of chefgenius with this seed and plan is trained on."""
        return RecipeLoader(
            store,
            more.pop("rows", self.rows),
            plan=plan,  # type: ignore[arg-type]
            seed=seed,
            validation_fraction=self.held_out,
            max_input_length=self.lengths[0],
            max_target_length=self.lengths[1],
            **{"split": "train", **more},
        )


CPU = Scene("small T5", SMALL_T5)
QUICK = Scene("tiny T5", TINY_T5, rows=4, lengths=(24, 48), steps=2)
GPU = Scene("FLAN-T5 base", FLAN_T5_BASE, "cuda", "bf16", rows=32, steps=40)


def scenes(*, quick: bool) -> list[Scene]:
    """The CPU's, and the GPU's where there is one."""
    if quick:
        return [QUICK]
    return [CPU, GPU] if torch.cuda.is_available() else [CPU]
