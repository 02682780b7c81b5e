"""The loader's surface: what a batch holds, where the loader stands, and what it refuses."""

import copy
import gc
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from chefgenius import LoaderError, RecipeLoader, TokenStore, prepare
from chefgenius.cookbook import TOKENIZER
from samples import assert_same, build, ids, load, recipes, take, write_lines


def naive(store: TokenStore, record_ids: Any, longest: tuple[int, int]) -> tuple[list[Any], ...]:
    """Inputs, mask and labels row by row, in the fewest words."""
    records = [store.record(int(record)) for record in record_ids]
    inputs = [[*record.prompt_ids[: longest[0] - 1], store.eos_token_id] for record in records]
    labels = [[*record.target_ids[: longest[1] - 1], store.eos_token_id] for record in records]
    wide, long = max(map(len, inputs)), max(map(len, labels))
    return (
        [row + [store.pad_token_id] * (wide - len(row)) for row in inputs],
        [[1] * len(row) + [0] * (wide - len(row)) for row in inputs],
        [row + [-100] * (long - len(row)) for row in labels],
    )


@pytest.mark.parametrize("longest", [(256, 512), (20, 60), (2, 2)])
def test_a_batch_is_what_its_records_say(store: TokenStore, longest: tuple[int, int]) -> None:
    loader = load(store, max_input_length=longest[0], max_target_length=longest[1])
    for batch in take(loader, 2 * len(loader)):
        inputs, mask, labels = naive(store, batch.record_ids, longest)
        assert batch["input_ids"].tolist() == inputs
        assert batch["attention_mask"].tolist() == mask
        assert batch["labels"].tolist() == labels
        assert {tensor.dtype for tensor in batch.values()} == {torch.int64}
        assert batch.record_ids.dtype == np.int64


def test_an_epoch_shows_every_record_once_in_its_own_order(store: TokenStore) -> None:
    loader = load(store)
    orders = [ids(list(loader)) for _ in range(3)]
    assert [sorted(order) for order in orders] == [list(range(47))] * 3
    assert len({tuple(order) for order in orders}) == 3
    assert ids(list(load(store, seed=8))) != orders[0]
    assert (len(loader), loader.micro_batches, loader.steps_per_epoch, loader.records) == (12, 12, 4, 47)
    assert [len(loader.record_ids_at(0, index)) for index in range(12)] == [4] * 11 + [3]


def test_an_epoch_ends_at_the_beginning_of_the_next(store: TokenStore) -> None:
    loader = load(store)
    assert (loader.epoch, loader.index) == (0, 0)
    assert [(batch.epoch, batch.index) for batch in loader] == [(0, index) for index in range(12)]
    assert (loader.epoch, loader.index) == (1, 0)
    assert (loader.state_dict()["epoch"], loader.state_dict()["index"]) == (1, 0)
    assert [batch.epoch for batch in loader] == [1] * 12


def test_leaving_a_for_and_entering_again_goes_on(store: TokenStore) -> None:
    loader, whole = load(store), list(load(store))
    first = take(loader, 5)
    rest = list(loader)
    for batch, expected in zip([*first, *rest], whole, strict=True):
        assert_same(batch, expected)


def test_an_exception_in_the_for_loses_nothing(store: TokenStore) -> None:
    loader = load(store)

    def consume() -> None:
        for batch in loader:
            if batch.index == 3:
                raise KeyError("the consumer's own")

    with pytest.raises(KeyError, match="the consumer's own"):
        consume()
    assert loader.index == 4
    assert [batch.index for batch in loader] == list(range(4, 12))


def test_set_epoch_and_reset(store: TokenStore) -> None:
    loader = load(store)
    take(loader, 5)
    loader.set_epoch(0)
    assert (loader.epoch, loader.index) == (0, 5)
    loader.set_epoch(3)
    assert (loader.epoch, loader.index) == (3, 0)
    assert_same(take(loader, 1)[0], loader.batch_at(3, 0))
    loader.reset()
    assert (loader.epoch, loader.index) == (3, 0)
    loader.set_epoch(0)
    assert ids(list(loader)) == ids(list(load(store)))


def test_a_for_in_progress_ends_when_its_epoch_is_left(store: TokenStore) -> None:
    loader = load(store)
    seen = []
    for batch in loader:
        seen.append(batch.index)
        if batch.index == 2:
            loader.set_epoch(5)
    assert seen == [0, 1, 2]
    assert (loader.epoch, loader.index) == (5, 0)


def test_the_state_is_a_function_of_the_position(store: TokenStore) -> None:
    loader, other = load(store), load(store, prefetch=0)
    for _ in range(30):
        (batch,) = take(loader, 1)
        assert loader.state_dict() == batch.state == other.batch_at(batch.epoch, batch.index).state
    assert (other.epoch, other.index) == (0, 0), "`batch_at` moves nothing"
    other.set_epoch(2)
    take(other, 6)
    assert other.state_dict() == loader.state_dict()


