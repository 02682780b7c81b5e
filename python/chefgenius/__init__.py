"""chefgenius: fine-tune language models on recipes, with a loader whose resumes are exact.

The names below are loaded when they are first used, so that commands which need no torch start at once.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chefgenius.data import (
        Batch,
        ChefGeniusError,
        DataError,
        LoaderError,
        Recipe,
        RecipeLoader,
        StateMismatchError,
        StoreError,
        TokenizerError,
        TokenStore,
        ingredient_name,
        prepare,
    )

__all__ = [
    "Batch",
    "ChefGeniusError",
    "DataError",
    "LoaderError",
    "Recipe",
    "RecipeLoader",
    "StateMismatchError",
    "StoreError",
    "TokenStore",
    "TokenizerError",
    "ingredient_name",
    "prepare",
]


def __getattr__(name: str) -> Any:
    """Load one of the names of `__all__`."""
    if name in __all__:
        return getattr(import_module("chefgenius.data"), name)
    raise AttributeError(f"module `chefgenius` has no attribute `{name}`")
