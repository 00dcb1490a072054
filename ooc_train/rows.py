"""Sparse rows in memory: the CSR arrays of some rows, and a batch of them with its labels.

SciPy is deliberately not used: where it is installed, Keras imports it whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class SparseRows:
    """Rows of which only the values that are not zero are kept.

    Row ``i`` has ``values[indptr[i]:indptr[i + 1]]`` in the columns ``indices[...]`` of the same
    range, each column at most once.

    >>> rows = SparseRows(np.array([0, 1, 3]), np.array([2, 0, 1]), np.float32([5, 6, 7]), 3)
    >>> rows.to_dense().tolist()
    [[0.0, 0.0, 5.0], [6.0, 7.0, 0.0]]
    """

    indptr: IntArray
    """``(n_rows + 1,) int64``, from 0 to ``n_entries``."""
    indices: npt.NDArray[Any]
    """``(n_entries,)`` integers below ``n_columns``, of the file's type."""
    values: FloatArray
    """``(n_entries,) float32``."""
    n_columns: int

    def __len__(self) -> int:
        return len(self.indptr) - 1

    @property
    def n_entries(self) -> int:
        """How many values are stored."""
        return len(self.values)

    def __getitem__(self, part: slice) -> "SparseRows":
        """The rows of a range, in steps of one.  Its entries are views, not copies."""
        start, stop, step = part.indices(len(self))
        if step != 1:
            raise ValueError(f"rows are sliced in steps of 1, not {step}; use take")
        indptr = self.indptr[start : max(start, stop) + 1]
        entries = slice(indptr[0], indptr[-1])
        return SparseRows(
            indptr - indptr[0], self.indices[entries], self.values[entries], self.n_columns
        )

    def take(self, rows: IntArray) -> "SparseRows":
        """The rows with the given numbers, in their order.  A copy."""
        lengths = self.indptr[rows + 1] - self.indptr[rows]
        indptr = _indptr_of(lengths)
        entries = np.repeat(self.indptr[rows] - indptr[:-1], lengths)
        entries += np.arange(indptr[-1])
        return SparseRows(indptr, self.indices[entries], self.values[entries], self.n_columns)

    def row_numbers(self) -> IntArray:
        """The row that each entry belongs to: ``(n_entries,) int64``."""
        return np.repeat(np.arange(len(self)), np.diff(self.indptr))

    def to_dense(self) -> FloatArray:
        """All values, zeros included: ``(n_rows, n_columns) float32``.

        Memory: ``4 * n_rows * n_columns`` bytes.
        """
        dense = np.zeros((len(self), self.n_columns), np.float32)
        dense[self.row_numbers(), self.indices] = self.values
        return dense


class Batch(NamedTuple):
    """The rows of one step, and ``(n_rows,) int64`` labels: indices of their classes."""

    rows: SparseRows
    labels: IntArray

    def take(self, rows: IntArray) -> "Batch":
        """The rows with the given numbers, in their order.  A copy."""
        return Batch(self.rows.take(rows), self.labels[rows])


def concatenate(batches: Sequence[Batch]) -> Batch:
    """The rows of all ``batches`` (at least one), one batch after another."""
    if len(batches) == 1:
        return batches[0]
    parts = [batch.rows for batch in batches]
    rows = SparseRows(
        _indptr_of(np.concatenate([np.diff(part.indptr) for part in parts])),
        np.concatenate([part.indices for part in parts]),
        np.concatenate([part.values for part in parts]),
        parts[0].n_columns,
    )
    return Batch(rows, np.concatenate([batch.labels for batch in batches]))


def _indptr_of(lengths: IntArray) -> IntArray:
    indptr = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=indptr[1:])
    return indptr
