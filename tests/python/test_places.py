"""Where records stand in the files that a store was made of, for every kind of file."""

import csv
import json
import lzma
from pathlib import Path

import pytest
from chefgenius import TokenStore, prepare
from chefgenius.cookbook import TOKENIZER
from chefgenius.data.store import Place
from samples import recipes, write_lines

MADE = recipes(6)


def made_of(folder: Path, *sources: Path, **options: object) -> TokenStore:
    return prepare(sources, tokenizer=TOKENIZER, out=folder / "store", **options)  # type: ignore[arg-type]


def found(store: TokenStore, seconds: float | None = None) -> dict[str, Place]:
    """By title."""
    places = store.places(range(len(store)), seconds)
    titles = [store.text(number)[1].split("|")[0] for number in range(len(store))]
    return {title.removeprefix("title:").strip(): place for title, place in zip(titles, places, strict=True)}


def test_lines_count_what_is_empty_bad_and_left_out(tmp_path: Path) -> None:
    lines = [
        "",
        json.dumps(MADE[0]),
        "",
        "{broken",
        json.dumps(MADE[1]),
        json.dumps(MADE[0]),
        json.dumps(MADE[2]),
    ]
    source = tmp_path / "a.jsonl"
    source.write_text("\n".join(lines))
    packed = tmp_path / "b.jsonl.xz"
    packed.write_bytes(lzma.compress("\n\n".join(map(json.dumps, MADE[3:5])).encode()))
    store = made_of(tmp_path, packed, source, on_error="skip")
    places = found(store)
    expected = {0: 2, 1: 5, 2: 7, 3: 1, 4: 3}
    assert places == {MADE[n]["title"]: Place("line", line, None) for n, line in expected.items()}


def test_a_table_whose_cells_have_line_ends(tmp_path: Path) -> None:
    with open(tmp_path / "a.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["title", "ingredients", "directions"])
        for one in MADE[:3]:
            table.writerow([one["title"], "\n".join(one["ingredients"]), "\n".join(one["directions"])])
    places = found(made_of(tmp_path, tmp_path / "a.csv"))
    text = (tmp_path / "a.csv").read_text().splitlines()
    for one in MADE[:3]:
        (line,) = [n for n, content in enumerate(text, 1) if content.startswith(one["title"])]
        assert places[one["title"]] == Place("line", line, None)


def test_an_array_of_many_lines_and_a_directory(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(MADE[:3], indent=1))
    text = (tmp_path / "a.json").read_text().splitlines()
    begins = [n for n, content in enumerate(text, 1) if content == " {"]
    write_lines(tmp_path / "dir" / "one.jsonl", MADE[3:4])
    write_lines(tmp_path / "dir" / "two.jsonl", MADE[4:6])
    places = found(made_of(tmp_path, tmp_path / "a.json", tmp_path / "dir"))
    wanted = [Place("line", line, None) for line in begins]
    wanted += [Place("line", 1, "one.jsonl"), Place("line", 1, "two.jsonl"), Place("line", 2, "two.jsonl")]
    assert [places[one["title"]] for one in MADE] == wanted


def test_why_a_line_is_not_known(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "a.jsonl", MADE)
    store = made_of(tmp_path, source)
    assert store.places([4, 1, 4]) == [Place("line", 5, None), Place("line", 2, None), Place("line", 5, None)]
    assert store.places([]) == []
    assert {place.kind for place in store.places([0, 5], 0.0)} == {"far"}
    text = source.read_text()
    source.write_text(text.replace("Heat", "Boil").replace("Chop", "Dice"))  # of the same size
    assert {place.kind for place in store.places([0, 5])} == {"changed"}
    source.write_text(text)  # the same bytes at another time
    assert store.places([5]) == [Place("line", 6, None)]
    source.write_text(text + "\n")
    assert {place.kind for place in store.places([0, 5])} == {"changed"}
    source.unlink()
    assert store.places([0]) == [Place("gone", None, None)]
    with pytest.raises(ValueError, match="record_id"):
        store.places([6])
