"""Each metric on small texts made by hand, on real recipes, and beside a library or a naive twin."""

import gzip
import json
import lzma
import random
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from chefgenius import cookbook
from chefgenius.data.recipe import Recipe
from chefgenius.evaluation.judging import Counts, Judge, Vocabulary, Words, check_extra, words
from chefgenius.settings.config import ConfigError
from chefgenius.settings.measures import MEASURES, of_texts
from samples import recipes, run_python, shared

TEXT = "title: Lemon Rice | ingredients: 1 cup rice | 2 lemons, sliced | directions: Boil the rice. | Serve."
ALL = Judge(("recipe", "bleu", "chrf", "rouge"))
REAL = (
    "title: Corn Pudding | ingredients: 2 cups grated corn | 1 1/2 cups milk | 2 eggs, well beaten | "
    "1 tablespoon melted butter | 1/2 teaspoon salt | "
    "directions: Mix the corn with the milk. | Add the eggs, the butter and the salt. | "
    "Bake in a slow oven until firm."
)


def of(name: str, text: str, reference: str = TEXT, known: str = TEXT) -> tuple[int, int]:
    """What was found and looked for, by one metric of one text."""
    counts = Judge(vocabulary=Vocabulary.of([known])).judge(text, reference)
    pair: tuple[int, int] = getattr(counts, name)
    return pair


def recipe(ingredients: str = "1 cup rice", directions: str = "Cook.") -> str:
    return f"title: x | ingredients: {ingredients} | directions: {directions}"


@pytest.mark.parametrize(
    ("text", "parsed", "sections", "found"),
    [
        (TEXT, 1, 3, 2),
        ("title: x | ingredients: 3 pounds rice | directions: y", 1, 3, 1),
        ("title: x | ingredients: | directions:", 1, 1, 0),
        ("title: | ingredients: rice | directions: y", 1, 2, 1),
        ("title: x | ingredients: rice | 5 cups rice | lemons | salt | directions: y", 1, 3, 2),
        ("title: x | ingredients: rice", 0, 2, 0),
        ("title: x | ingredients: rice | lem", 0, 2, 0),
        ("title: x", 0, 1, 0),
        ("title: x | directions: y", 0, 0, 0),
        ("ingredients: rice | title: x | directions: y", 0, 0, 0),
        ("rice and lemons", 0, 0, 0),
        ("", 0, 0, 0),
    ],
)
def test_form_sections_and_list(text: str, parsed: int, sections: int, found: int) -> None:
    assert of("parsed", text) == (parsed, 1)
    assert of("sections", text) == (sections, 3)
    assert of("ingredients_found", text) == (found, 2)


@pytest.mark.parametrize(
    ("directions", "expected"),
    [
        ("Boil the rice. | Add lemons.", 2),
        ("Boil the RICE with a lemon.", 2),
        ("Boil the rice.", 1),
        ("Boil the ricer. | Add lemonade.", 0),
        ("", 0),
    ],
)
def test_asked_ingredients_are_used_by_their_last_word(directions: str, expected: int) -> None:
    assert of("ingredients_used", recipe(directions=directions)) == (expected, 2)


def test_the_last_word_of_a_name_decides() -> None:
    asked = recipe("2 cups all-purpose flour | 1 cup grated cheddar cheese | For the sauce: | 3 tomatoes")
    told = recipe(directions="Mix flour and cheese. | Add a tomato.")
    assert of("ingredients_used", told, asked) == (3, 3)
    assert of("ingredients_used", recipe(directions="Grate all the cheddar."), asked) == (0, 3)


