"""A cut anywhere changes nothing that follows, and a state that does not fit is refused by name."""

import json
import random
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from chefgenius import RecipeLoader, StateMismatchError, TokenStore
from chefgenius.cookbook import TOKENIZER
from samples import assert_same, build, digest, ids, load, recipes, run_python, take
from twins import PLANS, assert_equal_content, mixed_store, open_loader

EPOCH = 12
"""Micro-batches of an epoch of the `store` fixture."""


def resumed(store: TokenStore, state: dict[str, Any], **options: Any) -> RecipeLoader:
    """A loader made anew from the text of a state."""
    loader = load(store, **options)
    loader.load_state_dict(json.loads(json.dumps(state)))
    return loader


@pytest.mark.parametrize("prefetch", [0, 1, 8])
def test_a_cut_at_every_index_of_two_epochs_changes_nothing(store: TokenStore, prefetch: int) -> None:
    expected = take(load(store, prefetch=0), 3 * EPOCH)
    states = [load(store).state_dict(), *(batch.state for batch in expected)]
    for cut in range(2 * EPOCH + 1):
        first = load(store, prefetch=prefetch)
        for batch, same in zip(take(first, cut), expected[:cut], strict=True):
            assert_same(batch, same)
        state = first.state_dict()
        assert state == states[cut]
        with resumed(store, state, prefetch=prefetch) as second:
            assert second.state_dict() == state
            for batch, same in zip(take(second, len(expected) - cut), expected[cut:], strict=True):
                assert_same(batch, same)
        first.close()


@pytest.mark.parametrize("prefetch", [0, 1, 8])
def test_two_cuts_in_a_row_change_nothing(store: TokenStore, prefetch: int) -> None:
    expected = take(load(store, prefetch=0), 3 * EPOCH)
    states = [load(store).state_dict(), *(batch.state for batch in expected)]
    checked = 0
    for cut, again in combinations(range(2 * EPOCH + 1), 2):
        with resumed(store, states[cut], prefetch=8 - prefetch) as second:
            taken = take(second, again - cut)
            state = second.state_dict()
        with resumed(store, state, prefetch=prefetch) as third:
            taken += take(third, 3)
        for batch, same in zip(taken, expected[cut : again + 3], strict=True):
            assert_same(batch, same)
        checked += 1
    assert checked == 300


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> TokenStore:
    return mixed_store(tmp_path_factory.mktemp("mixed"))


def cut_at_random(store: TokenStore, plan: str, seed: int) -> None:
    """Three cuts in a row, each followed by another world, prefetch and number of threads."""
    chance = random.Random(f"{plan} {seed}")
    slots = chance.choice([1, 2, 3, 7])
    options: dict[str, Any] = {
        "micro_batches_per_step": slots,
        "seed": chance.randrange(2**64),
        "tombstones": chance.sample(range(61), chance.choice([0, 5])),
        "weights": chance.choice([{}, {store.record(0).source: 1.5}]),
    }
    alone = open_loader(store, plan, **options, prefetch=0)
    # Every rank has a slot in every step, the short last one of an epoch too; the next test has it otherwise.
    least = alone.micro_batches % slots or slots
    text = json.dumps(alone.state_dict())
    place = 0
    for _ in range(4):
        world_size = chance.choice([world for world in (1, 2, 3, 5, 7) if world <= least])
        steps, texts = chance.randint(1, alone.steps_per_epoch), set()
        begin = place
        for rank in range(world_size):
            loader = open_loader(
                store,
                plan,
                **options,
                rank=rank,
                world_size=world_size,
                prefetch=chance.choice([0, 1, 4, 64]),
                threads=chance.randint(1, 3),
            )
            loader.load_state_dict(json.loads(text))
            assert (loader.epoch, loader.index) == (
                begin // alone.steps_per_epoch,
                begin % alone.steps_per_epoch * slots,
            )
            batches = iter(loader)
            for step in range(begin, begin + steps):
                epoch, number = divmod(step, alone.steps_per_epoch)
                last = min((number + 1) * slots, alone.micro_batches)
                for index in range(number * slots, last):
                    if index % slots % world_size == rank:
                        assert_equal_content(next(batches), alone.batch_at(epoch, index))
                if last == alone.micro_batches:
                    assert next(batches, None) is None
                    batches = iter(loader)
            texts.add(json.dumps(loader.state_dict()))
            loader.close()
        assert len(texts) == 1, "every rank saves the same"
        text, place = texts.pop(), begin + steps


