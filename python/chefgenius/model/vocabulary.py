"""The tokenizer's vocabulary and the model's: they must mean the same, and every token needs a row.

A tokenizer may have more tokens than a pretrained model has embeddings, as after tokens were added to it: the
model gets new rows, drawn around the mean of those it has, and that is said.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from torch import nn
from transformers import PreTrainedModel

from chefgenius.data.store import TokenStore
from chefgenius.model.generators import isolated
from chefgenius.settings.config import ConfigError


@dataclass(frozen=True)
class Vocabulary:
    """What a model must agree on with the tokenizer of its data."""

    size: int
    pad_token_id: int
    eos_token_id: int
    begin_token_id: int | None = None
    """what the tokenizer puts before a text of a causal model"""

    @classmethod
    def of(cls, store: TokenStore, begin_token_id: int | None = None) -> "Vocabulary":
        """That of the tokenizer that made a store."""
        return cls(store.vocab_size, store.pad_token_id, store.eos_token_id, begin_token_id)


def fit_to(
    model: PreTrainedModel,
    vocabulary: Vocabulary,
    place: str,
    seed: int,
    grow: Callable[[str], None] | None,
) -> None:
    """Checks the special tokens, and gives the model the rows that it lacks, which depend on `seed` alone.

    `grow` is told of new rows; without it they are refused. Raises ConfigError that names `place`.
    """
    _check_marks(model, vocabulary, place)
    rows = cast(nn.Embedding, model.get_input_embeddings()).num_embeddings
    if rows >= vocabulary.size:
        return
    if grow is None:
        raise ConfigError(
            f"`{place}`: the model has {rows} embeddings, the tokenizer {vocabulary.size} tokens: "
            "leave `vocab_size` out of `model.config`; a pretrained model grows unless it has an adapter"
        )
    with isolated(seed, "weights", 0, 1):
        model.resize_token_embeddings(vocabulary.size)
    grow(
        f"warning: `{place}` has {rows:,} embeddings, the tokenizer {vocabulary.size:,} tokens: "
        f"{vocabulary.size - rows:,} new rows were drawn around the mean of the others"
    )


def _check_marks(model: PreTrainedModel, vocabulary: Vocabulary, place: str) -> None:
    """A causal model never sees padding, so any token may fill its rows, as GPT-2's end-of-text does."""
    configuration: Any = model.config
    if not configuration.is_encoder_decoder:
        configuration.pad_token_id = vocabulary.pad_token_id
        if model.generation_config is not None:
            model.generation_config.pad_token_id = vocabulary.pad_token_id
    for name in ("pad_token_id", "eos_token_id"):
        own, theirs = getattr(configuration, name), getattr(vocabulary, name)
        if theirs != own and theirs not in (own if isinstance(own, list) else ()):
            raise ConfigError(
                f"`{place}`: `{name}` is {own} in the model, {theirs} in the tokenizer: "
                "use the tokenizer of this model in `data.tokenizer`"
            )
    if configuration.is_encoder_decoder and configuration.decoder_start_token_id is None:
        raise ConfigError(
            f"`{place}`: the model's configuration has no `decoder_start_token_id`: add it there"
        )
