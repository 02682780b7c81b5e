"""The package as it is given away: what a wheel holds, that it works where nothing else is, its release."""

import re
import sys
import tarfile
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
from installed import Clean, run
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WORKFLOW = ROOT / ".github" / "workflows" / "release.yml"


@pytest.mark.long
def test_a_wheel_serves_every_python_and_holds_all_that_it_needs(wheel: Path) -> None:
    name, version, python, abi, _ = wheel.stem.split("-")
    assert (name, python, abi) == ("chefgenius", "cp311", "abi3")
    with zipfile.ZipFile(wheel) as file:
        names = set(file.namelist())
        metadata = Parser().parsestr(file.read(f"{name}-{version}.dist-info/METADATA").decode())
    package = ROOT / "python" / "chefgenius"
    expected = {
        f"chefgenius/{path.relative_to(package)}"
        for path in package.rglob("*")
        if path.suffix in (".py", ".pyi", ".gz", ".json", ".typed", ".j2", ".css", ".js", ".html")
    }
    assert len(expected) > 100
    assert expected <= names
    assert {f"chefgenius/{path}" for path in ("py.typed", "cookbook/recipes.jsonl.gz")} <= expected
    assert metadata["License-Expression"] == "MIT"
    assert metadata.get_all("License-File") == ["LICENSE"]
    assert set(metadata.get_all("Provides-Extra") or []) == set(PROJECT["optional-dependencies"])
    assert (ROOT / "README.md").read_text().strip() == str(metadata.get_payload()).strip()


@pytest.mark.long
def test_the_installed_wheel_trains_outside_of_the_repository(clean: Clean) -> None:
    place = clean("python", "-c", "import chefgenius, torch; print(chefgenius.__file__)")
    assert place.returncode == 0, place.stderr
    assert "/clean" in place.stdout, "the wheel and not this checkout"
    assert re.fullmatch(r"chefgenius \d+\.\d+\.\d+\S*\n", clean("chefgenius", "--version").stdout)
    words = ["train", "train.max_steps=6", "eval.every_steps=0", "eval.prompts=2", "checkpoint.every_steps=3"]
    first = clean("chefgenius", *words)
    assert first.returncode == 0, first.stderr
    assert (
        clean.folder / "runs" / "default" / "checkpoints" / "step-00000006" / "model.safetensors"
    ).is_file()
    again = clean("chefgenius", *words)
    assert again.returncode == 0
    assert "finished" in again.stdout


@pytest.mark.long
def test_the_source_is_enough_to_build_it(tmp_path: Path) -> None:
    run(sys.executable, "-m", "maturin", "sdist", "--out", tmp_path)
    (made,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(made) as file:
        names = {name.split("/", 1)[1] for name in file.getnames()}
    needed = [
        "Cargo.lock",
        "LICENSE",
        "README.md",
        "pyproject.toml",
        "rust-toolchain.toml",
        "rust/core/lib.rs",
    ]
    needed += ["rust/py/src/lib.rs", "rust/py/Cargo.toml", "python/chefgenius/cookbook/tokenizer.json"]
    assert set(needed) <= names


def test_a_release_is_built_by_pinned_steps_and_published_without_a_secret() -> None:
    workflow = YAML(typ="safe").load(WORKFLOW.read_text())
    jobs = workflow["jobs"]
    steps = [step for job in jobs.values() for step in job["steps"]]
    used = [step["uses"] for step in steps if "uses" in step]
    assert len(used) == 9
    assert all(re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}", one) for one in used), used
    targets = {one["target"] for one in jobs["wheel"]["strategy"]["matrix"]["include"]}
    assert targets == {f"{cpu}-unknown-linux-gnu" for cpu in ("x86_64", "aarch64")} | {"aarch64-apple-darwin"}
    assert workflow["permissions"] == {"contents": "read"}
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    assert "secrets." not in WORKFLOW.read_text()


def test_a_release_is_built_by_the_tools_that_are_locked() -> None:
    text = WORKFLOW.read_text()
    channel = tomllib.loads((ROOT / "rust-toolchain.toml").read_text())["toolchain"]["channel"]
    (maturin,) = re.findall(r"^maturin==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert re.findall(r'rust-toolchain: "(.*)"', text) == [channel]
    assert set(re.findall(r"maturin-version: v(.*)", text)) == {maturin}
    binding = tomllib.loads((ROOT / "rust" / "py" / "Cargo.toml").read_text())
    assert binding["dependencies"]["pyo3"]["features"] == ["abi3-py311"]
    assert PROJECT["requires-python"] == ">=3.11"


def test_every_extra_is_a_set_of_packages_in_the_lock() -> None:
    locked = set(re.findall(r"^([\w.-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    assert set(PROJECT["optional-dependencies"]) == {"lora", "metrics", "track", "cuda", "docs", "dev"}
    for extra, lines in PROJECT["optional-dependencies"].items():
        names = {re.split(r"[<>=\[]", line)[0] for line in lines}
        if extra != "cuda":  # for machines with a GPU only
            assert names <= locked | {"chefgenius"}, extra
