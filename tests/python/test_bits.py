from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from chefgenius.run import bits
from safetensors import SafetensorError
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch

Tensors = dict[str, npt.NDArray[Any]]


def told(folder: Path, a: Tensors, b: Tensors) -> dict[str, str]:
    for name, tensors in (("a", a), ("b", b)):
        save_file(tensors, folder / name)
    return dict(bits.differences(bits.read(folder / "a"), bits.read(folder / "b")))


def test_equal_files_differ_in_nothing(tmp_path: Path) -> None:
    tensors: Tensors = {
        "a": np.arange(6, dtype=np.float32).reshape(2, 3),
        "scalar": np.array(3.0),
        "empty": np.zeros((0, 3), np.float32),
        "mask": np.array([True, False]),
        "nan": np.array([np.nan, np.inf], np.float16),
    }
    assert told(tmp_path, tensors, tensors) == {}
    assert {name: one.kind for name, one in bits.read(tmp_path / "a").items()} == {
        "a": "F32 [2, 3]",
        "scalar": "F64 []",
        "empty": "F32 [0, 3]",
        "mask": "BOOL [2]",
        "nan": "F16 [2]",
    }


def test_names_kinds_and_values_are_told(tmp_path: Path) -> None:
    far = np.arange(6, dtype=np.float32).reshape(2, 3)
    near = far.copy()
    near[0, 1], near[1, 2] = 1.5, 3.0
    assert told(
        tmp_path,
        {"gone": np.zeros(2), "cast": np.zeros(2, np.float32), "far": far, "int": np.array([1, 2, 3])},
        {"new": np.zeros(1), "cast": np.zeros(2, np.float16), "far": near, "int": np.array([1, 5, 3])},
    ) == {
        "gone": "only in a, F64 [2]",
        "new": "only in b, F64 [1]",
        "cast": "F32 [2] in a, F16 [2] in b",
        "far": "F32 [2, 3]: 2 of 6 elements differ, most by 2 at [1, 2]",
        "int": "I64 [3]: 1 of 3 elements differ",
    }


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([0.0, 1.0], [-0.0, 1.0], "1 of 2 elements differ, most by 0 at [0]"),
        ([0.0, np.nan], [0.0, 1.0], "1 of 2 elements differ, most by inf at [1]"),
        ([np.nan, 2.0], [np.nan, 1.0], "1 of 2 elements differ, most by 1 at [1]"),
        ([np.inf, 2.0], [np.inf, 1.0], "1 of 2 elements differ, most by 1 at [1]"),
    ],
)
def test_the_bits_decide_also_where_numbers_do_not(
    tmp_path: Path, a: list[float], b: list[float], expected: str
) -> None:
    found = told(tmp_path, {"x": np.array(a, np.float32)}, {"x": np.array(b, np.float32)})
    assert found == {"x": f"F32 [2]: {expected}"}


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_every_float_is_read_as_torch_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype
) -> None:
    monkeypatch.setattr(bits, "_PIECE", 7)  # the largest difference stands in a later piece
    torch.manual_seed(1)
    a = torch.randn(5, 8).to(dtype)
    b = a.clone()
    b[1, 1] += 0.25
    b[3, 6] -= 7
    save_torch({"x": a}, tmp_path / "a")
    save_torch({"x": b}, tmp_path / "b")
    ((name, said),) = bits.differences(bits.read(tmp_path / "a"), bits.read(tmp_path / "b"))
    most = (a.double() - b.double()).abs().max().item()
    assert name == "x"
    assert f"2 of 40 elements differ, most by {most:.3g} at [3, 6]" in said


@pytest.mark.parametrize("keep", [0, 7, 20, -1])
def test_a_cut_file_is_refused(tmp_path: Path, keep: int) -> None:
    save_file({"x": np.zeros(9)}, tmp_path / "a")
    data = (tmp_path / "a").read_bytes()
    (tmp_path / "a").write_bytes(data[:keep])
    with pytest.raises(SafetensorError):
        bits.read(tmp_path / "a")
