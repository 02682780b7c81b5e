"""Batches in memory that Python gave: page-locked where CUDA is, ordinary elsewhere, and the same batches."""

import gc
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from chefgenius import LoaderError, TokenStore
from chefgenius.data.batch import Batch
from chefgenius.data.pinned import PinnedMemory
from samples import load, take
from twins import LAYOUTS, PLANS, assert_equal, assert_unchanged, contents, mixed_store, open_loader, twin

cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> TokenStore:
    return mixed_store(tmp_path_factory.mktemp("mixed"))


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The words of each block that a loader is given from now on."""
    words: list[int] = []
    make = PinnedMemory.__init__

    def watched(self: PinnedMemory, give: Callable[[Any], None]) -> None:
        def note(memory: Any) -> None:
            words.append(len(memory))
            give(memory)

        make(self, note)

    monkeypatch.setattr(PinnedMemory, "__init__", watched)
    return words


def block(batch: Batch) -> int:
    """Where the memory of a batch begins; all of its tensors lie in it."""
    places = {tensor.untyped_storage().data_ptr() for tensor in batch.values()}
    assert len(places) == 1
    return places.pop()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("dtype", [torch.int64, torch.int32], ids=str)
def test_given_memory_holds_the_same_batches(
    mixed: TokenStore, plan: str, layout: str, dtype: torch.dtype
) -> None:
    plain = open_loader(mixed, plan, layout, pin_memory=False, input_dtype=dtype)
    loader = open_loader(mixed, plan, layout, pin_memory=True, input_dtype=dtype, threads=2)
    for _ in range(2):
        for batch, expected in zip(loader, plain, strict=True):
            assert_equal(batch, expected)
            assert {name: tensor.tolist() for name, tensor in batch.items()} == twin(
                mixed, loader, batch, layout
            )
            assert all(tensor.is_contiguous() for tensor in batch.values())
            assert all(tensor.is_pinned() == torch.cuda.is_available() for tensor in batch.values())
            for tensor in batch.values():
                tensor.fill_(-77)


@pytest.mark.parametrize("prefetch", [0, 1, 8, 64])
@pytest.mark.parametrize("threads", [1, 3])
def test_held_batches_have_blocks_of_their_own(
    mixed: TokenStore, prefetch: int, threads: int, given: list[int]
) -> None:
    loader = open_loader(mixed, "packed", pin_memory=True, prefetch=prefetch, threads=threads)
    held = [batch for _ in range(3) for batch in loader]
    was = [contents(batch) for batch in held]
    assert len({block(batch) for batch in held}) == len(held)
    for batch in held:
        again = loader.batch_at(batch.epoch, batch.index)
        assert_equal(again, batch)
        for tensor in again.values():
            tensor.fill_(-77)
    # One for each batch that left, and what the core may have in use.
    assert len(given) <= 2 * len(held) + prefetch + 2
    loader.close()
    del loader
    gc.collect()
    for batch, before in zip(held, was, strict=True):
        assert_unchanged(batch, before)


def test_a_part_of_a_batch_keeps_its_block(mixed: TokenStore) -> None:
    loader = open_loader(mixed, "fixed", pin_memory=True, prefetch=2)
    batch = next(iter(loader))
    row, place = batch["labels"][1, 2:], block(batch)
    was = row.clone()
    del batch
    for other in take(loader, 40):
        assert block(other) != place
        for tensor in other.values():
            tensor.fill_(-77)
    assert torch.equal(row, was)


@pytest.mark.parametrize("prefetch", [0, 1, 8])
def test_blocks_that_were_built_in_vain_come_back(mixed: TokenStore, prefetch: int, given: list[int]) -> None:
    loader = open_loader(mixed, "bucketed", pin_memory=True, prefetch=prefetch, threads=2)
    state = loader.batch_at(0, 4).state
    taken = 1
    moves: list[Callable[[], None]] = [
        loader.reset,
        lambda: loader.set_epoch(loader.epoch + 1),
        lambda: loader.load_state_dict(state),
        lambda: loader.skip(2),
    ]
    for turn in range(200):
        moves[turn % 4]()
        take(loader, 1 + turn % 3)
        taken += 1 + turn % 3
        with pytest.raises(ValueError, match="index"):
            loader.batch_at(0, 10_000)
    assert len(given) <= taken + prefetch + 1, "no block is lost, and none is given in vain"
    assert loader._pinned is not None
    assert len(loader._pinned._blocks) <= prefetch + 1, "those that left are forgotten"
    loader.close()
    with pytest.raises(LoaderError, match="closed"):
        take(loader, 1)
    assert_equal(loader.batch_at(0, 3), open_loader(mixed, "bucketed", pin_memory=False).batch_at(0, 3))


@pytest.mark.parametrize("prefetch", [0, 1, 8])
def test_many_threads_find_enough_blocks(mixed: TokenStore, prefetch: int) -> None:
    loader = open_loader(mixed, "packed", pin_memory=True, prefetch=prefetch, threads=2)
    alone = open_loader(mixed, "packed", pin_memory=False, prefetch=0)
    failures: list[BaseException] = []
    taken: list[Batch] = []

    def consume(number: int) -> None:
        try:
            for turn in range(60):
                index = (number + turn) % len(loader)
                assert_equal(loader.batch_at(2, index), alone.batch_at(2, index))
                if turn % 6 == 0:
                    taken.extend(loader)
        except BaseException as failure:
            failures.append(failure)

    consumers = [threading.Thread(target=consume, args=(number,)) for number in range(8)]
    for consumer in consumers:
        consumer.start()
    for consumer in consumers:
        consumer.join(120)
    assert failures == []
    assert len({(batch.epoch, batch.index) for batch in taken}) == len(taken) > 60
    assert len({block(batch) for batch in taken}) == len(taken)
    for batch in taken[:: len(taken) // 50]:
        assert_equal(batch, alone.batch_at(batch.epoch, batch.index))


@pytest.mark.parametrize("prefetch", [0, 1, 8])
def test_an_epoch_of_a_larger_plan_finds_larger_blocks(
    mixed: TokenStore, prefetch: int, given: list[int]
) -> None:
    small: dict[str, Any] = {"batch_size": 1, "max_input_length": 8, "max_target_length": 12}
    large: dict[str, Any] = {"batch_size": 30, "max_input_length": 256, "max_target_length": 512}
    old = list(open_loader(mixed, pin_memory=False, **large))
    loader = open_loader(mixed, pin_memory=True, prefetch=prefetch, on_plan_change="next_epoch", **small)
    take(loader, 3)
    before = max(given)
    loader.load_state_dict(old[0].state)
    for batch, expected in zip(list(loader), old[1:], strict=True):
        assert_unchanged(batch, expected)
    assert max(given) > before
    plain = open_loader(mixed, pin_memory=False, **small)
    for batch in take(loader, 70):
        assert_equal(batch, plain.batch_at(batch.epoch, batch.index))


class Stop(BaseException):
    """What Ctrl-C would be."""


@pytest.mark.parametrize("moment", ["before", "after", "tensors"])
def test_an_interrupt_at_any_moment_loses_no_block(
    mixed: TokenStore, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Stopped before or after the core got its block, or with a batch released and no tensor made."""
    loader = open_loader(mixed, pin_memory=True, prefetch=3)
    memory = loader._pinned
    assert memory is not None
    give, tensors, due = memory._give, memory.tensors, [0]

    def interrupted(array: Any) -> None:
        due[0] += 1
        if moment == "after":
            give(array)
        if due[0] % 3 == 0 and moment != "tensors":
            raise Stop
        if moment != "after":
            give(array)

    def released(*arguments: Any) -> dict[str, torch.Tensor]:
        due[0] += 1
        if moment == "tensors" and due[0] % 3 == 0:
            raise Stop
        return tensors(*arguments)

    monkeypatch.setattr(memory, "_give", interrupted)
    monkeypatch.setattr(memory, "tensors", released)
    stopped = 0
    seen: list[tuple[int, int]] = []
    while len(seen) < 200:
        try:
            seen += [(batch.epoch, batch.index) for batch in take(loader, 1)]
        except Stop:
            stopped += 1
    monkeypatch.undo()
    assert stopped > 20
    assert len(seen) == len(set(seen))
    expected = open_loader(mixed, pin_memory=False)
    assert_equal(take(loader, 1)[0], expected.batch_at(loader.epoch, loader.index - 1))


