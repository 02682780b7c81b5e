"""The bundled cookbook: its generator wrote it, a cook could use it, and its tokenizer keeps it."""

import gzip
import importlib
import json
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from chefgenius import prepare
from chefgenius.cookbook import RECIPES, TOKENIZER
from chefgenius.cookbook.dishes import DISHES
from chefgenius.cookbook.generate import COUNT, Recipe, recipes, write
from chefgenius.cookbook.tables import INGREDIENTS
from chefgenius.cookbook.vocabulary import SPECIAL
from tokenizers import Tokenizer

MEASURES: dict[str, tuple[Fraction | int, Fraction | int]] = {
    "": (1, 8),
    "can": (Fraction(1, 2), 2),
    "clove": (2, 4),
    "cup": (Fraction(1, 4), 6),
    "ounce": (6, 16),
    "pound": (Fraction(1, 2), 2),
    "slice": (3, 8),
    "tablespoon": (1, 8),
    "teaspoon": (1, 2),
}
"""The least and the most of each unit."""
STAPLES = (
    "salt",
    "pepper",
    "water",
    "oil",
    "stock",
    "egg",
    "rice",
    "bread",
    "sauce",
    "juice",
    "vinegar",
    "cheese",
)
"""Words of food that directions must not use in passing."""


@pytest.fixture(scope="module")
def made() -> list[Recipe]:
    return recipes()


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return Tokenizer.from_file(str(TOKENIZER))


def text(record: dict[str, Any]) -> str:
    """The default target, written out once more."""
    ingredients, directions = " | ".join(record["ingredients"]), " | ".join(record["directions"])
    return f"title: {record['title']} | ingredients: {ingredients} | directions: {directions}"


def parse(line: str) -> dict[str, Any]:
    match = re.fullmatch(r"title: (.+?) \| ingredients: (.+) \| directions: (.+)", line)
    assert match, line
    return {
        "title": match[1],
        "ingredients": match[2].split(" | "),
        "directions": match[3].split(" | "),
    }


def mentions(words: str, directions: str) -> bool:
    return re.search(rf"\b{re.escape(words)}\b", directions) is not None


def test_the_generator_writes_the_bundled_files(tmp_path: Path) -> None:
    write(tmp_path / "recipes.jsonl.gz", tmp_path / "tokenizer.json")
    packed = RECIPES.read_bytes()
    assert gzip.decompress((tmp_path / "recipes.jsonl.gz").read_bytes()) == gzip.decompress(packed)
    assert packed[3:8] == bytes(5), "the gzip header holds a name or a time"
    assert (tmp_path / "tokenizer.json").read_bytes() == TOKENIZER.read_bytes()


def test_another_seed_writes_other_recipes(made: list[Recipe]) -> None:
    others = {recipe.directions for recipe in recipes(200, seed=1)}
    assert len(others - {recipe.directions for recipe in made[:200]}) > 150


def test_size_and_distinctness(made: list[Recipe]) -> None:
    records = [json.loads(line) for line in gzip.decompress(RECIPES.read_bytes()).splitlines()]
    assert records == [recipe.record() for recipe in made]
    assert len(records) == COUNT >= 4000
    bodies = [re.sub(r"\W", "", "".join(r["ingredients"] + r["directions"])).casefold() for r in records]
    assert len(set(bodies)) == COUNT
    assert len({(r["title"], *(i.split(",")[0] for i in r["ingredients"])) for r in records}) == COUNT


def test_every_dish_is_cooked(made: list[Recipe]) -> None:
    assert len(DISHES) >= 30
    for dish in DISHES:
        title = re.sub(r"\\\{\w+\\\}", ".+", re.escape(dish.title))
        assert sum(re.fullmatch(title, recipe.title) is not None for recipe in made) >= 30, dish.title


def test_every_recipe_has_3_to_6_ingredients_with_fitting_amounts(made: list[Recipe]) -> None:
    for recipe in made:
        assert 3 <= len(recipe.ingredients) <= 6
        assert len({row.name for row in recipe.rows}) == len(recipe.ingredients)
        for line, row in zip(recipe.ingredients, recipe.rows, strict=True):
            match = re.fullmatch(r"(?:(\d+) )?(?:(\d+/\d+) )?([a-z -]+)(?:, [a-z]+)?", line)
            assert match, line
            amount = Fraction(match[1] or 0) + Fraction(match[2] or 0)
            least, most = MEASURES[row.unit]
            assert Fraction(least) <= amount <= most, line
            unit = "" if not row.unit else f"{row.unit} " if amount <= 1 else f"{row.unit}s "
            name = row.one if row.one and not row.unit and amount <= 1 else row.name
            assert match[3] == unit + name, line


def test_units_suit_what_they_measure() -> None:
    liquid = re.compile(r"(oil|juice|vinegar|sauce|broth|milk|wine|cream|honey|syrup|cider)$")
    for row in INGREDIENTS.values():
        if liquid.search(row.name):
            assert row.unit in {"cup", "tablespoon", "can"}, row
            assert not row.prep, row
        if row.unit:
            assert row.unit in MEASURES, row
        assert not re.search(r",|\(|\bor\b|\bof\b|\|", row.name), row


