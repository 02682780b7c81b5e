"""The Rust core. Only `store`, `recipe`, `windows`, `data`, `tensors` and `manifest` use it."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "DEBUG_BUILD",
    "Batches",
    "ChefGeniusError",
    "DataError",
    "Delivered",
    "Loader",
    "LoaderError",
    "StateMismatchError",
    "StoreError",
    "TokenStore",
    "TokenizerError",
    "default_template",
    "exchange",
    "exiting",
    "fill",
    "hash_file",
    "ingredient_name",
    "parse_recipe",
    "prepare",
    "recipe_text",
    "write_file",
]

DEBUG_BUILD: bool

def exiting() -> None:
    """Say that the interpreter ends in this thread: others that are in the core then stay there."""

def fill(memory: memoryview, parts: Sequence[tuple[int, memoryview]]) -> None:
    """Copy each part to its place in `memory`, in bytes from its start, on up to four threads.

    All are contiguous bytes that nobody else may touch during the call, in which the GIL is free. The places
    rise, and no part lies in `memory`. Raises ValueError otherwise, and nothing is copied then.
    """

def write_file(path: str, chunks: Sequence[bytes | memoryview]) -> tuple[int, str]:
    """Write a file that was not there, through to the disk; its size in bytes and its BLAKE3, 64 digits.

    The chunks are contiguous bytes that nobody may write to during the call, in which the GIL is free. Raises
    OSError with its number, also when something stands there; a file that was begun stays.
    """

def hash_file(path: str) -> str:
    """BLAKE3 of a file, 64 digits; the GIL is free meanwhile. Follows no symbolic link. Raises OSError."""

def exchange(one: str, other: str) -> bool:
    """Exchange what two names stand for, in one step; False, and nothing done, where the file system cannot.

    Raises OSError.
    """

_Ids: TypeAlias = NDArray[np.int64]

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
    library: bool,
    out: str,
    prompt_template: str,
    target_template: str,
    max_bad: int | None,
    columns: list[tuple[str, str]],
    min_quality: float | None,
    min_tokens: int,
    max_tokens: int | None,
    keep_duplicates: bool,
    score_quality: bool,
    respell: bool,
    threads: int | None,
    progress: Callable[[str, int, int, int], object] | None,
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
    def source_number(self, name: str, weights: bool) -> int:
        """The number of a source, which `weights` or else `validation_sources` names."""

    @property
    def tokens(self) -> int: ...
    def __len__(self) -> int: ...
    def record(self, record_id: int) -> tuple[_Ids, _Ids, float | None, str, int]:
        """Prompt ids, target ids, quality, source and ordinal of a record."""

    def places(self, records: list[int], seconds: float | None) -> list[tuple[str, int, str | None]]:
        """Where records begin in their sources: `line` or `row`, its number from 1, the file in a directory.

        In place of the first `gone`, `changed`, or `far` for what takes longer than `seconds` to find.
        """

    def decode(self, ids: list[int]) -> str:
        """The text of ids, by the store's own copy of its tokenizer."""

    def verify(self) -> None: ...

@final
class Delivered:
    """A batch that was delivered."""

    @property
    def epoch(self) -> int: ...
    @property
    def index(self) -> int: ...
    @property
    def record_ids(self) -> _Ids: ...
    def arrays(self) -> dict[str, NDArray[Any]]:
        """Its tensors over its memory, which goes back to the pool with the last of them."""

    def release(self) -> tuple[int, list[tuple[str, int, int, int | None, bool]]]:
        """Let go of memory that was given: its address, and where the tensors lie in it.

        For each tensor: name, first word, rows, columns (None for one dimension), and whether its elements
        have eight bytes.
        """

@final
class Batches:
    """The rest of an epoch. Where Ctrl-C or an error comes before a batch is returned, the position stays."""

    def __iter__(self) -> Batches: ...
    def __next__(self) -> Any: ...

@final
class Loader:
    """The resettable epoch iterator."""

    def __new__(
        cls,
        store: TokenStore,
        *,
        plan: str,
        seed: int,
        rank: int,
        world_size: int,
        prefetch: int,
        threads: int,
        tombstones: list[int],
        narrow: bool,
        given: bool,
    ) -> Loader: ...
    @property
    def plan_fingerprint(self) -> str: ...
    @property
    def records(self) -> int: ...
    @property
    def columns(self) -> tuple[int, int] | None:
        """Columns of every input and label row; None where they are padded to the longest of a batch."""

    @property
    def tombstones(self) -> _Ids: ...
    @property
    def micro_batches(self) -> int: ...
    @property
    def steps_per_epoch(self) -> int: ...
    @property
    def own_batches(self) -> int: ...
    def give(self, memory: _Ids) -> None:
        """Bring memory for a batch, where the loader was made with `given`."""

    def position(self) -> tuple[int, int]:
        """Epoch and index of the next micro-batch."""

    def batches(
        self, make: Callable[[Delivered], Any], supply: Callable[[int, int], None] | None = None
    ) -> Batches:
        """The rest of an epoch, as `make` makes batches of what is delivered.

        Where memory is given, `supply` is asked for so many words and blocks that are missing.
        """

    def batch_at(
        self,
        epoch: int,
        index: int,
        make: Callable[[Delivered], Any],
        supply: Callable[[int, int], None] | None = None,
    ) -> Any:
        """Any micro-batch, as `make` makes it of what is delivered."""

    def record_ids_at(self, epoch: int, index: int) -> _Ids: ...
    def when(self, epoch: int, record: int) -> list[int]:
        """The steps of an epoch that see a record."""

    def first_records(self, n: int) -> _Ids:
        """The first `n` records of the view in the order of the store."""

    def step_info(self, epoch: int, step: int) -> tuple[int, int, int, int]:
        """Micro-batches, samples, input tokens and target tokens of a step over all ranks."""

    def set_epoch(self, epoch: int) -> None: ...
    def reset(self) -> None: ...
    def state(self) -> str: ...
    def state_after(self, epoch: int, index: int) -> str: ...
    def skip(self, steps: int) -> None: ...
    def restore(self, state: str, *, other_plan: bool, other_tombstones: bool) -> None: ...
    def close(self) -> None: ...
