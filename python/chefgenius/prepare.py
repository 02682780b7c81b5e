"""Recipes to a token store: the function `prepare`, and the command `python -m chefgenius.prepare`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from chefgenius import _core
from chefgenius._core import ChefGeniusError, DataError, StoreError, TokenizerError

__all__ = [
    "DEFAULT_PROMPT",
    "DEFAULT_TARGET",
    "ChefGeniusError",
    "DataError",
    "Report",
    "StoreError",
    "TokenizerError",
    "main",
    "prepare_store",
]

DEFAULT_PROMPT, DEFAULT_TARGET = _core.default_template()


@dataclass(frozen=True)
class Report:
    """What `prepare` did with every record.

    Attributes:
        store: the store's fingerprint.
        built: False where the store in use was this one already.
        kept, empty, bad: records by outcome; they add up to all that were read.
        reused: records whose ids were copied from the former store.
        tokens: token ids in the store.
        unknown_share: the share of them that is the unknown token, 0 to 1.
        checked, faithful: targets that were read back from their ids, and those that came back the same.
        example: the first target that did not, and what came back.
        sources: name, format, bytes and counts of each source.
        first_errors: the first bad records, with file, line and reason.
    """

    store: str
    built: bool
    kept: int
    empty: int
    bad: int
    reused: int
    tokens: int
    unknown_share: float
    checked: int
    faithful: int
    example: tuple[str, str] | None
    sources: list[dict[str, Any]]
    first_errors: list[str]

    @classmethod
    def parse(cls, text: str) -> Report:
        """From the JSON of the core."""
        raw = json.loads(text)
        counts, fidelity = raw.pop("counts"), raw.pop("fidelity")
        example = fidelity.pop("example")
        return cls(**raw, **counts, **fidelity, example=tuple(example) if example else None)

    def summary(self) -> str:
        """A few lines for a person."""
        lines = [
            f"{'built' if self.built else 'already built'}: {self.kept:,} records, {self.tokens:,} tokens"
            + (f", {self.reused:,} taken over" if self.reused else "")
        ]
        if self.empty or self.bad:
            lines.append(f"left out: {self.empty:,} empty, {self.bad:,} bad")
        lines += [f"  {error}" for error in self.first_errors]
        share = 100 * self.faithful / max(self.checked, 1)
        lines.append(
            f"round-trip fidelity {share:.1f} % ({self.checked:,} targets checked), "
            f"unknown tokens {100 * self.unknown_share:.3f} %"
        )
        if share < 99 and self.example:
            written, read = (_around_difference(text, *self.example) for text in self.example)
            lines.append(f"  warning: this tokenizer loses text: `{written}` comes back as `{read}`")
        return "\n".join(lines)


def _around_difference(text: str, written: str, read: str) -> str:
    """The part of `text`, one of the two, around the place where the two first differ."""
    pairs = enumerate(zip(written, read, strict=False))
    place = next((i for i, (a, b) in pairs if a != b), min(len(written), len(read)))
    return text[max(place - 20, 0) : place + 20]


def prepare_store(
    sources: Sequence[str | Path],
    *,
    tokenizer: str | Path,
    out: str | Path,
    prompt_template: str | None = None,
    target_template: str | None = None,
    on_error: str = "fail",
    max_bad: int = 1000,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[_core.TokenStore, Report]:
    """What `chefgenius.prepare` does, without importing torch: the core's store and the report."""
    if isinstance(sources, str | Path):
        raise ValueError(f"bad value for `sources`: `{sources}` is one path: pass a list of paths")
    if on_error not in ("fail", "skip"):
        raise ValueError(f"bad value for `on_error`: `{on_error}` is neither `fail` nor `skip`")
    if not 0 <= max_bad < 2**63:
        raise ValueError(f"bad value for `max_bad`: `{max_bad}` is no number of records")
    store, report = _core.prepare(
        [str(source) for source in sources],
        tokenizer=str(tokenizer),
        out=str(out),
        prompt_template=DEFAULT_PROMPT if prompt_template is None else prompt_template,
        target_template=DEFAULT_TARGET if target_template is None else target_template,
        max_bad=max_bad if on_error == "skip" else None,
        progress=progress,
    )
    return store, Report.parse(report)


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
        store, report = prepare_store(options.pop("sources"), progress=show, **options)
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
    for source in report.sources:
        print(f"{source['name']} ({source['format']}): {source['counts']['kept']:,} records")
    print(report.summary())
    print(f"store: {store.path}")
    return 0


class _Module(ModuleType):
    """`chefgenius.prepare` is this module once anything has imported it, and a function all the same."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return import_module("chefgenius.data").prepare(*arguments, **options)


sys.modules[__name__].__class__ = _Module

if __name__ == "__main__":
    sys.exit(main())
