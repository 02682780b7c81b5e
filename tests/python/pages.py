"""README and docs as data: their blocks of code, and a folder in which those can run."""

import csv
import json
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from chefgenius.cookbook import TOKENIZER
from chefgenius.model.model import Vocabulary, build_model
from chefgenius.settings.config import ModelConfig
from running import MODEL
from samples import recipes, write_lines

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
DOCS = ROOT / "docs"
NO_CODE = {"text"}
"""blocks that are a picture of something"""


class Block(NamedTuple):
    """A fenced block of a page."""

    kind: str
    text: str
    section: str
    """the heading it stands under"""

    def commands(self) -> Iterator[list[str]]:
        """The words of each command of a block of `sh` or `console`; comments and output are left out."""
        lines = self.text.replace("\\\n", " ").splitlines()
        if self.kind == "console":
            lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        for line in lines:
            if words := shlex.split(line, comments=True):
                yield words


def blocks(page: Path) -> list[Block]:
    """All fenced blocks of a page, in order. An indented one is an error: it would be overlooked."""
    found: list[Block] = []
    open_block: tuple[str, list[str]] | None = None
    section, before = "", "\n"
    for line in page.read_text().splitlines(keepends=True):
        if open_block is not None:
            if line == "```\n":
                found.append(Block(open_block[0], "".join(open_block[1]), section))
                open_block = None
            else:
                open_block[1].append(line)
        elif fence := re.fullmatch(r"```(\w+)\n", line):
            open_block = (fence[1], [])
        else:
            indented = before == "\n" and line.startswith("    ")
            unnamed = indented or line.startswith(("```", "~~~"))
            assert not unnamed, f"{page.name}: {line!r} begins no named block"
            if heading := re.fullmatch(r"#+ (.*)\n", line):
                section = heading[1]
        before = line
    assert open_block is None, f"{page.name}: a block without an end"
    return found


def furnish(folder: Path) -> None:
    """What the pages take for granted: recipes, a tokenizer, tiny models under the names of large ones."""
    records = recipes(60)
    write_lines(folder / "mine.jsonl", records)
    with (folder / "mine.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["title", "ingredients", "directions"])
        for record in records:
            table.writerow(
                [record["title"], *(json.dumps(record[part]) for part in ("ingredients", "directions"))]
            )
    (folder / "path" / "to" / "t5").mkdir(parents=True)
    shutil.copy(TOKENIZER, folder / "path" / "to" / "t5" / "tokenizer.json")
    words = Vocabulary(len(json.loads(TOKENIZER.read_bytes())["model"]["vocab"]), 0, 1)
    gpt2: dict[str, Any] = {"model_type": "gpt2", "n_embd": 16, "n_layer": 1, "n_head": 2}
    for name, config in (("gpt2", gpt2), ("flan-t5-base", MODEL)):
        model = build_model(ModelConfig(config=config), words, 1)
        model.save_pretrained(folder / "models" / name)
        shutil.copy(TOKENIZER, folder / "models" / name / "tokenizer.json")
