"""The bundled recipes and tokenizer, so that a first run needs no file and no network."""

from pathlib import Path
from typing import Final

_HERE = Path(__file__).resolve().parent

RECIPES: Final = _HERE / "recipes.jsonl.gz"
"""JSON Lines, one recipe a line: `title`, `ingredients` (list of str), `directions` (list of str)."""

TOKENIZER: Final = _HERE / "tokenizer.json"
"""A Unigram tokenizer in the shape of T5's: `<pad>` is 0, `</s>` is 1, `<unk>` is 2."""

BUNDLED: Final = "bundled"
"""the name of `TOKENIZER` where a path is asked for; a file of that name is `./bundled`"""


def tokenizer_path(given: str | Path) -> Path:
    """Where a tokenizer is: as told, or the one of the package where `BUNDLED` is."""
    return TOKENIZER if given == BUNDLED else Path(given)


__all__ = ["BUNDLED", "RECIPES", "TOKENIZER", "tokenizer_path"]
