"""The split is a function of what a recipe says, and of nothing else."""

import json
import random
from pathlib import Path
from typing import Any, Literal

import pytest
from chefgenius import Recipe, TokenStore, prepare
from chefgenius.cookbook import TOKENIZER
from samples import build, ids, load, recipes, write_lines
from tokenizers import Tokenizer

Side = Literal["train", "validation"]


def texts(store: TokenStore, side: Side, **options: Any) -> list[str]:
    """The targets on one side, in the order of the store."""
    decoder = Tokenizer.from_file(str(TOKENIZER))
    loader = load(store, **{"split": side, "validation_fraction": 0.3, **options})
    return [
        decoder.decode(store.record(int(record)).target_ids.tolist())
        for record in loader.view_record_ids(len(store))
    ]


def body(text: str) -> str:
    """Ingredients and directions of a target, letters and digits only."""
    recipe = Recipe.parse(text)
    assert recipe is not None
    joined = "".join([*recipe.ingredients, *recipe.directions])
    return "".join(letter for letter in joined.casefold() if letter.isalnum())


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> TokenStore:
    return build(tmp_path_factory.mktemp("many"), recipes(400))


def test_the_sides_are_disjoint_and_whole(many: TokenStore) -> None:
    sides = [load(many, split=side, validation_fraction=0.3) for side in ("train", "validation")]
    train, validation = (set(loader.view_record_ids(400).tolist()) for loader in sides)
    assert train | validation == set(range(400))
    assert not train & validation
    assert 90 <= len(validation) <= 150
    assert [set(ids(list(loader))) for loader in sides] == [train, validation]


def test_a_larger_fraction_only_adds(many: TokenStore) -> None:
    former: set[str] = set()
    for fraction in (0.05, 0.1, 0.3, 0.6):
        held_out = set(texts(many, "validation", validation_fraction=fraction))
        assert former < held_out
        former = held_out
    assert len(load(many, split="train", validation_fraction=0.0).view_record_ids(400)) == 400
    assert len(load(many, split="validation", validation_fraction=1.0).view_record_ids(400)) == 400


def test_only_the_split_seed_moves_it(many: TokenStore) -> None:
    expected = texts(many, "validation")
    assert texts(many, "validation", seed=99) == expected
    assert texts(many, "validation", batch_size=7, max_target_length=9) == expected
    assert texts(many, "validation", micro_batches_per_step=5) == expected
    other = texts(many, "validation", split_seed=1)
    assert set(other) != set(expected)
    assert 90 <= len(other) <= 150


def test_added_and_reordered_records_leave_it_alone(many: TokenStore, tmp_path: Path) -> None:
    expected = texts(many, "validation")
    shuffled = recipes(400)
    random.Random(0).shuffle(shuffled)
    assert set(texts(build(tmp_path / "shuffled", shuffled), "validation")) == set(expected)
    more = build(tmp_path / "more", recipes(50, seed=1) + recipes(400) + recipes(50, seed=2))
    held_out, kept = set(texts(more, "validation")), set(texts(more, "train"))
    assert set(expected) <= held_out
    assert set(texts(many, "train")) <= kept
    assert len(held_out) > len(expected)
    fewer = build(tmp_path / "fewer", recipes(200))
    assert set(texts(fewer, "validation")) <= set(expected)


def test_no_body_stands_on_both_sides(tmp_path: Path) -> None:
    first = recipes(200)
    renamed = [{**record, "title": f"Another {record['title']}"} for record in first]
    shouted = [
        {**record, "directions": [f"{n}) {step.upper()}  " for n, step in enumerate(record["directions"], 1)]}
        for record in first
    ]
    written = [{"input": f"Cook {record['title']}.", "output": Recipe(**record).text()} for record in first]
    store = build(tmp_path, [*first, *renamed, *shouted, *written], keep_duplicates=True)
    train, validation = texts(store, "train"), texts(store, "validation")
    assert len(train) + len(validation) == 800
    assert not {body(text) for text in train} & {body(text) for text in validation}
    assert len(validation) % 4 == 0, "the four of one body stand together"
    assert len({body(text) for text in validation}) == len(validation) // 4


def test_the_form_of_a_file_does_not_move_it(many: TokenStore, tmp_path: Path) -> None:
    array = tmp_path / "recipes.json"
    array.write_text(json.dumps(recipes(400), indent=1))
    store = prepare([array], tokenizer=TOKENIZER, out=tmp_path / "store")
    assert store.fingerprint == many.fingerprint
    assert texts(store, "validation") == texts(many, "validation")


def test_another_template_or_tokenizer_does_not_move_it(many: TokenStore, tmp_path: Path) -> None:
    other = build(tmp_path, recipes(400), prompt_template="{title}", target_template="{directions}")
    for side in ("train", "validation"):
        options: dict[str, Any] = {"split": side, "validation_fraction": 0.3}
        expected = load(many, **options).view_record_ids(400).tolist()
        assert load(other, **options).view_record_ids(400).tolist() == expected


def test_sources_can_be_held_out_whole(tmp_path: Path) -> None:
    sources = {
        "a": recipes(20, seed=1),
        "b": [*recipes(10, seed=2), *recipes(3, seed=1)],
        "c": recipes(5, seed=3),
    }
    paths = [write_lines(tmp_path / f"{name}.jsonl", records) for name, records in sources.items()]
    store = prepare(paths, tokenizer=TOKENIZER, out=tmp_path / "store", keep_duplicates=True)
    held_out = load(store, split="validation", validation_sources=[paths[1]]).view_record_ids(99).tolist()
    train = load(store, split="train", validation_sources=[paths[1]]).view_record_ids(99).tolist()
    assert {store.record(record).source for record in held_out} == {str(paths[1])}
    assert len(held_out) == 13
    # The three bodies of a that stand in b too are not trained on.
    assert len(train) == 17 + 5
    assert len(load(store, validation_sources=[paths[1]]).view_record_ids(99)) == 38


def test_renamed_sources_are_held_out_by_what_they_hold(tmp_path: Path) -> None:
    one, two = recipes(10, seed=1), recipes(12, seed=2)
    views = []
    for names in ("ab", "bc"):
        paths = [
            write_lines(tmp_path / f"{name}.jsonl", records)
            for name, records in zip(names, (one, two), strict=True)
        ]
        store = prepare(paths, tokenizer=TOKENIZER, out=tmp_path / "store")
        held_out = load(store, split="validation", validation_sources=[tmp_path / "b.jsonl"])
        views.append((store.fingerprint, len(held_out.view_record_ids(99))))
    assert views[0][0] == views[1][0], "names of sources are not part of a store's content"
    assert [held_out for _, held_out in views] == [12, 10]


def test_duplicates_in_one_source_stand_together(tmp_path: Path) -> None:
    store = build(tmp_path, [record for record in recipes(30) for _ in range(3)], keep_duplicates=True)
    assert len(store) == 90
    held_out = load(store, split="validation", validation_fraction=0.4).view_record_ids(90).tolist()
    assert held_out
    assert {record // 3 for record in held_out} == {record // 3 for record in held_out[::3]}
    assert len(held_out) % 3 == 0
