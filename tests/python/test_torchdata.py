"""torchdata's protocol, its dataloader and its nodes over the loader, cut at every batch."""

import json
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

import pytest
from chefgenius import Batch, RecipeLoader, TokenStore
from guide import EPOCH, EPOCHS, execute
from samples import assert_same, load, take

pytestmark = [
    pytest.mark.filterwarnings("ignore:.set_vital. is deprecated:UserWarning"),  # torchdata calls it
    pytest.mark.usefixtures("collected_here"),
]

Batches = Callable[[RecipeLoader], Any]


def dataloader(loader: RecipeLoader) -> Any:
    return execute("torchdata", 0, loader=loader)["batches"]


def nodes(loader: RecipeLoader) -> Any:
    return execute("torchdata", 1, loader=loader)["batches"]


AHEAD: dict[Batches, int] = {dataloader: 0, nodes: 6}
"""Batches that are fetched ahead: the node's 4, and one on its way on either side of them."""


def epochs(batches: Iterable[Any]) -> Iterator[Any]:
    while True:
        yield from batches


def test_the_loader_is_stateful_in_torchdatas_sense(store: TokenStore) -> None:
    from torchdata.stateful_dataloader.stateful import Stateful  # type: ignore[import-untyped]

    assert isinstance(load(store), Stateful)


@pytest.mark.parametrize("make", [dataloader, nodes])
@pytest.mark.parametrize("cut", range(EPOCHS * EPOCH))
def test_a_cut_changes_nothing(store: TokenStore, make: Batches, cut: int) -> None:
    expected = take(load(store), EPOCHS * EPOCH + 3)
    first = make(load(store))
    for batch, same in zip(islice(epochs(first), cut), expected, strict=False):
        assert_same(batch, same)
    state = json.loads(json.dumps(first.state_dict()))

    second = make(load(store))
    second.load_state_dict(state)
    rest = list(islice(epochs(second), len(expected) - cut))
    for batch, same in zip(rest, expected[cut:], strict=True):
        assert_same(batch, same)


@pytest.mark.parametrize("make", [dataloader, nodes])
def test_a_resume_replays_nothing(store: TokenStore, make: Batches, monkeypatch: pytest.MonkeyPatch) -> None:
    first = make(load(store))
    list(islice(epochs(first), 9))
    state = first.state_dict()

    delivered: list[Batch] = []
    deliver = RecipeLoader.__iter__

    def note(loader: RecipeLoader) -> Iterator[Batch]:
        for batch in deliver(loader):
            delivered.append(batch)
            yield batch

    monkeypatch.setattr(RecipeLoader, "__iter__", note)
    second = make(load(store))
    second.load_state_dict(state)
    assert_same(next(iter(second)), load(store).batch_at(0, 9))
    assert 0 < len(delivered) <= 1 + AHEAD[make]
