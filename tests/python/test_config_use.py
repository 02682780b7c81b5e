"""Nothing in the configuration is decoration: every key is read by the code that acts on it."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chefgenius.settings.config import Config, keys
from chefgenius.settings.section import Section
from pydantic import BaseModel
from running import run_here

DESCRIBING = {"config", "section", "reading", "watching", "options", "meanings", "differences", "commandline"}
"""modules that hold, check, fill in, compare or write keys: a read there puts nothing into effect"""
LEAST = 60
"""keys there are at least: the guard must not look at a part of them alone"""


def sections(model: type[BaseModel] = Config, prefix: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    """Every section's prefix and class; a class that stands in two places would hide a key."""
    yield prefix, model
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from sections(field.annotation, f"{prefix}{name}.")


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The keys whose values were read by modules of the package that act on them."""
    prefixes = {model: prefix for prefix, model in sections()}
    assert len(prefixes) == len(list(sections()))
    fields = {model: set(model.model_fields) for model in prefixes}
    known, found = keys(), set[str]()

    def watched(self: Section, name: str) -> Any:
        model = type(self)
        if name in fields.get(model, ()):
            reader: Any = sys._getframe(1)
            if reader.f_code.co_name == "run_path":  # the property that gives `run_dir` as a path
                reader = reader.f_back.f_back  # past this function
            where = str(reader.f_globals.get("__name__")).split(".")
            key = prefixes[model] + name
            if where[0] == "chefgenius" and where[-1] not in DESCRIBING and key in known:
                found.add(key)
        return object.__getattribute__(self, name)

    monkeypatch.setattr(Section, "__getattribute__", watched, raising=False)
    return found


def test_every_key_is_read_where_it_acts(tmp_path: Path, reads: set[str]) -> None:
    known = keys()
    assert len(known) >= LEAST
    few = ("optim.warmup_steps=1", "train.max_steps=2")
    assert run_here(tmp_path, *few, "optim.schedule=wsd") == 0
    saved = tmp_path / "run" / "checkpoints" / "step-00000002"
    # what a feature is told is read where it is on
    adapted = (f"model.name_or_path={saved}", "model.config=null", "model.lora.rank=2")
    assert run_here(tmp_path, *few, *adapted, run="adapted") == 0
    unread = sorted(set(known) - reads)
    assert not unread, f"of {len(known)} keys nothing reads {', '.join(unread)}"


def test_the_watch_sees_a_read_and_only_those_of_code_that_acts(tmp_path: Path, reads: set[str]) -> None:
    config = Config()
    assert config.optim.eps > 0
    assert not reads, "a test is no part of the package"
    source = "def read(config): return config.optim.eps"
    for module, expected in (("run.differences", set()), ("training.optim", {"optim.eps"})):
        names: dict[str, Any] = {"__name__": f"chefgenius.{module}"}
        exec(source, names)
        names["read"](config)
        assert reads == expected