def test_the_state_fits_in_512_bytes(store: TokenStore) -> None:
    loader = load(store, seed=2**64 - 1)
    loader.set_epoch(2**63 - 1)
    take(loader, 1)
    state = loader.state_dict()
    assert len(json.dumps(state).encode()) <= 512
    assert list(state) == [
        "schema",
        "order",
        "seed",
        "epoch",
        "index",
        "store",
        "tokenizer",
        "plan",
        "tombstones",
        "witness",
    ]
    assert (state["schema"], state["seed"], state["index"]) == ("chefgenius.loader/1", 2**64 - 1, 1)
    assert (state["store"], state["tokenizer"]) == (store.fingerprint, store.tokenizer_fingerprint)


def test_batches_held_at_once_are_never_written_again(store: TokenStore) -> None:
    loader = load(store, prefetch=8)
    held = list(loader)
    for batch in held:
        assert_same(batch, loader.batch_at(0, batch.index))
    before = [{name: tensor.clone() for name, tensor in batch.items()} for batch in held]
    addresses = {tensor.data_ptr() for batch in held for tensor in batch.values()}
    assert len(addresses) == 3 * len(held)
    for _ in range(2):
        for batch in loader:
            assert not addresses & {tensor.data_ptr() for tensor in batch.values()}
    loader.close()
    del loader
    gc.collect()
    for batch, was in zip(held, before, strict=True):
        assert all(torch.equal(tensor, was[name]) for name, tensor in batch.items())


def test_a_tensor_outlives_batch_loader_and_store(tmp_path: Path) -> None:
    with load(build(tmp_path, recipes(20)), prefetch=4) as loader:
        labels = next(iter(loader))["labels"]
        expected = loader.batch_at(0, 0)["labels"].tolist()
    del loader
    gc.collect()
    assert labels.tolist() == expected


def test_step_info_is_what_the_batches_hold(store: TokenStore) -> None:
    loader = load(store, micro_batches_per_step=5)
    batches = list(loader)
    assert loader.steps_per_epoch == 3
    for step in range(3):
        own = batches[5 * step : 5 * step + 5]
        info = loader.step_info(0, step)
        assert (info.micro_batches, info.samples) == (len(own), len(ids(own)))
        assert info.input_tokens == sum(int(batch["attention_mask"].sum()) for batch in own)
        assert info.target_tokens == sum(int((batch["labels"] != -100).sum()) for batch in own)


@pytest.mark.parametrize("world_size", [1, 2, 3, 5])
def test_any_world_shares_out_the_same_micro_batches(store: TokenStore, world_size: int) -> None:
    whole = list(load(store, micro_batches_per_step=5))
    ranks = [
        load(store, micro_batches_per_step=5, rank=rank, world_size=world_size) for rank in range(world_size)
    ]
    shares = [list(loader) for loader in ranks]
    assert [len(share) for share in shares] == [len(loader) for loader in ranks]
    assert all(batch.index % 5 % world_size == rank for rank, share in enumerate(shares) for batch in share)
    together = sorted((batch for share in shares for batch in share), key=lambda batch: batch.index)
    assert [ids([batch]) for batch in together] == [ids([batch]) for batch in whole]


def test_view_record_ids_are_in_the_order_of_the_store(store: TokenStore) -> None:
    assert load(store).view_record_ids(5).tolist() == [0, 1, 2, 3, 4]
    assert len(load(store).view_record_ids(1000)) == 47
    assert load(store).view_record_ids(0).tolist() == []


def test_quality_filters_and_what_has_none_stays(tmp_path: Path) -> None:
    scores = [None, 0.1, 0.5, 0.9] * 5
    records = [
        record if score is None else {**record, "quality_score": score}
        for record, score in zip(recipes(20), scores, strict=True)
    ]
    store = build(tmp_path, records)
    assert [store.record(record).quality for record in range(4)] == [None, *map(np.float32, scores[1:4])]
    seen = ids(list(load(store, min_quality=0.5)))
    assert sorted(seen) == [record for record in range(20) if record % 4 != 1]
    with pytest.raises(ValueError, match=r"`min_quality`.*lower `data\.min_quality`"):
        load(build(tmp_path / "low", [{**recipes(1)[0], "quality_score": 0.1}]), min_quality=2.0)