def test_what_is_used_and_not_listed() -> None:
    known = recipe("1 tomato | 1 can tomato paste | 2 cups rice | 1 onion | salt")
    used = "Fry the onions in salt. | Add tomato paste and water."
    pairs = {
        recipe("1 onion | salt | 1 can tomato paste", used): (0, 3),
        recipe("1 red onion, chopped | sea salt | 1 can paste", used): (0, 3),
        recipe("1 onion | 1 tomato", used): (2, 3),  # salt, and the paste, which is no tomato
        recipe("1 cup sugar", used): (3, 3),
        recipe("1 onion", "Stir it well."): (0, 0),
    }
    for text, expected in pairs.items():
        assert of("ingredients_unlisted", text, known=known) == expected, text
    assert of("ingredients_unlisted", recipe("1 cup sugar", used), known="no recipe") == (0, 0)


def naive_mentions(names: set[tuple[str, ...]], row: list[str]) -> list[tuple[str, ...]]:
    """The twin: every span, the longest first at each place."""
    found: list[tuple[str, ...]] = []
    at = 0
    while at < len(row):
        spans = [tuple(row[at:end]) for end in range(len(row), at, -1)]
        name = next((span for span in spans if span in names), None)
        at += 1 if name is None else len(name)
        if name is not None and name not in found:
            found.append(name)
    return found


def test_mentions_are_those_of_the_naive_twin() -> None:
    chance = random.Random(5)
    letters = ["rice", "milk", "salt", "corn"]
    for _ in range(300):
        names = {tuple(chance.choices(letters, k=chance.randint(1, 3))) for _ in range(chance.randint(0, 5))}
        row = chance.choices(letters, k=chance.randint(0, 12))
        made = Vocabulary(names, max(map(len, names), default=0))
        assert made.mentioned(" ".join(row)) == naive_mentions(names, row)


@pytest.mark.parametrize(
    ("directions", "good"),
    [
        ("Boil. | Serve.", True),
        ("1. Boil. | 2. Serve. | 3. Eat.", True),
        ("Step 1: Boil. | Step 2: Serve.", True),
        ("1. Boil. | 3. Serve.", False),
        ("1. Boil. | Serve.", False),
        ("2. Boil. | 1. Serve.", False),
        ("10 minutes later boil. | 5 of them serve.", True),  # no numbers of steps
        ("Boil and serve.", False),
        ("Boil. | 12", False),
        ("", False),
    ],
)
def test_steps_are_counted(directions: str, good: bool) -> None:
    assert of("numbered_steps", recipe(directions=directions)) == (int(good), 1)


def test_one_step_is_enough_where_the_reference_has_one() -> None:
    assert of("numbered_steps", recipe(directions="Boil."), recipe(directions="Cook.")) == (1, 1)
    assert of("numbered_steps", recipe(directions=""), recipe(directions="Cook.")) == (0, 1)


@pytest.mark.parametrize(
    "line",
    [
        "1 cup rice",
        "1 1/2 cups rice",
        "5-6 lemons",
        "2 x 400g tins of rice",
        "1,000 g rice",
        "1.5 l milk",
        ".5 l milk",
        "2 (14.5 ounce) cans rice",
        "milk, 2%",
        "rice (about 3.)",
        "10000 g rice",
    ],
)
def test_quantities_that_parse(line: str) -> None:
    assert of("quantities", recipe(line)) == (1, 1)


@pytest.mark.parametrize(
    "line",
    [
        "1//2 cup rice",
        "1/0 cup rice",
        "0 cups rice",
        "1/2/3 cup rice",
        "1.2.3 g rice",
        "1/ cup rice",
        "/2 cup rice",
        "12,34 g rice",
        "10001 g rice",
        "11111111111111111111 g rice",
        "1/2",
        "2 1",
    ],
)
def test_quantities_that_do_not_parse(line: str) -> None:
    assert of("quantities", recipe(line)) == (0, 1)


def test_lines_without_a_digit_have_no_quantity() -> None:
    assert of("quantities", recipe("salt | a cup of rice")) == (0, 0)
    assert of("quantities", "title: x | ingredients: 1 cup rice | 2/0 eggs | so") == (1, 2), "broken off"


