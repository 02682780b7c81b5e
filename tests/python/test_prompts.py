"""What is asked for becomes the prompt that training made of the same recipe."""

from pathlib import Path

import pytest
from chefgenius.cookbook import TOKENIZER
from chefgenius.generation.prompts import Asked, PromptError, ingredients, read, store_of, unspelt
from chefgenius.run.located import Located
from chefgenius.settings import options
from samples import build, recipes


def located(*overrides: str) -> Located:
    return Located(TOKENIZER, options.load(None, overrides), None, "")


@pytest.mark.parametrize("template", [None, "{title} of {ingredients}", "cook {names}"])
def test_a_prompt_is_that_of_training(template: str | None, tmp_path: Path) -> None:
    made = recipes(12)
    trained = build(tmp_path, made, prompt_template=template)
    asked = [Asked(one["title"], tuple(one["ingredients"])) for one in made]
    overrides = [] if template is None else [f"data.template.prompt={template}"]
    (tmp_path / "asked").mkdir()
    store = store_of(asked, located(*overrides), tmp_path / "asked")
    assert len(store) == len(trained) == 12
    for number in range(12):
        assert store.record(number).prompt_ids.tolist() == trained.record(number).prompt_ids.tolist()


def test_the_templates_are_those_of_a_store_that_was_prepared_by_hand(tmp_path: Path) -> None:
    made = recipes(2)
    trained = build(tmp_path, made, prompt_template="quickly: {names}", respell=False)
    assert trained.templates == ("quickly: {names}", "{recipe}", False)
    there = located(f"data.store={trained.path}")
    asked = [Asked(made[0]["title"], tuple(made[0]["ingredients"]))] * 2
    (tmp_path / "asked").mkdir()
    store = store_of(asked, there, tmp_path / "asked")
    assert store.text(0) == store.text(1)
    assert store.text(0)[0] == trained.text(0)[0]
    gone = located("data.store=nowhere")
    with pytest.raises(PromptError, match="give its place with `--store`"):
        store_of(asked, gone, tmp_path)
    (tmp_path / "again").mkdir()
    assert store_of(asked, gone, tmp_path / "again", trained.path).text(0)[0] == trained.text(0)[0]


def test_whole_prompts_are_left_as_they_are(tmp_path: Path) -> None:
    store = store_of([Asked(prompt="Write a recipe for soup.")], located(), tmp_path)
    assert store.text(0)[0] == "Write a recipe for soup."
    with pytest.raises(PromptError, match="hold directions"):
        store_of([ingredients("rice")], located("data.template.prompt={recipe}"), tmp_path)


def test_ingredients_are_taken_apart() -> None:
    assert ingredients(" chicken,, rice ,lime juice") == Asked(
        "Chicken, Rice and Lime Juice", ("chicken", "rice", "lime juice")
    )
    assert ingredients("rice") == Asked("Rice", ("rice",))
    assert ingredients("rice", " Plov ") == Asked("Plov", ("rice",))


def test_a_file_holds_lines_of_several_kinds(tmp_path: Path) -> None:
    file = tmp_path / "asked.txt"
    lines = [
        "rice, lime",
        "",
        '{"ingredients": "egg, salt", "title": "Eggs"}',
        '{"ingredients": ["1 egg, raw"]}',
    ]
    file.write_text("\n".join([*lines, '{"prompt": "Cook!"}']))
    assert read(file) == [
        Asked("Rice and Lime", ("rice", "lime")),
        Asked("Eggs", ("egg", "salt")),
        Asked("1 Egg, Raw", ("1 egg, raw",)),
        Asked(prompt="Cook!"),
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"", "has no prompt"),
        (b"rice\n , \n", "line 2: no ingredient"),
        (b"{", "line 1: no JSON"),
        (b'{"ingredient": []}', "unknown key `ingredient`"),
        (b'{"ingredients": []}', "no ingredient"),
        (b'{"ingredients": [1]}', "no list of texts"),
        (b'{"title": "x"}', "no list of texts"),
        (b'{"title": 1, "ingredients": "x"}', "`title` is no text"),
        (b'{"prompt": "x", "title": "y"}', "stands alone"),
        (b'{"prompt": " "}', "is a text"),
        (b"\xff", "no UTF-8"),
    ],
)
def test_a_bad_file_is_refused_with_its_line(text: bytes, told: str, tmp_path: Path) -> None:
    file = tmp_path / "asked.txt"
    file.write_bytes(text)
    with pytest.raises(PromptError, match=told):
        read(file)


def test_letters_that_the_tokenizer_cannot_spell_are_told(tmp_path: Path) -> None:
    store = store_of([ingredients("crème, ☃"), ingredients("rice")], located(), tmp_path)
    assert unspelt(store) == ["warning: the model's tokenizer cannot spell `☃`, which is left out"]
    (tmp_path / "plain").mkdir()
    assert unspelt(store_of([ingredients("rice")], located(), tmp_path / "plain")) == []
