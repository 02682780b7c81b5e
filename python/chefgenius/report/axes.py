"""From values to places on an axis, and the round values beside it."""

import math
from dataclasses import dataclass

import numpy as np

from chefgenius.report.thinning import Floats

LOGARITHMIC = 6.0
"""most by least value from which an axis is logarithmic, where it may be"""


@dataclass(frozen=True)
class Axis:
    """From values to places, 0 to 1."""

    low: float
    high: float
    base: int
    """10 where it is logarithmic, else 0"""

    @classmethod
    def of(
        cls, low: float, high: float, *, logarithmic: bool, held: tuple[float, float] | None = None
    ) -> "Axis":
        """An axis with a little room above and below; none where its bound is one of `held`."""
        if logarithmic and low > 0 and LOGARITHMIC < high / low < 1e100:
            room = (high / low) ** 0.04
            return cls(low / room, high * room, 10)
        room = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
        below = 0.0 if held is not None and low == held[0] else room
        return cls(low - below, high + room, 0)

    @property
    def logarithmic(self) -> bool:
        """Whether equal ways are equal factors."""
        return self.base == 10

    def place(self, value: float) -> float:
        """0 at the low end, 1 at the high one."""
        if self.logarithmic:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def places(self, values: Floats) -> Floats:
        """The same for many, NaN for NaN."""
        if self.logarithmic:
            return np.log(values / self.low) / math.log(self.high / self.low)
        return (values - self.low) / (self.high - self.low)

    def ticks(self, most: int, *, whole: bool = False) -> list[float]:
        """Round values on the axis, `most` or a few less, in order."""
        if self.logarithmic and self.high / self.low > 10:
            first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
            for factors in ((1, 2, 5), (1, 3), (1,)):
                made = [f * 10.0**power for power in range(first, last + 1) for f in factors]
                made = [one for one in made if self.low <= one <= self.high]
                if len(made) <= most + 1:
                    return made
            return made[:: -(-len(made) // most)]
        span = self.high - self.low
        step = 10.0 ** math.floor(math.log10(span / most))
        step *= next(factor for factor in (1, 2, 5, 10) if span / (step * factor) <= most)
        if whole:
            step = max(1.0, step)
        first = math.ceil(self.low / step - 1e-9)
        return [one * step for one in range(first, math.floor(self.high / step + 1e-9) + 1)]


def number(value: float) -> str:
    """A number beside an axis: four digits at most, `1e-05` for what is far from 1."""
    if value == 0:
        return "0"
    if abs(value) >= 1e6 or abs(value) < 1e-4:
        return f"{value:.1e}".replace(".0e", "e").replace("e-0", "e-").replace("e+0", "e")
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
