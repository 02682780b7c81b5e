import random
from collections.abc import Collection
from typing import Any

import pytest
from chefgenius import Batch, RecipeLoader, TokenStore
from chefgenius.data.feed import Feed, Tombstones
from chefgenius.run.state import ResumeError
from samples import load


def feed(store: TokenStore, masked: Collection[int] = (), **options: Any) -> Feed:
    return Feed(lambda records: load(store, tombstones=records, **options), masked)


def placed(store: TokenStore, masked: Collection[int], place: dict[str, Any], **options: Any) -> RecipeLoader:
    """The twin: a loader that is opened without the records, and goes to the place."""
    loader = load(store, tombstones=masked, **options)
    loader.load_state_dict(place, allow=["tombstones"])
    return loader


def content(batch: Batch) -> tuple[Any, ...]:
    tensors = {name: tensor.tolist() for name, tensor in batch.items()}
    return batch.epoch, batch.index, batch.record_ids.tolist(), tensors, batch.state


@pytest.mark.parametrize("plan", ["fixed", "bucketed"])
@pytest.mark.parametrize(("prefetch", "threads"), [(0, 1), (8, 1), (8, 3)])
def test_masking_on_the_way_is_like_opening_without(
    store: TokenStore, plan: str, prefetch: int, threads: int
) -> None:
    """At every place of an epoch of 12 batches, and again after some: what follows is the twin's."""
    chance = random.Random(prefetch + threads)
    options: dict[str, Any] = {"plan": plan, "prefetch": prefetch, "threads": threads}
    compared = 0
    for cut in range(13):
        ours, masked = feed(store, **options), set[int]()
        for _ in range(cut):
            ours.next()
        for more in (3, 14):
            masked |= set(chance.sample(range(len(store)), 5))
            place = ours.state_dict()
            ours.mask(masked)
            with placed(store, sorted(masked), place, plan=plan, prefetch=0) as twin:
                assert ours.state_dict() == twin.state_dict()
                expected = (batch for _ in range(3) for batch in twin)
                for _ in range(more):
                    mine = content(ours.next())
                    assert mine == content(next(expected))
                    assert not set(mine[2]) & masked
                    compared += 1
        ours.close()
    assert compared == 13 * 17


def test_masking_what_is_masked_opens_nothing(store: TokenStore) -> None:
    ours = feed(store, [3, 1])
    loader = ours.loader
    ours.mask([1])
    ours.mask([])
    assert ours.loader is loader
    ours.mask([2])
    assert ours.loader is not loader
    assert ours.loader.tombstones.tolist() == [1, 2, 3]
    ours.close()


def test_a_number_that_is_no_record_changes_nothing(store: TokenStore) -> None:
    ours = feed(store, prefetch=0)
    ours.next()
    before, loader = ours.state_dict(), ours.loader
    with pytest.raises(ValueError, match="tombstones"):
        ours.mask([47])
    assert (ours.state_dict(), ours.loader) == (before, loader)
    assert ours.next().index == 1


def test_the_name_of_the_list_is_that_of_its_records(store: TokenStore) -> None:
    names = [feed(store, masked, prefetch=0).configured for masked in ([], [1, 2], [2, 1, 2], [1, 3])]
    assert names[0] == ""
    assert names[1] == names[2] != names[3]
    assert names[1] == feed(store, [1, 2], prefetch=0).state_dict()["tombstones"]


def test_a_place_with_other_tombstones_is_refused(store: TokenStore) -> None:
    place = feed(store, [1], prefetch=0).state_dict()
    other = feed(store, [2], prefetch=0)
    with pytest.raises(ResumeError, match="tombstones"):
        other.load_state_dict(place)


def test_skipped_windows_are_masked_by_a_resume(store: TokenStore) -> None:
    ours = feed(store, [40])
    tombstones = Tombstones(ours)
    ours.next()
    tombstones.skip(3, [7, 5])
    tombstones.skip(4, [9])
    tombstones.skip(6, [11])
    assert [tombstones.in_a_row(step) for step in (2, 3, 4, 5, 6)] == [0, 1, 2, 0, 1]
    sections = tombstones.state_dict(), ours.state_dict()
    assert sections[0] == {
        "skipped": [
            {"step": 3, "records": [5, 7]},
            {"step": 4, "records": [9]},
            {"step": 6, "records": [11]},
        ]
    }
    again = Tombstones(feed(store, [40]))
    again.load_state_dict(sections[0])
    again.feed.load_state_dict(sections[1])
    assert again.feed.loader.tombstones.tolist() == [5, 7, 9, 11, 40]
    assert (again.state_dict(), again.feed.state_dict()) == sections
    assert content(again.feed.next()) == content(ours.next())
    ours.close()
    again.feed.close()
