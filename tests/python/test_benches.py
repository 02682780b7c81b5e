"""The benches measure what they say: equal work by all contenders, right counts, and a run that ends."""

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from batch_ids import encode
from chefgenius import Recipe, TokenStore
from chefgenius.cookbook import TOKENIZER
from contenders import IGNORED, Contender, TokenFile, by_rows, by_windows, endless, plain_copy, shapes
from corpus import recipes as read_recipes
from corpus import store as bench_store
from corpus import varied
from figures import Figure, Spread, percentile, table
from samples import build, recipes, write_lines
from shares import padding_of
from speed import Track, ratio
from tokenizers import Tokenizer
from variants import BATCH_SIZE, FIXED, LENGTHS, PLANS, Variant

BENCHES = Path(__file__).parents[2] / "benches" / "python"


@pytest.mark.parametrize("pad", [0, 3])
def test_the_numpy_loaders_do_the_same_work(tmp_path: Path, pad: int) -> None:
    """Handed the same records, they give the same tensors; so they copy as much, cut and end alike."""
    long = {
        "title": "Long",
        "ingredients": ["1 cup rice"] * 90,
        "directions": ["Stir the rice slowly."] * 200,
    }
    store = build(tmp_path, [*recipes(70), long, *recipes(40, seed=1)])
    with FIXED.open(store) as loader:
        file = TokenFile(store, loader, tmp_path / "tokens.bin")
        looked = longest = 0
        for batch in loader:
            rows = np.searchsorted(file.records, batch.record_ids)
            file.pad = store.pad_token_id
            for made in (by_rows(file, rows), by_windows(file, rows)):
                assert made.keys() == batch.keys()
                assert all(torch.equal(made[name], batch[name]) for name in batch)
                assert all(tensor.dtype == torch.int64 for tensor in made.values())
            file.pad = pad
            first, second = by_rows(file, rows), by_windows(file, rows)
            assert all(torch.equal(first[name], second[name]) for name in first)
            padded = first["input_ids"][first["attention_mask"] == 0]
            assert len(padded) > 0
            assert bool((padded == pad).all())
            looked, longest = looked + 1, max(longest, batch["labels"].shape[1])
        assert looked == loader.micro_batches > 2
        assert longest == LENGTHS["max_target_length"], "no text was cut"


def test_a_numpy_epoch_shows_every_record_once(store: TokenStore, tmp_path: Path) -> None:
    with FIXED.open(store, split="all") as loader:
        file = TokenFile(store, loader, tmp_path / "tokens.bin")
        copy = plain_copy("copy", shapes(loader, 3), BATCH_SIZE)
        seen: list[int] = []

        def note(_: TokenFile, rows: Any) -> dict[str, torch.Tensor]:
            seen.extend(rows.tolist())
            return {}

        contender = file.contender("numpy", note, copy)
        for _ in contender.epoch(0):
            pass
        first = list(seen)
        assert sorted(first) == list(range(47))
        seen.clear()
        for _ in contender.epoch(1):
            pass
        assert sorted(seen) == sorted(first)
        assert seen != first


@pytest.mark.parametrize("by_clone", [False, True])
def test_the_plain_copy_makes_fresh_tensors_of_the_same_shapes(store: TokenStore, by_clone: bool) -> None:
    with FIXED.open(store) as loader:
        own = [batch for _, batch in zip(range(4), endless(lambda _: iter(loader)), strict=False)]
    copy = plain_copy("copy", shapes(own, 4), BATCH_SIZE, by_clone)
    made = list(copy.epoch(0))
    assert [[t.shape for t in batch.values()] for batch in made] == [
        [t.shape for t in batch.values()] for batch in own
    ]
    tensors = [tensor for batch in made for tensor in batch.values()]
    assert len({tensor.data_ptr() for tensor in tensors}) == len(tensors) == 12
    assert all(tensor.is_contiguous() and tensor.dtype == torch.int64 for tensor in tensors)
    assert copy.bytes == sum(tensor.nbytes for tensor in tensors) / 4


