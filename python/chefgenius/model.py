"""The model: from a directory, a hub name or a configuration, with float32 parameters.

It is checked against the tokenizer's vocabulary.
"""

import copy
import difflib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForSeq2SeqLM,
    GenerationConfig,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.utils import logging

from chefgenius.base import Base
from chefgenius.config import ConfigError, ModelConfig
from chefgenius.generators import isolated
from chefgenius.pretrained import read_configuration
from chefgenius.state import ResumeError, one_line


@dataclass(frozen=True)
class Vocabulary:
    """What a model must agree on with the tokenizer of its data."""

    size: int
    pad_token_id: int
    eos_token_id: int


def build_model(
    settings: ModelConfig,
    vocabulary: Vocabulary,
    seed: int,
    *,
    saved: Path | None = None,
    base: Base | None = None,
) -> PreTrainedModel:
    """The model of a run on the CPU, all parameters float32, in training mode.

    New weights depend on `seed` alone. With `saved`, the directory of a verified checkpoint whose weights
    will be loaded next, a pretrained model is only built from that checkpoint's configuration; where an
    adapter alone will be loaded, its weights are those of `base`. Raises ConfigError when the
    model cannot be used, ResumeError when the checkpoint has none, FileNotFoundError when its directory is
    not there.
    """
    name = settings.name_or_path
    if name is None:
        model = _new(_configuration(settings.config or {}, vocabulary), seed)
    elif base is not None:
        model = _pretrained(str(base.directory), None if saved is None else _described(saved, base.directory))
    elif saved is not None:
        model = _new(_described(saved), seed)
    else:
        model = _pretrained(name)
    _check(model, vocabulary, name or "model.config")
    model.train()
    return model


def is_local(name_or_path: str | None) -> bool:
    """Whether the name means something on this machine, so that no network is needed."""
    return name_or_path is None or Path(name_or_path).exists() or name_or_path.startswith(("/", ".", "~"))


def named_tensors(model: PreTrainedModel) -> dict[str, Tensor]:
    """Parameters and persistent buffers by name, tied ones once: what `from_pretrained` reads."""
    persistent = model.state_dict().keys()
    buffers = {name: buffer for name, buffer in model.named_buffers() if name in persistent}
    return {**dict(model.named_parameters()), **buffers}


def describing_files(model: PreTrainedModel) -> dict[str, bytes]:
    """config.json and generation_config.json as `save_pretrained` would write them."""
    configuration = copy.deepcopy(model.config)
    configuration.architectures = [type(model).__name__]
    configuration.dtype = "float32"
    files = {"config.json": configuration.to_json_string().encode()}
    if model.generation_config is not None:
        files["generation_config.json"] = model.generation_config.to_json_string().encode()
    return files


def count_parameters(model: PreTrainedModel) -> int:
    """Number of parameters, tied ones once."""
    return sum(parameter.numel() for parameter in model.parameters())


def _configuration(values: dict[str, Any], vocabulary: Vocabulary) -> PreTrainedConfig:
    """The configuration of a new model; what belongs to the tokenizer is filled in from it."""
    values = dict(values)
    kind = values.pop("model_type", None)
    if not isinstance(kind, str):
        raise ConfigError("`model.config.model_type`: is needed, such as `t5`")
    try:
        known = AutoConfig.for_model(kind)
    except ValueError:
        raise ConfigError(f"`model.config.model_type`: transformers has no `{kind}`: try `t5`") from None
    names = {*known.to_dict(), *known.attribute_map}
    for name in values:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            advice = (
                f"did you mean `{near[0]}`?" if near else f"see the configuration of `{kind}` in transformers"
            )
            raise ConfigError(f"unknown key `model.config.{name}`: {advice}")
    filled = {
        "vocab_size": vocabulary.size,
        "pad_token_id": vocabulary.pad_token_id,
        "eos_token_id": vocabulary.eos_token_id,
        "decoder_start_token_id": vocabulary.pad_token_id,
    }
    try:
        return AutoConfig.for_model(kind, **{**filled, **values})
    except Exception as error:
        raise _unfit(error) from error