@pytest.mark.parametrize("plan", PLANS)
def test_random_cuts_in_any_world_change_nothing(mixed: TokenStore, plan: str) -> None:
    for seed in range(80):
        cut_at_random(mixed, plan, seed)


def test_a_rank_without_a_slot_in_the_last_step_ends_the_epoch_with_its_peers(store: TokenStore) -> None:
    """12 micro-batches in steps of 5: the last step has two, none of them rank 2's."""
    options: dict[str, Any] = {"micro_batches_per_step": 5, "world_size": 3}
    begin = load(store, micro_batches_per_step=5)
    state = take(begin, 10)[-1].state
    left = []
    for rank in range(3):
        loader = load(store, **options, rank=rank)
        loader.load_state_dict(state)
        left.append([(batch.epoch, batch.index) for batch in loader])
        assert (loader.epoch, loader.index) == (1, 0)
    assert left == [[(0, 10)], [(0, 11)], []]


@pytest.mark.long
@pytest.mark.parametrize("plan", PLANS)
def test_many_random_cuts_in_any_world_change_nothing(mixed: TokenStore, plan: str) -> None:
    for seed in range(80, 6000):
        cut_at_random(mixed, plan, seed)


def test_a_state_loads_into_the_loader_it_came_from(store: TokenStore) -> None:
    loader = load(store)
    state = take(loader, 5)[-1].state
    rest = list(loader)
    take(loader, 7)
    for _ in range(2):
        loader.load_state_dict(state)
        for batch, expected in zip(loader, rest, strict=True):
            assert_same(batch, expected)


def test_prefetch_rank_and_world_size_are_free(store: TokenStore) -> None:
    whole = load(store, micro_batches_per_step=3)
    state = take(whole, 6)[-1].state
    rest = ids(list(whole))
    for world_size in (1, 2, 3):
        ranks = [resumed(store, state, rank=rank, world_size=world_size) for rank in range(world_size)]
        assert all(loader.state_dict() == state for loader in ranks)
        batches = sorted((batch for loader in ranks for batch in loader), key=lambda batch: batch.index)
        assert ids(batches) == rest
        assert all(loader.state_dict() == ranks[0].state_dict() for loader in ranks)


def test_inside_a_step_ranks_save_its_beginning(store: TokenStore) -> None:
    loader = load(store, micro_batches_per_step=4, rank=0, world_size=2)
    indices = []
    for batch in loader:
        indices.append((batch.index, loader.state_dict()["index"], batch.state["index"]))
    assert indices == [(0, 0, 0), (2, 4, 4), (4, 4, 4), (6, 8, 8), (8, 8, 8), (10, 0, 0)]


OTHER_PROCESS = """
from chefgenius import TokenStore
from samples import digest, load, take
store = TokenStore.open(sys.argv[1])
loader = load(store, prefetch=int(sys.argv[2]))
state = loader.state_dict()
print(digest(take(loader, 24)))
validation = load(store, split="validation", validation_fraction=0.3)
print(validation.view_record_ids(100).tolist(), validation.plan_fingerprint)
print(digest(take(validation, 3)))
"""


def test_another_process_gives_the_same_split_and_batches(store: TokenStore) -> None:
    validation = load(store, split="validation", validation_fraction=0.3)
    here = [
        digest(take(load(store), 24)),
        f"{validation.view_record_ids(100).tolist()} {validation.plan_fingerprint}",
        digest(take(validation, 3)),
    ]
    assert run_python(OTHER_PROCESS, store.path, 3).splitlines() == here


