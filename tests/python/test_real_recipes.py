"""The loader's promises on real, messy recipes and real tokenizers. Skipped where the data is not here."""

import json
from pathlib import Path
from typing import Any

import pytest
from chefgenius import RecipeLoader, TokenStore, prepare
from chefgenius.cookbook import TOKENIZER
from samples import assert_same, digest, ids, shared, take

T5 = "tokenizers/t5"

COUNTS = {
    "english_21k.jsonl.xz": 21_158,
    "public_domain_array.json": 405,
    "scrapers_dict.json": 1_109,
    "recipenlg_style.csv": 1_883,
    "recipes.parquet": 1_883,
    "old_format.jsonl.xz": 1_883,
    "public-domain-recipes-md.tar.xz": 411,
    "howtocook-zh-md.tar.xz": 369,
}
"""Records of each file, as its README has them: none is missing and none is seen twice."""

LEFT_OUT = {
    # Pages that have a title and nothing else.
    "english_21k.jsonl.xz": (28, 0),
    # The welcome page of the collection, here and in four more files: no ingredient and no step.
    "public_domain_array.json": (1, 0),
    "recipenlg_style.csv": (1, 0),
    "recipes.parquet": (1, 0),
    "old_format.jsonl.xz": (1, 0),
    "public-domain-recipes-md.tar.xz": (0, 1),
    # Two pages of which no instructions were scraped: the field is absent.
    "scrapers_dict.json": (0, 2),
    "howtocook-zh-md.tar.xz": (0, 0),
}
"""How many of them are filtered and bad where duplicates are kept."""


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("english")


@pytest.fixture(scope="module")
def english(out: Path) -> TokenStore:
    """21,158 recipes in the ids of T5."""
    return prepare([shared("english_21k.jsonl.xz")], tokenizer=shared(T5), out=out)