def test_an_empty_batch_has_a_block_too(mixed: TokenStore) -> None:
    for plan in PLANS:
        gone = open_loader(mixed, plan).record_ids_at(0, 1).tolist()
        loader = open_loader(mixed, plan, tombstones=gone, pin_memory=True)
        plain = open_loader(mixed, plan, tombstones=gone, pin_memory=False)
        for batch, expected in zip(loader, plain, strict=True):
            assert_equal(batch, expected)


def test_by_default_memory_is_page_locked_where_cuda_is(store: TokenStore) -> None:
    assert (load(store)._pinned is not None) == torch.cuda.is_available()
    assert load(store, pin_memory=False)._pinned is None
    assert load(store, pin_memory=True)._pinned is not None


@pytest.mark.parametrize("options", [{"batch_size": 10_000}, {"max_target_length": 2**20}], ids=str)
def test_blocks_are_no_larger_than_what_there_is(
    store: TokenStore, given: list[int], options: dict[str, Any]
) -> None:
    load(store, pin_memory=True, batch_size=47).batch_at(0, 0)
    usual = given.pop()
    load(store, pin_memory=True, **{"batch_size": 47, **options}).batch_at(0, 0)
    assert given.pop() <= usual


@cuda
def test_a_copy_in_the_background_is_equal(mixed: TokenStore) -> None:
    for plan in PLANS:
        plain = open_loader(mixed, plan, pin_memory=False)
        loader = open_loader(mixed, plan, prefetch=2)
        for _ in range(3):
            moved = []
            for batch in loader:
                assert all(tensor.is_pinned() for tensor in batch.values())
                moved.append(batch.to("cuda", non_blocking=True))
            torch.cuda.synchronize()
            for batch in moved:
                expected = plain.batch_at(batch.epoch, batch.index)
                assert_unchanged(batch.to("cpu"), expected)
                assert np.array_equal(batch.record_ids, expected.record_ids)
                assert batch.state == expected.state