DIFFERENT: list[tuple[str, dict[str, Any]]] = [
    ("seed", {"seed": 8}),
    ("plan", {"batch_size": 5}),
    ("plan", {"max_input_length": 255}),
    ("plan", {"max_target_length": 511}),
    ("plan", {"micro_batches_per_step": 2}),
    ("plan", {"split_seed": 1}),
    ("plan", {"split": "train"}),
    ("plan", {"validation_fraction": 0.06}),
    ("plan", {"min_quality": 0.5}),
]


@pytest.mark.parametrize(("named", "options"), DIFFERENT, ids=lambda value: str(value))
def test_another_run_of_batches_is_refused(store: TokenStore, named: str, options: dict[str, Any]) -> None:
    saved, other = load(store), load(store, **options)
    take(saved, 5)
    state = saved.state_dict()
    with pytest.raises(StateMismatchError, match=f"`{named}` differs") as refusal:
        other.load_state_dict(state)
    message = str(refusal.value)
    assert f"saved `{state[named]}`, here `{other.state_dict()[named]}`" in message
    assert message.count(": ") >= 3, "a remedy follows"
    assert (other.epoch, other.index) == (0, 0), "a refusal moves nothing"


def other_tokenizer(folder: Path) -> Path:
    """The bundled tokenizer with one score changed."""
    content = json.loads(TOKENIZER.read_text())
    content["model"]["vocab"][-1][1] -= 0.5
    path = folder / "tokenizer.json"
    path.write_text(json.dumps(content))
    return path


def test_another_store_is_refused(store: TokenStore, tmp_path: Path) -> None:
    saved = load(store)
    take(saved, 5)
    changed = recipes(47)
    changed[11]["directions"][0] += " Twice."
    others = {
        "store": [
            build(tmp_path / "record", changed),
            build(tmp_path / "prompt", recipes(47), prompt_template="Cook {title}."),
            build(tmp_path / "target", recipes(47), target_template="{directions}"),
            build(tmp_path / "added", recipes(48)),
            build(tmp_path / "reordered", recipes(47)[::-1]),
        ],
        "tokenizer": [build(tmp_path / "tokenizer", recipes(47), tokenizer=other_tokenizer(tmp_path))],
    }
    for named, stores in others.items():
        for other in stores:
            with pytest.raises(StateMismatchError, match=f"`{named}` differs: saved `b3:.*, here `b3:"):
                load(other).load_state_dict(saved.state_dict())


def test_the_same_records_elsewhere_are_the_same_store(store: TokenStore, tmp_path: Path) -> None:
    other = build(tmp_path, recipes(47))
    assert other.path != store.path
    assert other.fingerprint == store.fingerprint
    batches = take(load(store), 5)
    loader = resumed(other, batches[-1].state)
    assert_same(next(iter(loader)), load(store).batch_at(0, 5))


def test_a_state_that_was_changed_is_refused(store: TokenStore) -> None:
    loader = load(store)
    state = take(loader, 3)[-1].state
    for key, value in (
        ("schema", "chefgenius.loader/2"),
        ("order", 2),
        ("tombstones", "x3:0"),
        ("witness", "x3:0"),
        ("index", 4),
        ("epoch", 1),
    ):
        named = "witness" if key in ("index", "epoch") else key
        with pytest.raises(StateMismatchError, match=f"`{named}` differs"):
            loader.load_state_dict({**state, key: value})
    for bad in (
        {},
        {"seed": 7},
        {**state, "more": 1},
        {**state, "index": 12},
        {**state, "seed": 1.5},
        "{}",
        None,
    ):
        with pytest.raises(ValueError, match="bad loader state"):
            loader.load_state_dict(bad)  # type: ignore[arg-type]
    assert loader.state_dict() == state
