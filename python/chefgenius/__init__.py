"""chefgenius: fine-tune language models on recipes, with a loader whose resumes are exact.

The names below are loaded when they are first used, so that what needs no torch starts at once.
"""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chefgenius.batch import Batch, StepInfo
    from chefgenius.callbacks import Callback
    from chefgenius.checkpoint import Checkpointer
    from chefgenius.config import Config, ConfigError, TrainConfig
    from chefgenius.data import LoaderError, RecipeLoader, StateMismatchError
    from chefgenius.options import load as load_config
    from chefgenius.outcome import Report
    from chefgenius.overview import Run, Runs, runs
    from chefgenius.recipe import Recipe, ingredient_name
    from chefgenius.rundir import RunDirectory
    from chefgenius.session import open_run, restore, sections_of
    from chefgenius.signals import Stop, StopRequested
    from chefgenius.state import ResumeError
    from chefgenius.store import (
        ChefGeniusError,
        DataError,
        StoredRecord,
        StoreError,
        TokenizerError,
        TokenStore,
        prepare,
    )
    from chefgenius.trainer import Trainer

_MODULES = {
    "Batch": "batch",
    "Callback": "callbacks",
    "Checkpointer": "checkpoint",
    "ChefGeniusError": "store",
    "Config": "config",
    "ConfigError": "config",
    "DataError": "store",
    "LoaderError": "data",
    "Recipe": "recipe",
    "RecipeLoader": "data",
    "Report": "outcome",
    "ResumeError": "state",
    "Run": "overview",
    "RunDirectory": "rundir",
    "Runs": "overview",
    "StateMismatchError": "data",
    "StepInfo": "batch",
    "Stop": "signals",
    "StopRequested": "signals",
    "StoreError": "store",
    "StoredRecord": "store",
    "TokenStore": "store",
    "TokenizerError": "store",
    "TrainConfig": "config",
    "Trainer": "trainer",
    "ingredient_name": "recipe",
    "load_config": "options",
    "open_run": "session",
    "prepare": "store",
    "restore": "session",
    "runs": "overview",
    "sections_of": "session",
}

__all__ = [
    "Batch",
    "Callback",
    "Checkpointer",
    "ChefGeniusError",
    "Config",
    "ConfigError",
    "DataError",
    "LoaderError",
    "Recipe",
    "RecipeLoader",
    "Report",
    "ResumeError",
    "Run",
    "RunDirectory",
    "Runs",
    "StateMismatchError",
    "StepInfo",
    "Stop",
    "StopRequested",
    "StoreError",
    "StoredRecord",
    "TokenStore",
    "TokenizerError",
    "TrainConfig",
    "Trainer",
    "ingredient_name",
    "load_config",
    "open_run",
    "prepare",
    "restore",
    "runs",
    "sections_of",
]


def __getattr__(name: str) -> Any:
    """Load one of the names of `__all__` from its module."""
    if name not in _MODULES:
        raise AttributeError(f"module `chefgenius` has no attribute `{name}`")
    if import_module("chefgenius._core").DEBUG_BUILD:
        warnings.warn(
            "the extension is a debug build, many times slower: run `maturin develop --release`", stacklevel=2
        )
    attribute = "load" if name == "load_config" else name
    return getattr(import_module(f"chefgenius.{_MODULES[name]}"), attribute)
