"""docs/reliability.md names tests that exist, and tells every exit code."""

import ast
import re
from pathlib import Path

from chefgenius import train
from chefgenius.run.signals import BOUND, StopRequested
from chefgenius.run.state import DivergedError, ResumeError, RunError

TESTS = Path(__file__).parent
GUIDE = TESTS.parents[1] / "docs" / "reliability.md"


def proofs(guide: Path) -> list[tuple[str, list[str]]]:
    """Every line of the table under "The proof", with the names that prove it."""
    table = guide.read_text().split("## The proof")[1].split("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")][1:]
    return [(claim, re.findall(r"`(\w+::\w+)`", names)) for claim, names in rows]


def unknown(found: list[tuple[str, list[str]]]) -> list[str]:
    """Names of tests that are none."""
    missing = []
    for claim, names in found:
        assert names, f"nothing proves `{claim}`"
        for name in names:
            module, function = name.split("::")
            path = TESTS / f"test_{module}.py"
            tree = ast.parse(path.read_text()) if path.exists() else ast.Module([], [])
            defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
            if f"test_{function}" not in defined:
                missing.append(name)
    return missing


def test_every_line_is_proved_by_tests_that_exist() -> None:
    found = proofs(GUIDE)
    assert unknown(found) == []
    assert len(found) >= 25


def test_every_exit_code_is_told() -> None:
    table = GUIDE.read_text().split("## Exit codes")[1].split("##")[0]
    told = {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)}
    codes = {error.exit_code for error in (RunError, ResumeError, DivergedError, StopRequested)}
    assert told == {0, train.INPUT, train.IO, train.ABORTED, *codes}


def test_the_bound_of_a_stop_is_the_one_that_is_printed() -> None:
    assert BOUND in " ".join(GUIDE.read_text().split())
