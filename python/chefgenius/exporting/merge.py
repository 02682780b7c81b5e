"""A whole model of a base and an adapter: what the adapter adds is added to the weights, once and for all.

The base's files are taken as they are, tensor by tensor; only those that the adapter changes are computed
anew, as float32: W + (alpha / rank) B A, transposed where the layer keeps its weights so (`fan_in_fan_out`).
https://arxiv.org/abs/2106.09685. The bytes are mapped, so that memory holds no more than the changed ones.

Nothing here imports torch or peft.
"""

import json
import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError

from chefgenius.run import bits
from chefgenius.run.base import ADAPTER, ADAPTER_CONFIGURATION, Base
from chefgenius.run.manifest import read_object
from chefgenius.run.state import one_line

_PREFIX = "base_model.model."
_FLOATS = {"F32": "<f4", "F16": "<f2", "F64": "<f8"}
_PLAIN: dict[str, Any] = {"peft_type": "LORA", "bias": "none"}
_OFF = (
    *("use_rslora", "use_dora", "use_qalora", "use_bdlora", "lora_bias", "rank_pattern", "alpha_pattern"),
    *("modules_to_save", "layer_replication", "trainable_token_indices", "target_parameters"),
    *("megatron_config", "alora_invocation_tokens", "arrow_config", "kasa_config", "velora_config"),
    *("monteclora_config",),
)
"""what would make it another sum, and is refused"""

Array = npt.NDArray[np.float32]


class MergeError(ValueError):
    """A base and an adapter that make no model; the message says why."""


@dataclass(frozen=True)
class Adapter:
    """The matrices of an adapter by the names of the layers that they change."""

    pairs: dict[str, tuple[Array, Array]]
    """A [rank, in] and B [out, rank]"""
    scaling: float
    transposed: bool
    """whether the layers keep their weights as [in, out]"""


def read_adapter(directory: Path, weights: str = ADAPTER) -> Adapter:
    """The adapter in a directory in peft's layout, its sizes held against its tensors. Raises MergeError.

    `weights` names the file of its tensors.
    """
    values = _values(directory / ADAPTER_CONFIGURATION)
    rank: Any = values.get("r")
    alpha: Any = values.get("lora_alpha")
    if not (_is_number(rank) and _is_number(alpha)) or rank < 1:
        raise MergeError(f"`{directory / ADAPTER_CONFIGURATION}`: `r` and `lora_alpha` are no numbers")
    try:
        tensors = bits.read(directory / weights)
    except (SafetensorError, OSError, ValueError) as error:
        raise MergeError(f"`{directory / weights}` cannot be read: {one_line(error)}") from error
    pairs = {}
    for name in sorted(one for one in tensors if one.endswith(".lora_A.weight")):
        layer = name.removesuffix(".lora_A.weight")
        a, b = tensors.pop(name), tensors.pop(f"{layer}.lora_B.weight", None)
        fits = b is not None and len(a.shape) == len(b.shape) == 2 and a.shape[0] == b.shape[1] == rank
        if not fits or b is None or not layer.startswith(_PREFIX):
            raise MergeError(f"`{directory / weights}`: `{one_line(name)}` is no matrix of rank {rank}")
        pairs[layer.removeprefix(_PREFIX)] = as_float32(a), as_float32(b)
    if tensors or not pairs:
        odd = f"holds `{one_line(min(tensors))}`" if tensors else "is empty"
        raise MergeError(f"`{directory / weights}` {odd}: only plain LoRA of linear layers can be merged")
    return Adapter(pairs, alpha / rank, values.get("fan_in_fan_out") is True)


def merged(base: Base, adapter: Adapter) -> list[bytes | memoryview]:
    """The contents of a safetensors file: the base with the adapter in it.

    Raises MergeError when the base has no layer for a part of the adapter, or one of another shape.
    """
    tensors: dict[str, bits.Tensor] = {}
    for file in base.files:
        try:
            tensors |= bits.read(base.directory / file)
        except (SafetensorError, OSError, ValueError) as error:
            raise MergeError(f"`{base.directory / file}` cannot be read: {one_line(error)}") from error
    for layer, (a, b) in adapter.pairs.items():
        name = _find(f"{layer}.weight", tensors, base)
        shape = (a.shape[1], b.shape[0]) if adapter.transposed else (b.shape[0], a.shape[1])
        if tensors[name].shape != shape:
            raise MergeError(
                f"`{name}` of `{base.directory}` is {list(tensors[name].shape)}, "
                f"the adapter needs {list(shape)}: it is the base of another"
            )
        delta = (b @ a) * np.float32(adapter.scaling)
        weight = as_float32(tensors[name]) + (delta.T if adapter.transposed else delta)
        tensors[name] = bits.Tensor("F32", shape, np.ascontiguousarray(weight).reshape(-1).view(np.uint8))
    return _file(tensors)


def as_float32(tensor: bits.Tensor) -> Array:
    """A copy of its values. Raises MergeError for a dtype that is no float."""
    if tensor.dtype == "BF16":  # the upper half of a float32
        values = (tensor.data.view("<u2").astype("<u4") << 16).view("<f4")
    elif tensor.dtype in _FLOATS:
        values = np.ascontiguousarray(tensor.data).view(_FLOATS[tensor.dtype]).astype("<f4")
    else:
        raise MergeError(
            f"weights of the type {tensor.dtype} cannot be merged: use a base in float32 or bf16"
        )
    return values.reshape(tensor.shape)


def _find(name: str, tensors: dict[str, bits.Tensor], base: Base) -> str:
    """A weight by its name in the files, where a leading part may be missing, or one more stand."""
    if name in tensors:
        return name
    found = [one for one in tensors if f".{one}".endswith(f".{name}") or f".{name}".endswith(f".{one}")]
    if len(found) != 1:
        raise MergeError(
            f"`{base.directory}` has {len(found) or 'no'} weights for `{one_line(name)}` of the adapter: "
            "merge it with peft (`merge_and_unload`) after `export --adapter`"
        )
    return found[0]


def _file(tensors: dict[str, bits.Tensor]) -> list[bytes | memoryview]:
    """Wide elements first, so that every tensor is aligned."""
    widths = {name: len(one.data) // (math.prod(one.shape) or 1) for name, one in tensors.items()}
    order = sorted(tensors, key=lambda name: (-widths[name], name))
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    start = 0
    for name in order:
        end = start + len(tensors[name].data)
        one = tensors[name]
        header[name] = {"dtype": one.dtype, "shape": list(one.shape), "data_offsets": [start, end]}
        start = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return [struct.pack("<Q", len(text)) + text, *(memoryview(tensors[name].data.data) for name in order)]


def _values(place: Path) -> dict[str, Any]:
    """adapter_config.json, when it describes nothing but plain LoRA."""
    try:
        values = read_object(place)
    except (OSError, ValueError, RecursionError) as error:
        raise MergeError(f"`{place}` cannot be read: {one_line(error)}") from error
    for key, wanted in _PLAIN.items():
        if values.get(key) != wanted:
            raise MergeError(
                f"`{place}`: `{key}` is `{one_line(values.get(key)):.40}`, merged is `{wanted}` alone"
            )
    for key in _OFF:
        if values.get(key):
            raise MergeError(f"`{place}`: `{key}` is set: only plain LoRA is merged, use peft for it")
    return values


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
