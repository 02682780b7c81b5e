from pathlib import Path

import pytest
from chefgenius import cookbook, prepare
from chefgenius.settings import options
from chefgenius.settings.config import Config, ConfigError
from chefgenius.training.dataset import Data, prepare_data
from running import words
from samples import recipes, write_lines


def config(folder: Path, *overrides: str) -> Config:
    return options.load(None, words(folder, *overrides))


def prepared(folder: Path, *overrides: str) -> tuple[Data, list[str]]:
    """The data, closed again, and what was said of them."""
    said: list[str] = []
    data = prepare_data(config(folder, *overrides), said.append)
    data.close()
    return data, said


def test_a_missing_list_of_tombstones_is_told_with_its_key_and_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"`data.tombstones`: `.*/nofile`: No such file.*: give a text file"
    ):
        prepared(tmp_path, f"data.tombstones={tmp_path / 'nofile'}")


def model_home(folder: Path) -> Path:
    """A directory that says which kind of model is in it."""
    home = folder / "model"
    home.mkdir()
    (home / "config.json").write_text('{"model_type": "t5"}')
    return home


def test_both_sides_of_the_split_are_opened(tmp_path: Path) -> None:
    data, said = prepared(tmp_path)
    assert data.validation is not None
    assert data.train.records + data.validation.records == len(data.store) == 50
    assert said[0] == f"data: {tmp_path / 'recipes.jsonl'}"
    assert "built: 50 records" in said[1]
    assert "45 to train on, 5 held out" in said[2]
    assert said[3].startswith("warning: only 5 are held out of 50 recipes")
    assert "raise `data.validation_fraction`" in said[3]


def test_without_evaluation_the_split_is_the_same(tmp_path: Path) -> None:
    data, said = prepared(tmp_path, "eval.every_steps=0")
    assert data.validation is None
    assert data.train.records == prepared(tmp_path)[0].train.records
    assert "held out" not in said[-1]


def test_a_store_that_is_there_is_used(tmp_path: Path) -> None:
    first, _ = prepared(tmp_path)
    second, said = prepared(tmp_path)
    assert second.store.path == first.store.path
    assert len(said) == 3


def test_the_validation_batches_do_not_follow_the_seed(tmp_path: Path) -> None:
    orders = []
    for seed in (1, 2):
        data = prepare_data(config(tmp_path, f"seed={seed}"), lambda text: None)
        assert data.validation is not None
        orders.append([list(loader.record_ids_at(0, 0)) for loader in (data.validation, data.train)])
        data.close()
    assert orders[0][0] == orders[1][0]
    assert orders[0][1] != orders[1][1]


def test_every_combination_has_a_store_of_its_own(tmp_path: Path) -> None:
    other = write_lines(tmp_path / "other.jsonl", recipes(20))
    homes = {
        prepared(tmp_path, *changes)[0].store.path.parent
        for changes in (
            (),
            (f"data.sources=[{other}]",),
            (f"data.validation_sources=[{other}]",),
            ("data.template.prompt={title}",),
            ("data.batch_size=3",),  # not part of a store
        )
    }
    assert len(homes) == 4
    assert {home.parent for home in homes} == {tmp_path / "stores"}


def test_the_package_has_data_of_its_own(tmp_path: Path) -> None:
    given = ("data.sources=[]", "data.tokenizer=null")
    data, said = prepared(tmp_path, *given)
    assert data.decoder.path == cookbook.TOKENIZER
    assert len(data.store) >= 4000
    assert said[0] == "data: the recipes that ship with the package"


def test_the_tokenizer_of_a_local_model_is_taken(tmp_path: Path) -> None:
    home = model_home(tmp_path)
    (home / "tokenizer.json").write_bytes(cookbook.TOKENIZER.read_bytes())
    named = (f"model.name_or_path={home}", "model.config=null", "data.tokenizer=null")
    assert prepared(tmp_path, *named)[0].decoder.path == home / "tokenizer.json"


def test_a_store_that_was_prepared_is_taken_with_its_tokenizer(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "named.jsonl", [one | {"dish": one.pop("title")} for one in recipes(40)])
    named = {"title": "dish"}
    store = prepare([source], tokenizer=cookbook.TOKENIZER, out=tmp_path / "mine", columns=named)
    given = (f"data.store={tmp_path / 'mine'}", "data.sources=[]", "data.tokenizer=null")
    data, said = prepared(tmp_path, *given)
    assert data.store.fingerprint == store.fingerprint
    assert data.decoder.path.read_bytes() == cookbook.TOKENIZER.read_bytes()
    assert said[0] == f"data: the store `{tmp_path / 'mine'}`"
    assert not any("warning: the store" in line for line in said)
    of_sources, _ = prepared(tmp_path, f"data.sources=[{source}]", "data.columns={title: dish}")
    assert of_sources.store.fingerprint == store.fingerprint


def test_a_store_of_another_tokenizer_than_the_models_is_told(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "one.jsonl", recipes(40))
    prepare([source], tokenizer=cookbook.TOKENIZER, out=tmp_path / "mine")
    home = model_home(tmp_path)
    (home / "tokenizer.json").write_bytes(cookbook.TOKENIZER.read_bytes() + b"\n")
    given = (f"data.store={tmp_path / 'mine'}", "data.sources=[]", "data.tokenizer=null")
    _, said = prepared(tmp_path, *given, f"model.name_or_path={home}", "model.config=null")
    assert any("warning: the store was made with another tokenizer" in line for line in said)


@pytest.mark.parametrize("key", ["data.sources=[a.jsonl]", "data.tokenizer=t5", "data.columns={title: dish}"])
def test_a_store_is_given_alone(tmp_path: Path, key: str) -> None:
    bare = ("data.sources=[]", "data.tokenizer=null", f"data.store={tmp_path}")
    with pytest.raises(ConfigError, match=f"either `data.store` or `{key.split('=')[0]}`"):
        prepared(tmp_path, *bare, key)


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("data.tokenizer=null", "`data.tokenizer`: is needed"),
        ("data.validation_fraction=0.0001", "data.validation_sources"),
        ("data.template.target={nothing}", "nothing"),
        ("data.batch_size=99999999999", "batch_size"),
    ],
)
def test_what_cannot_be_used_is_a_configuration_error(tmp_path: Path, override: str, told: str) -> None:
    with pytest.raises(ConfigError) as error:
        prepared(tmp_path, override)
    assert told in str(error.value)


@pytest.mark.parametrize("model", [(), ("model.config={model_type: gpt2}",)])
def test_recipes_that_are_cut_are_counted(tmp_path: Path, model: tuple[str, ...]) -> None:
    data, said = prepared(tmp_path, *model)
    assert not any("cut at" in line for line in said)
    layout, train = data.layout, data.train
    stored = [data.store.record(one) for one in train.view_record_ids(train.records).tolist()]
    around = 1 if not model else (layout.bos_id is not None) + len(layout.separator_ids)
    prompts = [len(one.prompt_ids) + around for one in stored]
    targets = [len(one.target_ids) + 1 for one in stored]
    for key, what, whole in (("input", "prompts", prompts), ("target", "recipes", targets)):
        most = sorted(whole)[len(whole) // 2]
        over = sum(one > most for one in whole)
        assert 1 < over < len(whole)
        _, said = prepared(tmp_path, f"data.max_{key}_length={most}", *model)
        assert [line for line in said if "cut at" in line] == [
            f"{over} of {len(whole)} {what} are cut at `data.max_{key}_length={most}`, "
            f"the longest has {max(whole)} tokens: raise it to train on whole ones"
        ]