def test_directions_use_every_ingredient_and_no_other(made: list[Recipe]) -> None:
    """Takes the listed words out, longest first, and finds no word of the larder in the rest."""
    larder = {row.called(size) for row in INGREDIENTS.values() for size in (0, 1)}
    larder |= {word.rpartition(" ")[2] for word in larder} | set(STAPLES)
    larder -= {"seeds", "flakes", "powder", "beans"} - set(STAPLES)
    foreign = re.compile(rf"\b({'|'.join(sorted(map(re.escape, larder)))})s?\b")
    for recipe in made:
        rest = " ".join(recipe.directions).lower()
        for words in sorted((row.called(recipe.size) for row in recipe.rows), key=len, reverse=True):
            assert mentions(words, rest), (words, recipe)
        for words in sorted((row.called(recipe.size) for row in recipe.rows), key=len, reverse=True):
            rest = re.sub(rf"\b{re.escape(words)}\b", "", rest)
        found = foreign.search(rest)
        assert found is None, (found, recipe)


def test_directions_are_sentences_with_times(made: list[Recipe]) -> None:
    timed = 0
    for recipe in made:
        assert 3 <= len(recipe.directions) <= 4
        assert all(re.fullmatch(r"[A-Z][\w ,/-]+\.", step) for step in recipe.directions), recipe
        timed += any(re.search(r"\d+ (minutes?|day)", step) for step in recipe.directions)
        minutes = [int(found) for step in recipe.directions for found in re.findall(r"(\d+) minutes", step)]
        assert all(2 <= number <= 90 for number in minutes), recipe
    assert timed >= 0.95 * len(made)


def test_titles_name_an_ingredient(made: list[Recipe]) -> None:
    for recipe in made:
        named = {row.adjective() for row in recipe.rows} | {row.noun(recipe.size) for row in recipe.rows}
        assert any(word in recipe.title for word in named), recipe


def test_tokenizer_has_the_shape_of_t5(tokenizer: Any) -> None:
    content = json.loads(TOKENIZER.read_text(encoding="utf-8"))
    assert content["model"]["type"] == "Unigram"
    assert content["pre_tokenizer"]["type"] == content["decoder"]["type"] == "Metaspace"
    assert [tokenizer.token_to_id(piece) for piece in SPECIAL] == [0, 1, 2]
    assert 1000 <= tokenizer.get_vocab_size() <= 2000
    assert tokenizer.encode("rice").ids[-1] == 1
    for piece in "|:/,.0123456789":
        assert tokenizer.token_to_id(piece) is not None, piece


def test_every_recipe_survives_the_tokenizer(made: list[Recipe], tokenizer: Any) -> None:
    records = [recipe.record() for recipe in made]
    encoded = tokenizer.encode_batch([text(record) for record in records])
    assert len(encoded) == COUNT
    for record, encoding in zip(records, encoded, strict=True):
        assert 60 <= len(encoding.ids) <= 120
        assert 2 not in encoding.ids
        assert tokenizer.decode(encoding.ids) == text(record)
        assert parse(tokenizer.decode(encoding.ids)) == record


def test_words_of_food_are_whole_pieces(made: list[Recipe], tokenizer: Any) -> None:
    words = {word for recipe in made for row in recipe.rows for word in row.named(recipe.size).split()}
    assert len(words) > 150
    whole = [word for word in words if len(tokenizer.encode(word, add_special_tokens=False).ids) == 1]
    assert len(whole) >= 0.98 * len(words), words.difference(whole)


@pytest.mark.parametrize(
    "line",
    [
        "2 jalapenos, seeded & diced (optional)",
        "Preheat oven to 350F/175C; don't over-mix!",
        "{~<^>}[`]_=+#$%@*?",
    ],
)
def test_other_text_in_ascii_survives_the_tokenizer(tokenizer: Any, line: str) -> None:
    ids = tokenizer.encode(line).ids
    assert 2 not in ids
    assert tokenizer.decode(ids) == line


def test_ingredient_names_are_the_rows_names(made: list[Recipe]) -> None:
    pytest.importorskip("chefgenius._core", reason="the extension is not built")
    chefgenius = importlib.import_module("chefgenius")
    for recipe in made:
        names = [chefgenius.ingredient_name(line) for line in recipe.ingredients]
        assert names == [row.named(recipe.size) for row in recipe.rows]


def test_the_tokenizer_is_known_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`bundled` is the one of the package, `./bundled` a file of the user's."""
    monkeypatch.chdir(tmp_path)
    made = prepare([RECIPES], tokenizer="bundled", out="one")
    assert made.fingerprint == prepare([RECIPES], tokenizer=TOKENIZER, out="other").fingerprint
    with pytest.raises(FileNotFoundError, match="bundled"):
        prepare([RECIPES], tokenizer="./bundled", out="third")