def _new(configuration: PreTrainedConfig, seed: int) -> PreTrainedModel:
    _refuse_causal(configuration)
    try:
        with isolated(seed, "weights", 0, 0):
            model: PreTrainedModel = AutoModelForSeq2SeqLM.from_config(  # type: ignore[no-untyped-call]
                configuration, dtype=torch.float32, trust_remote_code=False
            )
    except Exception as error:
        raise _unfit(error) from error
    return model


def _described(directory: Path, weights: Path | None = None) -> PreTrainedConfig:
    """The configuration in a checkpoint, whose weights lie there or in another directory."""
    try:
        configuration = read_configuration(directory, weights)
        _refuse_causal(configuration)
        return configuration
    except (ConfigError, FileNotFoundError) as error:
        raise ResumeError(f"checkpoint `{directory}` has no usable model: {error}") from error


def _unfit(error: Exception) -> ConfigError:
    """What transformers or torch said of a configuration, each kind of model in exceptions of its own."""
    told = " ".join(str(error).split()) or type(error).__name__
    return ConfigError(f"`model.config` makes no model: {type(error).__name__}: {told}: mend its values")


def _pretrained(name: str, configuration: PreTrainedConfig | None = None) -> PreTrainedModel:
    """The model of a directory or a hub name, by its own configuration unless one is given."""
    local = is_local(name)
    place = str(Path(name).expanduser()) if local else name
    if local and not Path(place).is_dir():
        raise FileNotFoundError(f"no such directory: `{place}`: check the path in `model.name_or_path`")
    if not sys.stderr.isatty():
        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        if local:
            configuration = configuration or read_configuration(Path(place))
        else:
            configuration = AutoConfig.from_pretrained(place, trust_remote_code=False)
        _refuse_causal(configuration)
        model, report = AutoModelForSeq2SeqLM.from_pretrained(
            place,
            config=configuration,
            dtype=torch.float32,
            local_files_only=local,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
        )
    except ConfigError:
        raise
    except Exception as error:  # a stranger's file can fail in any way that transformers and torch know
        raise ConfigError(
            f"`model.name_or_path`: cannot load `{name}`: {one_line(error)}: "
            "give a directory written by `save_pretrained` or the name of a model on the hub"
        ) from None
    if missing := sorted(report["missing_keys"]):
        raise ConfigError(
            f"`model.name_or_path`: `{name}` lacks {len(missing)} weights, such as `{missing[0]}`: "
            "they would start at random; give a complete checkpoint"
        )
    complete: PreTrainedModel = model
    # As of a new model and of one that goes on: how recipes are generated is said in `evaluation` alone.
    complete.generation_config = GenerationConfig.from_model_config(complete.config)
    return complete


def _refuse_causal(configuration: PreTrainedConfig) -> None:
    if not configuration.is_encoder_decoder:
        raise ConfigError(
            f"the model is of the kind `{configuration.model_type}`, which is no encoder-decoder: "
            "use a model such as T5 or BART"
        )


def _check(model: PreTrainedModel, vocabulary: Vocabulary, place: str) -> None:
    """The model's vocabulary must hold the tokenizer's, and their special tokens must be the same."""
    rows = cast(nn.Embedding, model.get_input_embeddings()).num_embeddings
    if rows < vocabulary.size:
        raise ConfigError(
            f"`{place}`: the model has {rows} embeddings, the tokenizer {vocabulary.size} tokens: "
            "use the tokenizer of this model in `data.tokenizer`"
        )
    for name in ("pad_token_id", "eos_token_id"):
        own, theirs = getattr(model.config, name), getattr(vocabulary, name)
        if own != theirs:
            raise ConfigError(
                f"`{place}`: `{name}` is {own} in the model, {theirs} in the tokenizer: "
                "use the tokenizer of this model in `data.tokenizer`"
            )
    if model.config.decoder_start_token_id is None:
        raise ConfigError(
            f"`{place}`: the model's configuration has no `decoder_start_token_id`: add it there"
        )
