"""Steps whose loss or gradient stands out from those around it; nothing here imports torch.

A value is measured against the running median of the logged steps around it, in median absolute deviations
(MAD) from that median, scaled by 1.4826 so that for a normal distribution one of them is a standard deviation.
That is the Hampel identifier (Davies and Gather, "The Identification of Multiple Outliers", Journal of the
American Statistical Association 88, 1993): median and MAD stay what they are when up to half of the values
around are outliers, which mean and standard deviation do not; and a slow change of the loss is none.
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
FEWEST = 10
"""logged steps, with fewer of which nothing is said"""
_NORMAL = 1.4826
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
    """The same of values that are all there. At both ends the first and last windows are used."""
    wide = min(2 * AROUND + 1, len(known))
    windows = sliding_window_view(known, wide)
    medians, spreads = np.empty(len(windows)), np.empty(len(windows))
    for begin in range(0, len(windows), _ROWS):
        part = windows[begin : begin + _ROWS]
        middle = np.median(part, axis=1)
        medians[begin : begin + _ROWS] = middle
        spreads[begin : begin + _ROWS] = np.median(np.abs(part - middle[:, None]), axis=1)
    which = np.clip(np.arange(len(known)) - wide // 2, 0, len(windows) - 1)
    scale = np.maximum(_NORMAL * spreads, _LEAST * np.abs(medians))[which]
    above = known - medians[which]
    return np.divide(above, scale, out=np.zeros_like(above), where=scale > 0)
