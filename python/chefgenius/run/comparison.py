"""Two checkpoints side by side: what was asked for, what is remembered, every tensor, and the logs of runs.

Both are verified first, so that two files with one checksum need not be read again. Nothing here imports
torch.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from chefgenius.run import bits
from chefgenius.run.manifest import DamagedError, Manifest, plain, verify
from chefgenius.run.resume import read_sections
from chefgenius.run.state import one_line
from chefgenius.settings.meanings import MEANINGS, Kind

ABSENT = object()
"""where one side has no value"""

_LONGEST = 60

_BESIDE = ("config.run_dir", "logs.timing.jsonl")
"""where and how fast a run went: two runs that are the same in every bit differ in these"""

_VERSIONS = ("torch", "transformers")


class UnfitError(ValueError):
    """A checkpoint that cannot be compared; the message says why."""


@dataclass(frozen=True)
class Difference:
    """One thing that is not the same; `counts` is false for what two equal runs differ in as well."""

    kind: str
    """such as `exactness`, `free`, `version`, `tensor`"""
    name: str
    told: str
    counts: bool = True


@dataclass(frozen=True)
class Side:
    """One of the two checkpoints."""

    path: Path
    manifest: Manifest
    sections: dict[str, dict[str, Any]]


def open_side(path: Path) -> Side:
    """A verified checkpoint. Raises UnfitError when it is damaged, ResumeError for one of another version."""
    try:
        manifest = verify(path)
    except DamagedError as error:
        raise UnfitError(
            f"checkpoint `{path}` is damaged: {error}: give another one, as `RUN/checkpoints/step-...`"
        ) from error
    return Side(path, manifest, read_sections(path))


def compare(a: Side, b: Side) -> Iterator[Difference]:
    """Everything that differs, from what was asked for to the bits of the tensors.

    Raises UnfitError for what no run writes, OSError.
    """
    try:
        yield from _compare(a, b)
    except RecursionError as error:
        raise UnfitError(f"`{a.path}` or `{b.path}` is nested deeper than any state: take another") from error


def _compare(a: Side, b: Side) -> Iterator[Difference]:
    if a.manifest.step != b.manifest.step:
        yield Difference("step", "step", _both(a.manifest.step, b.manifest.step))
    yield from _config(a.sections["config"], b.sections["config"])
    yield from _facts(a.sections["facts"], b.sections["facts"])
    for name, one, other in _leaves(a.manifest.fingerprints, b.manifest.fingerprints):
        yield Difference("fingerprint", name, _both(one, other))
    for section in _names(a.sections, b.sections):
        if section not in ("config", "facts"):
            first, second = a.sections.get(section, ABSENT), b.sections.get(section, ABSENT)
            for name, one, other in _leaves(first, second, section):
                beside = any(name == place or name.startswith(f"{place}.") for place in _BESIDE)
                kind = "counter" if section == "progress" else "section"
                yield Difference(kind, name, _both(one, other), not beside)
    for name in _names(a.manifest.files, b.manifest.files):
        if name != "state.json" and a.manifest.files.get(name) != b.manifest.files.get(name):
            yield from _file(name, a, b)


def compare_logs(a: Path, b: Path) -> Iterator[Difference]:
    """The first line at which metrics.jsonl of two runs differ, if there is one.

    Raises OSError, and ResumeError for what is no plain file.
    """
    name = "metrics.jsonl"
    with open(a / name, "rb", opener=plain) as first, open(b / name, "rb", opener=plain) as second:
        for number, (one, other) in enumerate(zip_longest(first, second), start=1):
            if one is None or other is None:
                yield Difference("log", f"{name}, line {number}", f"only in {'b' if one is None else 'a'}")
            elif one != other:
                yield Difference("log", f"{name}, line {number}", _lines(one, other))
            else:
                continue
            return


def _config(a: dict[str, Any], b: dict[str, Any]) -> Iterator[Difference]:
    found = [
        Difference(
            _class_of(key),
            key,
            _both(a.get(key, ABSENT), b.get(key, ABSENT)),
            f"config.{key}" not in _BESIDE,
        )
        for key in _names(a, b)
        if a.get(key, ABSENT) != b.get(key, ABSENT)
    ]
    yield from sorted(found, key=lambda one: one.kind)


def _facts(a: dict[str, Any], b: dict[str, Any]) -> Iterator[Difference]:
    for name, one, other in _leaves(a, b):
        yield Difference("version" if name in _VERSIONS else _class_of(name), name, _both(one, other))


def _class_of(name: str) -> str:
    """The class of a key or a fact; a name of another version of chefgenius decides bits, to be careful."""
    return str(MEANINGS[name].kind if name in MEANINGS else Kind.EXACTNESS)


def _file(name: str, a: Side, b: Side) -> Iterator[Difference]:
    if name not in a.manifest.files or name not in b.manifest.files:
        yield Difference("file", name, f"only in {'a' if name in a.manifest.files else 'b'}")
    elif name.endswith(".safetensors"):
        part = name.removesuffix(".safetensors")
        found = list(bits.differences(_tensors(a.path / name), _tensors(b.path / name)))
        for tensor, told in found:
            yield Difference("tensor", f"{part} {tensor}", told)
        if not found:
            yield Difference("file", name, "equal tensors, in files that differ")
    else:
        yield Difference("file", name, "other contents")


def _tensors(path: Path) -> dict[str, bits.Tensor]:
    try:
        return bits.read(path)
    except SafetensorError as error:
        raise UnfitError(f"`{path}` holds no tensors: {one_line(error)}: take another checkpoint") from error


def _leaves(a: Any, b: Any, place: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Dotted name and both values of whatever differs in two JSON values; a list is one value."""
    if isinstance(a, dict) and isinstance(b, dict):
        for name in _names(a, b):
            inner = f"{place}.{name}" if place else name
            yield from _leaves(a.get(name, ABSENT), b.get(name, ABSENT), inner)
    elif a != b:
        yield place, a, b


def _names(a: dict[str, Any], b: dict[str, Any]) -> list[str]:
    """The names of both, those of `a` first, in their order."""
    return list(dict.fromkeys([*a, *b]))


def _lines(a: bytes, b: bytes) -> str:
    try:
        first, second = json.loads(a), json.loads(b)
        told = [f"`{name}` {_both(one, other)}" for name, one, other in _leaves(first, second)]
    except (ValueError, RecursionError):
        told = []
    return ", ".join(told) or "the bytes differ"


def _both(a: Any, b: Any) -> str:
    return f"{_show(a)} in a, {_show(b)} in b"


def _show(value: Any) -> str:
    text = "absent" if value is ABSENT else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
