from pathlib import Path
from typing import Any

import pytest
from chefgenius.model.compute import facts
from chefgenius.run.differences import Comparison, DifferentRunError, Exactness, aligned, compare
from chefgenius.settings.config import Config, ConfigError, flatten, keys
from chefgenius.settings.meanings import GROUPS, MEANINGS, ORDER, Kind, allowed_names
from test_build import built
from torch import device

FACTS = {"store": "b3:1", "tokenizer": "b3:2", "plan": "b3:3", "threads": 1, "torch": "2"}
PLACE = Path("run/checkpoints/step-00000003")


def compared(config: dict[str, Any], facts: dict[str, Any], *allowed: str) -> Comparison:
    """A saved run with these values, against the defaults."""
    sections = {"config": {**flatten(Config()), **config}, "facts": {**FACTS, **facts}}
    return compare(sections, flatten(Config()), FACTS, allowed)


def refusal(comparison: Comparison) -> str:
    with pytest.raises(DifferentRunError) as error:
        comparison.check(PLACE, 3)
    assert error.value.comparison is comparison
    return str(error.value)


def test_every_key_and_every_fact_has_a_class(tmp_path: Path) -> None:
    found = set(built(tmp_path).facts)
    assert found > set(facts(device("cpu"), 1, strict=True))
    names = {*keys(), *found}
    assert sorted(names - set(MEANINGS)) == [], "give each a class and a reason in `meanings`"
    assert sorted(set(MEANINGS) - names) == [], "these are neither keys nor facts"
    assert len(names) >= 55
    assert {one.kind for one in MEANINGS.values()} == set(Kind)
    assert all(MEANINGS[name].kind is Kind.EXACTNESS for name in (*ORDER, *GROUPS))


def test_an_equal_run_goes_on() -> None:
    same = compared({}, {})
    assert same == Comparison()
    same.check(PLACE, 3)


@pytest.mark.parametrize(
    ("config", "facts", "told"),
    [
        ({"seed": 41}, {}, "would not be the same run:\n  `seed`: saved `41`, here `42`\nset back"),
        ({"train.gradient_accumulation_steps": 4}, {}, "saved `4`, here `1`"),
        ({"optim.betas": [0.9, 0.99]}, {}, "`optim.betas`: saved `[0.9, 0.99]`, here `[0.9, 0.999]`"),
        ({"model.config": {"d_model": 1}}, {}, "`model.config`"),
        ({}, {"threads": 2}, "`threads`: saved `2`, here `1`"),
        ({}, {"torch": "1", "plan": "b3:0"}, '`plan`:  saved `"b3:0"`, here `"b3:3"`\n  `torch`:'),
        ({}, {"new": 1}, "`new`: saved `1`, here `null`"),
        ({}, {"store": "b3:0"}, "`store`: saved "),
        ({}, {"tokenizer": "b3:0"}, "it is about other words:\n  `tokenizer`: saved "),
        (
            {"data.sources": ["x"]},
            {"tokenizer": "b3:0"},
            'changed besides:\n  `data.sources`: saved `["x"]`',
        ),
    ],
)
def test_what_would_not_be_exact_is_refused(config: dict[str, Any], facts: dict[str, Any], told: str) -> None:
    error = refusal(compared(config, facts))
    assert told in error
    assert "another `run_dir`" in error


def test_a_refusal_lists_all_in_columns_and_says_what_would_do() -> None:
    error = refusal(compared({"seed": 41, "optim.betas": [0, 0], "log.every_steps": 1}, {"threads": 2}))
    assert error.splitlines() == [
        f"cannot go on from `{PLACE}`, it would not be the same run:",
        "  `seed`:        saved `41`, here `42`",
        "  `optim.betas`: saved `[0, 0]`, here `[0.9, 0.999]`",
        "  `threads`:     saved `2`, here `1`",
        "set back what differs, allow it with `--allow-change seed,optim.betas,threads` "
        "(not exact from step 3 on), or begin a run of its own with another `run_dir`",
    ]


def test_what_is_allowed_goes_on_and_the_rest_does_not() -> None:
    saved: tuple[dict[str, Any], dict[str, Any]] = {"seed": 41}, {"threads": 2}
    both = compared(*saved, "seed", "threads", "torch")
    both.check(PLACE, 3)
    assert [one.plain for one in both.changes] == ["seed: saved 41, here 42", "threads: saved 2, here 1"]
    assert both.idle == ["torch"]
    error = refusal(compared(*saved, "seed"))
    assert "`threads`" in error
    assert "`seed`:" not in error
    assert "--allow-change seed,threads`" in error, "the whole command, with what was allowed before"


