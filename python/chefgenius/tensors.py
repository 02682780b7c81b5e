"""Tensors to and from safetensors files, written in one pass that hashes what it writes.

The format: 8 bytes with the length of the header, the header (JSON, padded with spaces), then the tensors'
bytes, little-endian, without gaps. https://github.com/huggingface/safetensors#format
"""

import json
import struct
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from chefgenius.manifest import Entry, write_file

_NAMES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


def write_tensors(path: Path, tensors: dict[str, Tensor]) -> Entry:
    """Writes CPU tensors to a new safetensors file and fsyncs it; equal tensors give equal bytes.

    Raises OSError, and KeyError for a dtype that the format does not have.
    """
    return write_file(path, _chunks(tensors))


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a verified file, on the CPU."""
    return load_file(path)


def copy_tensors(source: dict[str, Tensor], buffers: dict[str, Tensor]) -> dict[str, Tensor]:
    """CPU copies of `source`, in the memory of `buffers` where it fits; the result is the next `buffers`."""
    copies = {}
    for name, tensor in source.items():
        buffer = buffers.get(name)
        if buffer is None or buffer.shape != tensor.shape or buffer.dtype != tensor.dtype:
            buffer = torch.empty(tensor.shape, dtype=tensor.dtype)
        copies[name] = buffer.copy_(tensor.detach())
    return copies


def _chunks(tensors: dict[str, Tensor]) -> Iterator[bytes | memoryview]:
    # wide elements first, so that every tensor is aligned
    order = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    start = 0
    for name in order:
        tensor = tensors[name]
        end = start + tensor.nbytes
        header[name] = {
            "dtype": _NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [start, end],
        }
        start = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    yield struct.pack("<Q", len(text)) + text
    for name in order:
        if tensors[name].nbytes:
            yield memoryview(tensors[name].contiguous().flatten().view(torch.uint8).numpy().data)
