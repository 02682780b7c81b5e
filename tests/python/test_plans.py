"""Each plan seen from Python: every record once, steps, weights, tombstones, worlds, and a change of plan."""

import json
from collections import Counter
from typing import Any

import numpy as np
import pytest
from chefgenius import RecipeLoader, StateMismatchError, TokenStore
from samples import ids, load, take
from twins import LAYOUTS, PLANS, assert_equal, assert_unchanged, mixed_store, open_loader


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> TokenStore:
    return mixed_store(tmp_path_factory.mktemp("mixed"))


def source(store: TokenStore, name: str) -> list[int]:
    """The records of `name.jsonl`."""
    return [record for record in range(len(store)) if store.record(record).source.endswith(f"{name}.jsonl")]


def source_path(store: TokenStore, name: str) -> str:
    return store.record(source(store, name)[0]).source


def mates(loader: RecipeLoader) -> set[frozenset[int]]:
    """Which two records share a batch of the next epoch."""
    return {
        frozenset((int(one), int(other)))
        for batch in loader
        for one in batch.record_ids
        for other in batch.record_ids
        if one < other
    }


@pytest.mark.parametrize("layout", ["seq2seq", "causal all"])
@pytest.mark.parametrize("plan", PLANS)
def test_every_epoch_shows_every_record_once(mixed: TokenStore, plan: str, layout: str) -> None:
    loader = open_loader(mixed, plan, layout)
    epochs = [list(loader) for _ in range(3)]
    for number, batches in enumerate(epochs):
        assert sorted(ids(batches)) == list(range(61))
        assert [batch.index for batch in batches] == list(range(len(loader)))
        assert {batch.epoch for batch in batches} == {number}
        for batch in batches:
            assert np.array_equal(loader.record_ids_at(number, batch.index), batch.record_ids)
    assert len({tuple(ids(batches)) for batches in epochs}) == 3
    assert len(loader) == loader.micro_batches
    assert loader.steps_per_epoch == -(-len(loader) // 3)
    assert ids(list(open_loader(mixed, plan, layout, seed=8))) != ids(epochs[0])
    assert ids(list(open_loader(mixed, plan, layout))) == ids(epochs[0])


@pytest.mark.parametrize("plan", PLANS)
def test_an_epoch_brings_other_batch_mates(mixed: TokenStore, plan: str) -> None:
    loader = open_loader(mixed, plan)
    first, second = mates(loader), mates(loader)
    # By chance about a tenth would meet again, by like lengths some more.
    assert 0 < len(first & second) < len(first) / 2


def test_bucketed_batches_hold_like_lengths(mixed: TokenStore) -> None:
    def padding(plan: str) -> float:
        batches = list(open_loader(mixed, plan, max_target_length=512))
        real = sum(int(b["attention_mask"].sum() + (b["labels"] != -100).sum()) for b in batches)
        return 1 - real / sum(b["labels"].numel() + b["input_ids"].numel() for b in batches)

    assert padding("bucketed") < padding("fixed") / 2


@pytest.mark.parametrize("plan", ["fixed", "bucketed", "packed"])
def test_at_most_one_batch_of_an_epoch_is_short(mixed: TokenStore, plan: str) -> None:
    rows = PLANS[plan]["batch_size"]
    sizes = [len(batch["input_ids"]) for batch in open_loader(mixed, plan)]
    assert max(sizes) == rows
    assert sum(size < rows for size in sizes) <= 1


@pytest.mark.parametrize("layout", ["seq2seq", "causal"])
@pytest.mark.parametrize("tokens", [120, 400, 5000])
def test_batch_tokens_bounds_every_batch(mixed: TokenStore, tokens: int, layout: str) -> None:
    loader = open_loader(mixed, "tokens", layout, batch_tokens=tokens)
    sizes = []
    for batch in loader:
        rows, columns = batch["input_ids"].shape
        wide = columns + (batch["labels"].shape[1] if layout == "seq2seq" else 0)
        sizes.append(rows * wide)
    assert max(sizes) <= tokens
    assert sum(size > tokens / 3 for size in sizes) >= len(sizes) - 1 or tokens == 5000


@pytest.mark.parametrize("plan", PLANS)
def test_when_says_the_step_of_each_record(mixed: TokenStore, plan: str) -> None:
    loader = open_loader(mixed, plan)
    for epoch in range(2):
        seen = {int(record): batch.index // 3 for batch in loader for record in batch.record_ids}
        assert {record: loader.when(record, epoch) for record in range(61)} == {
            record: [step] for record, step in seen.items()
        }
    validation = open_loader(mixed, plan, split="validation", validation_fraction=0.3)
    outside = set(range(61)) - set(validation.view_record_ids(61).tolist())
    assert 0 < len(outside) < 61
    assert all(validation.when(record, 0) == [] for record in outside)


@pytest.mark.parametrize("plan", PLANS)
def test_skip_goes_to_the_beginning_of_a_later_step(mixed: TokenStore, plan: str) -> None:
    loader = open_loader(mixed, plan)
    steps = loader.steps_per_epoch
    for taken in (0, 1, 3, 4):
        for skipped in (0, 1, steps - 1, steps, 2 * steps + 1):
            loader.set_epoch(5)
            loader.reset()
            take(loader, taken)
            step = taken // 3 + skipped
            loader.skip(skipped)
            place = 5 + step // steps, step % steps * 3
            assert (loader.epoch, loader.index) == place
            assert_equal(next(iter(loader)), loader.batch_at(*place))


@pytest.mark.parametrize("plan", PLANS)
def test_step_info_is_what_the_batches_hold(mixed: TokenStore, plan: str) -> None:
    loader = open_loader(mixed, plan, tombstones=[3, 4, 5, 60])
    batches = list(loader)
    for step in range(loader.steps_per_epoch):
        own = batches[3 * step : 3 * step + 3]
        info = loader.step_info(0, step)
        assert (info.micro_batches, info.samples) == (len(own), len(ids(own)))
        assert info.input_tokens == sum(int(batch["attention_mask"].sum()) for batch in own)
        assert info.target_tokens == sum(int((batch["labels"] != -100).sum()) for batch in own)


@pytest.mark.parametrize("world_size", [2, 3, 5])
@pytest.mark.parametrize("plan", PLANS)
def test_another_world_mid_epoch_loses_and_repeats_nothing(
    mixed: TokenStore, plan: str, world_size: int
) -> None:
    step: dict[str, Any] = {"micro_batches_per_step": 5}
    whole = [(batch.index, ids([batch])) for batch in open_loader(mixed, plan, **step)]
    ranks = [open_loader(mixed, plan, **step, rank=rank, world_size=world_size) for rank in range(world_size)]
    assert sum(map(len, ranks)) == len(whole)
    slots = [len(range(rank, 5, world_size)) for rank in range(world_size)]
    first = [batch for rank, own in zip(ranks, slots, strict=True) for batch in take(rank, own)]
    states = [json.dumps(rank.state_dict()) for rank in ranks]
    assert len(set(states)) == 1, "every rank saves the same at a step's end"
    seen = [(batch.index, ids([batch])) for batch in first]
    others = 6 - world_size
    for number in range(others):
        rank = open_loader(mixed, plan, **step, rank=number, world_size=others)
        rank.load_state_dict(json.loads(states[0]))
        seen += [(batch.index, ids([batch])) for batch in rank]
    assert sorted(seen) == whole


@pytest.mark.parametrize("plan", PLANS)
def test_tombstones_vanish_and_nothing_else_moves(mixed: TokenStore, plan: str) -> None:
    whole = list(open_loader(mixed, plan))
    gone = [*whole[2].record_ids.tolist(), 7]
    loader = open_loader(mixed, plan, tombstones=[*gone, 7, *gone])
    assert loader.tombstones.tolist() == sorted(set(gone))
    assert (len(loader), loader.plan_fingerprint) == (len(whole), open_loader(mixed, plan).plan_fingerprint)
    for batch, before in zip(loader, whole, strict=True):
        rest = [record for record in before.record_ids.tolist() if record not in gone]
        assert batch.record_ids.tolist() == rest
        assert loader.record_ids_at(0, batch.index).tolist() == rest
        if batch.index == 2:
            assert rest == []
            assert all(len(tensor) == 0 for name, tensor in batch.items() if "cu_seqlens" not in name)
            assert all(tensor.tolist() == [0] for name, tensor in batch.items() if "cu_seqlens" in name)
            assert loader.step_info(0, 0).micro_batches == 3
    assert all(loader.when(record, 0) == [] for record in gone)


@pytest.mark.parametrize("plan", PLANS)
def test_other_tombstones_are_refused_unless_allowed(mixed: TokenStore, plan: str) -> None:
    saved = take(open_loader(mixed, plan, tombstones=[1]), 3)[-1].state
    same = open_loader(mixed, plan, tombstones=[1, 1])
    same.load_state_dict(saved)
    for tombstones in ([], [1, 2], [2]):
        other = open_loader(mixed, plan, tombstones=tombstones)
        with pytest.raises(StateMismatchError, match=r"`tombstones` differs"):
            other.load_state_dict(saved)
        assert (other.epoch, other.index) == (0, 0)
        other.load_state_dict(saved, allow=["tombstones"])
        assert other.index == 3
        assert other.tombstones.tolist() == tombstones
        assert_equal(next(iter(other)), open_loader(mixed, plan, tombstones=tombstones).batch_at(0, 3))


@pytest.mark.parametrize(
    "allow", [["store"], ["plan"], ["tombstones", "seed"], "tombstones", 5, None, [None]]
)
def test_what_cannot_be_allowed_is_named(store: TokenStore, allow: Any) -> None:
    loader = load(store)
    with pytest.raises(ValueError, match=r"`allow`"):
        loader.load_state_dict(loader.state_dict(), allow=allow)


@pytest.mark.parametrize(
    "bad", [{"seed": {1}}, {"seed": object()}, {1: 2}, 5, [], b"{}", {"seed": float("nan")}]
)
def test_what_is_no_state_is_refused(store: TokenStore, bad: Any) -> None:
    loader = load(store)
    state = {**loader.state_dict(), **bad} if isinstance(bad, dict) else bad
    with pytest.raises(ValueError, match=r"bad loader state"):
        loader.load_state_dict(state)


@pytest.mark.parametrize("plan", PLANS)
def test_weights_draw_each_source_so_often(mixed: TokenStore, plan: str) -> None:
    weights = {source_path(mixed, "long"): 2.5, source_path(mixed, "short"): 0.5}
    loader = open_loader(mixed, plan, weights=weights)
    long, short = source(mixed, "long"), source(mixed, "short")
    assert (len(long), len(short)) == (20, 41)
    for epoch in range(4):
        batches = list(loader)
        drawn = Counter(ids(batches))
        assert sum(drawn[record] for record in long) == 50
        assert sum(drawn[record] for record in short) in (20, 21)
        steps = {record: {b.index // 3 for b in batches if record in b.record_ids} for record in range(61)}
        assert all(loader.when(record, epoch) == sorted(steps[record]) for record in range(61))


@pytest.mark.parametrize("plan", PLANS)
def test_over_the_epochs_a_source_is_drawn_evenly(mixed: TokenStore, plan: str) -> None:
    """Equally often, or once more; by lengths, blocks differ by the rounding of their draws."""
    weights = {source_path(mixed, "long"): 2.5, source_path(mixed, "short"): 0.5}
    loader = open_loader(mixed, plan, weights=weights)
    drawn = Counter(record for _ in range(12) for record in ids(list(loader)))
    for name in ("long", "short"):
        counts = [drawn[record] for record in source(mixed, name)]
        expected = 12 * weights[source_path(mixed, name)]
        slack = 1 if plan == "fixed" else 1 + 0.08 * expected
        assert max(abs(count - expected) for count in counts) <= slack
        if plan == "fixed":
            assert max(counts) - min(counts) <= 1


@pytest.mark.parametrize("plan", PLANS)
def test_weighted_batches_resume_and_no_weight_is_a_weight_of_one(mixed: TokenStore, plan: str) -> None:
    long, short = source_path(mixed, "long"), source_path(mixed, "short")
    loader = open_loader(mixed, plan, weights={long: 1.5})
    whole = take(loader, 2 * len(loader))
    cut = len(whole) * 2 // 3
    other = open_loader(mixed, plan, weights={long: 1.5, short: 1}, prefetch=0)
    other.load_state_dict(whole[cut].state)
    for batch, expected in zip(take(other, len(whole) - cut - 1), whole[cut + 1 :], strict=True):
        assert_equal(batch, expected)
    plain = open_loader(mixed, plan)
    assert plain.plan_fingerprint == open_loader(mixed, plan, weights={long: 1.0}).plan_fingerprint
    assert plain.plan_fingerprint == open_loader(mixed, plan, weights={}).plan_fingerprint
    without = open_loader(mixed, plan, weights={short: 0})
    assert sorted(ids(list(without))) == source(mixed, "long")
    with pytest.raises(StateMismatchError, match=r"`plan` differs"):
        plain.load_state_dict(whole[cut].state)


CHANGES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"plan": "fixed", "batch_size": 4}, {"plan": "fixed", "batch_size": 7}),
    ({"plan": "fixed", "batch_size": 4}, {"plan": "packed", "batch_size": 2}),
    ({"plan": "packed", "batch_size": 2}, {"plan": "bucketed", "batch_size": 5}),
    ({"plan": "bucketed", "batch_size": 5}, {"plan": "fixed", "max_target_length": 512}),
    ({"plan": "fixed", "batch_size": 1}, {"plan": "fixed", "batch_size": 40}),
    ({"plan": "fixed", "batch_size": 40}, {"plan": "fixed", "batch_size": 1, "max_target_length": 20}),
    ({"plan": "fixed", "batch_size": 4}, {"plan": "fixed", "batch_size": 4, "micro_batches_per_step": 5}),
    ({"plan": "fixed", "batch_size": 4}, {"plan": "fixed", "layout": "causal", "batch_size": 4}),
]


def test_more_ranks_wait_for_an_epoch_whose_steps_have_a_batch_for_each(mixed: TokenStore) -> None:
    """`run` tells the remedy by the name of what is wrong."""
    before = open_loader(mixed, batch_size=4, micro_batches_per_step=1)
    take(before, 1)
    made: dict[str, Any] = {"micro_batches_per_step": 2, "world_size": 2, "on_plan_change": "next_epoch"}
    with pytest.raises(ValueError, match="`world_size`: 2 is above `micro_batches_per_step` = 1"):
        open_loader(mixed, batch_size=4, **made).load_state_dict(before.state_dict())


@pytest.mark.parametrize(("before", "after"), CHANGES, ids=lambda value: str(value))
@pytest.mark.parametrize("prefetch", [0, 8])
def test_another_plan_waits_for_the_next_epoch(
    mixed: TokenStore, before: dict[str, Any], after: dict[str, Any], prefetch: int
) -> None:
    def made(options: dict[str, Any], **more: Any) -> RecipeLoader:
        return open_loader(mixed, **{"batch_size": None, **options}, **more)

    saved, fresh = made(before), made(after)
    old = list(saved)
    cut = len(old) // 2
    state = old[cut - 1].state if cut else made(before).state_dict()
    with pytest.raises(StateMismatchError, match=r"`plan` differs.*on_plan_change=\"next_epoch\""):
        made(after).load_state_dict(state)
    loader = made(after, on_plan_change="next_epoch", prefetch=prefetch)
    mine = take(loader, 1)[0]
    own = loader.state_dict()
    loader.load_state_dict(state)
    assert mine.state == own, "a batch keeps the state of its own plan"
    assert (len(loader), loader.index) == (len(old), cut)
    rest = list(loader)
    for batch, expected in zip(rest, old[cut:], strict=True):
        assert_unchanged(batch, expected)
        assert batch.state == (fresh.batch_at(0, len(fresh) - 1) if batch is rest[-1] else expected).state
    assert (loader.epoch, loader.index, len(loader)) == (1, 0, len(fresh))
    for batch in take(loader, len(fresh)):
        assert_equal(batch, fresh.batch_at(1, batch.index))


def test_a_change_of_plan_can_be_cut_again(mixed: TokenStore) -> None:
    old = list(open_loader(mixed, "fixed"))
    first = open_loader(mixed, "packed", on_plan_change="next_epoch")
    first.load_state_dict(old[3].state)
    state = take(first, 4)[-1].state
    assert state == old[7].state
    second = open_loader(mixed, "packed", on_plan_change="next_epoch", prefetch=0)
    second.load_state_dict(state)
    for batch, expected in zip(take(second, len(old) - 9), old[8:-1], strict=True):
        assert_equal(batch, expected)
    assert_unchanged(next(iter(second)), old[-1])
    assert_equal(next(iter(second)), open_loader(mixed, "packed").batch_at(1, 0))


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_state_of_another_plan_is_refused(mixed: TokenStore, plan: str, layout: str) -> None:
    state = take(open_loader(mixed, plan, layout), 2)[-1].state
    refused = 0
    for other in PLANS:
        for otherwise in LAYOUTS:
            loader = open_loader(mixed, other, otherwise)
            if (plan, layout) == (other, otherwise):
                loader.load_state_dict(state)
                assert loader.index == 2
                continue
            with pytest.raises(StateMismatchError, match=r"`plan` differs"):
                loader.load_state_dict(state)
            refused += 1
    assert refused == len(PLANS) * len(LAYOUTS) - 1


SOURCE = "the store's own"
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"plan": "sorted"}, r"`plan`: `'sorted'` is none of `fixed`, `bucketed`, `packed`"),
    ({"plan": None}, "`plan`"),
    ({"batch_tokens": 1000}, r"`batch_tokens`.*`batch_size` is given too"),
    *(({"batch_size": bad}, "`batch_size`") for bad in (0, -1, True, 2.0, "2", float("nan"), 2**32, [4])),
    *(
        ({"plan": "bucketed", "batch_size": None, "batch_tokens": bad}, "`batch_tokens`")
        for bad in (0, -1, True, 2.0, "2", float("nan"), 2**32)
    ),
    (
        {"plan": "bucketed", "batch_size": None, "batch_tokens": 767},
        r"`batch_tokens`: 767 is below 768, the longest row",
    ),
    *(
        ({"plan": plan, "batch_size": None, "batch_tokens": 5000}, r"`batch_tokens`.*`plan=bucketed` only")
        for plan in ("fixed", "packed")
    ),
    *(({"threads": bad}, "`threads`") for bad in (0, 65, -1, True, 1.0, "1", None, 2**32, float("nan"))),
    *(({"prefetch": bad}, "`prefetch`") for bad in (4097, -1, True, 1.0, "1", None, 2**32, float("nan"))),
    *(({"tombstones": bad}, "`tombstones`") for bad in (5, "1", [47], [-1], [True], [1.0], [None], None)),
    *(({"weights": bad}, "`weights`") for bad in ([], 0, "a", [("a", 1)], {"nobody.jsonl": 1}, {1: 1})),
    *(
        ({"weights": {SOURCE: bad}}, "`weights`")
        for bad in (-1, -0.5, True, "2", None, float("nan"), float("inf"), 1e7, 0, 1e-9)
    ),
    *(({"on_plan_change": bad}, "`on_plan_change`") for bad in ("next", None, True)),
    *(({"pin_memory": bad}, "`pin_memory`") for bad in ("yes", 1, 0)),
    *(({"validation_sources": bad}, "`validation_sources`") for bad in (5, "a", ["a"], None)),
    *(({"micro_batches_per_step": bad}, "`micro_batches_per_step`") for bad in (0, True, 1.0, 2**32)),
]


@pytest.mark.parametrize(("options", "named"), REFUSED, ids=lambda value: str(value)[:60])
def test_an_option_out_of_range_is_named(store: TokenStore, options: dict[str, Any], named: str) -> None:
    weights = options.get("weights")
    if isinstance(weights, dict) and SOURCE in weights:
        options = {"weights": {store.record(0).source: weights[SOURCE]}}
    with pytest.raises(ValueError, match=named) as refusal:
        load(store, **options)
    assert str(refusal.value).startswith("bad value for "), "one form for all"


def test_an_unknown_source_is_answered_with_those_there_are(mixed: TokenStore) -> None:
    for options in ({"weights": {"nobody.jsonl": 2}}, {"validation_sources": ["nobody.jsonl"]}):
        with pytest.raises(ValueError, match=r"`nobody\.jsonl`") as refusal:
            open_loader(mixed, **options)
        assert source_path(mixed, "long") in str(refusal.value)
        assert source_path(mixed, "short") in str(refusal.value)
