"""What every command has in common: how its page looks, and how it ends.

1. `page` makes the parser of a command, whose `--help` fits a screen and ends with an example.
2. `finish` runs a command and turns what may go wrong into one line on stderr and an exit code.
3. `by_lines` has every line leave at once, `hush` lets what is still to be printed go nowhere.

What it needs of the package is imported when it is needed, so that `--help` answers at once.
"""

import argparse
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

WIDTH = 80
"""columns of a page"""
WHICH = ("best", "newest")
"""names of a checkpoint beside its step"""
INPUT, IO, INTERRUPTED = 2, 74, 130
"""exit codes: bad input, input/output, Ctrl-C"""
MISNAMED = (FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError)
"""errors of a path that was given, not of a disk"""


class Parser(argparse.ArgumentParser):
    """argparse, with errors of one line that end like those of every other command."""

    def error(self, message: str) -> NoReturn:
        """Print one line and leave with 2."""
        self.exit(INPUT, f"error: {message}: see `--help`\n")


def page(name: str, usage: str, about: str, example: str, **options: Any) -> Parser:
    """The parser of `chefgenius NAME`: `usage` is what follows the name, `example` one whole line.

    `options` are further ones of argparse.
    """
    return Parser(
        prog=f"chefgenius {name}",
        usage=f"%(prog)s {usage}",
        description=about,
        epilog=f"example:\n  {example}",
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(
            prog, max_help_position=26, width=WIDTH
        ),
        allow_abbrev=False,
        **options,
    )


def at_least(least: int) -> Callable[[str], int]:
    """For an option: a whole number that is not less."""

    def number(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"`{text}` is no number of at least {least}")
        return int(text)

    return number


def which(text: str) -> str:
    """For an option that names a checkpoint of a run: `best`, `newest` or a step."""
    if text not in WHICH and not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise argparse.ArgumentTypeError(f"`{text}` is neither `best` nor `newest` nor a step")
    return text


def opening(add: Callable[..., object]) -> None:
    """The options of a command that opens a model of a run: which checkpoint, its averages, its store."""
    add("--checkpoint", type=which, metavar="WHICH", help="best (default, where known), newest or a step")
    add("--ema", action="store_true", help="the averages of the weights in their place")
    add("--store", type=Path, metavar="DIR", help="where the store of the run lies now")


def by_lines() -> None:
    """Lets lines of stdout and stderr leave in the order in which they are printed, also into one pipe.

    A character that a stream cannot encode is written as its number.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True, errors="backslashreplace")


def hush() -> None:
    """After a BrokenPipeError: what reads, such as `head`, has enough, and not even the last flush fails."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def finish(work: Callable[[], int], interrupted: str = ": nothing is damaged") -> int:
    """Run a command; return its exit code. What is a defect of ours is raised as it is."""
    by_lines()
    try:
        code = work()
        sys.stdout.flush()
    except BrokenPipeError:
        hush()
        return 0
    except KeyboardInterrupt:
        print(f"interrupted{interrupted}", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        known = _exit_code(error)
        if known is None:
            raise
        print(f"error: {_told(error)}", file=sys.stderr)
        return known
    return code


def _exit_code(error: Exception) -> int | None:
    """That of an error that a person can mend; None for any other."""
    if isinstance(error, OSError):
        return INPUT if isinstance(error, MISNAMED) else IO
    from chefgenius.data.store import ChefGeniusError
    from chefgenius.run.state import RunError

    if isinstance(error, RunError):
        return error.exit_code
    return INPUT if isinstance(error, ValueError | ChefGeniusError) else None


def _told(error: Exception) -> str:
    from chefgenius.run.state import printable

    if isinstance(error, OSError) and error.filename:
        return printable(f"`{error.filename}`: {error.strerror}")
    return printable(str(error))
