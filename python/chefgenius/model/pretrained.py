"""A directory that somebody else may have written, read so that it can run nothing and take no more memory
than the weights that it brings.

1. `read_header` knows names, types and shapes of the tensors without reading them.
2. `read_configuration` takes config.json apart by hand first: no code of its own, no number that its tensors
   do not bear out, and on torch's `meta` device, where tensors cost nothing, no more parameters than the file
   has.

Raises ConfigError for everything else than a file that is not there.
"""

import math
import stat
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from transformers import (
    CONFIG_MAPPING,
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    PreTrainedConfig,
)

from chefgenius.run.base import ADAPTER_CONFIGURATION, ALONE, INDEX, WEIGHTS, weight_files
from chefgenius.run.manifest import read_object
from chefgenius.run.state import one_line
from chefgenius.settings.config import ConfigError

CONFIGURATION = "config.json"
Header = dict[str, tuple[str, tuple[int, ...]]]
"""dtype as safetensors spells it, and shape, by name"""

_SMALL = 1 << 15
"""a number that needs no tensor to bear it out: positions, limits of lengths"""
_FAR = 1 << 24
"""places of a context, which rotary positions need no tensor for"""
_MOST_BUFFER = 1 << 30
"""numbers that a model may hold besides its parameters, as masks of a whole context"""
_SPARE = 1 << 24
"""parameters that a model may have besides those in the file; what is missing is named when it is loaded"""
_PLACES = ("position", "window")
"""parts of the names of keys that say how far attention reaches: tensors of that size are counted"""
_BASE = "theta"
"""part of the names of bases of powers, which no tensor has the size of"""
_FOREIGN = ("auto_map", "quantization_config", "custom_")
"""parts of the names of keys that make transformers fetch or import what is not part of it"""
_CHOICES = ("implementation", "kernel")
"""the same where the value is a name or the like; a number is a width"""


def read_header(path: Path) -> Header:
    """What a safetensors file says that it holds; the library has checked offsets, sizes and types."""
    _plain(path)
    try:
        with safe_open(path, framework="pt") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - no mapping
            return {name: (one.get_dtype(), tuple(one.get_shape())) for name, one in slices.items()}
    except (SafetensorError, OSError, ValueError, OverflowError) as error:
        raise ConfigError(f"`{path}` is no readable safetensors file: {one_line(error)}") from error


def read_configuration(directory: Path, weights: Path | None = None) -> PreTrainedConfig:
    """The configuration of the model in `directory`, fit to be built.

    Its tensors stand in safetensors files there, or in the directory `weights`; without any the numbers are
    taken on trust.
    """
    place = directory / CONFIGURATION
    if weights is None and (directory / ADAPTER_CONFIGURATION).exists():
        raise ConfigError(f"`{directory}` {ALONE}")
    values = _values(place)
    _refuse_foreign(values, place)
    kind = values.get("model_type")
    if not isinstance(kind, str) or kind not in CONFIG_MAPPING:
        raise ConfigError(
            f"`{place}`: transformers has no `model_type` `{one_line(kind):.40}`: use a model such as T5"
        )
    header = _headers(directory if weights is None else weights)
    if header is not None:
        _refuse_numbers(values, header, place)
    try:
        configuration: PreTrainedConfig = AutoConfig.from_pretrained(
            directory, local_files_only=True, trust_remote_code=False
        )
    except Exception as error:  # each kind of model says it in exceptions of its own
        raise ConfigError(
            f"`{place}` makes no model: {type(error).__name__}: {one_line(error)}: mend its values"
        ) from error
    if header is not None:
        _refuse_size(configuration, header, place)
    return configuration


def _headers(directory: Path) -> Header | None:
    """What all of a model's files hold; None where there are none."""
    if not ((directory / WEIGHTS).exists() or (directory / INDEX).exists()):
        return None
    if (directory / WEIGHTS).exists():
        return read_header(directory / WEIGHTS)
    return {
        name: one for file in weight_files(directory) for name, one in read_header(directory / file).items()
    }


def auto_class(configuration: PreTrainedConfig) -> Any:
    """Transformers' maker of a model of this kind: an encoder-decoder, or a causal one."""
    return AutoModelForSeq2SeqLM if configuration.is_encoder_decoder else AutoModelForCausalLM


def _values(place: Path) -> dict[str, Any]:
    _plain(place)
    try:
        return read_object(place)
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"`{place}` cannot be read: {one_line(error)}") from error


def _plain(path: Path) -> None:
    """A pipe would be waited for without end, and a device read."""
    if not path.exists():
        raise FileNotFoundError(f"no such file: `{path}`: give a directory written by `save_pretrained`")
    if not stat.S_ISREG(path.stat().st_mode):
        raise ConfigError(f"`{path}` is no plain file")


def _refuse_foreign(values: Any, place: Path) -> None:
    for key, value in _leaves(values, "", inner=True):
        name = key.rpartition(".")[2]
        chosen = isinstance(value, str | dict) or (value is True and not name.endswith("_autoset"))
        if any(part in name for part in _FOREIGN) or (chosen and any(part in name for part in _CHOICES)):
            raise ConfigError(
                f"`{place}`: `{key}` asks for code that is not part of transformers: it is not run"
            )


def _refuse_numbers(values: dict[str, Any], header: Header, place: Path) -> None:
    """Layers are counted by tensors, widths by their shapes."""
    widest = max((size for _, shape in header.values() for size in shape), default=0)
    for key, value in _leaves(values, ""):
        name = key.rpartition(".")[2]
        if isinstance(value, bool) or not isinstance(value, int | float) or name.endswith(("_id", "_ids")):
            continue
        far = any(part in name for part in _PLACES)
        most = max(widest, _SMALL)
        if "layer" in name and value > 1:
            most = most if far else len(header)
        elif far:
            most = max(most, _FAR)
        large = abs(value) > most and _is_whole(value) and _BASE not in name
        if not math.isfinite(value) or large:
            raise ConfigError(
                f"`{place}`: `{one_line(key)}` is {value!s:.20}, which the tensors in `{WEIGHTS}` do not "
                "bear out: give a directory written by `save_pretrained`"
            )


def _is_whole(value: float) -> bool:
    return isinstance(value, int) or value.is_integer()


def _refuse_size(configuration: PreTrainedConfig, header: Header, place: Path) -> None:
    try:
        with torch.device("meta"):
            model = auto_class(configuration).from_config(
                configuration, dtype=torch.float32, trust_remote_code=False
            )
    except Exception as error:
        raise ConfigError(
            f"`{place}` makes no model: {type(error).__name__}: {one_line(error)}: mend its values"
        ) from error
    needed = sum(parameter.numel() for parameter in model.parameters())
    held = sum(math.prod(shape) for _, shape in header.values())
    beside = sum(buffer.numel() for buffer in model.buffers())
    if needed > held + _SPARE or beside > _MOST_BUFFER:
        raise ConfigError(
            f"`{place}` describes a model of {needed:,} parameters, `{WEIGHTS}` has {held:,}: "
            "give a complete checkpoint"
        )


def _leaves(value: Any, key: str, *, inner: bool = False) -> list[tuple[str, Any]]:
    """All values that hold no others, under dotted keys; with `inner` those that do as well."""
    found, left = [], [(key, value)]
    while left:
        key, value = left.pop()
        parts: list[tuple[str, Any]] = []
        if isinstance(value, dict):
            parts = [(f"{key}.{name}" if key else name, one) for name, one in value.items()]
        elif isinstance(value, list):
            parts = [(key, one) for one in value]
        if inner or not parts:
            found.append((key, value))
        left.extend(parts)
    return found