def test_variations_begin_with_the_source_and_repeat_no_text() -> None:
    source = [recipe for recipe in recipes(30) if len(recipe["ingredients"]) > 2]
    made = list(varied(source, 3 * len(source) + 5))
    assert made[: len(source)] == source
    assert made == list(varied(source, len(made)))
    assert len({json.dumps(recipe) for recipe in made}) == len(made)
    for place, recipe in enumerate(made):
        origin = source[place % len(source)]
        for part in ("ingredients", "directions"):
            assert sorted(recipe[part]) == sorted(origin[part])


def test_a_store_is_built_once(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "own.jsonl", recipes(20))
    assert read_recipes([source]) == recipes(20)
    made = bench_store([source], TOKENIZER, 50, tmp_path / "work")
    assert len(made) == 50
    assert {path.suffix for path in (tmp_path / "work").iterdir()} == {""}, "the JSON Lines file is left"
    source.write_text(source.read_text().replace("rice", "reis"))
    again = bench_store([source], TOKENIZER, 50, tmp_path / "work")
    assert again.fingerprint != made.fingerprint, "another source of the same size is another store"
    path = made.path
    assert bench_store([source], TOKENIZER, 50, tmp_path / "work").path == again.path != path


def test_padding_is_counted_in_inputs_and_labels() -> None:
    batch = {
        "input_ids": torch.tensor([[5, 6, 7], [8, 0, 0]]),
        "attention_mask": torch.tensor([[1, 1, 1], [1, 0, 0]]),
        "labels": torch.tensor([[4, IGNORED], [3, 2]]),
    }
    assert padding_of(batch, causal=False) == (2 + 1, 6 + 4)
    row = {**batch, "labels": torch.tensor([[IGNORED, 6, 7], [8, IGNORED, IGNORED]])}
    assert padding_of(row, causal=True) == (2 + 2, 6 + 6), "an ignored prompt is no padding"


@pytest.mark.parametrize(
    ("value", "at_most", "met"),
    [(9.0, True, "aim"), (15.0, True, "yes"), (21.0, True, "no"), (21.0, False, "yes"), (5.0, False, "no")],
)
def test_a_figure_says_what_it_reaches(value: float, at_most: bool, met: str) -> None:
    must, aim = (20.0, 10.0) if at_most else (20.0, 30.0)
    row = Figure("name", "{:.1f} us", Spread(value, 1.0, 40.0), must, aim, at_most).cells()
    assert row == ("name", "20.0 us", f"{aim:.1f} us", f"{value:.1f} us (1.0 to 40.0)", met)
    assert Figure("name", "{:.0f}", value, remark="p95 3").cells() == (
        "name",
        "",
        "",
        f"{value:.0f}, p95 3",
        "",
    )
    assert table([row]).splitlines()[2].startswith("| name ")


def test_ratios_are_taken_within_rounds_and_in_records() -> None:
    empty: Iterator[Any] = iter(())
    fast = Track(Contender("fast", lambda _: empty, 64), empty, [1.0, 10.0, 2.0])
    slow = Track(Contender("slow", lambda _: empty, 32), empty, [3.0, 20.0, 6.0])
    assert ratio(fast, slow) == Spread(6.0, 4.0, 6.0)
    assert percentile([float(n) for n in range(100)], 0.95) == 95.0


def test_a_variant_is_here_when_the_loader_takes_its_options() -> None:
    assert FIXED in PLANS
    assert Variant("", {"prefetch": 1, "split": "all"}).here
    assert not Variant("", {"no_such_option": 1}).here
    assert not Variant("", {"split": "sideways"}).here, "a Literal that lacks the value"


@pytest.mark.long
def test_the_command_measures_everything(tmp_path: Path) -> None:
    words = [sys.executable, str(BENCHES / "loader.py"), "--quick", "--work", str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in done.stdout.splitlines() if "|" in line
    ]
    figures = {row[0]: row[3] for row in rows if len(row) == 5 and row[0] != "figure"}
    parts = ["against numpy by rows", "against numpy by windows", "against plain copy", "to the next batch"]
    parts += ["at 99 %", "state_dict() with", "as JSON", "GIL", "padding", "memory beyond", "memory, growth"]
    for part in parts:
        told = [name for name in figures if part in name and "fixed" in name]
        assert len(told) >= 2, f"{part}: one of the two stores is missing"
    for name in ("view, ms a million", "view, bytes a record"):
        assert any(name in told for told in figures)
    assert all(any(sign.isdigit() for sign in cell) for name, cell in figures.items() if set(name) != {"-"})


