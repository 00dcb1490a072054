"""What a source of dense rows is, and which of the rows that it reads can be used."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from ooc_train.conversion.sources.layout import Source
from ooc_train.conversion.sources.numeric_rows import DenseRows
from ooc_train.conversion.sources.source_rows import Reject, Rows

VALUE_BYTES = 4


class DenseSource(Source, Protocol):
    """Dense rows, all of ``n_columns``."""

    @property
    def n_columns(self) -> int:
        """Numbers in a row."""

    @property
    def n_rows(self) -> int | None:
        """How many rows there are, usable or not, where that is known before they are read."""


class Details(NamedTuple):
    """What is to be known of dense rows beside their layout.

    ``labels`` is a file of them, ``limit`` what all numbers must be smaller than in size.
    """

    labels: Path | None = None
    limit: float = math.inf
    needs_label: bool = True


def without(
    rows: DenseRows,
    reasons: dict[int, str],
    limit: float,
    progress: int,
    source: Rows | None = None,
) -> Iterator[tuple[DenseRows | Reject, int]]:
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
    rows: DenseRows, limit: float, progress: int
) -> Iterator[tuple[DenseRows | Reject, int]]:
    """The rows whose numbers are below ``limit`` in size, and the others as rejects."""
    rows, rejects = rows.usable(limit)
    for reject in rejects:
        yield reject, 0
    yield rows, progress
