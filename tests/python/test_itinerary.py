"""What the itinerary says of a step is what the loader delivered in it, whatever the run went through."""

import random
from pathlib import Path

import pytest
from chefgenius import TokenStore, prepare
from chefgenius.cookbook import TOKENIZER
from chefgenius.inspecting.itinerary import Itinerary
from samples import recipes, write_lines
from walking import Walk, begun, wander


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> list[TokenStore]:
    """Two stores side by side, of two sources each, with other records under the same numbers."""
    folder = tmp_path_factory.mktemp("stores")
    made = []
    for name, seed in (("one", 0), ("two", 1)):
        sources = [write_lines(folder / name / "a.jsonl", recipes(23, seed))]
        sources.append(write_lines(folder / name / "b.jsonl", recipes(30, seed + 5)))
        made.append(prepare(sources, tokenizer=TOKENIZER, out=folder / name / "store" / "x"))
    return [TokenStore.open(one.path) for one in made]


def check(walk: Walk, every: int, stores: list[TokenStore]) -> int:
    """Every step that was delivered, forwards; and backwards for a few records. How many steps."""
    looked, run = 0, walk.write(walk.progress.step, every)
    logged = [line["step"] for line in walk.lines if line["step"] % every == 0 or "skipped" in line]
    itinerary = Itinerary(run)
    itinerary.shelf._stores.update({one.fingerprint: one for one in stores})
    for step, records in walk.seen.items():
        assert [ids.tolist() for ids in itinerary.records(step)] == records, step
        stop = itinerary.step(step)
        found = [(row.record, row.input_tokens, row.target_tokens) for row in stop.rows]
        assert found == [one for batch in walk.lengths[step] for one in batch], step
        slots = [slot for slot, ids in enumerate(records) for _ in ids]
        assert [row.slot for row in stop.rows] == slots
        before = max((one for one in logged if one < step), default=0)
        after = min((one for one in logged if one >= step), default=None)
        assert itinerary.proof(step) == (None if after is None else (before, after))
        looked += 1
    present = itinerary.course.legs[-1].store
    same = [step for step in walk.seen if itinerary.course.leg(step).store == present]
    for record in range(0, len(walk.store), 7):
        expected = [step for step in same if any(record in ids for ids in walk.seen[step])]
        assert sorted(step for step, _ in itinerary.when(record)) == expected, record
    return looked


@pytest.mark.parametrize(
    "seed", [*range(24), 1041]
)  # the last comes back to a store that it skipped a window of
def test_each_step_is_what_was_delivered(tmp_path: Path, stores: list[TokenStore], seed: int) -> None:
    walk_through(tmp_path, stores, seed)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1000, 1400))
def test_each_step_of_many_runs(tmp_path: Path, stores: list[TokenStore], seed: int) -> None:
    walk_through(tmp_path, stores, seed)


def walk_through(folder: Path, stores: list[TokenStore], seed: int) -> None:
    chance = random.Random(seed)
    walk = begun(folder, stores[0], chance)
    known = stores if "weights" not in walk.options else stores[:1]  # which have other sources
    try:
        wander(chance, walk, known, legs=chance.randint(0, 5))
        assert check(walk, chance.choice([1, 3, 10]), stores) == walk.progress.step
    finally:
        walk.feed.close()
