"""The command line of `python -m chefgenius.train`, taken apart. Nothing here imports torch."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from chefgenius.config import ConfigError
from chefgenius.meanings import allowed_names
from chefgenius.options import OVERRIDE, help_text


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


def parse(arguments: Sequence[str]) -> CommandLine:
    """Takes a command line apart; `--help` prints and leaves with SystemExit(0). Raises ConfigError."""
    parser = _Parser(
        prog="python -m chefgenius.train",
        usage="%(prog)s [CONFIG.yaml] [section.key=value ...] [options]",
        description="Train a model on recipes. Without arguments: a small T5 on the recipes in the package.",
        epilog=help_text(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "words", nargs="*", metavar="CONFIG.yaml | section.key=value", help="a file, then overrides"
    )
    parser.add_argument(
        "--resume",
        default="auto",
        metavar="auto|never|must|PATH",
        help="auto: go on where the run directory ends, or begin; must: go on or fail; never: begin or fail; "
        "PATH: go on from this checkpoint or run, in a new run_dir",
    )
    parser.add_argument(
        "--explain",
        action="store_true",
        help="check everything, tell what would happen and why, and change nothing in the run directory; "
        "stores and views that are missing are built",
    )
    parser.add_argument(
        "--allow-change",
        action="append",
        metavar="KEY,...",
        help="go on although these differ from the saved run, which is not exact from there on; repeatable",
    )
    parser.add_argument(
        "--init-from",
        metavar="PATH",
        help="begin a new run with the weights, and no more, of this checkpoint, run or model directory",
    )
    parser.add_argument(
        "--print-config", action="store_true", help="print the resolved configuration and stop"
    )
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