def report(out: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((out / "report.json").read_text())
    return content


def read(counts: dict[str, Any]) -> int:
    """All records that these counts are of."""
    return int(counts["kept"] + sum(counts["filtered"].values()) + counts["bad"])


def test_every_record_of_every_file_is_accounted_for(tmp_path: Path) -> None:
    paths = [shared(name) for name in COUNTS]
    store = prepare(paths, tokenizer=shared(T5), out=tmp_path, on_error="skip", keep_duplicates=True)
    told = report(tmp_path)
    counts = {Path(source["name"]).name: source["counts"] for source in told["sources"]}
    assert {name: read(each) for name, each in counts.items()} == COUNTS
    assert read(told["counts"]) == sum(COUNTS.values())
    assert told["counts"]["kept"] == sum(each["kept"] for each in counts.values()) == len(store)
    left_out = {name: (sum(each["filtered"].values()), each["bad"]) for name, each in counts.items()}
    assert left_out == LEFT_OUT


@pytest.mark.parametrize("tokenizer", [T5, "tokenizers/gpt2", "tokenizers/mistral", "bundled"])
def test_not_one_quantity_is_lost(english: TokenStore, out: Path, tmp_path: Path, tokenizer: str) -> None:
    if tokenizer != T5:
        path = TOKENIZER if tokenizer == "bundled" else shared(tokenizer)
        out = prepare([shared("english_21k.jsonl.xz")], tokenizer=path, out=tmp_path).path.parent
    fidelity = report(out)["fidelity"]
    assert fidelity["records"] == report(out)["counts"]["kept"] > 20_000
    assert fidelity["records_same"] >= 0.999 * fidelity["records"], fidelity["worst"]
    assert fidelity["quantities_same"] == fidelity["quantities"] > 400_000, fidelity["worst"]


def test_what_a_tokenizer_cannot_spell_is_named(tmp_path: Path) -> None:
    """Recipes in 49 languages: T5 has letters of four of them, and no script but Latin."""
    prepare([shared("scrapers_dict.json")], tokenizer=shared(T5), out=tmp_path, on_error="skip")
    spelling = report(tmp_path)["spelling"]
    unspelt = {one["character"]: one["count"] for one in spelling["unspelt"]}
    assert len(unspelt) == 20, "the most frequent ones"
    assert all(ord(character) > 0x180 and character.isalnum() for character in unspelt)
    assert list(unspelt.values()) == sorted(unspelt.values(), reverse=True)
    respelt = {one["character"]: one["as"] for one in spelling["respelt"]}
    assert respelt["ñ"] == "n"


def test_a_second_call_does_nothing(english: TokenStore, out: Path) -> None:
    again = prepare([shared("english_21k.jsonl.xz")], tokenizer=shared(T5), out=out)
    assert again.path == english.path
    assert len(list(out.glob("store-*"))) == 1
    english.verify()


def test_an_epoch_shows_every_record_once(english: TokenStore) -> None:
    loader = RecipeLoader(english, micro_batches_per_step=4)
    seen, tokens = [], 0
    for batch in loader:
        seen += batch.record_ids.tolist()
        rows = len(batch.record_ids)
        assert batch["input_ids"].shape == batch["attention_mask"].shape
        assert (batch["input_ids"].shape[0], batch["labels"].shape[0]) == (rows, rows)
        assert batch["input_ids"].shape[1] <= 256
        assert batch["labels"].shape[1] <= 512
        tokens += int((batch["labels"] != -100).sum())
    assert len(seen) == len(set(seen)) == loader.records
    steps = [loader.step_info(0, step) for step in range(loader.steps_per_epoch)]
    assert sum(step.target_tokens for step in steps) == tokens
    assert sum(step.samples for step in steps) == loader.records
    held_out = RecipeLoader(english, split="validation").view_record_ids(len(english))
    assert 0.04 < len(held_out) / len(english) < 0.06
    assert set(held_out.tolist()) | set(seen) == set(range(len(english)))


@pytest.mark.parametrize("index", [0, 17, 300, 625])
def test_a_cut_resumes(english: TokenStore, index: int) -> None:
    whole = RecipeLoader(english)
    state = whole.batch_at(0, index).state
    with RecipeLoader(english) as loader:
        loader.load_state_dict(state)
        for batch in take(loader, 20):
            assert_same(batch, whole.batch_at(batch.epoch, batch.index))


def test_the_sources_agree(tmp_path: Path) -> None:
    """The same 1,883 recipes in three formats stand on the same sides."""
    held_out = {}
    for name in ("recipenlg_style.csv", "recipes.parquet", "old_format.jsonl.xz"):
        store = prepare([shared(name)], tokenizer=shared(T5), out=tmp_path / name, keep_duplicates=True)
        assert read(report(tmp_path / name)["counts"]) == COUNTS[name]
        loader = RecipeLoader(store, split="validation", validation_fraction=0.2)
        held_out[name] = {store.record(int(record)).ordinal for record in loader.view_record_ids(len(store))}
        share = len(held_out[name]) / len(store)
        assert 0.15 < share < 0.25
    table, columns, old = held_out.values()
    assert table == columns
    # A page in a few of them is no recipe, and is told apart by its whole text.
    assert len(table ^ old) < 0.1 * len(table | old)


@pytest.mark.parametrize("name", ["gpt2", "mistral", "bert"])
def test_other_kinds_of_tokenizers(tmp_path: Path, name: str) -> None:
    source = shared("public_domain_array.json")
    store = prepare([source], tokenizer=shared(f"tokenizers/{name}"), out=tmp_path / "store")
    assert len(store) > 390
    loader = RecipeLoader(store, 8, split="all")
    batches = list(loader)
    assert sorted(ids(batches)) == list(range(len(store)))
    assert digest(batches) == digest(loader.batch_at(0, index) for index in range(len(loader)))
    for batch in batches:
        assert int(batch["input_ids"].max()) < store.vocab_size
        assert (batch["labels"] == store.eos_token_id).any(1).all()
