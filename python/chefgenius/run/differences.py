"""In what a run that was asked for differs from the saved one, and whether it may.

1. `compare` lists what differs, by class as `meanings` has it; `Comparison.check` refuses what may not.
2. `Exactness` remembers what was allowed.

Nothing here imports torch.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from chefgenius.run.state import Count, ResumeError, State, checked, one_line
from chefgenius.settings.meanings import GROUPS, MEANINGS, ORDER, Kind, Meaning

_MOST_LINES = 40
_MOST_TEXT = 28
_PROCESSES = "another number of processes takes the same recipes in the same steps, but rounds otherwise"
NEW_RUN = "or begin a run of its own with another `run_dir`"


@dataclass(frozen=True)
class Difference:
    """One value that is not the saved one."""

    name: str
    """as in `MEANINGS`"""
    place: str
    """the name, or a part of its value such as `model.config.dropout_rate`"""
    saved: Any
    here: Any

    @property
    def meaning(self) -> Meaning:
        """Its class and the reason; a name of another version of chefgenius is careful's: exactness."""
        unknown = Meaning(Kind.EXACTNESS, "not known to this version of chefgenius")
        return MEANINGS.get(self.name, unknown)

    @property
    def values(self) -> tuple[str, str]:
        """Both values as short JSON that shows where they part."""
        both = (json.dumps(value, ensure_ascii=False) for value in (self.saved, self.here))
        saved, here = (_printable(text) for text in both)
        common = _common(saved, here)
        if common > _MOST_TEXT - 8:
            saved, here = (f"...{text[common - 8 :]}" for text in (saved, here))
        return _clip(saved), _clip(here)

    def __str__(self) -> str:
        saved, here = self.values
        return f"`{_printable(self.place)}`: saved `{saved}`, here `{here}`"

    @property
    def plain(self) -> str:
        """The form in which a change that was allowed is remembered."""
        saved, here = self.values
        return f"{_printable(self.place)}: saved {saved}, here {here}"


@dataclass(frozen=True)
class Comparison:
    """All that differs, by class, and the names that were allowed to."""

    identity: list[Difference] = field(default_factory=list)
    exactness: list[Difference] = field(default_factory=list)
    free: list[Difference] = field(default_factory=list)
    allowed: frozenset[str] = frozenset()

    @property
    def changes(self) -> list[Difference]:
        """What makes the run another one from here on, with leave."""
        return [one for one in self.exactness if one.name in self.allowed]

    @property
    def refused(self) -> list[Difference]:
        """What must not differ."""
        return self.identity + [one for one in self.exactness if one.name not in self.allowed]

    @property
    def idle(self) -> list[str]:
        """What was allowed to differ, and does not."""
        differs = {one.name for one in [*self.identity, *self.exactness, *self.free]}
        return sorted(self.allowed - differs)

    @property
    def leave(self) -> str:
        """The `--allow-change` that would do; empty where none would."""
        if self.identity or not self.refused:
            return ""
        names = list(dict.fromkeys(one.name for one in self.exactness))
        return "--allow-change " + ",".join(names)

    def check(self, directory: Path, step: int) -> None:
        """Raises ResumeError with every difference that has no leave, one a line, and with what would give
        it.
        """
        if not self.refused:
            return
        words = any(one.name == "tokenizer" for one in self.identity)
        kind = "it would not be the same run"
        if self.identity:
            kind = "it is about other words" if words else "it is of another model"
        leave = f"allow it with `{self.leave}` (not exact from step {step} on), " if self.leave else ""
        raise DifferentRunError(
            "\n".join(
                [
                    f"cannot go on from `{directory}`, {kind}:",
                    *aligned(self.refused),
                    *self._related(),
                    f"set back what differs, {leave}{NEW_RUN}",
                ]
            ),
            self,
        )

    def _related(self) -> list[str]:
        """Free differences that may be the cause of others, and what the number of processes means."""
        sizes = [one for one in self.refused if one.name == "world_size"]
        told = [f"{_PROCESSES}: start {one.values[0]} with `--nproc-per-node`" for one in sizes]
        related = [one for one in self.free if one.name.startswith(("data.", "model."))]
        return told + (["changed besides:", *aligned(related)] if related else [])


class DifferentRunError(ResumeError):
    """A resume that is refused for what differs."""

    def __init__(self, message: str, comparison: Comparison) -> None:
        super().__init__(message)
        self.comparison = comparison


@dataclass(frozen=True)
class Change:
    """What was allowed to change, and at which step."""

    step: Count
    allowed: list[str]


