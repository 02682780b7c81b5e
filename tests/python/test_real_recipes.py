"""The loader's promises on real, messy recipes and real tokenizers. Skipped where the data is not here."""

import json
from pathlib import Path
from typing import Any

import pytest
from chefgenius import RecipeLoader, TokenStore, prepare
from samples import assert_same, digest, ids, shared, take

COUNTS = {
    "english_21k.jsonl.xz": 21_158,
    "public_domain_array.json": 405,
    "recipenlg_style.csv": 1_883,
    "old_format.jsonl.xz": 1_883,
}


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("english")


@pytest.fixture(scope="module")
def english(out: Path) -> TokenStore:
    """21,158 recipes in the ids of T5."""
    return prepare([shared("english_21k.jsonl.xz")], tokenizer=shared("tokenizers/t5"), out=out)


def report(out: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((out / "report.json").read_text())
    return content


def test_every_record_is_accounted_for(english: TokenStore, out: Path) -> None:
    counts = report(out)["counts"]
    assert sum(counts.values()) == COUNTS["english_21k.jsonl.xz"]
    assert counts["kept"] == len(english) >= 21_000
    assert counts["bad"] == 0


def test_the_text_survives_the_tokenizer(english: TokenStore, out: Path) -> None:
    fidelity = report(out)["fidelity"]
    assert fidelity["checked"] > 800
    # T5 has no `ñ` and no `ï`: one recipe in twenty has jalapeño or aïoli.
    assert fidelity["faithful"] / fidelity["checked"] > 0.93, fidelity["example"]
    assert report(out)["unknown_share"] < 0.001


def test_a_second_call_does_nothing(english: TokenStore, out: Path) -> None:
    again = prepare([shared("english_21k.jsonl.xz")], tokenizer=shared("tokenizers/t5"), out=out)
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


@pytest.mark.parametrize("index", [0, 17, 300, 627])
def test_a_cut_resumes(english: TokenStore, index: int) -> None:
    whole = RecipeLoader(english)
    state = whole.batch_at(0, index).state
    with RecipeLoader(english) as loader:
        loader.load_state_dict(state)
        for batch in take(loader, 20):
            assert_same(batch, whole.batch_at(batch.epoch, batch.index))


def test_the_sources_agree(tmp_path: Path) -> None:
    """The same 1,883 recipes in two formats, 405 of them in a third, stand on the same sides."""
    held_out = {}
    for name in ("public_domain_array.json", "recipenlg_style.csv", "old_format.jsonl.xz"):
        store = prepare([shared(name)], tokenizer=shared("tokenizers/t5"), out=tmp_path / name)
        assert sum(report(tmp_path / name)["counts"].values()) == COUNTS[name]
        loader = RecipeLoader(store, split="validation", validation_fraction=0.2)
        held_out[name] = {store.record(int(record)).ordinal for record in loader.view_record_ids(len(store))}
        share = len(held_out[name]) / len(store)
        assert 0.15 < share < 0.25
    table, old = held_out["recipenlg_style.csv"], held_out["old_format.jsonl.xz"]
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
