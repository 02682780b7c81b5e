"""No damage to a store goes unnoticed, each is named, and `prepare` mends it."""

import os
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from chefgenius import StoreError, TokenStore, prepare
from chefgenius.cookbook import TOKENIZER
from samples import build, digest, files_below, load, recipes, take

RECORDS = 2000
"""Enough for several blocks of ids."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store in `store` and its source beside it, views included."""
    folder = tmp_path_factory.mktemp("whole")
    everything(build(folder, recipes(RECORDS)))
    return folder


def everything(store: TokenStore) -> str:
    """Touch every record as a run would, and name what was seen."""
    loader = load(store, batch_size=64, prefetch=0)
    return digest(take(loader, len(loader)))


def flip(path: Path, offset: int, bit: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ (1 << bit)]))


def refused(call: Callable[[], object]) -> bool:
    """Whether it raises a StoreError, which must name the remedy."""
    try:
        call()
    except StoreError as error:
        return bool(re.search("run `prepare` again to build it anew$", str(error))) or pytest.fail(str(error))
    return False


def found_by(path: Path) -> str | None:
    """What notices the damage: `open`, `touch` or `verify`; None where nothing does."""
    if refused(lambda: TokenStore.open(path)):
        return "open"
    store = TokenStore.open(path)
    touched, verified = refused(lambda: everything(store)), refused(store.verify)
    assert verified or not touched, "`verify` finds whatever touching finds"
    return "touch" if touched else "verify" if verified else None


def test_one_flipped_bit_anywhere_is_found(whole: Path) -> None:
    chance = random.Random(0)
    out = whole / "store"
    found: dict[str, set[str | None]] = {}
    flips = 0
    expected = everything(TokenStore.open(out))
    for path in sorted(path for path in out.rglob("*") if path.is_file()):
        if path.name in (".lock", "report.json"):
            continue
        size = path.stat().st_size
        for offset in {*range(0, size, 4096), chance.randrange(size)}:
            bit = chance.randrange(8)
            flip(path, offset, bit)
            where = found_by(out)
            flip(path, offset, bit)
            flips += 1
            kind = path.name if path.name == "tokenizer.json" else path.suffix or path.name
            found.setdefault(kind, set()).add(where)
            if path.parent.name == "views":
                # Only a cache: it is built again, and says the same.
                assert where is None
                assert everything(TokenStore.open(out)) == expected
            else:
                assert where is not None, f"{path.name}, byte {offset}, bit {bit}"
    assert flips > 100
    views = found.pop(".safetensors")
    assert views == {None, "open", "touch"}
    # The tokenizer is read when text is asked for, and by `verify`.
    assert found.pop("tokenizer.json") == {"verify"}
    assert found == {"current": {"open"}, ".json": {"open"}, ".bin": {"open"}}
    assert found_by(out) is None


def copy(whole: Path, tmp_path: Path) -> Path:
    """The whole folder once more; its source keeps its name, so that `prepare` takes it for the same."""
    shutil.copytree(whole / "store", tmp_path / "store")
    return tmp_path / "store"


def store_of(out: Path) -> Path:
    (store,) = out.glob("store-????????????????")
    return store


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"\0")


def empty(path: Path) -> None:
    os.truncate(path, 0)


FILES = ("shard-00000.safetensors", "blocks.bin", "manifest.json", "origin.json")


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("damage", [cut, grow, empty, Path.unlink], ids=lambda damage: str(damage.__name__))
def test_a_file_of_another_length_is_found_and_mended(
    whole: Path, tmp_path: Path, file: str, damage: Callable[[Path], None]
) -> None:
    out = copy(whole, tmp_path)
    expected = TokenStore.open(out).fingerprint
    damage(store_of(out) / file)
    with pytest.raises(StoreError, match=rf"{re.escape(file)}.*run `prepare` again"):
        TokenStore.open(out)
    again = prepare([whole / "recipes.jsonl"], tokenizer=TOKENIZER, out=out)
    assert again.fingerprint == expected
    again.verify()
    assert [path.suffix for path in out.glob("store-*.bad-*")] == [".bad-1"], "the bad one is set aside"


