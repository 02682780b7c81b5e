"""What import-linter cannot see: who uses the extension, and how long files are."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "python" / "chefgenius"
MODULES = [path for path in PACKAGE.rglob("*.py") if "cookbook" not in path.parts]
USERS = {"loader", "manifest", "recipe", "store", "tensors", "windows"}


def test_few_modules_use_the_extension() -> None:
    """`_core` is reached through its faces, and by those that copy and write what a checkpoint holds."""
    users, looked = set(), 0
    for path in MODULES:
        looked += 1
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (
                node.module == "chefgenius._core"
                or (node.module == "chefgenius" and "_core" in {alias.name for alias in node.names})
            ):
                users.add(path.stem)
    assert looked > 20
    assert users == USERS


def test_a_file_has_one_idea() -> None:
    """Every module has a head and stays short enough to hold in the head."""
    looked = 0
    for path in MODULES:
        text = path.read_text()
        assert text.startswith('"""'), path.name
        assert len(text.splitlines()) <= 310, path.name
        looked += 1
    assert looked > 20
