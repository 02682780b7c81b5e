"""The Rust core. `chefgenius.data` and `chefgenius.prepare` are the only modules that use it."""

from collections.abc import Callable
from typing import TypeAlias, final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "DEBUG_BUILD",
    "ChefGeniusError",
    "DataError",
    "Loader",
    "LoaderError",
    "StateMismatchError",
    "StoreError",
    "TokenStore",
    "TokenizerError",
    "default_template",
    "ingredient_name",
    "parse_recipe",
    "prepare",
    "recipe_text",
]

DEBUG_BUILD: bool

_Ids: TypeAlias = NDArray[np.int64]
_Arrays: TypeAlias = tuple[_Ids, _Ids, _Ids, _Ids, int, int]

class ChefGeniusError(Exception): ...
class DataError(ChefGeniusError): ...
class LoaderError(ChefGeniusError): ...
class StateMismatchError(ChefGeniusError): ...
class StoreError(ChefGeniusError): ...
class TokenizerError(ChefGeniusError): ...

def prepare(
    sources: list[str],
    *,
    tokenizer: str,
    out: str,
    prompt_template: str,
    target_template: str,
    max_bad: int | None,
    progress: Callable[[int, int], object] | None,
) -> tuple[TokenStore, str]:
    """The store, and the report as JSON. `max_bad` None ends it at the first bad record."""

def default_template() -> tuple[str, str]:
    """The prompt and target of the template that is used where none is given."""

def parse_recipe(text: str) -> tuple[str, list[str], list[str]] | None:
    """Title, ingredients and steps of a recipe's text; None where it is none."""

def recipe_text(title: str, ingredients: list[str], directions: list[str]) -> str:
    """The text of a recipe, normalised."""

def ingredient_name(line: str) -> str:
    """What an ingredient line is about, without quantity, unit and remarks."""

@final
class TokenStore:
    """A token store opened for reading."""

    @staticmethod
    def open(path: str) -> TokenStore: ...
    @property
    def path(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def tokenizer_fingerprint(self) -> str: ...
    @property
    def vocab_size(self) -> int: ...
    @property
    def eos_token_id(self) -> int: ...
    @property
    def pad_token_id(self) -> int: ...
    @property
    def tokens(self) -> int: ...
    def __len__(self) -> int: ...
    def record(self, record_id: int) -> tuple[_Ids, _Ids, float | None, str, int]:
        """Prompt ids, target ids, quality, source and ordinal of a record."""

    def verify(self) -> None: ...

@final
class Loader:
    """The resettable epoch iterator."""

    def __new__(
        cls,
        store: TokenStore,
        *,
        batch_size: int,
        seed: int,
        split: str,
        rank: int,
        world_size: int,
        micro_batches_per_step: int,
        prefetch: int,
        threads: int,
        validation_fraction: float,
        validation_sources: list[str],
        split_seed: int,
        min_quality: float | None,
        max_input_length: int,
        max_target_length: int,
    ) -> Loader: ...
    @property
    def plan_fingerprint(self) -> str: ...
    @property
    def records(self) -> int: ...
    @property
    def micro_batches(self) -> int: ...
    @property
    def steps_per_epoch(self) -> int: ...
    @property
    def own_batches(self) -> int: ...
    def position(self) -> tuple[int, int]:
        """Epoch and index of the next micro-batch."""

    def begin(self) -> int:
        """The epoch that an iteration begun now goes through."""

    def next(self, epoch: int) -> _Arrays | None:
        """The next own batch of `epoch`; None where the loader is past it. The GIL is free while it waits."""

    def batch_at(self, epoch: int, index: int) -> _Arrays: ...
    def record_ids_at(self, epoch: int, index: int) -> _Ids: ...
    def first_records(self, n: int) -> _Ids:
        """The first `n` records of the view in the order of the store."""

    def step_info(self, epoch: int, step: int) -> tuple[int, int, int, int]:
        """Micro-batches, samples, input tokens and target tokens of a step over all ranks."""

    def set_epoch(self, epoch: int) -> None: ...
    def reset(self) -> None: ...
    def state(self) -> str: ...
    def state_after(self, epoch: int, index: int) -> str: ...
    def restore(self, state: str) -> None: ...
    def close(self) -> None: ...
