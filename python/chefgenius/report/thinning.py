"""Long series made short, and honestly so: each bucket of steps keeps its median, its least and its most."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Thinned:
    """A series as it is drawn; values are NaN where there is none.

    Attributes:
        steps: the middle step of each bucket, or each step where nothing was thinned.
        median, least, most: of the values of each bucket that are numbers.
        bucket: how many values a bucket has at most; 1 where nothing was thinned.
    """

    steps: Floats
    median: Floats
    least: Floats
    most: Floats
    bucket: int


def thin(steps: Floats, values: Floats, most: int) -> Thinned:
    """At most `most` buckets of as many neighbours each, in order; nothing is left out of any.

    The first and the last bucket stand at the first and the last step, so that no curve looks shorter than it
    is. O(n log n).
    """
    steps, values = np.asarray(steps, dtype=np.float64), np.asarray(values, dtype=np.float64)
    count = len(steps)
    if count <= most:
        return Thinned(steps, values, values, values, 1)
    size = -(-count // most)
    padding = -count % size
    rows = np.concatenate([values, np.full(padding, np.nan)]).reshape(-1, size)
    empty = np.isnan(rows).all(axis=1)
    filled = np.where(empty[:, None], 0.0, rows)  # a bucket without a number has no median to warn about
    median, least, largest = (
        np.where(empty, np.nan, fold(filled, axis=1)) for fold in (np.nanmedian, np.nanmin, np.nanmax)
    )
    ends = np.minimum(np.arange(1, len(rows) + 1) * size, count) - 1
    middle = (steps[np.arange(len(rows)) * size] + steps[ends]) / 2
    middle[0], middle[-1] = steps[0], steps[-1]
    return Thinned(middle, median, least, largest, size)