def test_a_record_is_what_was_prepared(tmp_path: Path) -> None:
    sources = [write_lines(tmp_path / f"{name}.jsonl", recipes(3, seed)) for seed, name in enumerate("ab")]
    store = prepare(sources, tokenizer=TOKENIZER, out=tmp_path / "store")
    assert (len(store), store.path.parent) == (6, tmp_path / "store")
    record = store.record(4)
    assert (record.source, record.ordinal) == (str(sources[1]), 1)
    assert record.prompt_ids.dtype == record.target_ids.dtype == np.int64
    assert store.eos_token_id not in record.target_ids
    assert store.tokens == sum(
        len(ids) for r in range(6) for ids in (store.record(r).prompt_ids, store.record(r).target_ids)
    )
    again = TokenStore.open(store.path)
    assert again.fingerprint == TokenStore.open(tmp_path / "store").fingerprint == store.fingerprint
    for bad in (-1, 6, True, 1.5):
        with pytest.raises(ValueError, match="record_id"):
            store.record(bad)  # type: ignore[arg-type]


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"batch_size": 0}, "batch_size"),
    ({"batch_size": 2.0}, "batch_size"),
    ({"seed": -1}, "seed"),
    ({"seed": 2**64}, "seed"),
    ({"split_seed": -1}, "split_seed"),
    ({"split": "test"}, "split"),
    ({"split": None}, "split"),
    ({"validation_fraction": "x"}, "validation_fraction"),
    ({"min_quality": "x"}, "min_quality"),
    ({"rank": 1}, "rank"),
    ({"world_size": 0}, "rank"),
    ({"world_size": 4}, "world_size"),
    ({"micro_batches_per_step": 0}, "micro_batches_per_step"),
    ({"prefetch": -1}, "prefetch"),
    ({"prefetch": 2**31}, "prefetch"),
    ({"max_input_length": 1}, "max_input_length"),
    ({"max_target_length": 0}, "max_target_length"),
    ({"validation_fraction": 1.5}, "validation_fraction"),
    ({"validation_fraction": float("nan")}, "validation_fraction"),
    ({"min_quality": float("nan")}, "min_quality"),
    ({"validation_sources": ["nobody.jsonl"]}, "validation_sources"),
    ({"validation_sources": "one.jsonl"}, "validation_sources"),
    ({"split": "train", "validation_fraction": 1.0}, "validation_fraction"),
    (
        {"split": "validation", "validation_fraction": 0.0},
        r"data\.validation_fraction.*data\.validation_sources",
    ),
]


@pytest.mark.parametrize(("options", "named"), REFUSED, ids=lambda value: str(value))
def test_an_argument_out_of_range_is_named(store: TokenStore, options: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        load(store, **options)


@pytest.mark.parametrize("store", [None, "stores/mine"])
def test_what_is_no_store_is_named(store: Any) -> None:
    with pytest.raises(ValueError, match=r"`store`.*`TokenStore\.open`"):
        RecipeLoader(store)


def test_a_batch_can_be_copied_and_sent(store: TokenStore) -> None:
    batch = take(load(store), 1)[0]
    for other in (copy.copy(batch), copy.deepcopy(batch), pickle.loads(pickle.dumps(batch))):  # noqa: S301
        assert_same(other, batch)


def test_a_place_that_does_not_exist_is_named(store: TokenStore) -> None:
    loader = load(store)
    for call, named in (
        (lambda: loader.batch_at(0, 12), "`index`: 12 is not below 12"),
        (lambda: loader.batch_at(0, -1), "`index`: `-1`"),
        (lambda: loader.batch_at(-1, 0), "`epoch`: `-1`"),
        (lambda: loader.batch_at(2**63, 0), "epoch"),
        (lambda: loader.record_ids_at(0, 12), "index"),
        (lambda: loader.step_info(0, 4), "`step`: 4 is not below 4"),
        (lambda: loader.set_epoch(-1), "`epoch`: `-1`"),
        (lambda: loader.set_epoch(1.5), "`epoch`: `1.5`"),  # type: ignore[arg-type]
        (lambda: loader.view_record_ids(-1), "`n`: `-1`"),
    ):
        with pytest.raises(ValueError, match=named):
            call()
    assert (loader.epoch, loader.index) == (0, 0)


def test_a_closed_loader_says_so(store: TokenStore) -> None:
    with load(store) as loader:
        batch = next(iter(loader))
        state = batch.state
    loader.close()
    for call in (lambda: next(iter(loader)), loader.state_dict, loader.reset, lambda: loader.epoch):
        with pytest.raises(LoaderError, match=r"closed.*`state_dict\(\)`"):
            call()
    assert batch.state == state, "what was delivered stays whole"
    fresh = load(store)
    fresh.load_state_dict(state)
    assert fresh.index == 1


def test_closing_inside_a_for_ends_it_with_an_error(store: TokenStore) -> None:
    loader = load(store)
    batches = iter(loader)
    next(batches)
    loader.close()
    with pytest.raises(LoaderError, match="closed"):
        next(batches)


def test_reprs_name_what_counts(store: TokenStore) -> None:
    assert "records=47" in repr(store)
    assert "micro_batches=12" in repr(RecipeLoader(store, 4, split="all"))