def test_repeated_runs_of_four_words_and_lines() -> None:
    assert of("repeated_ngrams", "a b c d e") == (0, 2)
    assert of("repeated_ngrams", "a b c d a b c d") == (1, 5)
    assert of("repeated_ngrams", "stir " * 13) == (9, 10)
    assert of("repeated_ngrams", "a b c") == (0, 0)
    assert of("repeated_lines", "x | X | y |  x  | ") == (2, 4)
    assert of("repeated_lines", "") == (0, 0)
    assert of("repeated_lines", TEXT) == (0, 5)


def test_repetition_is_that_of_the_naive_twin() -> None:
    chance = random.Random(3)
    for _ in range(200):
        row = chance.choices("abc", k=chance.randint(0, 20))
        grams = [" ".join(row[at : at + 4]) for at in range(len(row)) if at + 4 <= len(row)]
        again = sum(gram in grams[:at] for at, gram in enumerate(grams))
        assert of("repeated_ngrams", " ".join(row)) == (again, len(grams))


def test_scores_are_sums_over_sums() -> None:
    found = Judge().scores([TEXT, "none"], [TEXT, recipe("1 cup milk")])
    assert found["parsed"] == 0.5
    assert found["ingredients_found"] == 2 / 3
    assert found["sections"] == 0.5
    assert found["ingredients_unlisted"] is None


def test_every_metric_of_texts_has_its_place_and_stays_in_its_range() -> None:
    chance = random.Random(1)
    pool = [word for one in (TEXT, REAL) for word in one.split()] + ["1//2", "|", "9" * 30]
    for _ in range(60):
        texts = [" ".join(chance.choices(pool, k=chance.randint(0, 30))) for _ in range(3)]
        found = Judge(ALL.groups, Vocabulary.of([REAL])).scores(texts, [TEXT, REAL, "free text"])
        assert list(found) == [name for name in MEASURES if of_texts(name)]
        for name, value in found.items():
            high = MEASURES[name].high
            assert high is not None
            assert value is None or MEASURES[name].low <= value <= high, name


def assert_perfect(texts: list[str], judge: Judge) -> None:
    for name, value in judge.scores(texts, texts).items():
        best = MEASURES[name].high if MEASURES[name].higher_is_better else MEASURES[name].low
        assert value == pytest.approx(best, abs=1e-12), name


def test_a_recipe_is_perfect_beside_itself() -> None:
    assert_perfect([REAL], Judge(ALL.groups, Vocabulary.of([REAL, TEXT])))


def test_a_real_recipe_is_perfect_beside_itself() -> None:
    """One of the given recipes, judged with the ingredients of 300 others known."""
    with lzma.open(shared("english_21k.jsonl.xz"), "rt", encoding="utf-8") as lines:
        made = [_text(json.loads(line)) for _, line in zip(range(301), lines, strict=False)]
    vocabulary = Vocabulary.of(made)
    assert len(vocabulary.names) > 1000
    judge = Judge(ALL.groups, vocabulary)
    perfect = [text for text in made if _is_perfect(judge.judge(text, text))]
    assert len(perfect) >= 5
    assert_perfect(perfect[:1], judge)
    found = judge.scores(made, made)
    print({name: round(value, 3) for name, value in found.items() if value is not None})
    for name in ("parsed", "sections", "ingredients_found"):
        assert found[name] == pytest.approx(1.0)
    assert (found["quantities"] or 0) > 0.97
    assert (found["ingredients_used"] or 0) > 0.75
    assert (found["ingredients_unlisted"] or 1) < 0.25
    others = judge.scores(made, [*made[1:], made[0]])  # of another recipe
    assert (others["ingredients_used"] or 1) < 0.4
    assert (others["ingredients_found"] or 1) < 0.2


def _text(values: dict[str, Any]) -> str:
    return Recipe(values["title"], values["ingredients"], values["directions"]).text()


def _is_perfect(counts: Counts) -> bool:
    lower = {name for name, one in MEASURES.items() if not one.higher_is_better}
    pairs = vars(counts).items()
    return all(found == (0 if name in lower else among) and among for name, (found, among) in pairs)


