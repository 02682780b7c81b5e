"""The list of commands: how fast it is there, what is on each page, and where a wrong name leads."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from chefgenius.__main__ import COMMANDS, main
from chefgenius.run.rundir import RunDirectory
from stored import add_checkpoint

PACKAGE = Path(__file__).parents[2] / "python" / "chefgenius"


def test_the_list_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == main(["--help"]) == main(["help"]) == 0
    text = capsys.readouterr().out
    assert text.count("\nexample:\n  chefgenius ") == 3
    assert all(text.count(f"\n  {name} ") == 3 for name in COMMANDS)
    assert max(map(len, text.splitlines())) <= 80
    assert len(COMMANDS) >= 3


@pytest.mark.parametrize("name", COMMANDS)
def test_a_page_fits_a_screen_and_has_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([name, "--help"])
    assert end.value.code == 0
    text = capsys.readouterr().out
    many = {"prepare": 38, "train": 30, "generate": 31, "inspect": 25}  # as many options as they have
    assert len(text.splitlines()) <= many.get(name, 24)
    assert max(map(len, text.splitlines())) <= 80
    assert text.startswith(f"usage: chefgenius {name} ")
    assert len(re.findall(r"^examples?:$", text, re.MULTILINE)) == 1
    assert f"\n  chefgenius {name} " in text


def test_a_command_has_a_module_of_its_own_that_is_a_command_too() -> None:
    for name, command in COMMANDS.items():
        place = PACKAGE / command.module.removeprefix("chefgenius.").replace(".", "/")
        text = (place / "__main__.py" if place.is_dir() else place.with_suffix(".py")).read_text()
        assert 'if __name__ == "__main__":' in text, name
        assert len(command.about) <= 60, name


@pytest.mark.parametrize(
    ("name", "advice"), [("trian", "did you mean `train`?"), ("qqq", "see `chefgenius --help`"), ("", "see")]
)
def test_a_wrong_name_is_answered_in_one_line(
    name: str, advice: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([name]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"error: no command `{name}`: {advice}")
    assert told.err.count("\n") == 1


def test_the_list_and_ls_are_there_at_once(tmp_path: Path) -> None:
    """Beside Python's own start: at most so many times its processor time, and nothing heavy is imported."""
    run = RunDirectory(tmp_path / "run")
    for step in (3, 6):
        add_checkpoint(run, step, best_step=3)
    lines = {
        "python": ["-c", "pass"],
        "list": ["-m", "chefgenius", "--help"],
        "ls": ["-m", "chefgenius.ckpt", "ls", str(run.path)],
    }
    spent = {name: min(processor_seconds(*line) for _ in range(5)) for name, line in lines.items()}
    print({name: f"{1000 * seconds:.0f} ms" for name, seconds in spent.items()})
    assert spent["list"] - spent["python"] < 0.15
    assert spent["ls"] - spent["python"] < 0.3
    for line in (lines["list"], lines["ls"]):
        command = [sys.executable, "-X", "importtime", *line]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stderr
        imported = {one.rpartition("|")[2].strip().partition(".")[0] for one in told.splitlines()}
        assert "chefgenius" in imported
        assert not imported & {"torch", "numpy", "pydantic", "rich", "transformers", "ruamel"}


def processor_seconds(*arguments: str) -> float:
    """User and system time of a Python process, which a busy machine changes less than the clock."""
    before = os.times()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    return sum(after[2:4]) - sum(before[2:4])


def test_it_says_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert re.fullmatch(r"chefgenius \d+\.\d+\.\d+\S*\n", capsys.readouterr().out)
