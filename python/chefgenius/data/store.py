"""Recipes to a token store, and the store opened for reading. Nothing here imports torch."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from chefgenius import _core
from chefgenius._core import ChefGeniusError, DataError, StoreError, TokenizerError
from chefgenius.cookbook import tokenizer_path
from chefgenius.data.outcome import Report
from chefgenius.run.manifest import nowhere, refuse_file

__all__ = [
    "DEFAULT_PROMPT",
    "DEFAULT_TARGET",
    "ChefGeniusError",
    "DataError",
    "Report",
    "StoreError",
    "StoredRecord",
    "TokenStore",
    "TokenizerError",
    "prepare",
]

DEFAULT_PROMPT, DEFAULT_TARGET = _core.default_template()

Ids = NDArray[np.int64]
_OUT = "give another directory for the store"


@dataclass(frozen=True)
class StoredRecord:
    """One record of a store.

    Attributes:
        prompt_ids, target_ids: int64 arrays, uncut and without special tokens.
        quality: the source's score, or None where it gave none.
        source: the name of its source file.
        ordinal: its number within that source, from 0.
    """

    prompt_ids: Ids
    target_ids: Ids
    quality: float | None
    source: str
    ordinal: int


@dataclass(frozen=True)
class Place:
    """Where a record begins in its source.

    Attributes:
        kind: `line` or `row`; else why it is not known: `gone` and `changed` of the source, `far` where it
            takes too long to find.
        number: of the line or row, from 1; None where it is not known.
        file: of a directory or archive, the file in it.
    """

    kind: str
    number: int | None
    file: str | None


class TokenStore:
    """A token store opened for reading: the ids of every record, checked on first touch."""

    def __init__(self, core: _core.TokenStore, report: Report | None = None) -> None:
        self._core = core
        self.report = report
        """what `prepare` did; None for a store that was only opened"""

    @classmethod
    def open(cls, path: str | Path) -> TokenStore:
        """Open the store in `path`, the `out` of `prepare` or one `store-...` in it.

        Raises:
            FileNotFoundError: there is no store.
            StoreError: it is damaged; the message names the file and the remedy.
        """
        return cls(_core.TokenStore.open(str(path)))

    @property
    def path(self) -> Path:
        """The store's own directory."""
        return Path(self._core.path)

    @property
    def fingerprint(self) -> str:
        """Names its content: `b3:` and 32 hex digits."""
        return self._core.fingerprint

    @property
    def tokenizer_fingerprint(self) -> str:
        """Names the `tokenizer.json` that made its ids."""
        return self._core.tokenizer_fingerprint

    @property
    def templates(self) -> tuple[str, str, bool]:
        """What made its texts: the templates of prompt and target, and whether lost characters were respelt.

        Raises OSError, StoreError where its manifest is none.
        """
        try:
            text = json.loads((self.path / "manifest.json").read_bytes())["text"]
            return str(text["prompt"]), str(text["target"]), bool(text["respell"])
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(f"`{self.path}` has no readable manifest: prepare it again") from error

    @property
    def vocab_size(self) -> int:
        """One more than the tokenizer's largest id."""
        return self._core.vocab_size

    @property
    def pad_token_id(self) -> int:
        """The id that fills the inputs' rows."""
        return self._core.pad_token_id

    @property
    def eos_token_id(self) -> int:
        """The id that ends inputs and labels."""
        return self._core.eos_token_id

    @property
    def tokens(self) -> int:
        """Ids of all prompts and targets."""
        return self._core.tokens

    def __len__(self) -> int:
        return len(self._core)

    def __repr__(self) -> str:
        return f"TokenStore({str(self.path)!r}, records={len(self):,}, tokens={self.tokens:,})"

    def record(self, record_id: int) -> StoredRecord:
        """The record with this number, from 0. Raises ValueError past the end, StoreError where damaged."""
        return StoredRecord(*self._core.record(whole_number("record_id", record_id, 2**63)))

    def places(self, record_ids: Sequence[int], seconds: float | None = None) -> list[Place]:
        """Where records begin in the files that the store was made of: these are read up to the last of them.

        For at most so many seconds; None is without end.
        """
        wanted = [whole_number("record_id", record, len(self)) for record in record_ids]
        found = self._core.places(wanted, seconds)
        return [Place(kind, number or None, file) for kind, number, file in found]

    def verify(self) -> None:
        """Check every byte; raises StoreError at the first damaged block."""
        self._core.verify()

    def decode(self, ids: Sequence[int] | Ids) -> str:
        """The text of ids of this store, special tokens left out, by its own copy of its tokenizer.

        Raises:
            StoreError: the copy was changed.
            TokenizerError: it refuses the ids.
        """
        return self._core.decode([int(i) for i in ids])

    def text(self, record_id: int) -> tuple[str, str]:
        """Prompt and target of a record, as its ids say them. Raises what `record` and `decode` do."""
        record = self.record(record_id)
        return self.decode(record.prompt_ids), self.decode(record.target_ids)


