"""What is installed by an extra is asked for by its name, where it is missing."""

import ast
import re
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from chefgenius.callbacks.chosen import choose_callbacks
from chefgenius.evaluation.judging import check_extra
from chefgenius.model.lora import peft_version
from chefgenius.settings import options
from chefgenius.settings.config import ConfigError
from chefgenius.training import optim

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SAME = {"rouge-score": "rouge_score", "ruamel.yaml": "ruamel"}
"""projects whose module has another name"""


OPTIONAL: dict[str, tuple[str, Callable[[], Any]]] = {
    "peft": ("lora", peft_version),
    "sacrebleu": ("metrics", lambda: check_extra(["bleu", "chrf"])),
    "rouge_score": ("metrics", lambda: check_extra(["rouge"])),
    "tensorboard": ("track", lambda: choose_callbacks(options.load(None, ["log.tensorboard=true"]), print)),
    "wandb": ("track", lambda: choose_callbacks(options.load(None, ["log.wandb=offline"]), print)),
    "torchao": ("cuda", lambda: optim._refuse_without_cuda({"cuda"})),
}
"""by the module's name: the extra that installs it, and what needs it first"""


def module_of(requirement: str) -> str:
    project = re.split(r"[<>=\[]", requirement)[0]
    return SAME.get(project, project)


@pytest.mark.parametrize("package", OPTIONAL)
def test_what_is_missing_is_told_with_its_extra(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    extra, ask = OPTIONAL[package]
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigError) as told:
        ask()
    assert f"`pip install chefgenius[{extra}]`" in str(told.value)
    assert package.replace("_", "-") in str(told.value).replace("_", "-")


def test_no_optional_import_is_forgotten() -> None:
    """All that the package imports is a dependency, or one of those above, which their extras install."""
    required = {module_of(line) for line in PROJECT["dependencies"]}
    found: set[str] = set()
    for path in (ROOT / "python" / "chefgenius").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module is not None:
                found.add(node.module)
            elif isinstance(node, ast.Call) and ast.unparse(node.func) == "import_module":
                found |= {str(one.value) for one in node.args if isinstance(one, ast.Constant)}
    if "torch.utils.tensorboard" in found:
        found.add("tensorboard")
    foreign = {name.split(".")[0] for name in found} - set(sys.stdlib_module_names) - {"chefgenius"}
    brought = {"huggingface_hub", "packaging", "pydantic_core"}  # by transformers and pydantic, always
    assert foreign - required - brought == set(OPTIONAL)
    for package, (extra, _) in OPTIONAL.items():
        assert package in {module_of(line) for line in PROJECT["optional-dependencies"][extra]}
