"""What every command has in common: how its page looks, and how it ends.

1. `page` makes the parser of a command, whose `--help` fits a screen and ends with an example.
2. `finish` runs a command and turns what may go wrong into one line on stderr and an exit code.

What it needs of the package is imported when it is needed, so that `--help` answers at once.
"""

import argparse
import os
import sys
from collections.abc import Callable
from typing import Any, NoReturn

WIDTH = 100
"""columns of a page"""
INPUT, IO, INTERRUPTED = 2, 74, 130
"""exit codes: bad input, input/output, Ctrl-C"""


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


def finish(work: Callable[[], int], interrupted: str = ": nothing is damaged") -> int:
    """Run a command; return its exit code. What is a defect of ours is raised as it is."""
    try:
        code = work()
        sys.stdout.flush()
    except BrokenPipeError:
        # What reads, such as `head`, has enough; the interpreter's own last flush must not fail either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
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
        return INPUT if isinstance(error, FileNotFoundError) else IO
    from chefgenius.state import RunError
    from chefgenius.store import ChefGeniusError

    if isinstance(error, RunError):
        return error.exit_code
    return INPUT if isinstance(error, ValueError | ChefGeniusError) else None


def _told(error: Exception) -> str:
    from chefgenius.state import printable

    if isinstance(error, OSError) and error.filename:
        return printable(f"`{error.filename}`: {error.strerror}")
    return printable(str(error))