def prepare(
    sources: Sequence[str | Path],
    *,
    tokenizer: str | Path,
    out: str | Path,
    prompt_template: str | None = None,
    target_template: str | None = None,
    on_error: Literal["fail", "skip"] = "fail",
    max_bad: int = 1000,
    columns: Mapping[str, str] | None = None,
    min_quality: float | None = None,
    min_tokens: int = 1,
    max_tokens: int | None = None,
    keep_duplicates: bool = False,
    score_quality: bool = False,
    respell: bool = True,
    tokenize: Literal["auto", "library"] = "auto",
    threads: int | None = None,
    progress: Callable[[str, int, int, int], None] | None = None,
) -> TokenStore:
    """Turn recipe files into a token store in `out`, or find that it is there already.

    The store's `report` says what became of every record. Where a former store is in `out`, texts that it
    holds are not tokenized again.

    Args:
        sources: files, directories, archives or globs; docs/formats.md lists the formats.
        tokenizer: a `tokenizer.json`, a directory that holds one, or `bundled`, the one of the package.
        out: the store's directory; a former store in it stays in use until the new one is whole.
        prompt_template: makes the prompt, with {title}, {names}, {ingredients}, {directions}, {recipe}.
        target_template: makes the target, with the same placeholders.
        on_error: `fail` at the first bad record, or `skip` up to `max_bad` of them (see `out/report.json`).
        max_bad: the cap of `skip`.
        columns: which field of the source is which part, such as `{"title": "name"}`.
        min_quality: leave out records with a lower score; those without one stay.
        min_tokens: leave out records whose target has fewer ids.
        max_tokens: leave out records whose target has more ids.
        keep_duplicates: keep records with the same ingredients and directions as an earlier one.
        score_quality: score records that have no quality, 0 to 1.
        respell: write characters that the tokenizer cannot spell in others that it can.
        tokenize: `library` has the tokenizers library make all ids; the ids are the same.
        threads: how many tokenize; default: one for each core. The store does not depend on it.
        progress: called with the stage (`wait`, `hash`, `read`, `write`), the bytes of the sources that it
            has seen, the bytes of all sources, and the records read.

    Raises:
        FileNotFoundError, OSError: a source or the tokenizer is missing; the disk is full.
        DataError: a bad record or source; the message has file, line, reason and remedy.
        TokenizerError: the tokenizer cannot be used.
        ValueError: a bad argument or template.
    """
    if isinstance(sources, str | Path):
        raise ValueError(f"bad value for `sources`: `{sources}` is one path: pass a list of paths")
    one_of("on_error", on_error, ("fail", "skip"))
    one_of("tokenize", tokenize, ("auto", "library"))
    whole_number("max_bad", max_bad, 2**63)
    whole_number("min_tokens", min_tokens, 2**32)
    if max_tokens is not None:
        whole_number("max_tokens", max_tokens, 2**32)
    if threads is not None:
        whole_number("threads", threads, 2**16)
    for name, path in {"tokenizer": tokenizer, "out": out}.items():
        if not isinstance(path, str | Path) or not str(path):
            raise ValueError(f"bad value for `{name}`: `{path!r}` is no path")
    refuse_file(Path(out), _OUT)
    try:
        store, report = _core.prepare(
            [str(source) for source in sources],
            tokenizer=str(tokenizer_path(tokenizer)),
            library=tokenize == "library",
            out=str(out),
            prompt_template=DEFAULT_PROMPT if prompt_template is None else prompt_template,
            target_template=DEFAULT_TARGET if target_template is None else target_template,
            max_bad=max_bad if on_error == "skip" else None,
            columns=list((columns or {}).items()),
            min_quality=min_quality,
            min_tokens=min_tokens,
            max_tokens=max_tokens,
            keep_duplicates=keep_duplicates,
            score_quality=score_quality,
            respell=respell,
            threads=threads,
            progress=progress,
        )
    except FileNotFoundError as error:
        if f"`{out}`" in str(error):
            raise nowhere(Path(out), _OUT) from error
        raise
    return TokenStore(store, Report(**json.loads(report)))


@contextmanager
def telling_of_damage(out: str | Path, say: Callable[[str], None]) -> Iterator[None]:
    """Says which stores in `out` the block, a `prepare`, found damaged and built anew under their names."""

    def aside() -> set[Path]:
        return set(Path(out).glob("store-*.bad-*"))

    former = aside()
    yield
    for path in sorted(aside() - former):
        say(f"warning: the store was damaged: set aside as `{path}`, built anew; the disk may be failing")


def one_of(name: str, value: str, known: Sequence[str]) -> None:
    """Raises ValueError that names the option where `value` is none of those that are known."""
    if value not in known:
        raise ValueError(f"bad value for `{name}`: `{value}` is neither `{'` nor `'.join(known)}`")


def whole_number(name: str, value: int, bound: int) -> int:
    """`value` where it is a whole number below `bound`; raises ValueError that names the option."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not 0 <= value < bound:
        raise ValueError(f"bad value for `{name}`: `{value!r}` is no whole number from 0 to {bound - 1}")
    return int(value)