@dataclass
class Exactness:
    """Whether the run still is the one that was begun; the section `exactness` of state.json."""

    changes: list[Change] = field(default_factory=list)

    @property
    def since(self) -> int | None:
        """The step of the first change; None for an exact run."""
        return self.changes[0].step if self.changes else None

    def add(self, step: int, allowed: list[str]) -> None:
        """Take what was allowed now, if anything was."""
        if allowed:
            self.changes.append(Change(step, allowed))

    def __str__(self) -> str:
        told = (f"{', '.join(one.allowed)} (step {one.step})" for one in self.changes)
        return f"not exact since step {self.since}: {'; '.join(told)}" if self.changes else "exact"

    def state_dict(self) -> State:
        """The section."""
        return {"changes": [asdict(one) for one in self.changes]}

    def load_state_dict(self, state: State) -> None:
        """Take a saved section."""
        self.changes = [Change(**checked(Change, one)) for one in state["changes"]]


def saved_exactness(directory: Path, sections: dict[str, State]) -> Exactness:
    """What the run in `directory` remembers of changes. Raises ResumeError where that cannot be read."""
    exactness = Exactness()
    try:
        exactness.load_state_dict(sections["exactness"])
    except (KeyError, TypeError, ValueError) as error:
        raise ResumeError(
            f"`{directory}` has no usable section `exactness`: {type(error).__name__}: "
            f"{one_line(error)}: go on with the version of chefgenius that wrote it"
        ) from error
    return exactness


def saved_count(directory: Path, sections: dict[str, State], fact: str, key: str, most: int) -> int:
    """A number from 1 to `most` among the saved facts. Raises ResumeError that names `key` for others."""
    saved = sections["facts"].get(fact)
    if not isinstance(saved, int) or not 1 <= saved <= most:
        raise ResumeError(
            f"`{directory}` was saved with `{fact}` {one_line(saved)}: set `{key}`, or use another checkpoint"
        )
    return saved


def compare(
    sections: dict[str, State], config: dict[str, Any], facts: dict[str, Any], allowed: Iterable[str] = ()
) -> Comparison:
    """The saved run against the one that was asked for.

    `config` is flat (`config.flatten`), `facts` are those of `compute.facts` and of the data.
    """
    saved = {**sections["facts"], **sections["config"]}
    here = {**facts, **config}
    names = [name for name in MEANINGS if name in saved or name in here]
    names += sorted(({*saved, *here}) - set(MEANINGS))
    found = [one for name in names for one in _differences(name, saved.get(name), here.get(name))]
    if _explains_plan({one.name for one in found}):
        found = [one for one in found if one.name != "plan"]
        allowed = set(allowed) - {"plan"}
    by_kind = {kind: [one for one in found if one.meaning.kind is kind] for kind in Kind}
    return Comparison(by_kind[Kind.IDENTITY], by_kind[Kind.EXACTNESS], by_kind[Kind.FREE], frozenset(allowed))


def aligned(differences: list[Difference]) -> list[str]:
    """One line each, names in one column."""
    width = max((len(one.place) for one in differences[:_MOST_LINES]), default=0)
    lines = []
    for one in differences[:_MOST_LINES]:
        name, _, values = str(one).partition(": ")
        lines.append(f"  {name}: {' ' * (min(width, 40) - len(one.place))}{values}")
    if len(differences) > _MOST_LINES:
        lines.append(f"  and {len(differences) - _MOST_LINES} more")
    return lines


def _differences(name: str, saved: Any, here: Any) -> list[Difference]:
    if saved == here and isinstance(saved, bool) == isinstance(here, bool):
        return []
    if isinstance(saved, dict) and isinstance(here, dict):
        parts = [part for part in {**saved, **here} if saved.get(part) != here.get(part)]
        if parts:
            return [Difference(name, f"{name}.{part}", saved.get(part), here.get(part)) for part in parts]
    return [Difference(name, name, saved, here)]


def _explains_plan(names: set[str]) -> bool:
    """Whether the plan's fingerprint differs for no other reason than a key that is told itself."""
    causes = set(GROUPS) - {"plan"} | set(ORDER) - {"seed", "store"}
    return bool(names & causes) and "data.validation_sources" not in names


def _printable(text: str) -> str:
    """Without what would steer a terminal: a saved value may be a stranger's."""
    return "".join(one if one.isprintable() else "?" for one in text)


def _common(one: str, other: str) -> int:
    """How many characters two texts have in common at their start."""
    pairs = zip(one, other, strict=False)
    return next((place for place, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _clip(text: str) -> str:
    return text if len(text) <= _MOST_TEXT else f"{text[: _MOST_TEXT - 3]}..."
