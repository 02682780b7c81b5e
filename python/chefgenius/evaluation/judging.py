"""How good generated texts are, beside the held-out ones: the metrics of texts, as `measures` names them.

1. `Judge.judge` counts what one text has and lacks; recipes are read by the one parser.
2. `Judge.scores` adds the counts of many texts up. A metric of shares is the sum of what was found over the
   sum of what was looked for, so that a long recipe weighs more than a short one; None where nothing was
   looked for.

All counts are whole numbers and all sums run in the order of the texts, so that a rerun gives the same bits.
Nothing here imports torch.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from importlib.util import find_spec
from typing import Any

from chefgenius.data.recipe import Recipe, ingredient_name
from chefgenius.settings.config import ConfigError
from chefgenius.settings.measures import EXTRA, Group

NGRAM = 4
"""words in a row that count as repeated when they come again"""
MOST = 10_000
"""the largest amount that is believed"""

_WORD = re.compile(r"[^\W\d_]+")
_TOKEN = re.compile(r"[^\W_]+")
_NUMBERED = re.compile(r"(?:step\s+)?(\d+)\s*[.):]\s", re.IGNORECASE)
_NUMERIC = re.compile(r"[0-9./,]*[0-9][0-9./,]*")
_AMOUNT = re.compile(r"\d+/\d+|(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+")


@dataclass(frozen=True)
class Counts:
    """What was looked for in one text, and found; each pair is a share."""

    parsed: tuple[int, int]
    sections: tuple[int, int]
    ingredients_found: tuple[int, int]
    ingredients_used: tuple[int, int]
    ingredients_unlisted: tuple[int, int]
    numbered_steps: tuple[int, int]
    quantities: tuple[int, int]
    repeated_ngrams: tuple[int, int]
    repeated_lines: tuple[int, int]


@dataclass
class Vocabulary:
    """The ingredients that are known: the names in the lists of held-out recipes, as rows of words."""

    names: set[tuple[str, ...]] = field(default_factory=set)
    longest: int = 0
    """words of the longest name"""

    @classmethod
    def of(cls, texts: Iterable[str]) -> Vocabulary:
        """The names in the texts of recipes; texts that are none add nothing."""
        made = cls()
        for text in texts:
            if recipe := Recipe.parse(text):
                made.names.update(tuple(words(name)) for name in _names(recipe))
        made.names.discard(())
        made.longest = max(map(len, made.names), default=0)
        return made

    def mentioned(self, text: str) -> list[tuple[str, ...]]:
        """The known names in a text, each once, in order; at each word the longest one is taken.

        So `tomato paste` is no tomato where `tomato paste` is known.
        """
        found: dict[tuple[str, ...], None] = {}
        row, at = words(text), 0
        while at < len(row):
            for length in range(min(self.longest, len(row) - at), 0, -1):
                name = tuple(row[at : at + length])
                if name in self.names:
                    found[name] = None
                    at += length - 1
                    break
            at += 1
        return list(found)


@dataclass(frozen=True)
class Judge:
    """Judges texts by the groups of metrics that were asked for."""

    groups: tuple[Group, ...] = ("recipe",)
    vocabulary: Vocabulary = field(default_factory=Vocabulary)

    def scores(self, texts: Sequence[str], references: Sequence[str]) -> dict[str, float | None]:
        """The metrics of the groups, by name; None where there is nothing to judge.

        `references` are the held-out targets of the same prompts, in the same order.
        """
        found: dict[str, float | None] = {}
        if "recipe" in self.groups:
            counted = [self.judge(*pair) for pair in zip(texts, references, strict=True)]
            for one in fields(Counts):
                pairs = [getattr(counts, one.name) for counts in counted]
                among = sum(pair[1] for pair in pairs)
                found[one.name] = sum(pair[0] for pair in pairs) / among if among else None
        for group, compute in (("bleu", _bleu), ("chrf", _chrf), ("rouge", _rouge)):
            if group in self.groups:
                found |= compute(texts, references)
        return found

    def judge(self, text: str, reference: str) -> Counts:
        """What one text has and lacks. The asked ingredients are those that the reference lists."""
        recipe, wanted = Recipe.parse(text), Recipe.parse(reference)
        begun = recipe or _begun(text) or Recipe("", [], [])
        asked = _names(wanted) if wanted else []
        listed = set(_names(recipe)) if recipe else set()
        steps = words(" ".join(begun.directions))
        return Counts(
            parsed=(int(recipe is not None), 1),
            sections=(sum(map(bool, (begun.title, begun.ingredients, begun.directions))), 3),
            ingredients_found=(sum(name in listed for name in asked), len(asked)),
            ingredients_used=_used(asked, set(steps)),
            ingredients_unlisted=self._unlisted(begun),
            numbered_steps=(int(_are_steps(begun.directions, wanted)), 1),
            quantities=_quantities(begun.ingredients),
            repeated_ngrams=_repeated_ngrams(text),
            repeated_lines=_repeated([" ".join(line.lower().split()) for line in text.split("|")]),
        )

    def _unlisted(self, recipe: Recipe) -> tuple[int, int]:
        """A known name counts as listed when its last word stands in any line of the text's own list."""
        used = self.vocabulary.mentioned(" ".join(recipe.directions))
        listed = set(words(" ".join(recipe.ingredients)))
        return sum(name[-1] not in listed for name in used), len(used)


