"""The model: from a directory, a hub name or a configuration, with float32 parameters.

1. `kind_of` reads from a configuration alone whether it is an encoder-decoder or a causal model.
2. `build_model` builds or loads it, and `vocabulary` fits it to the tokenizer.
"""

import copy
import difflib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoConfig, GenerationConfig, PreTrainedConfig, PreTrainedModel
from transformers.utils import logging
from transformers.utils.peft_utils import find_adapter_config_file

from chefgenius.data.plan import LayoutKind
from chefgenius.model.generators import isolated
from chefgenius.model.pretrained import CONFIGURATION, auto_class, read_configuration
from chefgenius.model.vocabulary import Vocabulary as Vocabulary
from chefgenius.model.vocabulary import fit_to
from chefgenius.run.base import ADAPTER_CONFIGURATION, ALONE, Base
from chefgenius.run.base import is_local as is_path
from chefgenius.run.state import ResumeError, one_line
from chefgenius.settings.config import ConfigError, ModelConfig


def kind_of(settings: ModelConfig, saved: Path | None = None) -> LayoutKind:
    """How the model of a run wants its data laid out, from its configuration alone.

    With `saved`, a checkpoint that is gone on from, that of the model in it. Raises ConfigError and
    FileNotFoundError as `build_model` does.
    """
    name = settings.name_or_path
    if name is None:
        known = _known_configuration(settings.config or {})
    elif saved is not None and (saved / CONFIGURATION).is_file():
        adapted = (saved / ADAPTER_CONFIGURATION).exists()  # its weights lie elsewhere
        known = _described(settings, saved, saved / "none" if adapted else None)
    else:
        known = _named_configuration(settings, name)
    return "seq2seq" if known.is_encoder_decoder else "causal"


