"""README and docs: every block of code runs, every picture is what its script draws, and the site builds."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import commit
import permutation
import pytest
import way
from chefgenius.__main__ import main
from chefgenius.settings import options
from pages import DOCS, NO_CODE, README, ROOT, Block, blocks, furnish
from running import MODEL

SMALL = [
    "train.max_steps=4",
    "train.gradient_accumulation_steps=2",
    "data.validation_fraction=0.2",
    "data.max_input_length=32",
    "data.max_target_length=48",
    "eval.max_batches=1",
    "eval.max_new_tokens=3",
    "eval.prompts=2",
    "eval.samples=1",
    "log.report=false",
]
"""what makes a run of the pages short; for keys that a page is about, its own words come after these"""
TINY = (f"model.config={json.dumps(MODEL)}",)
ELSEWHERE = {
    "api.md": "test_session.py",
    "integrations.md": "guide.py",
    "packed.md": "test_packed_models.py",
    "prepare.md": "test_prepare_guide.py",
}
"""pages whose blocks have a file of tests of their own"""
WITHOUT = {"formats.md", "reference.md", "reliability.md", "training.md"}
HERE = {
    "README.md": 13,
    "benchmarks.md": 2,
    "checkpoints.md": 1,
    "evaluation.md": 4,
    "inspect.md": 4,
    "loader.md": 2,
    "many-processes.md": 1,
    "models.md": 3,
    "order.md": 1,
    "report.md": 2,
    "resume.md": 3,
}
"""how many blocks of code each page has that this file runs"""


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the pages name, and a finished run."""
    folder = tmp_path_factory.mktemp("pages")
    furnish(folder)
    (folder / "mine.yaml").write_text(next(block.text for block in blocks(README) if block.kind == "yaml"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert (
            main(["train", "mine.yaml", *SMALL, *TINY, "checkpoint.every_steps=1", "checkpoint.keep=4"]) == 0
        )
        shutil.copytree("runs/mine", "runs/other")
    return folder


def code(page: Path) -> list[Block]:
    return [block for block in blocks(page) if block.kind not in NO_CODE]


def test_no_page_is_forgotten() -> None:
    pages = {path.name for path in DOCS.glob("*.md")} | {"README.md"}
    assert pages == set(HERE) | set(ELSEWHERE) | WITHOUT
    for name in WITHOUT:
        assert code(DOCS / name) == [], name
    for name, tests in ELSEWHERE.items():
        assert f'"{name}"' in (Path(__file__).parent / tests).read_text()


@pytest.mark.parametrize("name", HERE)
def test_every_block_runs(
    furnished: Path, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "folder"
    shutil.copytree(furnished, folder)
    if name in ("README.md", "models.md", "evaluation.md"):  # their own first command makes the run
        shutil.rmtree(folder / "runs")
    monkeypatch.chdir(folder)
    found = code(README if name == "README.md" else DOCS / name)
    assert len(found) == HERE[name]
    names: dict[str, Any] = {}
    for block in found:
        if block.kind == "python":
            exec(compile(block.text, f"{name}, {block.section}", "exec"), names)
        elif block.kind == "yaml":
            Path("mine.yaml").write_text(block.text)
            options.load("mine.yaml", [])
        elif block.kind == "csv":
            head, *rows = block.text.splitlines()
            lines = Path("mine.csv").read_text().splitlines()
            assert lines[0] == head
            Path("mine.csv").write_text("\n".join([*lines, *rows]) + "\n")
        else:
            assert block.kind in ("sh", "console"), block.kind
            for words in block.commands():
                follow(words)


def follow(words: list[str]) -> None:
    """Does what a line of a page says, in few steps; of what installs, looks whether it is there."""
    if words[0] == "make":
        subprocess.run(["make", "-n", *words[1:]], cwd=ROOT, capture_output=True, check=True)
    elif words[:2] == ["pip", "install"]:
        extra = re.fullmatch(r"chefgenius\[(\w+)\]|\.", words[2])
        assert extra is not None
        assert extra[1] is None or f"\n{extra[1]} = [" in (ROOT / "pyproject.toml").read_text()
    elif words[0] == "torchrun":
        from torch.distributed.run import get_args_parser

        asked = get_args_parser().parse_args(words[1:])
        assert (asked.module, asked.training_script) == (True, "chefgenius")
        assert main([*asked.training_script_args, "--print-config"]) == 0
    elif words[0] == "cargo":
        assert words == ["cargo", "bench"]
    else:
        name, command, *given = words
        assert name == "chefgenius", words
        if command == "train":
            at = 1 if given[:1] == ["mine.yaml"] else 0
            model = () if "--init-from" in given or any("model." in word for word in given) else TINY
            given = [*given[:at], *SMALL, *model, *given[at:]]
        assert main([command, *given]) == 0, words


@pytest.mark.parametrize("script", [commit, permutation, way], ids=lambda script: script.__name__)
def test_pictures_are_what_their_scripts_draw(script: Any) -> None:
    assert (DOCS / "pictures" / f"{script.__name__}.svg").read_text() == script.draw()


def test_every_link_leads_to_a_file() -> None:
    pages = [*ROOT.glob("*.md"), *DOCS.rglob("*.md")]
    links = [
        (page.relative_to(ROOT), link)
        for page in pages
        for link in re.findall(r"\]\(([^)#\s]+)", page.read_text())
        if "://" not in link
    ]
    assert links
    assert [link for link in links if not (ROOT / link[0].parent / link[1]).exists()] == []


def test_every_picture_is_shown() -> None:
    shown = set(
        re.findall(r"\(pictures/([\w.-]+)\)", "".join(page.read_text() for page in DOCS.glob("*.md")))
    )
    assert shown == {path.name for path in (DOCS / "pictures").glob("*.*g")}


@pytest.mark.long
def test_the_site_builds_strictly(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", tmp_path / "site"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    front = (tmp_path / "site" / "index.html").read_text()
    assert "never lose a run" in front
    assert 'href="formats/"' in front
    reference = (tmp_path / "site" / "reference" / "index.html").read_text()
    import chefgenius

    for name in chefgenius.__all__:
        assert re.search(rf'id="chefgenius\.[\w.]*\b{name}"|>{name}<', reference), name
