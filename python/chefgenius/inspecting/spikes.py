"""Steps whose loss or gradient stands out from those around it; nothing here imports torch.

1. The running median of the logged steps around each is what was to be expected of it: as many on its left
   as on its right, so that a falling loss is no surprise.
2. How far a value lies above that is told in median absolute deviations (MAD), those of the differences
   between neighbours around it, which a falling loss hardly widens; times 1.4826 / sqrt(2), which makes one
   the standard deviation of a normal distribution.

Outliers, as long as fewer than half of the steps around are some, move median and MAD little, as they would
not mean and standard deviation: the Hampel identifier (Davies and Gather, "The Identification of Multiple
Outliers", Journal of the American Statistical Association 88, 1993), with differences for a spread as von
Neumann has them ("Distribution of the Ratio of the Mean Square Successive Difference to the Variance", 1941).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

THRESHOLD = 6.0
"""deviations from which on a step is told of"""
AROUND = 25
"""logged steps on each side that a step is measured against"""
LAST = 5
"""on each side, at least, at the end"""
FEWEST = 2 * LAST + 1
"""logged steps, with fewer of which nothing is said"""
_NORMAL = 1.4826 / 2**0.5
_LEAST = 1e-3
"""of the median: deviations are never taken for smaller, or a flat line would be full of spikes"""
_ROWS = 8192
"""windows that are sorted at a time"""

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Spike:
    """A step that stands out."""

    step: int
    epoch: int
    loss: float | None
    grad_norm: float | None
    """before clipping"""
    loss_deviations: float
    norm_deviations: float
    """above the median around it; 0 where there is no value"""
    finite: bool
    """False for a window that was skipped since it was not"""

    @property
    def height(self) -> float:
        """By which spikes are compared; what is not finite is the highest."""
        return max(self.loss_deviations, self.norm_deviations) if self.finite else float("inf")


def find(lines: Iterable[dict[str, Any]], threshold: float = THRESHOLD) -> tuple[list[Spike], int]:
    """The steps that stand out, in their order, and how many steps were looked at."""
    known = {int(line["step"]): line for line in lines}
    kept = [known[step] for step in sorted(known)]
    losses, norms = (deviations([line.get(name) for line in kept]) for name in ("loss", "grad_norm"))
    found = []
    for line, loss, norm in zip(kept, losses.tolist(), norms.tolist(), strict=True):
        finite = not line.get("skipped")
        if finite and max(loss, norm) < threshold:
            continue
        values = line.get("loss"), line.get("grad_norm")
        found.append(Spike(int(line["step"]), int(line.get("epoch", 0)), *values, loss, norm, finite))
    return found, len(kept)


def deviations(values: list[float | None]) -> Values:
    """How far each value lies above the running median, in scaled MADs; 0 where there is none."""
    there = np.array([isinstance(value, int | float) for value in values], dtype=bool)
    known = np.array([value for value in values if isinstance(value, int | float)], dtype=np.float64)
    found = np.zeros(len(values))
    if len(known) >= FEWEST:
        found[there] = _above(known)
    return found


def _above(known: Values) -> Values:
    """The same of values that are all there."""
    above = known - _expected(known)
    scale = np.maximum(_NORMAL * _spread(known), _LEAST * np.abs(known - above))
    return np.divide(above, scale, out=np.zeros_like(above), where=scale > 0)


def _expected(values: Values) -> Values:
    """The median of as many values on the left as on the right of each, `AROUND` at most.

    At the beginning, where a loss falls fast, down to none; at the end, where it does not, `LAST` at least:
    the median is then that of the last so many.
    """
    count, found = len(values), np.empty(len(values))
    whole = _medians(values, 2 * AROUND + 1)
    found[AROUND : AROUND + len(whole)] = whole
    for place in {*range(min(AROUND, count)), *range(max(count - AROUND, 0), count)}:
        half = min(place, max(count - 1 - place, LAST), AROUND)
        middle = min(place, count - 1 - half)
        found[place] = np.median(values[middle - half : middle + half + 1])
    return found


def _spread(values: Values) -> Values:
    """The median of the distances between neighbours around each; at both ends of the outermost so many."""
    distances = np.abs(np.diff(values))
    wide = min(2 * AROUND, len(distances))
    found = _medians(distances, wide)
    return found[np.clip(np.arange(len(values)) - wide // 2, 0, len(found) - 1)]


def _medians(values: Values, wide: int) -> Values:
    """Of all windows of so many values; none where there are not so many."""
    if len(values) < wide:
        return values[:0]
    windows = sliding_window_view(values, wide)
    parts = (windows[begin : begin + _ROWS] for begin in range(0, len(windows), _ROWS))
    return np.concatenate([np.median(part, axis=1) for part in parts])
