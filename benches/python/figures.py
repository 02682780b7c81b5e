"""A figure: what was measured beside what must and what should be reached, and the table of many."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

HEAD = ("figure", "target", "aim", "measured", "met")


@dataclass(frozen=True)
class Spread:
    """The median of several measurements and their range."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(statistics.median(values), min(values), max(values))

    def scaled(self, factor: float) -> Spread:
        return Spread(self.median * factor, self.least * factor, self.most * factor)


@dataclass(frozen=True)
class Figure:
    """One row; without `must` nothing is asked of it.

    `form` prints a number with its unit, as `{:.2f} x`.
    """

    name: str
    form: str
    measured: Spread | float
    must: float | None = None
    aim: float | None = None
    at_most: bool = True
    remark: str = ""

    @property
    def value(self) -> float:
        return self.measured.median if isinstance(self.measured, Spread) else self.measured

    def reaches(self, bound: float | None) -> bool:
        if bound is None:
            return False
        return self.value <= bound if self.at_most else self.value >= bound

    @property
    def met(self) -> str:
        if self.must is None:
            return ""
        return "aim" if self.reaches(self.aim) else "yes" if self.reaches(self.must) else "no"

    def cells(self) -> tuple[str, ...]:
        bounds = ["" if bound is None else self.form.format(bound) for bound in (self.must, self.aim)]
        shown = self.form.format(self.value)
        if isinstance(self.measured, Spread):
            bare = self.form.split("}")[0] + "}"
            shown += f" ({bare.format(self.measured.least)} to {bare.format(self.measured.most)})"
        return self.name, *bounds, shown + (f", {self.remark}" if self.remark else ""), self.met


def table(rows: Iterable[Sequence[str]], head: Sequence[str] = HEAD) -> str:
    """The rows as a Markdown table with even columns."""
    whole = [tuple(head), *map(tuple, rows)]
    widths = [max(len(row[column]) for row in whole) for column in range(len(head))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
             for row in whole]  # fmt: skip
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of the values do not exceed."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]
