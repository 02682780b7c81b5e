"""chefgenius: fine-tune language models on recipes, with a loader whose resumes are exact.

The names below are loaded when they are first used, so that what needs no torch starts at once.
"""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chefgenius.callbacks import Callback, StepInfo
    from chefgenius.data.batch import Batch, Window
    from chefgenius.data.loader import LoaderError, RecipeLoader, StateMismatchError
    from chefgenius.data.outcome import Report
    from chefgenius.data.recipe import Recipe, ingredient_name
    from chefgenius.data.store import (
        ChefGeniusError,
        DataError,
        StoredRecord,
        StoreError,
        TokenizerError,
        TokenStore,
        prepare,
    )
    from chefgenius.overview import Run, Runs, runs
    from chefgenius.run.rundir import RunDirectory
    from chefgenius.run.signals import Stop, StopRequested
    from chefgenius.run.state import DivergedError, ResumeError, RunError
    from chefgenius.settings.config import Config, ConfigError, TrainConfig
    from chefgenius.settings.options import load as load_config
    from chefgenius.training.checkpoint import Checkpointer
    from chefgenius.training.session import open_run, restore, sections_of
    from chefgenius.training.trainer import Trainer

_MODULES = {
    "Batch": "data.batch",
    "Callback": "callbacks",
    "Checkpointer": "training.checkpoint",
    "ChefGeniusError": "data.store",
    "Config": "settings.config",
    "ConfigError": "settings.config",
    "DataError": "data.store",
    "DivergedError": "run.state",
    "LoaderError": "data.loader",
    "Recipe": "data.recipe",
    "RecipeLoader": "data.loader",
    "Report": "data.outcome",
    "ResumeError": "run.state",
    "Run": "overview",
    "RunDirectory": "run.rundir",
    "RunError": "run.state",
    "Runs": "overview",
    "StateMismatchError": "data.loader",
    "StepInfo": "callbacks",
    "Stop": "run.signals",
    "StopRequested": "run.signals",
    "StoreError": "data.store",
    "StoredRecord": "data.store",
    "TokenStore": "data.store",
    "TokenizerError": "data.store",
    "TrainConfig": "settings.config",
    "Trainer": "training.trainer",
    "Window": "data.batch",
    "ingredient_name": "data.recipe",
    "load_config": "settings.options",
    "open_run": "training.session",
    "prepare": "data.store",
    "restore": "training.session",
    "runs": "overview",
    "sections_of": "training.session",
}

__all__ = [
    "Batch",
    "Callback",
    "Checkpointer",
    "ChefGeniusError",
    "Config",
    "ConfigError",
    "DataError",
    "DivergedError",
    "LoaderError",
    "Recipe",
    "RecipeLoader",
    "Report",
    "ResumeError",
    "Run",
    "RunDirectory",
    "RunError",
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
    "Window",
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