def test_identity_is_never_allowed() -> None:
    error = refusal(compared({}, {"tokenizer": "b3:0", "threads": 2}, "tokenizer", "threads"))
    assert "`tokenizer`" in error
    assert "--allow-change" not in error


def test_a_plan_that_a_key_explains_is_told_once() -> None:
    changed = compared({"data.batch_size": 4}, {"plan": "b3:0"})
    assert [one.name for one in changed.exactness] == ["data.batch_size"]
    assert compared({"data.batch_size": 4}, {"plan": "b3:0"}, "data.batch_size", "plan").idle == []
    other = compared({"data.batch_size": 4, "data.validation_sources": ["x"]}, {"plan": "b3:0"})
    assert [one.name for one in other.exactness] == ["data.batch_size", "plan"], (
        "the sources may be the cause"
    )


def test_a_changed_part_of_a_value_is_told_alone() -> None:
    sections: dict[str, Any] = {
        "config": {"model.config": {"model_type": "t5", "dropout_rate": 0.1}},
        "facts": {},
    }
    here = {"model.config": {"model_type": "t5", "dropout_rate": 0.0}}
    assert aligned(compare(sections, here, {}).exactness) == [
        "  `model.config.dropout_rate`: saved `0.1`, here `0.0`"
    ]


def test_long_values_show_where_they_part_and_steer_no_terminal() -> None:
    long = "b3:" + "a" * 40
    sections: dict[str, Any] = {
        "config": {"run_dir": long + "x", "seed": "\x1b[31m\x9b\u202e"},
        "facts": {"\x1b[2J": 1},
    }
    different = compare(sections, {"run_dir": long + "y", "seed": 1}, {})
    assert [one.values for one in different.free] == [('...aaaaaaaax"', '...aaaaaaaay"')]
    assert all(str(one).isprintable() and one.plain.isprintable() for one in different.exactness)
    assert len(different.exactness) == 2


def test_a_thousand_differences_are_counted() -> None:
    lines = aligned(compare({"config": {f"x{n}": n for n in range(1000)}, "facts": {}}, {}, {}).exactness)
    assert len(lines) == 41
    assert lines[-1] == "  and 960 more"


def test_free_differences_are_told() -> None:
    changed = compared({"optim.learning_rate": 1.0, "log.every_steps": 3, "run_dir": "x"}, {})
    changed.check(PLACE, 3)
    assert [str(one) for one in changed.free] == [
        '`run_dir`: saved `"x"`, here `null`',
        f"`optim.learning_rate`: saved `1.0`, here `{Config().optim.learning_rate}`",
        "`log.every_steps`: saved `3`, here `10`",
    ]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("threads,device", {"threads", "device"}),
        ("batch_size, optim.betas", {"data.batch_size", "optim.betas"}),
        ("plan", {"plan", "data.plan"}),
        ("data.plan", {"data.plan"}),
        ("learning_rate", {"optim.learning_rate"}),
    ],
)
def test_names_are_whole_or_the_last_part(text: str, names: set[str]) -> None:
    assert allowed_names(text) == names


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("thread", "unknown name `thread`: did you mean `threads`?"),
        ("seed,batchsize", "unknown name `batchsize`: did you mean `data.batch_size`?"),
        ("qqq", "unknown name `qqq`: known are store, seed, "),
        ("", "a name is empty in ``"),
        ("tokenizer", "`tokenizer` can never change, the ids would mean other words"),
    ],
)
def test_names_that_cannot_be_allowed_are_errors(text: str, told: str) -> None:
    with pytest.raises(ConfigError) as error:
        allowed_names(text)
    assert told in str(error.value)


def test_exactness_remembers_when_it_was_lost() -> None:
    exactness = Exactness()
    assert (exactness.since, str(exactness)) == (None, "exact")
    exactness.add(3, [])
    assert exactness.since is None
    exactness.add(5, [one.plain for one in compared({"seed": 41}, {}, "seed").changes])
    exactness.add(9, ["threads: saved 2, here 1"])
    assert exactness.state_dict() == {
        "changes": [
            {"step": 5, "allowed": ["seed: saved 41, here 42"]},
            {"step": 9, "allowed": ["threads: saved 2, here 1"]},
        ]
    }
    again = Exactness()
    again.load_state_dict(exactness.state_dict())
    assert again == exactness
    assert str(again) == (
        "not exact since step 5: seed: saved 41, here 42 (step 5); threads: saved 2, here 1 (step 9)"
    )


@pytest.mark.parametrize("changes", [None, 3, [3], [{}], [{"step": -1, "allowed": []}], [{"step": 1}]])
def test_a_section_that_is_none_is_refused(changes: Any) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        Exactness().load_state_dict({"changes": changes})
