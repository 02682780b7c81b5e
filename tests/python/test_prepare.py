"""Preparing a store: what it does once, what it saves itself, and what it refuses."""

import csv
import gzip
import json
import lzma
import shutil
from pathlib import Path
from typing import Any

import pytest
from chefgenius import DataError, Recipe, TokenizerError, TokenStore, prepare
from chefgenius.cookbook import TOKENIZER
from samples import build, files_below, recipes, run_python, write_lines
from tokenizers import Tokenizer

BROKEN = ["{", '{"title": "Soup"}', "42", '{"title": 1, "ingredients": [], "directions": []}']

NONE = dict.fromkeys(("empty", "quality", "short", "long", "duplicate"), 0)


def report(folder: Path) -> dict[str, Any]:
    """What `prepare` left in `folder/store`."""
    content: dict[str, Any] = json.loads((folder / "store" / "report.json").read_text())
    return content


def test_ids_are_the_tokenizers(tmp_path: Path) -> None:
    store = build(tmp_path, recipes(5))
    library = Tokenizer.from_file(str(TOKENIZER))
    for number, record in enumerate(recipes(5)):
        stored = store.record(number)
        text = Recipe(**record).text()
        assert stored.target_ids.tolist() == library.encode(text, add_special_tokens=False).ids
        assert library.decode(stored.prompt_ids.tolist()).startswith(f"Write a recipe for {record['title']}.")
    assert store.vocab_size == library.get_vocab_size()


def test_the_template_is_the_users(tmp_path: Path) -> None:
    store = build(
        tmp_path,
        recipes(1),
        prompt_template="{names} for {title}",
        target_template="{ingredients}: {directions}",
    )
    decode = Tokenizer.from_file(str(TOKENIZER)).decode
    record, stored = recipes(1)[0], store.record(0)
    assert decode(stored.prompt_ids.tolist()).endswith(f"for {record['title']}")
    expected = f"{' | '.join(record['ingredients'])}: {' | '.join(record['directions'])}"
    assert decode(stored.target_ids.tolist()) == expected


def test_a_second_call_does_nothing(tmp_path: Path) -> None:
    first = build(tmp_path, recipes(30))

    def look() -> dict[str, tuple[int, int]]:
        files = (path for path in (tmp_path / "store").rglob("*") if path.is_file())
        return {str(path): (path.stat().st_ino, path.stat().st_mtime_ns) for path in files}

    before = look()
    calls: list[tuple[str, int, int, int]] = []
    second = prepare(
        [tmp_path / "recipes.jsonl"],
        tokenizer=TOKENIZER.parent,
        out=tmp_path / "store",
        progress=lambda *counts: calls.append(counts),
    )
    assert look() == before
    assert {stage for stage, *_ in calls} <= {"hash"}, "nothing is read"
    assert second.report is not None
    assert not second.report.built
    assert (second.path, second.fingerprint) == (first.path, first.fingerprint)


def test_only_new_records_are_tokenized(tmp_path: Path) -> None:
    build(tmp_path, recipes(30))
    assert (report(tmp_path)["reused"], report(tmp_path)["counts"]["kept"]) == (0, 30)
    more = build(tmp_path, [*recipes(2, seed=1), *recipes(30)])
    assert (report(tmp_path)["reused"], report(tmp_path)["counts"]["kept"]) == (30, 32)
    assert more.fingerprint == build(tmp_path / "fresh", [*recipes(2, seed=1), *recipes(30)]).fingerprint
    build(tmp_path, recipes(30), prompt_template="{title}")
    assert report(tmp_path)["reused"] == 0, "another template is another text"


def test_the_order_in_which_sources_are_named_does_not_count(tmp_path: Path) -> None:
    paths = [write_lines(tmp_path / f"{name}.jsonl", recipes(5, seed)) for seed, name in enumerate("abc")]
    stores = [prepare(paths[::way], tokenizer=TOKENIZER, out=tmp_path / f"store{way}") for way in (1, -1)]
    assert stores[0].fingerprint == stores[1].fingerprint
    assert [stores[0].record(number).source for number in (0, 5, 10)] == [str(path) for path in paths]