def test_damaged_ids_are_found_where_they_are_touched_and_mended(whole: Path, tmp_path: Path) -> None:
    out = copy(whole, tmp_path)
    shard = store_of(out) / FILES[0]
    flip(shard, shard.stat().st_size - 1, 0)
    store = TokenStore.open(out)
    assert len(store.record(0).prompt_ids) > 0
    for _ in range(2):
        with pytest.raises(StoreError, match=r"shard-00000\.safetensors.*its bytes \d+ to \d+"):
            store.record(RECORDS - 1)
    loader = load(store, batch_size=RECORDS, prefetch=4)
    for _ in range(2):
        with pytest.raises(StoreError, match="do not match their checksum"):
            next(iter(loader))
        assert (loader.epoch, loader.index) == (0, 0), "an error belongs to its batch, and the cursor stays"
    # The former store is not taken for good only since its sources are the same.
    again = prepare([whole / "recipes.jsonl"], tokenizer=TOKENIZER, out=out)
    again.verify()
    assert again.fingerprint == store.fingerprint
    flip(store_of(out) / FILES[0], shard.stat().st_size - 1, 0)
    more = build(tmp_path, recipes(RECORDS + 1))
    more.verify()
    assert len(more) == RECORDS + 1


def test_an_error_of_one_batch_leaves_the_others(whole: Path, tmp_path: Path) -> None:
    out = copy(whole, tmp_path)
    shard = store_of(out) / FILES[0]
    flip(shard, shard.stat().st_size - 1, 0)
    store, good = TokenStore.open(out), TokenStore.open(whole / "store")
    loader, expected = load(store, batch_size=1), load(good, batch_size=1)
    same = 0

    def consume() -> None:
        nonlocal same
        for batch in loader:
            assert batch["labels"].equal(expected.batch_at(0, batch.index)["labels"])
            same += 1

    with pytest.raises(StoreError, match="checksum"):
        consume()
    assert (loader.epoch, loader.index) == (0, same)
    loader.set_epoch(1)
    loader.set_epoch(0)
    assert loader.index == 0
    assert len(take(loader, same)) == same


def test_what_is_no_store_is_named(whole: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="token store"):
        TokenStore.open(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="token store"):
        TokenStore.open(tmp_path)
    with pytest.raises(FileNotFoundError, match="token store"):
        TokenStore.open(whole / "recipes.jsonl")
    (tmp_path / "current").write_text("../elsewhere\n")
    with pytest.raises(StoreError, match=r"current.*names no store"):
        TokenStore.open(tmp_path)
    (tmp_path / "current").write_text("store-0123456789abcdef\n")
    with pytest.raises(StoreError, match=r"store-0123456789abcdef.*missing"):
        TokenStore.open(tmp_path)
    (tmp_path / "manifest.json").write_text('{"name": "something else"}')
    with pytest.raises(StoreError, match=r"manifest\.json.*checksum"):
        TokenStore.open(tmp_path)


def test_prepare_leaves_foreign_files_alone(tmp_path: Path) -> None:
    out = tmp_path / "store"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    (out / "store-notes").mkdir()
    (out / "store-notes" / "a.txt").write_text("mine too")
    build(tmp_path, recipes(5))
    build(tmp_path, recipes(6))
    found = files_below(out)
    assert (found["notes.txt"], found["store-notes/a.txt"]) == (b"mine", b"mine too")


def test_another_shard_in_its_place_is_found(whole: Path, tmp_path: Path) -> None:
    out = copy(whole, tmp_path)
    other = build(tmp_path / "other", recipes(RECORDS, seed=1))
    shutil.copy(other.path / FILES[0], store_of(out) / FILES[0])
    assert found_by(out) == "open"
    for file in FILES[:3]:
        shutil.copy(other.path / file, store_of(out) / file)
    # A whole other store under this one's name is that other store, and says so.
    assert TokenStore.open(out).fingerprint == other.fingerprint