def test_every_bundled_recipe_is_whole_beside_itself() -> None:
    path = cookbook.TOKENIZER.parent / "recipes.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        texts = [_text(json.loads(line)) for _, line in zip(range(200), lines, strict=False)]
    found = Judge(vocabulary=Vocabulary.of(texts)).scores(texts, texts)
    for name in ("parsed", "sections", "ingredients_found", "quantities"):
        assert found[name] == 1.0, name


def test_words_are_singular() -> None:
    assert words("Two tomatoes, 3 BERRIES; dishes & boxes of rices: gas, glass, eggs") == [
        *("two", "tomato", "berry", "dish", "box", "of", "rice", "gas", "glass", "egg")
    ]


def test_rouge_has_the_words_of_its_own_tokenizer_and_other_scripts() -> None:
    from rouge_score.tokenizers import DefaultTokenizer  # type: ignore[import-untyped]

    own = DefaultTokenizer(use_stemmer=False)
    for one, other in pairwise([TEXT, REAL, "", "1/2 cup all-purpose FLOUR (sifted)", "a_b c__d"]):
        assert Words().tokenize(one + other) == own.tokenize(one + other)
    assert Words().tokenize("Crème brûlée") == ["crème", "brûlée"]


def test_libraries_are_asked_as_they_are_meant() -> None:
    import sacrebleu
    from rouge_score.rouge_scorer import RougeScorer  # type: ignore[import-untyped]

    texts = [TEXT, REAL[:200], "free text of no recipe"]
    references = [REAL, REAL, TEXT]
    found = ALL.scores(texts, references)
    assert found["bleu"] == sacrebleu.corpus_bleu(texts, [references], force=True).score
    assert found["chrf"] == sacrebleu.corpus_chrf(texts, [references]).score
    scorer = RougeScorer(["rouge1", "rouge2", "rougeL"])
    for kind in ("rouge1", "rouge2", "rougeL"):
        each = [scorer.score(*pair)[kind].fmeasure for pair in zip(references, texts, strict=True)]
        assert found[kind] == pytest.approx(sum(each) / 3, abs=1e-15)


def test_another_process_with_other_hashes_gives_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    made = [Recipe(**one).text() for one in recipes(30)]
    code = """
import json
from chefgenius.evaluation.judging import Judge, Vocabulary
made = json.loads(sys.argv[1])
judge = Judge(("recipe", "bleu", "chrf", "rouge"), Vocabulary.of(made))
found = judge.scores(made, [*made[1:], made[0]])
print(json.dumps({name: value.hex() for name, value in found.items()}))
"""
    told = []
    for seed in ("1", "2"):
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        told.append(json.loads(run_python(code, json.dumps(made))))
    here = Judge(ALL.groups, Vocabulary.of(made)).scores(made, [*made[1:], made[0]])
    assert told == [{name: (value or 0.0).hex() for name, value in here.items()}] * 2
    assert len(here) == len([name for name in MEASURES if of_texts(name)])


@pytest.mark.parametrize(
    ("group", "package"), [("bleu", "sacrebleu"), ("chrf", "sacrebleu"), ("rouge", "rouge_score")]
)
def test_a_package_that_is_missing_is_named_with_its_extra(
    monkeypatch: pytest.MonkeyPatch, group: Any, package: str
) -> None:
    check_extra(["recipe", group])
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigError, match=rf"`{package}`: `pip install chefgenius\[metrics\]`"):
        check_extra(["recipe", group])
    check_extra(["recipe"])


def test_the_guide_has_every_metric_with_its_range() -> None:
    table = (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text()
    for name, one in MEASURES.items():
        reach = f"{one.low:g} or more" if one.high is None else f"[{one.low:g}, {one.high:g}]"
        best = "high" if one.higher_is_better else "low"
        assert f"| `{name}` | {one.meaning} | {reach} | {best} |" in table, name
