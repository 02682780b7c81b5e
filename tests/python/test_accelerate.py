"""An Accelerate loop that the loader feeds goes on exactly wherever it was cut, as the guide has it."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from chefgenius import RecipeLoader, TokenStore
from chefgenius.data.batch import Batch
from guide import CUTS, EPOCH, EPOCHS, Cut, Watch, assert_survives, execute, names_of_epochs, new_process
from samples import assert_same, load, take


def run(block: int, folder: Path, window: int, watch: Watch, without: str | None = None) -> None:
    """The guide's code."""
    new_process()
    execute(
        "Accelerate",
        block,
        without=without,
        loader=watch.loader,
        model=watch.model,
        optimizer=torch.optim.AdamW(watch.model.parameters(), lr=1e-2),
        epochs=EPOCHS,
        window=window,
        save_every=1,
        folder=folder,
    )


PREPARED, BARE = 0, 1


@pytest.mark.parametrize("block", [PREPARED, BARE])
@pytest.mark.parametrize(("window", "cuts"), CUTS)
def test_a_run_that_is_cut_off_goes_on_exactly(
    store: TokenStore, tmp_path: Path, block: int, window: int, cuts: tuple[int, ...]
) -> None:
    whole = partial(run, block, tmp_path / "whole", window)
    parts = partial(run, block, tmp_path / "parts", window)
    assert_survives(store, whole, parts, window, cuts)


def test_the_place_is_that_of_the_batch_in_use_and_not_of_the_one_fetched(
    store: TokenStore, tmp_path: Path
) -> None:
    """Cut inside batch 4: four are used, one is in use, and Accelerate has fetched the next."""
    states = [batch.state for batch in load(store)]
    watch = Watch(store, cut=4)
    with pytest.raises(Cut):
        run(PREPARED, tmp_path / "run", 1, watch)
    assert watch.loader.state_dict() == states[5]
    again = load(store)
    again.load_state_dict(torch.load(tmp_path / "run" / "custom_checkpoint_0.pkl"))
    assert again.state_dict() == states[3]


def test_a_batch_keeps_its_place_when_it_is_moved(store: TokenStore) -> None:
    from accelerate import Accelerator  # type: ignore[import-untyped]
    from accelerate.utils import DataLoaderConfiguration  # type: ignore[import-untyped]
    from torch.utils.data import DataLoader

    new_process()
    accelerator = Accelerator(dataloader_config=DataLoaderConfiguration(dispatch_batches=False))
    batches = accelerator.prepare(DataLoader(load(store), batch_size=None))
    seen = 0
    for batch, expected in zip(batches, load(store), strict=True):
        assert isinstance(batch, Batch)
        assert_same(batch, expected)
        seen += 1
    assert seen == EPOCH
    meta = take(load(store), 1)[0].to("meta")
    assert meta["labels"].is_meta
    assert meta.state == take(load(store), 1)[0].state


def test_a_batch_that_is_made_anew_has_no_place(store: TokenStore) -> None:
    """Accelerate's default for iterable datasets, which the guide turns off."""
    from accelerate import Accelerator
    from torch.utils.data import DataLoader

    new_process()
    batch = next(iter(Accelerator().prepare(DataLoader(load(store), batch_size=None))))
    assert batch["labels"].equal(take(load(store), 1)[0]["labels"])
    with pytest.raises(AttributeError, match="state"):
        _ = batch.state


@pytest.mark.long
def test_without_set_epoch_accelerate_goes_back(store: TokenStore, tmp_path: Path) -> None:
    """Why the guide calls it: Accelerate counts the epochs of each process from 0."""
    watch = Watch(store, cut=EPOCH + 3)
    with pytest.raises(Cut):
        run(PREPARED, tmp_path / "run", 1, watch)
    again = Watch(store)
    run(PREPARED, tmp_path / "run", 1, again, without="batches.set_epoch(epoch)")
    assert again.seen[0] == names_of_epochs(store)[0]


@pytest.mark.filterwarnings("ignore:.set_vital. is deprecated:UserWarning")  # torchdata calls it
@pytest.mark.usefixtures("collected_here")
@pytest.mark.parametrize("cut", [1, 5, EPOCH - 1, EPOCH, EPOCH + 4])
def test_accelerates_own_way_to_keep_the_place_is_exact(store: TokenStore, tmp_path: Path, cut: int) -> None:
    from accelerate import Accelerator
    from accelerate.utils import DataLoaderConfiguration
    from torch.utils.data import DataLoader

    def prepared(loader: RecipeLoader) -> tuple[Accelerator, Any]:
        new_process()
        config = DataLoaderConfiguration(dispatch_batches=False, use_stateful_dataloader=True)
        accelerator = Accelerator(dataloader_config=config)
        batches = DataLoader(loader, batch_size=None, generator=torch.Generator())
        return accelerator, accelerator.prepare(batches)

    def epochs(batches: Any, first: int) -> Iterator[Batch]:
        for epoch in range(first, EPOCHS):
            batches.set_epoch(epoch)
            yield from batches

    expected = take(load(store), EPOCHS * EPOCH)
    accelerator, batches = prepared(load(store))
    running = epochs(batches, 0)
    for number in range(cut):
        assert_same(next(running), expected[number])
    accelerator.save_state(tmp_path)

    accelerator, batches = prepared(load(store))
    accelerator.load_state(tmp_path)
    rest = list(epochs(batches, expected[cut].epoch))
    for batch, same in zip(rest, expected[cut:], strict=True):
        assert_same(batch, same)
