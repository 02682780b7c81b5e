"""Tensors to and from safetensors files.

The format: 8 bytes with the length of the header, the header (JSON, padded with spaces), then the tensors'
bytes, little-endian, without gaps. https://github.com/huggingface/safetensors#format
"""

import json
import struct
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.distributed.tensor import DTensor, distribute_tensor

from chefgenius import _core
from chefgenius.run.manifest import Entry, write_file

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


class Image:
    """The contents of a safetensors file, in memory that every `take` uses again."""

    def __init__(self) -> None:
        self._layout = b"", False
        self._flat = torch.empty(0, dtype=torch.uint8)
        self._places: dict[str, tuple[int, Tensor]] = {}

    def take(self, tensors: dict[str, Tensor]) -> list[bytes | memoryview]:
        """Copies the tensors; the chunks of the file, valid until the next `take`.

        Equal tensors give equal bytes. From a GPU the copies go through page-locked memory, and the host
        waits once. Raises KeyError for a dtype that the format does not have.
        """
        order = _order(tensors)
        header = _header(tensors, order)
        on_gpu = {one.device for one in tensors.values() if one.is_cuda}
        if self._layout != (header, bool(on_gpu)):
            self._lay_out(tensors, order, pinned=bool(on_gpu))
            self._layout = header, bool(on_gpu)
        plain = []
        for name, (start, place) in self._places.items():
            tensor = tensors[name].detach()
            if tensor.device.type == "cpu" and not isinstance(tensor, DTensor) and tensor.is_contiguous():
                plain.append((start, _bytes(tensor)))
            else:
                place.copy_(whole(tensor), non_blocking=True)
        _core.fill(_bytes(self._flat), plain)
        for device in on_gpu:
            torch.cuda.synchronize(device)
        return [header, _bytes(self._flat)]

    def _lay_out(self, tensors: dict[str, Tensor], order: list[str], *, pinned: bool) -> None:
        # the former memory goes before the new one comes
        self._layout, self._places, self._flat = (b"", False), {}, torch.empty(0, dtype=torch.uint8)
        size = sum(one.nbytes for one in tensors.values())
        self._flat = torch.empty(size, dtype=torch.uint8, pin_memory=pinned)
        start = 0
        for name in order:
            tensor = tensors[name]
            part = self._flat[start : start + tensor.nbytes]
            self._places[name] = start, part.view(tensor.dtype).view(tensor.shape)
            start += tensor.nbytes


def whole(tensor: Tensor) -> Tensor:
    """The tensor itself; one that ranks have a part of each is gathered, which all of them call for."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def own_part(tensor: Tensor) -> Tensor:
    """The tensor itself, or the part that this rank has of one that is shared; the same memory."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def alike(value: Tensor, own: Tensor) -> Tensor:
    """A whole tensor, or of it the part that this rank has of `own`. Nothing is sent."""
    if not isinstance(own, DTensor):
        return value
    there = value.to(own.device)
    return distribute_tensor(there, own.device_mesh, own.placements, src_data_rank=None)


def take_part(tensors: dict[str, Tensor]) -> None:
    """What the ranks do while another one's `Image` takes tensors that they have parts of."""
    for name in _order(tensors):
        whole(tensors[name].detach())


def write_tensors(path: Path, tensors: dict[str, Tensor]) -> Entry:
    """Writes tensors to a new safetensors file and fsyncs it.

    Raises OSError, and KeyError for a dtype that the format does not have.
    """
    return write_file(path, Image().take(tensors))


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a verified file, on the CPU."""
    return load_file(path)


def _bytes(tensor: Tensor) -> memoryview:
    """The memory of a contiguous tensor on the CPU."""
    return memoryview(tensor.reshape(-1).view(torch.uint8).numpy().data)


def _order(tensors: dict[str, Tensor]) -> list[str]:
    """The names, wide elements first, so that every tensor is aligned."""
    return sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))


def _header(tensors: dict[str, Tensor], order: list[str]) -> bytes:
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
    return struct.pack("<Q", len(text)) + text
