"""The command line of `train`, taken apart, and its page of help. Nothing here imports torch."""

import argparse
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from chefgenius.command import WIDTH
from chefgenius.settings.config import ConfigError
from chefgenius.settings.meanings import allowed_names
from chefgenius.settings.options import OVERRIDE, help_text, sections

EXAMPLE = """\
example:
  chefgenius train data.sources=[mine.jsonl] data.tokenizer=t5 run_dir=runs/mine"""


@dataclass(frozen=True)
class CommandLine:
    """What was typed after `python -m chefgenius.train`."""

    file: str | None = None
    overrides: tuple[str, ...] = ()
    resume: str = "auto"
    """`auto`, `never`, `must` or the path of a checkpoint or of a run"""
    allowed: frozenset[str] = frozenset()
    """what may differ from the saved run, by its names in `meanings.MEANINGS`"""
    init_from: str | None = None
    """a checkpoint, a run or another directory whose weights a new run begins with"""
    explain: bool = False
    print_config: bool = False


class _Parser(argparse.ArgumentParser):
    """argparse, with errors of one line that end like every other error of the configuration."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"command line: {message}: see `--help`")


class _Help(argparse.Action):
    """`--help` prints the page, `--help KEY` the keys that this names; both leave with SystemExit(0)."""

    def __call__(self, parser: argparse.ArgumentParser, given: Any, value: Any, option: Any = None) -> None:
        print(help_text(value) if value else parser.format_help(), end="")
        parser.exit()


def parse(arguments: Sequence[str]) -> CommandLine:
    """Takes a command line apart; `--help` prints and leaves with SystemExit(0). Raises ConfigError."""
    parser = _Parser(
        prog="chefgenius train",
        usage="%(prog)s [CONFIG.yaml] [section.key=value ...] [options]",
        description="Train a model on recipes; without arguments a small T5 on those in the package.\n"
        "The same command again goes on where the run was stopped.",
        epilog=f"{_overview()}\n\n{EXAMPLE}",
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(
            prog, max_help_position=26, width=WIDTH
        ),
        allow_abbrev=False,
        add_help=False,
    )
    add = parser.add_argument
    add("words", nargs="*", metavar="CONFIG.yaml", help="a file; then overrides, which win over it")
    add(
        "-h",
        "--help",
        nargs="?",
        action=_Help,
        metavar="KEY",
        help="this page; or one key, the keys of a section, or `all`",
    )
    add(
        "--resume",
        default="auto",
        metavar="HOW",
        help="auto: go on, or begin; must: go on; never: begin; PATH: go on from there, in a new run_dir",
    )
    add(
        "--explain",
        action="store_true",
        help="check everything and tell what would happen and why; only stores that are missing are made",
    )
    add(
        "--allow-change",
        action="append",
        metavar="KEY,...",
        help="go on although these differ; not exact from there on",
    )
    add(
        "--init-from",
        metavar="PATH",
        help="begin with the weights of a run, checkpoint or model",
    )
    add("--print-config", action="store_true", help="print the resolved configuration and stop")
    given = parser.parse_intermixed_args(list(arguments))
    overrides = tuple(word for word in given.words if OVERRIDE.fullmatch(word))
    files = [word for word in given.words if word not in overrides]
    if len(files) > 1:
        raise ConfigError(f"command line: more than one configuration file: `{'`, `'.join(files)}`: give one")
    if given.init_from is not None and given.resume not in ("auto", "must", "never"):
        raise ConfigError(
            "command line: give either `--init-from` or `--resume PATH`: the one takes weights alone, "
            "the other the whole run"
        )
    return CommandLine(
        file=files[0] if files else None,
        overrides=overrides,
        resume=given.resume,
        allowed=frozenset().union(*map(allowed_names, given.allow_change or ())),
        init_from=given.init_from,
        explain=given.explain,
        print_config=given.print_config,
    )


def _overview() -> str:
    """The sections of keys, a line each."""
    lines = [f"  {name:<13}  {textwrap.shorten(about, WIDTH - 17)}" for name, about in sections().items()]
    return "\n".join(["keys, of which `--help SECTION` tells defaults and meanings:", *lines])
