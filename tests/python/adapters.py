"""What the tests of adapters are made of: small bases in directories, and runs that train one on them."""

from pathlib import Path
from typing import Any

import peft  # noqa: F401 - before a nursery forks, so that no child has to
import torch
from chefgenius.cookbook import TOKENIZER
from chefgenius.model.model import Vocabulary, build_model
from chefgenius.settings.config import ModelConfig
from running import MODEL
from tokenizers import Tokenizer
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedModel

LORA = ("model.lora.rank=4", "model.lora.dropout=0.2", "optim.learning_rate=0.01")


def vocabulary() -> Vocabulary:
    """What a base must have for the bundled tokenizer."""
    return Vocabulary(Tokenizer.from_file(str(TOKENIZER)).get_vocab_size(), 0, 1)


def t5(folder: Path, seed: int = 3, dtype: torch.dtype = torch.float32, **options: Any) -> Path:
    """A small T5 for the bundled tokenizer, as `save_pretrained` writes one."""
    model = build_model(ModelConfig(config=MODEL), vocabulary(), seed)
    model.to(dtype).save_pretrained(folder, **options)  # type: ignore[arg-type]
    return folder


def gpt2(folder: Path, seed: int = 3) -> Path:
    """A small GPT-2, whose layers keep their weights transposed."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = GPT2LMHeadModel(
            GPT2Config(vocab_size=40, n_embd=8, n_layer=2, n_head=2, bos_token_id=1, eos_token_id=1)
        )
    made.save_pretrained(folder)
    return folder


def on_base(folder: Path, *overrides: str) -> tuple[str, ...]:
    """Overrides of a run that trains an adapter on the T5 in `folder/base`, which is made where it is not."""
    base = folder / "base"
    if not base.exists():
        t5(base)
    return ("model.config=null", f"model.name_or_path={base}", *LORA, *overrides)


def logits(model: Any) -> torch.Tensor:
    """What a model makes of a fixed text, without dropout."""
    ids = torch.tensor([[3, 4, 7, 9, 1]])
    inputs = {"input_ids": ids, "labels": ids} if model.config.is_encoder_decoder else {"input_ids": ids}
    model.eval()
    with torch.no_grad():
        found: torch.Tensor = model(**inputs).logits
    return found


def stirred(model: PreTrainedModel, seed: int = 5) -> PreTrainedModel:
    """Gives everything that is trained other values, so that an adapter does something."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for one in model.parameters():
            if one.requires_grad:
                one.add_(torch.randn(one.shape, generator=generator) * 0.3)
    return model
