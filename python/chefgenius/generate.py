"""The command `generate`: recipes from ingredients.

1. `parser` holds the options; `prompts` makes the prompts, `located` finds the model, before torch is loaded.
2. `writing` lets the model write; a single text is shown as it grows in a terminal.
3. Texts are printed as recipes to be read, or as JSON with the recipe that the one parser finds in them.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from chefgenius.command import Parser, at_least, finish, opening, page

HEADS = ("title:", "ingredients:", "directions:")


def parser() -> Parser:
    """The command's options."""
    made = page(
        "generate",
        "MODEL (--ingredients LIST | --prompts FILE) [options]",
        "Write recipes with a trained model: the likeliest text, always the same; with\n"
        "`--temperature` the same for the same seed and prompt.",
        'chefgenius generate runs/mine --ingredients "rice, lime" --temperature 0.7',
    )
    add = made.add_argument
    what = made.add_argument_group("what is asked for")
    what.add_argument("model", type=Path, metavar="MODEL", help="a run, a checkpoint or an exported model")
    ask = what.add_mutually_exclusive_group(required=True)
    ask.add_argument("--ingredients", metavar="LIST", help="with commas between them")
    ask.add_argument(
        "--prompts",
        type=Path,
        metavar="FILE",
        help="a line each: ingredients, or JSON with them and a title, or a whole prompt; -: stdin",
    )
    add("--title", metavar="TEXT", help="of the recipe (default: its ingredients)")
    add(
        "--copies",
        type=at_least(1),
        default=1,
        metavar="N",
        help="texts for each prompt, with `--temperature`",
    )
    how = made.add_argument_group("how it is written").add_argument
    how(
        "--temperature",
        type=_positive,
        default=0.0,
        metavar="T",
        help="how much is left to chance (default: 0)",
    )
    how("--seed", type=at_least(0), default=0, metavar="N", help="of that chance (default: 0)")
    how("--top-k", type=at_least(1), metavar="K", help="chance among the K likeliest tokens alone")
    how("--top-p", type=_share, metavar="P", help="and among the likeliest that make up this share")
    how(
        "--beams",
        type=at_least(1),
        default=1,
        metavar="N",
        help="look for a likelier text (default: 1, greedy)",
    )
    how("--max-new-tokens", type=at_least(1), metavar="N", help="where a text ends (default: as evaluated)")
    opening(add)
    add(
        "--batch-size", type=at_least(1), default=64, metavar="N", help="texts written together (default: 64)"
    )
    add("--json", action="store_true", help="a JSON object a text: prompt, text and recipe")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    options = parser().parse_args(arguments)
    return finish(lambda: generate(options))


def generate(options: argparse.Namespace) -> int:
    """Write, and print."""
    if options.temperature and options.beams > 1:
        raise ValueError("give either `--temperature` or `--beams`: beams leave nothing to chance")
    for name in ("copies", "top_k", "top_p"):
        if not options.temperature and getattr(options, name) not in (None, 1):
            raise ValueError(f"`--{name.replace('_', '-')}` needs chance: give `--temperature` too")
    from chefgenius.generation.prompts import ingredients, read, store_of, unspelt
    from chefgenius.run.located import locate, standing

    if options.prompts is not None and options.title is not None:
        raise ValueError("`--title` goes with `--ingredients`: in a file, give each line its own")
    if options.ingredients is not None:
        asked = [ingredients(options.ingredients, options.title)]
    else:
        asked = read(options.prompts)
    asked = [one for one in asked for _ in range(options.copies)]
    located = locate(options.model, options.checkpoint)
    if located.warning:
        _note(located.warning)
    with TemporaryDirectory() as folder:
        with standing(located.directory):
            store = store_of(asked, located, Path(folder), options.store)
        for line in unspelt(store):
            _note(line)
        from chefgenius.console.screen import bar, count
        from chefgenius.generation.trained import open_model
        from chefgenius.generation.writing import Manner, write

        longest = options.max_new_tokens or located.config.eval.max_new_tokens
        manner = Manner(
            options.temperature, options.top_k, options.top_p, options.beams, options.seed, longest
        )
        with standing(located.directory):
            trained = open_model(located, store, averages=options.ema, say=_note)
        _note(f"{located.told}, {manner.told}")
        live = len(asked) == 1 and options.beams == 1 and not options.json and sys.stdout.isatty()
        if live:
            shown = Shown()
            write(trained, store, manner, stream=shown)
            shown.end()
            return 0
        batches, done = -(-len(asked) // options.batch_size), 0
        with bar(f"writing {count(len(asked), 'recipe')}", batches * longest) as advance:

            def tick() -> None:
                nonlocal done
                done += 1
                advance(done)

            texts = write(trained, store, manner, options.batch_size, tick)
        _print(texts, [store.text(n)[0] for n in range(len(store))], options, manner.seed, located)
    return 0


def _print(texts: Sequence[str], prompts: Sequence[str], options: Any, seed: int, located: Any) -> None:
    from chefgenius.console.screen import paint
    from chefgenius.data.recipe import Recipe

    for number, (prompt, text) in enumerate(zip(prompts, texts, strict=True)):
        recipe = Recipe.parse(text)
        if options.json:
            made = None if recipe is None else vars(recipe)
            values = {"prompt": prompt, "text": text, "recipe": made, "seed": seed, "step": located.step}
            print(json.dumps(values, ensure_ascii=False))
            continue
        if number:
            print()
        paint([prompt, ""], sys.stdout, "dim")
        shown = Shown()
        shown(text)
        shown.end()
        if recipe is None:
            paint(["", "(no whole recipe)"], sys.stdout, "dim")


class Shown:
    """A text as it grows, laid out to be read: the marks between its parts become lines."""

    def __init__(self) -> None:
        self._left, self._part, self._items, self._begun = "", "title:", 0, False

    def __call__(self, text: str) -> None:
        """The next part of it."""
        *words, self._left = (self._left + text).split(" ")
        for word in words:
            self._word(word)
        sys.stdout.flush()

    def end(self) -> None:
        """The last word."""
        self._word(self._left)
        print(flush=True)

    def _word(self, word: str) -> None:
        if word in HEADS and not self._begun:
            print(end="" if word == "title:" else "\n")
            self._part, self._items = word, 0
        elif word == "|":
            print()
            self._begun = False
        elif self._begun:
            print(f" {word}", end="")
        elif word:
            self._items += 1
            head = {"ingredients:": "  - ", "directions:": f"{self._items}. "}.get(self._part, "")
            print(f"{head}{word}", end="")
            self._begun = True


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _positive(text: str) -> float:
    return _number(text, 100)


def _share(text: str) -> float:
    return _number(text, 1)


def _number(text: str, most: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value <= most:
        raise argparse.ArgumentTypeError(f"`{text}` is no number from 0 to {most:g}")
    return value


if __name__ == "__main__":
    sys.exit(main())
