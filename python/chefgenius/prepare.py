"""The command `python -m chefgenius.prepare`: recipes to a token store."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from chefgenius.store import DEFAULT_PROMPT, DEFAULT_TARGET, ChefGeniusError, prepare


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(
        prog="python -m chefgenius.prepare",
        description="Turn recipes into a token store. A second call with nothing changed does nothing.",
        epilog="example: python -m chefgenius.prepare recipes.jsonl.xz --tokenizer t5 --out stores/mine",
    )
    parser.add_argument("sources", nargs="+", help="JSON Lines, JSON array or CSV; .gz, .zst, .xz of them")
    parser.add_argument("--tokenizer", required=True, help="a tokenizer.json, or a directory that holds one")
    parser.add_argument("--out", required=True, help="the directory of the store")
    parser.add_argument("--prompt-template", default=DEFAULT_PROMPT, help="default: %(default)s")
    parser.add_argument("--target-template", default=DEFAULT_TARGET, help="default: %(default)s")
    parser.add_argument(
        "--on-error",
        choices=["fail", "skip"],
        default="fail",
        help="stop at a bad record, or count it and leave it out (default: %(default)s)",
    )
    parser.add_argument("--max-bad", type=int, default=1000, help="what `skip` allows (default: %(default)s)")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    options = vars(parser().parse_args(arguments))

    def show(records: int, reused: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{records:,} records", end="", file=sys.stderr, flush=True)

    try:
        store = prepare(options.pop("sources"), progress=show, **options)
    except KeyboardInterrupt:
        print("\ninterrupted: the former store, if there was one, is still in use", file=sys.stderr)
        return 130
    except (ChefGeniusError, ValueError, OSError) as error:
        place = (
            f"`{error.filename}`: {error.strerror}"
            if isinstance(error, OSError) and error.filename
            else error
        )
        print(f"error: {place}", file=sys.stderr)
        return 74 if isinstance(error, OSError) and not isinstance(error, FileNotFoundError) else 2
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    report = store.report
    assert report is not None  # `prepare` always reports
    for source in report.sources:
        print(f"{source['name']} ({source['format']}): {source['counts']['kept']:,} records")
    print(report.summary())
    print(f"store: {store.path}")
    return 0


class _Module(ModuleType):
    """`chefgenius.prepare` is this module once anything has imported it, and a function all the same."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return prepare(*arguments, **options)


sys.modules[__name__].__class__ = _Module

if __name__ == "__main__":
    sys.exit(main())
