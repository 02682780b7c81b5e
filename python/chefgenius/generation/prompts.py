"""What a person asks a model for, and the prompts that ask it: made as those in training were.

1. `ingredients` and `read` take apart what was typed, or a file of it, a line each.
2. `store_of` lets `prepare` make a small store of it, by the templates of the run, so that every rule of the
   text and of the tokenizer holds for a prompt as it did for the training text.

Nothing here imports torch.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chefgenius.data.store import DEFAULT_PROMPT, TokenStore, prepare
from chefgenius.run.located import Located

KEYS = ("title", "ingredients", "prompt")
_ASKED = ("{directions}", "{recipe}")
"""what a prompt cannot tell beforehand"""


class PromptError(ValueError):
    """What was asked for is no question; the message says where and what to give."""


@dataclass(frozen=True)
class Asked:
    """One question: a title with ingredients, or a whole prompt."""

    title: str = ""
    ingredients: tuple[str, ...] = ()
    prompt: str = ""


def ingredients(text: str, title: str | None = None, place: str = "`--ingredients`") -> Asked:
    """`chicken, rice, lime` as a question; without a title its ingredients are its title."""
    names = tuple(name for one in text.split(",") if (name := one.strip()))
    return _asked(names, title, place)


def read(path: Path) -> list[Asked]:
    """The questions of a file, or of standard input for `-`: lines of ingredients, or of JSON objects.

    An object has `ingredients`, a list or a text, and perhaps a `title`; or it has a whole `prompt`. Raises
    PromptError naming the line, OSError.
    """
    data = sys.stdin.buffer.read() if str(path) == "-" else path.expanduser().read_bytes()
    try:
        lines = data.decode().splitlines()
    except UnicodeDecodeError as error:
        raise PromptError(f"`{path}` is no UTF-8 text: {error.reason} at byte {error.start}") from None
    found = [_line(line, f"`{path}`, line {n}") for n, line in enumerate(lines, start=1) if line.strip()]
    if not found:
        raise PromptError(f"`{path}` has no prompt: give a line of ingredients for each recipe")
    return found


def store_of(asked: Sequence[Asked], located: Located, folder: Path, base: Path | None = None) -> TokenStore:
    """A store in `folder` with a record for each question, in their order; its targets mean nothing.

    `base` is the store that the run was trained on, where it was not prepared by the run. Raises PromptError,
    and what `prepare` raises.
    """
    prompt, target, respell = template(located, base)
    if any(name in prompt for name in _ASKED) and any(not one.prompt for one in asked):
        raise PromptError(
            f"the prompts of this run hold directions: `{prompt}`: "
            'give whole prompts in a file, as in {"prompt": "..."}'
        )
    source = folder / "prompts.jsonl"
    source.write_text("".join(f"{json.dumps(_record(one))}\n" for one in asked))
    store = prepare(
        [source],
        tokenizer=located.directory,
        out=folder / "store",
        prompt_template=prompt,
        target_template=target,
        keep_duplicates=True,
        respell=respell,
        min_tokens=0,
        threads=1,
    )
    assert len(store) == len(asked)
    return store


def unspelt(store: TokenStore) -> list[str]:
    """A line for a person on the letters of the questions that the tokenizer cannot spell; none for none."""
    assert store.report is not None  # `prepare` always reports
    told = []
    for kind, what in (("dropped", "is left out"), ("unspelt", "the model sees as unknown")):
        found = [f"`{one['character']}`" for one in store.report.spelling[kind]]
        if found:
            them = what if len(found) == 1 or kind == "unspelt" else "are left out"
            told.append(f"warning: the model's tokenizer cannot spell {', '.join(found)}, which {them}")
    return told


def template(located: Located, base: Path | None) -> tuple[str, str, bool]:
    """How the run's store made its texts."""
    data = located.config.data
    place = base if base is not None else None if data.store is None else Path(data.store).expanduser()
    if place is not None:
        try:
            store = TokenStore.open(place)
        except FileNotFoundError as error:
            raise PromptError(
                f"the store `{place}` that the run was trained on is not there: give its place with `--store`"
            ) from error
        return store.templates
    prompt, target = data.template.prompt, data.template.target
    return DEFAULT_PROMPT if prompt is None else prompt, "{recipe}" if target is None else target, True


def _record(asked: Asked) -> dict[str, Any]:
    if asked.prompt:
        return {"input": asked.prompt, "output": "Serve."}
    return {"title": asked.title, "ingredients": list(asked.ingredients), "directions": ["Serve."]}


def _line(line: str, place: str) -> Asked:
    if not line.lstrip().startswith("{"):
        return ingredients(line, None, place)
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise PromptError(f"{place}: no JSON: {error}") from None
    if unknown := sorted(set(values) - set(KEYS)):
        raise PromptError(f"{place}: unknown key `{unknown[0]}`: known are {', '.join(KEYS)}")
    prompt, title, names = values.get("prompt"), values.get("title"), values.get("ingredients")
    if prompt is not None:
        if not isinstance(prompt, str) or not prompt.strip() or (title, names) != (None, None):
            raise PromptError(f"{place}: `prompt` is a text, and stands alone")
        return Asked(prompt=prompt)
    if title is not None and not isinstance(title, str):
        raise PromptError(f"{place}: `title` is no text")
    if isinstance(names, str):
        return ingredients(names, title, place)
    if not isinstance(names, list) or not all(isinstance(one, str) for one in names):
        raise PromptError(f"{place}: `ingredients` is no list of texts")
    return _asked(tuple(name for one in names if (name := one.strip())), title, place)


def _asked(names: tuple[str, ...], title: str | None, place: str) -> Asked:
    if not names:
        raise PromptError(f'{place}: no ingredient: give some, as in "chicken, rice, lime"')
    return Asked((title or "").strip() or _title(names), names)


def _title(names: Sequence[str]) -> str:
    """`Chicken, Rice and Lime`."""
    words = [" ".join(_capital(name)) for name in names]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _capital(name: str) -> Iterator[str]:
    for word in name.split():
        yield word[:1].upper() + word[1:]
