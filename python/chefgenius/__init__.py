"""chefgenius: fine-tune language models on recipes, with a loader whose resumes are exact.

The names below are loaded when they are first used, so that what needs no torch starts at once.
"""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chefgenius.batch import Batch, StepInfo
    from chefgenius.data import LoaderError, RecipeLoader, StateMismatchError
    from chefgenius.outcome import Report
    from chefgenius.recipe import Recipe, ingredient_name
    from chefgenius.store import (
        ChefGeniusError,
        DataError,
        StoredRecord,
        StoreError,
        TokenizerError,
        TokenStore,
        prepare,
    )

_MODULES = {
    "Batch": "batch",
    "ChefGeniusError": "store",
    "DataError": "store",
    "LoaderError": "data",
    "Recipe": "recipe",
    "RecipeLoader": "data",
    "Report": "outcome",
    "StateMismatchError": "data",
    "StepInfo": "batch",
    "StoreError": "store",
    "StoredRecord": "store",
    "TokenStore": "store",
    "TokenizerError": "store",
    "ingredient_name": "recipe",
    "prepare": "store",
}

__all__ = [
    "Batch",
    "ChefGeniusError",
    "DataError",
    "LoaderError",
    "Recipe",
    "RecipeLoader",
    "Report",
    "StateMismatchError",
    "StepInfo",
    "StoreError",
    "StoredRecord",
    "TokenStore",
    "TokenizerError",
    "ingredient_name",
    "prepare",
]


def __getattr__(name: str) -> Any:
    """Load one of the names of `__all__` from its module."""
    if name not in _MODULES:
        raise AttributeError(f"module `chefgenius` has no attribute `{name}`")
    if import_module("chefgenius._core").DEBUG_BUILD:
        warnings.warn(
            "the extension is a debug build, many times slower: run `maturin develop --release`", stacklevel=2
        )
    return getattr(import_module(f"chefgenius.{_MODULES[name]}"), name)
