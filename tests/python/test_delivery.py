"""Whose memory a delivered tensor is, and that threads and depth change no batch."""

import gc
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from chefgenius import TokenStore
from chefgenius.data.batch import Batch
from samples import load, take
from twins import LAYOUTS, PLANS, assert_equal, assert_unchanged, contents, mixed_store, open_loader, twin


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> TokenStore:
    return mixed_store(tmp_path_factory.mktemp("mixed"))


def resident() -> int:
    """Bytes of memory that this process has."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def places(batch: Batch) -> Iterator[tuple[int, int]]:
    """Begin and end of each tensor in memory."""
    for tensor in batch.values():
        if tensor.numel():
            yield tensor.data_ptr(), tensor.data_ptr() + tensor.nbytes


def spoil(batch: Batch) -> None:
    """Writes over every tensor, as a consumer may."""
    for tensor in batch.values():
        tensor.fill_(-77)


@pytest.mark.parametrize("prefetch", [0, 1, 8, 64])
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("plan", PLANS)
def test_a_held_epoch_is_what_batch_at_gives(
    mixed: TokenStore, plan: str, threads: int, prefetch: int
) -> None:
    for layout, dtype in (("seq2seq", torch.int64), ("causal all", torch.int32)):
        alone = open_loader(mixed, plan, layout, prefetch=0, input_dtype=dtype)
        with open_loader(
            mixed, plan, layout, prefetch=prefetch, threads=threads, input_dtype=dtype
        ) as loader:
            for epoch in range(3):
                held = list(loader)
                assert len(held) == len(loader)
                for index, batch in enumerate(held):
                    assert_equal(batch, alone.batch_at(epoch, index))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("dtype", [torch.int64, torch.int32], ids=str)
def test_memory_that_was_used_before_is_written_whole(
    mixed: TokenStore, plan: str, layout: str, dtype: torch.dtype
) -> None:
    loader = open_loader(mixed, plan, layout, prefetch=2, input_dtype=dtype, tombstones=[3, 4, 40])
    seen: set[int] = set()
    again = 0
    for _ in range(2):
        for batch in loader:
            assert {name: tensor.tolist() for name, tensor in batch.items()} == twin(
                mixed, loader, batch, layout
            )
            again += batch["input_ids"].data_ptr() in seen
            seen.add(batch["input_ids"].data_ptr())
            spoil(batch)
    assert again > 10, "memory comes back"
    assert len(seen) < 2 * len(loader)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("plan", PLANS)
def test_a_held_batch_is_never_written_again(mixed: TokenStore, plan: str, threads: int) -> None:
    loader = open_loader(mixed, plan, prefetch=8, threads=threads)
    held = list(loader)[::2]
    was = [contents(batch) for batch in held]
    taken = [place for batch in held for place in places(batch)]
    for other in take(loader, 3 * len(loader)):
        for begin, end in places(other):
            assert all(end <= first or last <= begin for first, last in taken)
        spoil(other)
    for batch in held:
        spoil(loader.batch_at(0, batch.index))
    loader.reset()
    take(loader, 5)
    loader.close()
    del loader
    gc.collect()
    for batch in take(open_loader(mixed, plan, prefetch=8, threads=threads), 20):
        spoil(batch)
    for batch, before in zip(held, was, strict=True):
        assert_unchanged(batch, before)


PARTS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "itself": lambda whole: whole,
    "slice": lambda whole: whole[1:, 2:],
    "view": lambda whole: whole.view(-1),
    "row": lambda whole: whole[0],
    "numpy": lambda whole: torch.from_numpy(whole.numpy()[:1]),
    "transposed": lambda whole: whole.T,
}


@pytest.mark.parametrize("kind", PARTS)
def test_a_part_of_a_tensor_keeps_the_memory_alive(mixed: TokenStore, kind: str) -> None:
    loader = open_loader(mixed, "packed", prefetch=4)
    batch = next(iter(loader))
    whole = batch["labels"]
    part = PARTS[kind](whole)
    was, place = part.clone(), whole.data_ptr()
    del batch, whole
    for _ in range(3):
        for other in loader:
            assert all(begin != place for begin, _ in places(other))
            spoil(other)
    assert torch.equal(part, was)
    loader.close()
    del loader, other
    gc.collect()
    assert torch.equal(part, was)


def test_the_memory_of_a_dropped_batch_comes_back(store: TokenStore) -> None:
    loader = load(store, prefetch=0)
    batches = iter(loader)
    first = next(batches)
    place = first["input_ids"].data_ptr()
    second = next(batches)
    assert second["input_ids"].data_ptr() != place
    del first
    third = next(batches)
    assert third["input_ids"].data_ptr() == place, "the iterator holds no batch"
    assert_equal(third, loader.batch_at(0, 2))


@pytest.mark.parametrize("plan", PLANS)
def test_memory_stays_flat(mixed: TokenStore, plan: str) -> None:
    loader = open_loader(mixed, plan, prefetch=8, threads=2)
    take(loader, 2000)
    before = resident()
    for _ in range(5):
        take(loader, 400)
        held = list(loader)
        loader.load_state_dict(held[len(held) // 2].state)
    assert resident() - before < 2 << 20


def test_the_consumer_may_be_slower_or_quicker(mixed: TokenStore) -> None:
    expected = [batch.record_ids.tolist() for batch in open_loader(mixed, "packed", prefetch=0)]
    for pause in (0, 0.002):
        loader = open_loader(mixed, "packed", prefetch=3, threads=2)
        seen = []
        for batch in loader:
            time.sleep(pause)
            seen.append(batch.record_ids.tolist())
        assert seen == expected


@pytest.mark.parametrize("prefetch", [0, 2])
def test_many_threads_share_one_loader(mixed: TokenStore, prefetch: int) -> None:
    """Each batch once, each whole; a batch built alone in between moves nothing."""
    loader = open_loader(mixed, "bucketed", prefetch=prefetch, threads=2)
    alone = open_loader(mixed, "bucketed", prefetch=0)
    taken: list[Batch] = []
    failures: list[BaseException] = []

    def consume() -> None:
        try:
            for batch in loader:
                taken.append(batch)
                assert_equal(loader.batch_at(7, batch.index), alone.batch_at(7, batch.index))
        except BaseException as failure:
            failures.append(failure)

    consumers = [threading.Thread(target=consume) for _ in range(8)]
    for consumer in consumers:
        consumer.start()
    for consumer in consumers:
        consumer.join(60)
    assert not failures
    places = [(batch.epoch, batch.index) for batch in taken]
    assert len(places) == len(set(places))
    assert {index for epoch, index in places if epoch == 0} == set(range(len(loader)))
    for batch in taken:
        assert_equal(batch, alone.batch_at(batch.epoch, batch.index))


def test_building_a_batch_lets_other_python_threads_run(mixed: TokenStore) -> None:
    """With forced switches off, another thread moves only where the core lets go of the GIL."""
    loader = load(mixed, prefetch=0, batch_size=61)
    done, turns = threading.Event(), [0]

    def turn() -> None:
        while not done.is_set():
            turns[0] += 1
            time.sleep(0)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(100)
    try:
        other = threading.Thread(target=turn)
        other.start()
        begin, before = time.monotonic(), turns[0]
        while turns[0] < before + 20 and time.monotonic() < begin + 20:
            loader._core.batch_at(0, 0, id)
        moved = turns[0] - before
    finally:
        done.set()
        sys.setswitchinterval(interval)
    other.join(20)
    assert moved >= 20
