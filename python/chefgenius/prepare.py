"""The command `python -m chefgenius.prepare`: recipes to a token store, and a store back to text.

1. `parser` holds the options, `request` makes of them what `chefgenius.data.store.prepare` takes.
2. `progress` shows a bar while it works, `summary` what became of every record, `inspection` prints records.
3. `main` turns every outcome into an exit code: 0 done, 2 bad input, 74 input/output, 130 interrupted.

The store is imported when it is needed, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from chefgenius.command import Parser, finish, page

DESCRIPTION = """\
Turn recipes into a token store. A second call with nothing changed does
nothing, and after a change only new texts are tokenized."""

EXAMPLE = 'chefgenius prepare "pages/**/*.md" --tokenizer t5 --out stores/mine'


def parser() -> Parser:
    """The command's options."""
    made = page(
        "prepare",
        "SOURCE... --tokenizer PATH --out DIR [options]\n"
        "       %(prog)s --inspect STORE [--records 0-4,17] [--ids]",
        DESCRIPTION,
        EXAMPLE,
        argument_default=argparse.SUPPRESS,
    )
    what = made.add_argument_group("what is read, and where it goes")
    add = what.add_argument
    add(
        "sources",
        nargs="*",
        metavar="SOURCE",
        help="a file, directory or glob: docs/formats.md",
    )
    add("--tokenizer", metavar="PATH", help="a tokenizer.json, a directory with one, or `bundled`")
    add("--out", metavar="DIR", help="where the store is, or is to be")
    add(
        "--map",
        action="append",
        metavar="PART=FIELD,...",
        help="names in it: title=name,ingredients=ings",
    )
    add("--on-error", choices=["fail", "skip"], help="stop at a bad record (default), or skip it")
    add("--max-bad", type=int, metavar="N", help="how many bad records `skip` allows (default: 1000)")
    kept = made.add_argument_group("what is kept")
    add = kept.add_argument
    add(
        "--quality",
        dest="score_quality",
        action="store_true",
        help="score records that have no quality, 0 to 1",
    )
    add("--min-quality", type=float, metavar="X", help="leave out records of a lower quality")
    add("--min-tokens", type=int, metavar="N", help="leave out shorter targets (default: 1)")
    add("--max-tokens", type=int, metavar="N", help="leave out longer targets")
    add("--keep-duplicates", action="store_true", help="keep recipes with the same ingredients and steps")
    text = made.add_argument_group("how it becomes ids")
    add = text.add_argument
    add(
        "--prompt-template",
        metavar="TEXT",
        help="of {title} {names} {ingredients} {directions} {recipe}",
    )
    add("--target-template", metavar="TEXT", help="of the same (default: {recipe})")
    add("--no-respell", dest="respell", action="store_false", help="keep characters that the tokenizer loses")
    add(
        "--tokenize",
        choices=["auto", "library"],
        metavar="HOW",
        help="auto; or `library`, which never takes the faster way",
    )
    add("--threads", type=int, metavar="N", help="workers (default: one a core)")
    look = made.add_argument_group("look at a store")
    add = look.add_argument
    add("--inspect", metavar="STORE", help="print records of a store as text")
    add("--records", metavar="LIST", help="which, from 0: 0-4,17 (default: 0-2)")
    add("--ids", action="store_true", help="print their token ids too")
    return made


def columns(given: Sequence[str]) -> dict[str, str]:
    """`title=name,ingredients=ings` as a dict; raises ValueError where it is no such list."""
    made: dict[str, str] = {}
    for pair in ",".join(given).split(","):
        part, equals, field = (word.strip() for word in pair.partition("="))
        if not (part and equals and field):
            raise ValueError(f"bad value for `--map`: `{pair}` is no `part=field`, such as `title=name`")
        if part in made:
            raise ValueError(f"bad value for `--map`: `{part}` is given twice")
        made[part] = field
    return made


def request(options: dict[str, Any]) -> dict[str, Any]:
    """The arguments of `prepare`; raises ValueError where one is missing or out of place."""
    for name, flag in {"sources": "SOURCE", "tokenizer": "--tokenizer", "out": "--out"}.items():
        if not options.get(name):
            raise ValueError(f"`{flag}` is missing: give {flag}, or `--inspect STORE` to look at one")
    for name in ("records", "ids"):
        if name in options:
            raise ValueError(f"`--{name}` says what `--inspect` prints: give `--inspect STORE` with it")
    if "map" in options:
        options["columns"] = columns(options.pop("map"))
    return options


def build(options: dict[str, Any]) -> int:
    """Prepare, and print what became of every record."""
    asked = request(options)
    from chefgenius.console.progress import progress
    from chefgenius.data.store import prepare, telling_of_damage
    from chefgenius.data.summary import show

    with telling_of_damage(asked["out"], _warn), progress() as report:
        store = prepare(**asked, progress=report)
    assert store.report is not None  # `prepare` always reports
    show(store.report, store.path)
    return 0


def _warn(text: str) -> None:
    print(text, file=sys.stderr)


def look(options: dict[str, Any]) -> int:
    """Print records of a store."""
    store, asked, with_ids = options.pop("inspect"), options.pop("records", None), options.pop("ids", False)
    if more := [name for name, value in options.items() if value]:
        raise ValueError(f"`--inspect` builds nothing and takes no `{more[0]}`: leave one of them out")
    from chefgenius.data.inspection import inspect

    inspect(store, asked, with_ids)
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    options = vars(parser().parse_args(arguments))
    command = look if "inspect" in options else build
    kept = ": the former store, if there was one, is still in use" if command is build else ""
    return finish(lambda: command(options), kept)


class _Module(ModuleType):
    """`chefgenius.prepare` is this module once anything has imported it, and a function all the same."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        from chefgenius.data.store import prepare

        return prepare(*arguments, **options)


sys.modules[__name__].__class__ = _Module

if __name__ == "__main__":
    sys.exit(main())
