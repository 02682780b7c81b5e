"""docs/training.md: the keys of its table have these defaults and this class; files and proofs exist."""

import re
from pathlib import Path

from chefgenius.settings import options
from chefgenius.settings.config import keys
from chefgenius.settings.meanings import MEANINGS, Kind
from test_reliability_guide import proofs, unknown

ROOT = Path(__file__).parents[2]
PATH = ROOT / "docs" / "training.md"
GUIDE = PATH.read_text()
WORDS = {"free": Kind.FREE, "leave": Kind.EXACTNESS, "never": Kind.IDENTITY}


def rows(columns: int) -> list[list[str]]:
    lines = [line for line in GUIDE.splitlines() if line.startswith("| `")]
    cut = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    return [row for row in cut if len(row) == columns]


def test_the_table_tells_of_keys_as_they_are() -> None:
    told = (line.strip().partition("=") for line in options.help_text().splitlines() if "=" in line)
    defaults = {key: value for key, _, value in told if key in keys()}
    table = rows(5)
    assert len(table) >= 18
    for name, default, _, _, running in table:
        key = name.strip("`")
        assert default.strip("`") == defaults[key], key
        assert MEANINGS[key].kind is WORDS[running], key


def test_it_names_every_file_of_configs() -> None:
    assert {row[0].strip("`") for row in rows(3)} == {path.name for path in (ROOT / "configs").glob("*.yaml")}


def test_every_key_that_the_text_names_exists() -> None:
    named = re.findall(r"`((?:data|model|optim|train|eval|log|checkpoint)\.[a-z_.]+)`", GUIDE)
    assert len(named) > 20
    assert all(any(key == name or key.startswith(f"{name}.") for key in keys()) for name in named)


def test_every_line_is_proved_by_tests_that_exist() -> None:
    found = proofs(PATH)
    assert unknown(found) == []
    assert len(found) >= 15
