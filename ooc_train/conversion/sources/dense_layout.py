"""Which of the rows of numbers that a file holds can be used."""

from collections.abc import Iterator

import numpy as np

from ooc_train.conversion.sources.files.rejects import Reject
from ooc_train.conversion.sources.rows import DenseNumbers, TextRows

VALUE_BYTES = 4


def without(
    rows: DenseNumbers,
    reasons: dict[int, str],
    limit: float,
    progress: int,
    source: TextRows | None = None,
) -> Iterator[tuple[DenseNumbers | Reject, int]]:
    """The rows that have no reason against them, and the others as rejects."""
    for row, reason in sorted(reasons.items()):
        raw = source.text_bytes(row) if source else rows.text_bytes(row)
        yield Reject(int(rows.lines[row]), reason, raw), 0
    if reasons:
        keep = np.ones(len(rows), np.bool_)
        keep[list(reasons)] = False
        rows = rows.take(keep)
    yield from usable(rows, limit, progress)


def usable(
    rows: DenseNumbers, limit: float, progress: int
) -> Iterator[tuple[DenseNumbers | Reject, int]]:
    """The rows whose numbers are below ``limit`` in size, and the others as rejects."""
    is_usable = rows.below(limit)
    for row in np.flatnonzero(~is_usable).tolist():
        column = int(np.argmin(np.abs(rows.values[row]) < limit))
        value = rows.values[row, column]
        what = "too large for --dtype" if np.isfinite(value) else "not a finite number"
        reason = f"column {column + 1} is {value:g}, {what}"
        yield Reject(int(rows.lines[row]), reason, rows.text_bytes(row)), 0
    yield (rows if is_usable.all() else rows.take(is_usable)), progress
