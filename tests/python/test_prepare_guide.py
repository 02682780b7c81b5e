"""docs/prepare.md is true: every block of it runs, in its order, in one directory."""

import csv
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from chefgenius.cookbook import TOKENIZER

GUIDE = Path(__file__).parents[2] / "docs" / "prepare.md"
FILES = ["mine.jsonl", "chinese.jsonl"]
"""what the blocks of JSON are, in order"""


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A line of the guide, in `folder`, by this interpreter."""
    words = shlex.split(command)
    assert words[:2] == ["chefgenius", "prepare"], command
    return subprocess.run(
        [sys.executable, "-m", *words], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


def test_every_block_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "path" / "to" / "t5").mkdir(parents=True)
    shutil.copy(TOKENIZER, tmp_path / "path" / "to" / "t5" / "tokenizer.json")
    with (tmp_path / "own.csv").open("w") as file:
        csv.writer(file).writerows([["dish", "what", "how"], ["Tea", '["1 bag tea"]', '["Brew it."]']])
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    files, printed = iter(FILES), []
    for kind, text in blocks:
        if kind == "json":
            Path(next(files)).write_text(text)
            assert all(json.loads(line) for line in text.splitlines())
        elif kind == "python":
            exec(compile(text, GUIDE.name, "exec"), names)
        elif kind == "sh":
            assert text.startswith("make bench-prepare ")  # test_benches runs it
        else:
            assert kind == "console"
            assert text.startswith("$ ")
            done = run(text.removeprefix("$ "), tmp_path)
            assert done.returncode == 0, (text, done.stderr)
            printed.append(done)
    assert next(files, None) is None
    assert [kind for kind, _ in blocks].count("console") == len(printed) == 6
    first, _, _, foreign, looked, _ = printed
    assert "1 duplicate" in first.stdout
    assert first.stderr == ""
    assert foreign.stderr.startswith("WARNING")
    assert "番" in foreign.stderr
    assert looked.stdout.count("target ids") == 3


def test_every_field_of_the_report_is_told(tmp_path: Path) -> None:
    source = tmp_path / "mine.jsonl"
    source.write_text(re.findall(r"^```json\n(.*?)^```$", GUIDE.read_text(), re.M | re.S)[0])
    command = f"chefgenius prepare {source} --tokenizer {TOKENIZER} --out {tmp_path / 'store'}"
    assert run(command, tmp_path).returncode == 0
    report = json.loads((tmp_path / "store" / "report.json").read_text())
    table = GUIDE.read_text().split("## The report")[1].split("\n\n")[2]
    told = {name for row in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert told == set(report)


def test_every_option_is_told() -> None:
    done = run("chefgenius prepare --help", Path(os.curdir))
    options = set(re.findall(r"^  (--[a-z-]+)", done.stdout, re.MULTILINE))
    assert len(options) > 15
    missing = {option for option in options if option not in GUIDE.read_text()}
    assert missing == set()
