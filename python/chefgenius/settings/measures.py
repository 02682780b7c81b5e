"""The metrics of an evaluation by name: what each means, its range, which way is better, and what it needs.

`config` takes names from here, `judging` computes those of texts, `evaluation` those of losses. Nothing here
imports torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Group = Literal["recipe", "bleu", "chrf", "rouge"]
"""metrics of generated texts that `eval.metrics` turns on together"""

EXTRA = {"bleu": "sacrebleu", "chrf": "sacrebleu", "rouge": "rouge_score"}
"""the package that a group needs, from the extra `metrics`"""


@dataclass(frozen=True)
class Measure:
    """One metric."""

    label: str
    """for a table"""
    meaning: str
    low: float
    high: float | None
    """ends of its range; None: without an end"""
    higher_is_better: bool
    group: Group | None = None
    """which group of `eval.metrics` turns it on; None: it needs no generated text and is always there"""

    def is_better(self, value: float, other: float, by: float = 0.0) -> bool:
        """Whether the first value is better than the second by more than `by`."""
        return value > other + by if self.higher_is_better else value < other - by

    def told(self, value: float | None) -> str:
        """The value for a person: a share in per cent, a loss with four digits; `-` for none."""
        if value is None:
            return "-"
        if self.high == 1:
            return f"{100 * value:.0f} %"
        return f"{value:.1f}" if self.high == 100 else f"{value:.4f}"


MEASURES: dict[str, Measure] = {
    "validation_loss": Measure(
        "validation loss", "mean loss by target token of the view, in nats", 0, None, False
    ),
    "perplexity": Measure(
        "perplexity",
        "e to the power of the validation loss; none where that is past all numbers",
        1,
        None,
        False,
    ),
    "parsed": Measure(
        "texts that parse as a recipe",
        "share of texts that are whole recipes: the three heads in order",
        0,
        1,
        True,
        "recipe",
    ),
    "sections": Measure(
        "sections that are there",
        "share of title, ingredients and directions that stand there in order and are not empty; a text that "
        "breaks off keeps those before",
        0,
        1,
        True,
        "recipe",
    ),
    "ingredients_found": Measure(
        "asked ingredients that are listed",
        "share of the asked ingredients, by whole name, that the text lists",
        0,
        1,
        True,
        "recipe",
    ),
    "ingredients_used": Measure(
        "asked ingredients that are used",
        "share of the asked ingredients, by the last word of the name, that the directions mention",
        0,
        1,
        True,
        "recipe",
    ),
    "ingredients_unlisted": Measure(
        "used ingredients that are not listed",
        "of the known ingredients that the directions mention, the share whose last word stands in no "
        "line of the text's list; known are those that the held-out recipes list",
        0,
        1,
        False,
        "recipe",
    ),
    "numbered_steps": Measure(
        "texts with numbered steps",
        "share of texts whose directions are steps to be counted: two or more (one where the reference has "
        "one), each with a word; numbers of their own, if they have any, count up from 1",
        0,
        1,
        True,
        "recipe",
    ),
    "quantities": Measure(
        "quantities that parse",
        "of the ingredient lines with a digit, the share that names what is measured and in which every "
        "number is whole, decimal or a fraction, above 0 and at most 10,000",
        0,
        1,
        True,
        "recipe",
    ),
    "repeated_ngrams": Measure(
        "repeated runs of words",
        "of the runs of four words in a text, the share that stood there before",
        0,
        1,
        False,
        "recipe",
    ),
    "repeated_lines": Measure(
        "repeated lines",
        "of the items between ` | `, the share that stood there before, in whatever case",
        0,
        1,
        False,
        "recipe",
    ),
    "bleu": Measure("BLEU", "BLEU of sacrebleu over all texts: 13a, exp smoothing", 0, 100, True, "bleu"),
    "chrf": Measure("chrF2", "chrF2 of sacrebleu over all texts", 0, 100, True, "chrf"),
    "rouge1": Measure("ROUGE-1", "F of common words, mean over texts", 0, 1, True, "rouge"),
    "rouge2": Measure("ROUGE-2", "F of common pairs of words, mean over texts", 0, 1, True, "rouge"),
    "rougeL": Measure(
        "ROUGE-L", "F of the longest common subsequence of words, mean over texts", 0, 1, True, "rouge"
    ),
}
"""in the order of a line in metrics.jsonl"""


def of_texts(name: str) -> bool:
    """Whether a metric is computed from generated texts."""
    return MEASURES[name].group is not None