def test_every_format_gives_the_same_store(tmp_path: Path) -> None:
    records = recipes(20)
    lines = write_lines(tmp_path / "a.jsonl", records).read_bytes()
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(lines))
    (tmp_path / "c.jsonl.xz").write_bytes(lzma.compress(lines))
    (tmp_path / "d.json").write_text(json.dumps(records))
    with (tmp_path / "e.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["", "title", "ingredients", "directions", "link"])
        for number, record in enumerate(records):
            cells = [json.dumps(record[part]) for part in ("ingredients", "directions")]
            table.writerow([number, record["title"], *cells, "nowhere"])
    fingerprints = {
        prepare([path], tokenizer=TOKENIZER, out=tmp_path / "stores" / path.name).fingerprint
        for path in sorted(tmp_path.glob("[a-e].*"))
    }
    assert len(fingerprints) == 1


def test_ready_pairs_keep_their_prompt_and_quality(tmp_path: Path) -> None:
    recipe = Recipe(**recipes(1)[0])
    pairs = [
        {
            "input": "Something with rice?",
            "output": recipe.text(),
            "quality_score": 0.75,
            "metadata": {"a": 1},
        },
        {"input": "Hello", "output": "No recipe at all.", "quality_score": 0.5},
    ]
    store = build(tmp_path, pairs)
    decode = Tokenizer.from_file(str(TOKENIZER)).decode
    found = [store.record(number) for number in range(2)]
    assert [record.quality for record in found] == [0.75, 0.5]
    assert decode(found[0].prompt_ids.tolist()) == "Something with rice?"
    assert Recipe.parse(decode(found[0].target_ids.tolist())) == recipe
    assert decode(found[1].target_ids.tolist()) == "No recipe at all."


def test_a_bad_record_ends_it_and_is_named(tmp_path: Path) -> None:
    former = build(tmp_path, recipes(5)).fingerprint
    for bad, reason in zip(BROKEN, ("JSON", "ingredients", "number", "title"), strict=True):
        told = rf"recipes\.jsonl, line 4, byte \d+: .*{reason}.*`on_error` to `skip`"
        with pytest.raises(DataError, match=told) as error:
            build(tmp_path, [*recipes(3), bad, *recipes(3, seed=1)])
        assert "\n" not in str(error.value)
        assert TokenStore.open(tmp_path / "store").fingerprint == former


def test_skip_counts_up_to_its_cap(tmp_path: Path) -> None:
    lines = [*recipes(3), *BROKEN, *recipes(3, seed=1)]
    store = build(tmp_path, lines, on_error="skip", max_bad=4)
    assert len(store) == 6
    assert report(tmp_path)["counts"] == {"kept": 6, "filtered": NONE, "bad": 4}
    assert [error["line"] for error in report(tmp_path)["first_errors"]] == [4, 5, 6, 7]
    with pytest.raises(DataError, match=r"more than 3 bad records.*line 7.*max_bad"):
        build(tmp_path / "capped", lines, on_error="skip", max_bad=3)
    # What was skipped is not forgotten: `fail` does not take the store that `skip` made.
    with pytest.raises(DataError, match="line 4"):
        build(tmp_path, lines)


def test_empty_records_are_counted(tmp_path: Path) -> None:
    empty = {"title": "Nothing", "ingredients": [], "directions": [None, ""]}
    build(tmp_path, [*recipes(3), empty])
    assert report(tmp_path)["counts"] == {"kept": 3, "filtered": {**NONE, "empty": 1}, "bad": 0}


def test_filters_leave_out_what_they_say(tmp_path: Path) -> None:
    scored = [{**record, "quality_score": number / 10} for number, record in enumerate(recipes(10))]
    lines = [*scored, *recipes(4, seed=1), *recipes(3)]
    build(tmp_path, lines)
    assert report(tmp_path)["counts"] == {"kept": 14, "filtered": {**NONE, "duplicate": 3}, "bad": 0}
    assert len(build(tmp_path, lines, keep_duplicates=True)) == 17
    # The first of two is left out, so the second one is the first of its body.
    build(tmp_path, lines, min_quality=0.45)
    filtered = {**NONE, "quality": 5}
    assert report(tmp_path)["counts"] == {"kept": 12, "filtered": filtered, "bad": 0}
    store = build(tmp_path, lines, keep_duplicates=True)
    lengths = [len(store.record(number).target_ids) for number in range(17)]
    least, most = sorted(lengths)[3], sorted(lengths)[-3]
    build(tmp_path, lines, keep_duplicates=True, min_tokens=least, max_tokens=most)
    filtered = {**NONE, "short": sum(n < least for n in lengths), "long": sum(n > most for n in lengths)}
    kept = sum(least <= n <= most for n in lengths)
    assert report(tmp_path)["counts"] == {"kept": kept, "filtered": filtered, "bad": 0}
    with pytest.raises(ValueError, match="max_tokens"):
        build(tmp_path, lines, min_tokens=5, max_tokens=4)
    with pytest.raises(DataError, match="none of its 17 records"):
        build(tmp_path, lines, min_tokens=10_000)


def test_fields_can_be_named(tmp_path: Path) -> None:
    other = [
        {"dish": record["title"], "stuff": record["ingredients"], "todo": record["directions"]}
        for record in recipes(5)
    ]
    names = {"title": "dish", "ingredients": "stuff", "directions": "todo"}
    named = build(tmp_path / "named", other, columns=names)
    assert named.fingerprint == build(tmp_path / "usual", recipes(5)).fingerprint
    with pytest.raises(DataError):
        build(tmp_path / "unnamed", other)


def test_a_store_reads_its_own_ids(tmp_path: Path) -> None:
    tokenizer = shutil.copy(TOKENIZER, tmp_path / "tokenizer.json")
    store = build(tmp_path, recipes(3), tokenizer=tokenizer)
    Path(tokenizer).unlink()
    store = TokenStore.open(store.path)
    for number, record in enumerate(recipes(3)):
        prompt, target = store.text(number)
        assert prompt.startswith(f"Write a recipe for {record['title']}.")
        assert Recipe.parse(target) == Recipe(**record)
        assert target == store.decode(store.record(number).target_ids)


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    good = build(tmp_path, recipes(5))
    before = files_below(tmp_path / "store")
    source = tmp_path / "recipes.jsonl"
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "table.parquet").write_bytes(b"PAR1....PAR1")
    (tmp_path / "cut.jsonl.xz").write_bytes(lzma.compress(source.read_bytes())[:-40])
    write_lines(tmp_path / "broken.jsonl", ["{", "}", "nothing"])
    (tmp_path / "garbage.json").write_text("{]")
    (tmp_path / "bare").mkdir()
    cases: list[tuple[type[Exception], str, dict[str, Any]]] = [
        (FileNotFoundError, r"none\.jsonl.*check the path", {"sources": [tmp_path / "none.jsonl"]}),
        (DataError, r"empty\.jsonl.*empty", {"sources": [tmp_path / "empty.jsonl"]}),
        (DataError, r"table\.parquet", {"sources": [tmp_path / "table.parquet"]}),
        (DataError, r"cut\.jsonl\.xz.*breaks off in line", {"sources": [tmp_path / "cut.jsonl.xz"]}),
        (DataError, r"broken\.jsonl, line 1", {"sources": [tmp_path / "broken.jsonl"]}),
        (DataError, r"bare", {"sources": [tmp_path / "bare"]}),
        (ValueError, r"`sources`.*named twice", {"sources": [source, source]}),
        (ValueError, r"`sources`.*no file is named", {"sources": []}),
        (ValueError, r"`sources`.*list of paths", {"sources": str(source)}),
        (TokenizerError, r"garbage\.json.*not a tokenizer", {"tokenizer": tmp_path / "garbage.json"}),
        (TokenizerError, r"recipes\.jsonl.*not a tokenizer", {"tokenizer": source}),
        (FileNotFoundError, r"bare/tokenizer\.json", {"tokenizer": tmp_path / "bare"}),
        (FileNotFoundError, r"none\.json", {"tokenizer": tmp_path / "none.json"}),
        (ValueError, r"template.*nutrition", {"prompt_template": "{nutrition}"}),
        (ValueError, r"on_error.*neither", {"on_error": "ignore"}),
        (ValueError, r"max_bad", {"on_error": "skip", "max_bad": -1}),
    ]
    for kind, named, change in cases:
        request = {"sources": [source], "tokenizer": TOKENIZER, "out": tmp_path / "store", **change}
        with pytest.raises(kind, match=named) as error:
            prepare(**request)
        assert "\n" not in str(error.value), change
        assert files_below(tmp_path / "store") == before, change
    assert TokenStore.open(tmp_path / "store").fingerprint == good.fingerprint
    assert not (tmp_path / "bare" / "store").exists()


def test_a_wrong_out_is_named(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "recipes.jsonl", recipes(3))
    with pytest.raises(OSError, match=r"recipes\.jsonl"):
        prepare([source], tokenizer=TOKENIZER, out=source)
    with pytest.raises(OSError, match=r"recipes\.jsonl"):
        prepare([source], tokenizer=TOKENIZER, out=source / "store")
    assert source.read_text().count("\n") == 3


@pytest.mark.parametrize(
    "imports",
    [
        "from chefgenius import TokenStore, prepare",
        "import chefgenius; chefgenius.TokenStore; prepare = chefgenius.prepare",
        "import chefgenius.prepare; prepare = chefgenius.prepare",
        "from chefgenius.prepare import main; from chefgenius import prepare",
    ],
)
def test_the_function_and_the_command_share_a_name(tmp_path: Path, imports: str) -> None:
    source = write_lines(tmp_path / "recipes.jsonl", recipes(3))
    code = f"{imports}; print(len(prepare([sys.argv[1]], tokenizer=sys.argv[2], out=sys.argv[3])))"
    assert run_python(code, source, TOKENIZER, tmp_path / "store") == "3\n"