def build_model(
    settings: ModelConfig,
    vocabulary: Vocabulary,
    seed: int,
    *,
    saved: Path | None = None,
    base: Base | None = None,
    say: Callable[[str], None] = lambda text: None,
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
        model = _new(_configuration(settings.config or {}, vocabulary), settings, seed)
    elif base is not None:
        place = str(base.directory)
        model = _pretrained(
            settings, place, None if saved is None else _described(settings, saved, base.directory)
        )
    elif saved is not None:
        model = _of_checkpoint(_described(settings, saved), saved, settings, seed)
    else:
        model = _pretrained(settings, name)
    grow = say if name is not None and base is None else None  # an adapter leaves all rows as they are
    fit_to(model, vocabulary, name or "model.config", seed, grow)
    model.train()
    return _without_looks_at_padding(model)


def _without_looks_at_padding(model: PreTrainedModel) -> PreTrainedModel:
    """Causal rows need no mask (`inputs`): nothing is read back from a device in each pass to advise one."""
    for module in model.modules():
        if isinstance(module, PreTrainedModel):
            module.warn_if_padding_and_no_attention_mask = _silent  # type: ignore[method-assign]
    return model


def _silent(*_: object) -> None:
    pass


def is_local(name_or_path: str | None) -> bool:
    """Whether the name means something on this machine, so that no network is needed."""
    return name_or_path is None or is_path(name_or_path)


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


def _known_configuration(values: dict[str, Any]) -> PreTrainedConfig:
    """What transformers knows of the kind in `model.config`. Raises ConfigError for a key it does not."""
    kind = values.get("model_type")
    if not isinstance(kind, str):
        raise ConfigError("`model.config.model_type`: is needed, such as `t5`")
    try:
        known: PreTrainedConfig = AutoConfig.for_model(kind)
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
    return known


def _configuration(values: dict[str, Any], vocabulary: Vocabulary) -> PreTrainedConfig:
    """The configuration of a new model; what belongs to the tokenizer is filled in from it."""
    known = _known_configuration(values)
    values = {name: value for name, value in values.items() if name != "model_type"}
    filled = {
        "vocab_size": vocabulary.size,
        "pad_token_id": vocabulary.pad_token_id,
        "eos_token_id": vocabulary.eos_token_id,
    }
    if known.is_encoder_decoder:
        filled["decoder_start_token_id"] = vocabulary.pad_token_id
    elif hasattr(known, "bos_token_id"):
        begin = vocabulary.begin_token_id
        filled["bos_token_id"] = vocabulary.eos_token_id if begin is None else begin
    if hasattr(known, "forced_eos_token_id"):  # BART's default is the id of another tokenizer
        filled["forced_eos_token_id"] = vocabulary.eos_token_id
    try:
        return AutoConfig.for_model(known.model_type, **{**filled, **values})
    except Exception as error:
        raise _unfit(error) from error


def _new(configuration: PreTrainedConfig, settings: ModelConfig, seed: int) -> PreTrainedModel:
    trusted = settings.trust_remote_code
    try:
        with isolated(seed, "weights", 0, 0):
            model: PreTrainedModel = auto_class(configuration).from_config(
                configuration, dtype=torch.float32, trust_remote_code=trusted, **_attention(settings)
            )
    except Exception as error:
        raise _unfit(error, settings) from error
    return model


def _attention(settings: ModelConfig) -> dict[str, str]:
    return {} if settings.attention == "auto" else {"attn_implementation": settings.attention}


def _described(settings: ModelConfig, directory: Path, weights: Path | None = None) -> PreTrainedConfig:
    """The configuration in a checkpoint, whose weights lie there or in another directory.

    Of a model with trusted code it is that of where the model came from, which has the code, with the
    checkpoint's number of rows.
    """
    if settings.trust_remote_code and settings.name_or_path is not None:
        known = _named_configuration(settings, settings.name_or_path)
        known.vocab_size = _saved_rows(directory, known)
        return known
    try:
        return read_configuration(directory, weights)
    except (ConfigError, FileNotFoundError) as error:
        raise ResumeError(f"checkpoint `{directory}` has no usable model: {error}") from error


def _saved_rows(directory: Path, known: PreTrainedConfig) -> int:
    """Rows of embeddings in a checkpoint of a model whose configuration comes from elsewhere."""
    try:
        return int(json.loads((directory / CONFIGURATION).read_bytes()).get("vocab_size", known.vocab_size))
    except (OSError, ValueError, AttributeError) as error:
        raise ResumeError(f"checkpoint `{directory}` has no usable model: {error}") from error


def _of_checkpoint(
    configuration: PreTrainedConfig, directory: Path, settings: ModelConfig, seed: int
) -> PreTrainedModel:
    try:
        return _new(configuration, settings, seed)
    except ConfigError as error:
        raise ResumeError(f"checkpoint `{directory}` has no usable model: {error}") from error


def _unfit(error: Exception, settings: ModelConfig | None = None) -> ConfigError:
    """What transformers or torch said of a configuration, each kind of model in exceptions of its own."""
    told = " ".join(str(error).split()) or type(error).__name__
    if settings is not None and settings.attention != "auto" and "ttention" in told:
        return ConfigError(
            f"`model.attention`: `{settings.attention}` cannot be used here: {told}: use `auto`"
        )
    return ConfigError(f"`model.config` makes no model: {type(error).__name__}: {told}: mend its values")


def _place(name: str) -> str:
    """The name for transformers. Raises FileNotFoundError for a directory that is not there."""
    if not is_local(name):
        return name
    place = Path(name).expanduser()
    if not place.is_dir():
        raise FileNotFoundError(f"no such directory: `{place}`: check the path in `model.name_or_path`")
    return str(place)


def _named_configuration(settings: ModelConfig, name: str) -> PreTrainedConfig:
    """That of `model.name_or_path`; with code of its own only where that is trusted."""
    place, trusted = _place(name), settings.trust_remote_code
    try:
        if is_local(name) and not trusted:
            return read_configuration(Path(place))
        known: PreTrainedConfig = AutoConfig.from_pretrained(place, trust_remote_code=trusted)
        return known
    except ConfigError as error:
        if "it is not run" in str(error):
            raise ConfigError(f"{error}; `model.trust_remote_code=true` would run it") from error
        raise
    except Exception as error:
        raise _unloadable(name, error) from None


def _unloadable(name: str, error: Exception) -> ConfigError:
    told = one_line(error)
    if "trust_remote_code" in told:
        return ConfigError(
            f"`model.name_or_path`: `{name}` has code of its own, which is not run: "
            "set `model.trust_remote_code=true` if you trust who wrote it"
        )
    return ConfigError(
        f"`model.name_or_path`: cannot load `{name}`: {told}: "
        "give a directory written by `save_pretrained` or the name of a model on the hub"
    )


def _pretrained(
    settings: ModelConfig, name: str, configuration: PreTrainedConfig | None = None
) -> PreTrainedModel:
    """The model of a directory or a hub name, by its own configuration unless one is given."""
    place, local = _place(name), is_local(name)
    if not sys.stderr.isatty():
        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    configuration = configuration or _named_configuration(settings, name)
    try:
        if find_adapter_config_file(place, local_files_only=local) is not None:
            raise ConfigError(f"`{name}` {ALONE}")  # else transformers would load it, with the base it names
        model, report = auto_class(configuration).from_pretrained(
            place,
            config=configuration,
            dtype=torch.float32,
            local_files_only=local,
            trust_remote_code=settings.trust_remote_code,
            use_safetensors=True,
            output_loading_info=True,
            **_attention(settings),
        )
    except ConfigError:
        raise
    except Exception as error:  # a stranger's file can fail in any way that transformers and torch know
        if settings.attention != "auto" and "ttention" in str(error):
            raise _unfit(error, settings) from None
        raise _unloadable(name, error) from None
    if missing := sorted(report["missing_keys"]):
        raise ConfigError(
            f"`model.name_or_path`: `{name}` lacks {len(missing)} weights, such as `{missing[0]}`: "
            "they would start at random; give a complete checkpoint"
        )
    complete: PreTrainedModel = model
    # As of a new model and of one that goes on: how recipes are generated is said in `evaluation` alone.
    complete.generation_config = GenerationConfig.from_model_config(complete.config)
    return complete
