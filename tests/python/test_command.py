"""How a command ends: a line and an exit code for what a person can mend, a traceback for a defect."""

import subprocess
import sys

import pytest
from chefgenius.command import finish, page
from chefgenius.data.store import DataError
from chefgenius.run.state import ResumeError


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (FileNotFoundError(2, "No such file", "x"), 2, "error: `x`: No such file"),
        (PermissionError(13, "Permission denied", "x"), 74, "error: `x`: Permission denied"),
        (OSError("no room"), 74, "error: no room"),
        (ValueError("bad\x1b[2J: mend it"), 2, "error: bad?[2J: mend it"),
        (DataError("a bad record"), 2, "error: a bad record"),
        (ResumeError("another run"), 3, "error: another run"),
        (KeyboardInterrupt(), 130, "interrupted: nothing is damaged"),
    ],
)
def test_what_may_go_wrong_is_one_line(
    error: BaseException, code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def work() -> int:
        raise error

    assert finish(work) == code
    assert capsys.readouterr() == ("", f"{told}\n")


def test_a_defect_is_raised() -> None:
    def work() -> int:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        finish(work)


def test_a_command_ends_as_it_says() -> None:
    assert finish(lambda: 1) == 1


def test_a_wrong_line_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    made = page("look", "PATH", "Looks.", "chefgenius look x")
    made.add_argument("path")
    with pytest.raises(SystemExit) as end:
        made.parse_args([])
    assert end.value.code == 2
    assert capsys.readouterr().err == "error: the following arguments are required: path: see `--help`\n"


def test_one_pipe_keeps_the_order_of_both_streams() -> None:
    program = (
        "import sys; from chefgenius.command import finish\n"
        "def work():\n  for n in range(4): print(n, file=(sys.stdout, sys.stderr)[n % 2])\n  return 0\n"
        "sys.exit(finish(work))"
    )
    words = [sys.executable, "-c", program]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    assert done.stdout.split() == [b"0", b"1", b"2", b"3"]
