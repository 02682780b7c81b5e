"""The cookbook's tokenizer: Unigram with Metaspace, the shape of T5's `tokenizer.json`.

1. Every word of the cookbook is a piece of its own, scored by its logarithmic frequency.
2. The commonest short runs of letters are pieces too, and so is every printable ASCII character, inside a
   word and at its beginning: other people's recipes come out in few pieces and, in ASCII, without `<unk>`.
3. The scores of 2 lie so low that a word of the cookbook is never cut.

There is no training: the counts are the model, so the same recipes give the same bytes.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import log
from typing import Final

SPECIAL: Final = ("<pad>", "</s>", "<unk>")
HEADS: Final = ("Write a recipe for", "Ingredients", "title", "ingredients", "directions")
"""The fixed words of the default prompt and target."""
PARTS: Final = re.compile(r"[A-Za-z]+|[^A-Za-z]")
RUNS: Final = 500
"""How many short runs of letters stand beside the words."""
RUN_SCORE: Final = -14.0
CHARACTER_SCORE: Final = -18.0
SPACE: Final = "\u2581"
"""The Metaspace sign, the lower one eighth block."""


def _texts(records: Iterable[Mapping[str, str | Sequence[str]]]) -> Iterable[str]:
    for record in records:
        yield from HEADS
        for value in record.values():
            if isinstance(value, str):
                yield value
            else:
                yield from value


def pieces(records: Iterable[Mapping[str, str | Sequence[str]]]) -> list[tuple[str, float]]:
    """The vocabulary with its scores, the special tokens first."""
    counts: Counter[str] = Counter()
    for text in _texts(records):
        for part in text.split():
            head, *tail = PARTS.findall(part)
            counts[SPACE + head] += 1
            counts.update(tail)
    total = sum(counts.values())
    runs: Counter[str] = Counter()
    for word, count in counts.items():
        for length in (2, 3, 4):
            for start in range(len(word) - length + 1):
                runs[word[start : start + length]] += 1 + (count > 9)
    printable = [chr(code) for code in range(33, 127)]
    scores = {SPACE: CHARACTER_SCORE + 4}
    scores |= dict.fromkeys([*printable, *(SPACE + character for character in printable)], CHARACTER_SCORE)
    common = sorted((run for run in runs if runs[run] > 1), key=lambda run: (-runs[run], run))[:RUNS]
    scores |= {run: RUN_SCORE - 1 / 2 ** len(run) for run in common}
    scores |= {word: round(log(count / total), 4) for word, count in counts.items()}
    return [(piece, 0.0) for piece in SPECIAL] + sorted(scores.items(), key=lambda item: (-item[1], item[0]))


def tokenizer(records: Iterable[Mapping[str, str | Sequence[str]]]) -> bytes:
    """The `tokenizer.json`."""
    metaspace = {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": "always", "split": True}
    first, second = ({"Sequence": {"id": name, "type_id": 0}} for name in "AB")
    end = {"SpecialToken": {"id": "</s>", "type_id": 0}}
    content = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {
                "id": number,
                "content": piece,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": True,
            }
            for number, piece in enumerate(SPECIAL)
        ],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "Strip", "strip_left": False, "strip_right": True},
                {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": SPACE},
            ],
        },
        "pre_tokenizer": metaspace,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [first, end],
            "pair": [first, end, second, end],
            "special_tokens": {"</s>": {"id": "</s>", "ids": [1], "tokens": ["</s>"]}},
        },
        "decoder": metaspace,
        "model": {"type": "Unigram", "unk_id": 2, "vocab": pieces(records), "byte_fallback": False},
    }
    return (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode()
