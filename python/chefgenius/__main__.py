"""`python -m chefgenius COMMAND ...`, installed as `chefgenius`: the commands by name.

1. `COMMANDS` says which module holds a command; its `main(arguments)` returns the exit code.
2. `main` imports the one that is asked for and nothing else, so that the list of them is there at once.
3. `script` is the process: it covers the imports of `train`, which hears SIGTERM and Ctrl-C from its begin.
"""

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import NamedTuple

INPUT = 2
"""exit code of a line that names no command"""


class Command(NamedTuple):
    """A command of the list."""

    module: str
    """with `main(arguments) -> int`; imported when the command is called"""
    about: str
    """what it does, in at most 60 characters"""


COMMANDS = {
    "prepare": Command("chefgenius.prepare", "recipes to a token store, or a look into one"),
    "train": Command("chefgenius.train", "train a model, or go on with a run to the bit"),
    "report": Command("chefgenius.report", "a run as one page of HTML, or several runs compared"),
    "evaluate": Command("chefgenius.evaluate", "loss, perplexity and metrics of a checkpoint"),
    "generate": Command("chefgenius.generate", "recipes from your ingredients, by a trained model"),
    "inspect": Command("chefgenius.inspect", "the recipes of any step of a run; what stands out"),
    "ckpt": Command("chefgenius.ckpt", "list, verify, compare, prune and export checkpoints"),
    "bench": Command("chefgenius.bench", "how fast the loader is here, and how much it pads"),
    "doctor": Command("chefgenius.doctor", "this machine, and whether a killed run goes on exactly on it"),
}
EXAMPLE = "train data.sources=[mine.jsonl] data.tokenizer=t5 run_dir=runs/mine"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command, or list them; return the exit code. SystemExit comes from a command's `--help`."""
    name, *rest = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if name in COMMANDS:
        command: Callable[[Sequence[str]], int] = import_module(COMMANDS[name].module).main
        return command(rest)
    if name in ("-h", "--help", "help"):
        from chefgenius.command import finish

        return finish(_list)
    if name == "--version":
        from importlib.metadata import version

        print(f"chefgenius {version('chefgenius')}")
        return 0
    print(f"error: no command `{name}`: {_advice(name)}", file=sys.stderr)
    return INPUT


def _list() -> int:
    print(overview())
    return 0


def overview() -> str:
    """The commands, a line each."""
    wide = max(map(len, COMMANDS))
    lines = [f"  {name:<{wide}}  {command.about}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            "usage: chefgenius COMMAND ...    the same as `python -m chefgenius COMMAND ...`",
            "",
            "Fine-tune language models on recipes, and never lose a run.",
            "",
            "commands (`COMMAND --help` has options and an example):",
            *lines,
            "",
            "example:",
            f"  chefgenius {EXAMPLE}",
        ]
    )


def script() -> int:
    """The command as a process of its own; its exit code."""
    if sys.argv[1:2] != ["train"]:
        return main()
    from chefgenius.run.signals import guard, ignore

    guard()
    code = main()
    ignore()
    return code


def _advice(name: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, COMMANDS, n=1)
    return f"did you mean `{near[0]}`?" if near else "see `chefgenius --help`"


if __name__ == "__main__":
    sys.exit(script())
