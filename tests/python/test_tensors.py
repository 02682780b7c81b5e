from pathlib import Path

import pytest
import torch
from chefgenius._core import fill
from chefgenius.run.manifest import hash_file
from chefgenius.training.tensors import Image, read_tensors, write_tensors
from safetensors import safe_open
from safetensors.torch import load, save_file

DTYPES = (
    torch.float64,
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.int32,
    torch.int16,
    torch.int8,
    torch.uint8,
    torch.bool,
)


def mixed() -> dict[str, torch.Tensor]:
    """Every dtype, a scalar, an empty tensor and one that is not contiguous."""
    made = {f"of/{dtype}": torch.arange(7).to(dtype) for dtype in DTYPES}
    return {
        **made,
        "scalar": torch.tensor(3.5),
        "empty": torch.zeros(0, 3),
        "turned": torch.arange(6.0).reshape(2, 3).T,
        'ünï "quoted"': torch.ones(1),
    }


def test_tensors_come_back_bit_for_bit(tmp_path: Path) -> None:
    entry = write_tensors(tmp_path / "x.safetensors", mixed())
    found = read_tensors(tmp_path / "x.safetensors")
    assert found.keys() == mixed().keys()
    for name, tensor in mixed().items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)
    assert entry.blake3 == hash_file(tmp_path / "x.safetensors")
    assert entry.size == (tmp_path / "x.safetensors").stat().st_size


def test_the_file_is_that_of_the_library(tmp_path: Path) -> None:
    tensors = {name: tensor.contiguous() for name, tensor in mixed().items()}
    write_tensors(tmp_path / "ours.safetensors", tensors)
    save_file(tensors, tmp_path / "theirs.safetensors", metadata={"format": "pt"})
    ours, theirs = read_tensors(tmp_path / "ours.safetensors"), read_tensors(tmp_path / "theirs.safetensors")
    assert all(torch.equal(ours[name], theirs[name]) for name in tensors)
    with safe_open(tmp_path / "ours.safetensors", "pt") as file:
        assert file.metadata() == {"format": "pt"}


def test_no_tensors_are_a_file_too(tmp_path: Path) -> None:
    write_tensors(tmp_path / "x.safetensors", {})
    assert read_tensors(tmp_path / "x.safetensors") == {}


def test_equal_tensors_give_equal_bytes(tmp_path: Path) -> None:
    backwards = dict(reversed(mixed().items()))
    assert write_tensors(tmp_path / "a", mixed()) == write_tensors(tmp_path / "b", backwards)


def test_a_dtype_without_a_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        write_tensors(tmp_path / "x", {"a": torch.zeros(1, dtype=torch.complex64)})


def contents(image: Image, tensors: dict[str, torch.Tensor]) -> bytes:
    return b"".join(image.take(tensors))


def test_an_image_stands_still_until_the_next_one_in_the_same_memory() -> None:
    source = {"a": torch.zeros(3), "b": torch.ones(2, requires_grad=True)}
    image = Image()
    first = image.take(source)
    before = b"".join(first)
    source["a"] += 1
    assert b"".join(first) == before
    second = image.take(source)
    assert b"".join(second) != before
    assert b"".join(first) == b"".join(second)  # the same memory
    assert load(b"".join(second))["a"].tolist() == [1, 1, 1]


def test_an_image_follows_names_shapes_and_dtypes() -> None:
    image = Image()
    for tensors in (
        {},
        {"a": torch.zeros(3), "b": torch.ones(2)},
        {"a": torch.zeros(3, 1), "b": torch.ones(2)},
        {"a": torch.zeros(3, 1), "c": torch.ones(2)},
        {"a": torch.zeros(3, 1), "c": torch.ones(2, dtype=torch.float64)},
        mixed(),
        {},
    ):
        assert contents(image, tensors) == contents(Image(), tensors)


def test_copying_leaves_the_number_of_threads() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        Image().take(mixed())
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_memory_is_filled_in_place_or_not_at_all() -> None:
    memory = memoryview(bytearray(6))
    fill(memory, [(1, memoryview(b"ab")), (3, memoryview(b"")), (4, memoryview(b"c"))])
    assert bytes(memory) == b"\0ab\0c\0"
    for into, parts, said in (
        (memory, [(5, memoryview(b"ab"))], "does not fit"),
        (memory, [(2, memoryview(b"x")), (0, memoryview(b"y"))], "does not fit"),
        (memory, [(0, memory[3:4])], "a part is of it"),
        (memoryview(bytes(6)), [(0, memoryview(b"x"))], "read-only"),
        (memory, [(0, memoryview(b"abcd")[::2])], "not contiguous"),
    ):
        with pytest.raises(ValueError, match=said):
            fill(into, parts)
    assert bytes(memory) == b"\0ab\0c\0"
    fill(memoryview(bytearray()), [])