def test_the_peer_writes_every_id(tmp_path: Path) -> None:
    tokenizer = Tokenizer.from_file(str(TOKENIZER))
    texts = [Recipe(**recipe).text() for recipe in recipes(1003)]
    assert encode(tokenizer, texts, tmp_path / "ids.npy") > 0
    ids, ends = np.load(tmp_path / "ids.npy"), np.load(tmp_path / "ids.offsets.npy")
    assert len(ends) == 1004
    assert ids.dtype == np.uint16
    for place in (0, 999, 1000, 1002):
        expected = tokenizer.encode(texts[place], add_special_tokens=False).ids
        assert ids[ends[place] : ends[place + 1]].tolist() == expected


@pytest.mark.long
def test_the_race_of_prepare_compares_ids_and_measures_everything(tmp_path: Path) -> None:
    words = [
        sys.executable,
        str(BENCHES / "prepare.py"),
        "--quick",
        "--work",
        str(tmp_path),
        "--rc",
        sys.executable,
    ]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in done.stdout.splitlines() if "|" in line
    ]
    figures = {row[0]: row for row in rows if len(row) == 5}
    assert figures["raw to store, cookbook, against the library"][1:3] == ["12.0 x", "25.0 x"]
    assert figures["second call, nothing changed, cookbook"][1] == "1.00 s"
    assert sum("one thread" in name for name in figures) == 2
    contenders = [row[0] for row in rows if len(row) == 3]
    assert {"chefgenius.prepare", "library, ready texts", "library and json.loads"} < set(contenders)
    assert list(tmp_path.iterdir()) == [], "what was written is gone"


def test_other_ids_end_the_race(tmp_path: Path) -> None:
    raw = write_lines(tmp_path / "raw.jsonl", recipes(30))
    tokenizer = Tokenizer.from_file(str(TOKENIZER))
    race = importlib.import_module("prepare")
    texts, count = race.compared(raw, tokenizer, TOKENIZER, tmp_path)
    assert len(texts) == 60
    assert count == sum(len(tokenizer.encode(text, add_special_tokens=False).ids) for text in texts)
    tokenizer.add_tokens(["tablespoon"])
    with pytest.raises(SystemExit, match=r"other ids: record \d+, line \d+"):
        race.compared(raw, tokenizer, TOKENIZER, tmp_path)


@pytest.fixture
def contender(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The adapter, in a harness of four rows."""
    common = ModuleType("common")
    vars(common).update(BATCH=4, PAD=0, IGNORE=IGNORED, MAX_IN=64, MAX_TGT=128, TOKENIZER=str(TOKENIZER))
    monkeypatch.setitem(sys.modules, "common", common)
    module = importlib.import_module("contender")
    raw = write_lines(tmp_path / "raw.jsonl", recipes(27))
    module.prepare(str(raw), str(tmp_path / "out"))
    yield module
    sys.modules.pop("contender", None)


def test_the_contender_resumes_and_changes_its_world(contender: Any, tmp_path: Path) -> None:
    out = str(tmp_path / "out")

    def rows(loader: Any) -> list[list[list[int]]]:
        made = [[row[row != IGNORED].tolist() for row in batch["labels"]] for batch in loader]
        loader.close()
        return made

    for name, options in contender.VARIANTS.items():
        whole = rows(contender.open(out, 3, 1, **options))
        assert [len(batch) for batch in whole] == [4] * 6 + [3], name
        cut = contender.open(out, 3, 1, **options)
        for _ in range(3):
            next(cut)
        state = cut.state()
        cut.close()
        assert rows(contender.open(out, 3, 1, state=state, **options)) == whole[3:]
    ranks = [rows(contender.open(out, 3, 1, rank, 2, state, **options)) for rank in (0, 1)]
    assert name == "elastic"
    assert [first + second for first, second in zip(*ranks, strict=True)] == whole[3:]
