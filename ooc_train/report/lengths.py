"""Lengths of rows in bins of one whole width, so that no bin counts more numbers than another."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

_MOST_BINS = 40
_SHOWN_SHARE = 0.995
"""The longest rows beyond this share would make all others a line at the left."""
_STEPS = (1, 2, 5)


class Bins(NamedTuple):
    """Bin ``i`` counts the rows of ``i * width`` to ``(i + 1) * width - 1``.

    ``n_longer`` rows are longer than all bins, the ``longest`` of them of that length.
    """

    counts: Sequence[int]
    width: int
    median: float
    n_longer: int
    longest: int


def binned(rows_by_length: Mapping[int, int]) -> Bins:
    """The bins of lengths, given how many rows have each; there is at least one row.

    The width is 1, 2 or 5 times a power of ten, the least with which there are at most 40 bins.

    >>> binned({0: 3, 1: 4, 3: 5})
    Bins(counts=[3, 4, 0, 5], width=1, median=1.0, n_longer=0, longest=3)
    """
    lengths = np.array(sorted(rows_by_length))
    rows = np.array([rows_by_length[length] for length in lengths.tolist()])
    ends = np.cumsum(rows)
    n_rows = int(ends[-1])
    lower, upper = np.searchsorted(ends, [(n_rows - 1) // 2, n_rows // 2], "right")
    last = int(lengths[np.searchsorted(ends, _SHOWN_SHARE * n_rows)])
    width = next(
        step * 10**power
        for power in range(20)
        for step in _STEPS
        if (last // (step * 10**power)) < _MOST_BINS
    )
    n_bins = last // width + 1
    shown = lengths < n_bins * width
    counts = np.bincount(lengths[shown] // width, rows[shown], n_bins).astype(np.int64)
    longer = n_rows - int(counts.sum())
    median = float(lengths[lower] + lengths[upper]) / 2
    return Bins(counts.tolist(), width, median, longer, int(lengths[-1]))
