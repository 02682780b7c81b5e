"""Random numbers without memory: every use of them gets generators seeded for that use alone.

1. `isolated` lends torch's generators to one forward and backward, one evaluation or one initialisation,
   seeded by what is done and where, and puts the ambient ones back. So looking at a run never changes it, and
   a step can be repeated alone.
2. `seed_ambient`, `capture` and `restore` keep the ambient generators (python, numpy, torch, every CUDA
   device), which only code of users advances.
"""

import base64
import random
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import blake3
import numpy as np
import numpy.typing as npt
import torch

from chefgenius.run.state import ResumeError, State

_TAG = b"chefgenius generator 1"


def derived_seed(seed: int, domain: str, step: int, slot: int, piece: int = 0) -> int:
    """First 8 bytes, little-endian, of BLAKE3 over the tuple: a number in [0, 2^64).

    The first piece is left out of the text, so that cutting nothing changes no seed.
    """
    name = domain.encode()
    text = _TAG + struct.pack("<QI", seed, len(name)) + name + struct.pack("<QQ", step, slot)
    if piece:
        text += struct.pack("<Q", piece)
    return int.from_bytes(blake3.blake3(text).digest()[:8], "little")


@contextmanager
def isolated(seed: int, domain: str, step: int, slot: int, piece: int = 0) -> Iterator[None]:
    """Within the block torch's CPU and CUDA generators start at `derived_seed`; after it they are as before.

    `domain` names the use (`train`, `evaluation`, `samples`, `weights`), `slot` the micro-batch within the
    step, `piece` the part of a micro-batch that is cut. Python's and numpy's generators are left alone:
    nothing of ours draws from them.
    """
    own = derived_seed(seed, domain, step, slot, piece)
    generators = _torch_generators()
    before = [generator.get_state() for generator in generators]
    try:
        for generator in generators:
            generator.manual_seed(own)
        yield
    finally:
        for generator, state in zip(generators, before, strict=True):
            generator.set_state(state)


def seed_ambient(seed: int) -> None:
    """Seeds the ambient generators at the start of a run: python, numpy, torch and every CUDA device."""
    own = derived_seed(seed, "ambient", 0, 0)
    random.seed(own)
    np.random.seed(own % 2**32)
    for generator in _torch_generators():
        generator.manual_seed(own)


def capture() -> State:
    """The ambient generators as JSON values: bytes in base64, python's words as little-endian u32."""
    version, words, gauss = random.getstate()
    kind, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    return {
        "python": {
            "version": version,
            "words": _text(struct.pack(f"<{len(words)}I", *words)),
            "gauss": gauss,
        },
        "numpy": {
            "kind": kind,
            "keys": _text(np.asarray(keys).astype("<u4").tobytes()),
            "position": int(position),
            "has_gauss": int(has_gauss),
            "cached_gaussian": float(cached),
        },
        "torch": _torch_text(torch.default_generator),
        "cuda": [_torch_text(generator) for generator in _cuda_generators()],
    }


def restore(state: State) -> None:
    """Sets the ambient generators to what `capture` returned.

    Raises ResumeError when the number of CUDA devices is another one, KeyError, TypeError or ValueError for a
    state that is none.
    """
    cuda = _cuda_generators()
    if len(state["cuda"]) != len(cuda):
        raise ResumeError(
            f"generators of {len(state['cuda'])} CUDA devices are saved, {len(cuda)} are in use: "
            "go on with the saved number, as CUDA_VISIBLE_DEVICES shows it"
        )
    python = state["python"]
    words, gauss = _words(python["words"]), python["gauss"]
    if gauss is not None and not isinstance(gauss, float):
        raise TypeError(f"python's `gauss` is `{gauss}`")
    random.setstate((python["version"], tuple(words.tolist()), gauss))
    saved = state["numpy"]
    keys, position = _words(saved["keys"]), saved["position"]
    if not isinstance(position, int) or not 0 <= position <= len(keys):  # numpy would read past its words
        raise ValueError(f"numpy's `position` is {position}")
    np.random.set_state((saved["kind"], keys, position, saved["has_gauss"], saved["cached_gaussian"]))
    for generator, text in zip(
        [torch.default_generator, *cuda], [state["torch"], *state["cuda"]], strict=True
    ):
        generator.set_state(torch.frombuffer(bytearray(_bytes(text)), dtype=torch.uint8))


class AmbientGenerators:
    """The section `generators` of state.json."""

    def state_dict(self) -> State:
        """The section."""
        return capture()

    def load_state_dict(self, state: State) -> None:
        """Take a saved section."""
        restore(state)


def _torch_generators() -> list[torch.Generator]:
    return [torch.default_generator, *_cuda_generators()]


def _cuda_generators() -> list[torch.Generator]:
    """One generator per CUDA device, none before CUDA is in use in this process."""
    if not torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return []
    return list(torch.cuda.default_generators)


def _torch_text(generator: Any) -> str:
    return _text(generator.get_state().numpy().tobytes())


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _words(text: str) -> npt.NDArray[np.uint32]:
    return np.frombuffer(_bytes(text), dtype="<u4").astype(np.uint32)


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