def words(text: str) -> list[str]:
    """The words of a text, in lower case and the singular (by their ending, as English has it)."""
    return [_singular(word) for word in _WORD.findall(text.lower())]


def check_extra(groups: Sequence[Group]) -> None:
    """Raises ConfigError for a group whose package is not installed."""
    for group in groups:
        package = EXTRA.get(group)
        if package is not None and find_spec(package) is None:
            raise ConfigError(
                f"`eval.metrics` asks for `{group}`, which needs the package `{package}`: "
                "`pip install chefgenius[metrics]`, or leave it out"
            )


def _names(recipe: Recipe) -> list[str]:
    """The names of its ingredients, each once, without sub-headings."""
    return list(dict.fromkeys(name for line in recipe.ingredients if (name := ingredient_name(line))))


def _begun(text: str) -> Recipe | None:
    """A recipe that broke off, with the heads that it lacks."""
    for rest in (" | directions:", " | ingredients: | directions:"):
        if recipe := Recipe.parse(text + rest):
            return recipe
    return None


def _used(asked: Sequence[str], steps: set[str]) -> tuple[int, int]:
    last = [row[-1] for name in asked if (row := words(name))]
    return sum(word in steps for word in last), len(last)


def _are_steps(directions: Sequence[str], wanted: Recipe | None) -> bool:
    least = 1 if wanted is not None and len(wanted.directions) == 1 else 2
    if len(directions) < least or not all(_WORD.search(step) for step in directions):
        return False
    own = [int(match[1]) for step in directions if (match := _NUMBERED.match(step))]
    return not own or own == list(range(1, len(directions) + 1))


def _quantities(lines: Sequence[str]) -> tuple[int, int]:
    """Numbers are whole, decimal, or fractions, above 0 and at most `MOST`; `1 1/2`, `5-6` and `2 x 400g`
    are two numbers each. `1//2`, `1/0`, `1.2.3` and a line of an amount alone are none."""
    digits = [line for line in lines if any("0" <= char <= "9" for char in line)]
    good = [bool(ingredient_name(line)) and all(map(_is_amount, _NUMERIC.findall(line))) for line in digits]
    return sum(good), len(digits)


def _is_amount(number: str) -> bool:
    number = number.rstrip(".,").lstrip(",")
    if not _AMOUNT.fullmatch(number) or len(number) > 12:
        return False
    above, _, below = number.replace(",", "").partition("/")
    return 0 < float(above) <= MOST and (not below or 0 < int(below) <= MOST)


def _repeated_ngrams(text: str) -> tuple[int, int]:
    row = _TOKEN.findall(text.lower())
    return _repeated([tuple(row[at : at + NGRAM]) for at in range(len(row) - NGRAM + 1)])


def _repeated(items: Sequence[Any]) -> tuple[int, int]:
    filled = [item for item in items if item]
    return len(filled) - len(set(filled)), len(filled)


def _singular(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return f"{word[:-3]}y"
    if len(word) > 4 and word.endswith(("oes", "shes", "ches", "sses", "xes")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith("ss"):
        return word[:-1]
    return word


def _bleu(texts: Sequence[str], references: Sequence[str]) -> dict[str, float | None]:
    from sacrebleu.metrics.bleu import BLEU

    if not texts:
        return {"bleu": None}
    score = BLEU(force=True).corpus_score(texts, [references]).score  # force: no warning of ready tokens
    return {"bleu": min(float(score), 100.0)}


def _chrf(texts: Sequence[str], references: Sequence[str]) -> dict[str, float | None]:
    from sacrebleu.metrics.chrf import CHRF

    return {"chrf": min(float(CHRF().corpus_score(texts, [references]).score), 100.0) if texts else None}


class Words:
    """Words for rouge-score: as its own has them where the text is ASCII, and those of every script."""

    def tokenize(self, text: str) -> list[str]:
        """The words, in lower case."""
        return _TOKEN.findall(text.lower())


def _rouge(texts: Sequence[str], references: Sequence[str]) -> dict[str, float | None]:
    from rouge_score.rouge_scorer import RougeScorer  # type: ignore[import-untyped]

    kinds = ["rouge1", "rouge2", "rougeL"]
    if not texts:
        return dict.fromkeys(kinds)
    scorer = RougeScorer(kinds, tokenizer=Words())
    scores = [scorer.score(*pair) for pair in zip(references, texts, strict=True)]
    return {kind: sum(float(one[kind].fmeasure) for one in scores) / len(scores) for kind in kinds}
