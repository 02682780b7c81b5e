import json
import random

import numpy as np
import pytest
import torch
from chefgenius.model import generators
from chefgenius.model.generators import capture, derived_seed, isolated, restore, seed_ambient
from chefgenius.run.state import ResumeError


def draw() -> list[float]:
    """Some numbers of each ambient generator of the CPU; an odd count of normal ones, which come in pairs."""
    values = [random.random(), random.gauss(0, 1), np.random.rand(), np.random.randn()]
    return [*values, *torch.rand(3).tolist(), *torch.randn(3).tolist()]


def test_seeds_do_not_change_between_versions() -> None:
    assert derived_seed(42, "train", 1, 0) == 6433714634952672942
    assert derived_seed(2**64 - 1, "evaluation", 10**9, 31) == 7731739419407686844


def test_every_part_of_the_place_counts() -> None:
    places = [(s, d, n, k) for s in (0, 1) for d in ("train", "samples") for n in (0, 1) for k in (0, 1)]
    seeds = {derived_seed(*place) for place in places}
    assert len(seeds) == len(places) == 16
    assert all(0 <= seed < 2**64 for seed in seeds)


def test_isolated_repeats_and_leaves_the_ambient_generators_alone() -> None:
    seed_ambient(1)
    before = capture()
    with isolated(7, "train", 3, 1):
        first = torch.rand(5)
        with isolated(7, "evaluation", 3, 0):
            torch.rand(2)
        rest = torch.rand(5)
    assert capture() == before
    with isolated(7, "train", 3, 1):
        assert torch.equal(torch.rand(5), first)
        assert torch.equal(torch.rand(5), rest)
    with isolated(7, "train", 3, 2):
        assert not torch.equal(torch.rand(5), first)


def test_isolated_puts_the_generators_back_after_an_error() -> None:
    before = capture()
    with pytest.raises(IndexError), isolated(7, "train", 3, 1):
        torch.rand(5)[5]
    assert capture() == before


def test_ambient_generators_go_through_json_and_back() -> None:
    seed_ambient(5)
    draw()
    text = json.dumps(capture())
    expected = draw()
    seed_ambient(6)
    assert draw() != expected
    restore(json.loads(text))
    assert draw() == expected


def test_seed_ambient_seeds_all() -> None:
    seed_ambient(9)
    first = draw()
    seed_ambient(9)
    assert draw() == first
    seed_ambient(10)
    assert not set(draw()) & set(first)


def fake_devices(monkeypatch: pytest.MonkeyPatch, count: int) -> list[torch.Generator]:
    """Stand-ins for the generators of CUDA devices."""
    made = [torch.Generator() for _ in range(count)]
    monkeypatch.setattr(generators, "_cuda_generators", lambda: made)
    return made


def test_every_cuda_generator_is_swapped_saved_and_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    devices = fake_devices(monkeypatch, 2)
    seed_ambient(3)
    saved = json.loads(json.dumps(capture()))
    assert len(saved["cuda"]) == 2
    expected = [torch.rand(3, generator=one) for one in devices]
    with isolated(1, "train", 0, 0):
        inside = [torch.rand(3, generator=one) for one in devices]
    assert torch.equal(inside[0], inside[1])
    restore(saved)
    for one, values in zip(devices, expected, strict=True):
        assert torch.equal(torch.rand(3, generator=one), values)


def test_another_number_of_cuda_devices_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_devices(monkeypatch, 1)
    saved = capture()
    fake_devices(monkeypatch, 0)
    with pytest.raises(ResumeError, match="generators of 1 CUDA devices are saved, 0 are in use"):
        restore(saved)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_real_cuda_generator_is_swapped_saved_and_restored() -> None:
    torch.cuda.init()  # type: ignore[no-untyped-call]
    saved = capture()
    assert len(saved["cuda"]) == torch.cuda.device_count()
    expected = torch.rand(3, device="cuda")
    with isolated(1, "train", 0, 0):
        torch.rand(3, device="cuda")
    torch.rand(3, device="cuda")
    restore(saved)
    assert torch.equal(torch.rand(3, device="cuda"), expected)
