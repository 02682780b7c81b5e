"""A trained model to be used: with the tokenizer, the layout and the arithmetic of its run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from transformers import PreTrainedModel
from transformers.utils import logging

from chefgenius.data.layout import Layout
from chefgenius.data.store import TokenStore
from chefgenius.model import lora
from chefgenius.model.compute import (
    choose_device,
    choose_threads,
    is_strict,
    prepare_environment,
    set_arithmetic,
)
from chefgenius.model.model import build_model, count_parameters, kind_of
from chefgenius.model.tokenizer import TextDecoder
from chefgenius.model.vocabulary import Vocabulary
from chefgenius.run.base import ADAPTER, AVERAGES
from chefgenius.run.located import Located
from chefgenius.settings.config import ConfigError, ModelConfig
from chefgenius.training.dataset import layout_of
from chefgenius.training.loading import copy_weights


@dataclass(frozen=True)
class Trained:
    """A model that is ready to be asked."""

    located: Located
    model: PreTrainedModel
    """in evaluation mode, on its device"""
    decoder: TextDecoder
    layout: Layout


def open_layout(located: Located) -> tuple[TextDecoder, Layout]:
    """The tokenizer that lies beside a model, and what stands around a prompt, as in training."""
    decoder = TextDecoder(located.directory)
    settings = ModelConfig(name_or_path=str(located.directory))
    if (located.directory / ADAPTER).exists():
        settings = located.config.model
    kind = kind_of(settings, located.directory)
    return decoder, layout_of(located.config, kind, decoder, lambda text: None)


def open_model(
    located: Located, store: TokenStore, *, averages: bool = False, say: Callable[[str], None] = print
) -> Trained:
    """Loads the weights, in the arithmetic of the run; or `averages` of them, which a run may judge anyway.

    `store` is one of the model's tokenizer. Raises ConfigError, ResumeError, FileNotFoundError, OSError.
    """
    config, directory, origin = located.config, located.directory, located.origin
    prepare_environment(config.train.determinism)
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    decoder, layout = open_layout(located)
    vocabulary = Vocabulary.of(store, layout.bos_id)
    averages = averages or config.eval.use_ema
    adapted = origin is not None and (directory / ADAPTER).exists()
    if averages and not (directory / AVERAGES).exists():
        raise ConfigError(f"`{directory}` holds no averages of the weights: leave `--ema` out")
    if adapted and origin is not None:
        base = lora.choose_base(config.model)
        lora.refuse_other_base(config, base, origin)
        model = build_model(config.model, vocabulary, config.seed, saved=directory, base=base)
        lora.add_adapter(model, config.model.lora, config.seed)
        copy_weights(directory / (AVERAGES if averages else ADAPTER), model)
    else:
        settings = ModelConfig(name_or_path=str(directory), attention=config.model.attention)
        model = build_model(settings, vocabulary, config.seed, say=say)
        if averages:
            copy_weights(directory / AVERAGES, model)
    device = choose_device("auto")
    threads = choose_threads(config.train.threads, count_parameters(model), origin)
    set_arithmetic(threads, strict=is_strict(config.train.determinism, device), device=device)
    model.to(device)  # type: ignore[arg-type]
    model.eval()  # type: ignore[no-untyped-call]
    return Trained(located, model, decoder, layout)
