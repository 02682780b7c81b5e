"""Recipes to a token store, and the store opened for reading. Nothing here imports torch."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from chefgenius import _core
from chefgenius._core import ChefGeniusError, DataError, StoreError, TokenizerError

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


@dataclass(frozen=True)
class Report:
    """What `prepare` did with every record.

    Attributes:
        store: the store's fingerprint.
        built: False where the store in use was this one already.
        kept, empty, bad: records by outcome; they add up to all that were read.
        reused: records whose ids were copied from the former store.
        tokens: token ids in the store.
        unknown_share: the share of them that is the unknown token, 0 to 1.
        checked, faithful: targets that were read back from their ids, and those that came back the same.
        example: the first target that did not, and what came back.
        sources: name, format, bytes and counts of each source.
        first_errors: the first bad records, with file, line and reason.
    """

    store: str
    built: bool
    kept: int
    empty: int
    bad: int
    reused: int
    tokens: int
    unknown_share: float
    checked: int
    faithful: int
    example: tuple[str, str] | None
    sources: list[dict[str, Any]]
    first_errors: list[str]

    @classmethod
    def parse(cls, text: str) -> Report:
        """From the JSON of the core."""
        raw = json.loads(text)
        counts, fidelity = raw.pop("counts"), raw.pop("fidelity")
        example = fidelity.pop("example")
        return cls(**raw, **counts, **fidelity, example=tuple(example) if example else None)

    def summary(self) -> str:
        """A few lines for a person."""
        lines = [
            f"{'built' if self.built else 'already built'}: {self.kept:,} records, {self.tokens:,} tokens"
            + (f", {self.reused:,} taken over" if self.reused else "")
        ]
        if self.empty or self.bad:
            lines.append(f"left out: {self.empty:,} empty, {self.bad:,} bad")
        lines += [f"  {error}" for error in self.first_errors]
        share = 100 * self.faithful / max(self.checked, 1)
        lines.append(
            f"round-trip fidelity {share:.1f} % ({self.checked:,} targets checked), "
            f"unknown tokens {100 * self.unknown_share:.3f} %"
        )
        if share < 99 and self.example:
            written, read = (_around_difference(text, *self.example) for text in self.example)
            lines.append(f"  warning: this tokenizer loses text: `{written}` comes back as `{read}`")
        return "\n".join(lines)


def _around_difference(text: str, written: str, read: str) -> str:
    """The part of `text`, one of the two, around the place where the two first differ."""
    pairs = enumerate(zip(written, read, strict=False))
    place = next((i for i, (a, b) in pairs if a != b), min(len(written), len(read)))
    return text[max(place - 20, 0) : place + 20]


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

    def verify(self) -> None:
        """Check every byte; raises StoreError at the first damaged block."""
        self._core.verify()


def prepare(
    sources: Sequence[str | Path],
    *,
    tokenizer: str | Path,
    out: str | Path,
    prompt_template: str | None = None,
    target_template: str | None = None,
    on_error: Literal["fail", "skip"] = "fail",
    max_bad: int = 1000,
    progress: Callable[[int, int], None] | None = None,
) -> TokenStore:
    """Turn recipe files into a token store in `out`, or find that it is there already.

    The store's `report` says what became of every record.

    Args:
        sources: JSON Lines, a JSON array or CSV; each may be .gz, .zst or .xz.
        tokenizer: a `tokenizer.json`, or a directory that holds one.
        out: the store's directory; a former store in it stays in use until the new one is whole.
        prompt_template: makes the prompt, with {title}, {names}, {ingredients}, {directions}, {recipe}.
        target_template: makes the target, with the same placeholders.
        on_error: `fail` at the first bad record, or `skip` up to `max_bad` of them (see `out/report.json`).
        max_bad: the cap of `skip`.
        progress: called with the records read and the records taken over from the former store.

    Raises:
        FileNotFoundError, OSError: a source or the tokenizer is missing; the disk is full.
        DataError: a bad record or source; the message has file, line, reason and remedy.
        TokenizerError: the tokenizer cannot be used.
        ValueError: a bad argument or template.
    """
    if isinstance(sources, str | Path):
        raise ValueError(f"bad value for `sources`: `{sources}` is one path: pass a list of paths")
    if on_error not in ("fail", "skip"):
        raise ValueError(f"bad value for `on_error`: `{on_error}` is neither `fail` nor `skip`")
    whole_number("max_bad", max_bad, 2**63)
    for name, path in {"tokenizer": tokenizer, "out": out}.items():
        if not isinstance(path, str | Path) or not str(path):
            raise ValueError(f"bad value for `{name}`: `{path!r}` is no path")
    store, report = _core.prepare(
        [str(source) for source in sources],
        tokenizer=str(tokenizer),
        out=str(out),
        prompt_template=DEFAULT_PROMPT if prompt_template is None else prompt_template,
        target_template=DEFAULT_TARGET if target_template is None else target_template,
        max_bad=max_bad if on_error == "skip" else None,
        progress=progress,
    )
    return TokenStore(store, Report.parse(report))


def whole_number(name: str, value: int, bound: int) -> int:
    """`value` where it is a whole number below `bound`; raises ValueError that names the option."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not 0 <= value < bound:
        raise ValueError(f"bad value for `{name}`: `{value!r}` is no whole number from 0 to {bound - 1}")
    return int(value)
