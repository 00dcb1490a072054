"""Rows that are numbers already, as sources give them: dense or sparse, with their labels."""

import itertools
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ooc_train.conversion.sources.source_rows import Reject, distinct_texts
from ooc_train.dtypes import F32, I32, I64, U8, AnyArray, Bools
from ooc_train.errors import InputError
from ooc_train.jit import kernel

_SHOWN = 20


class SpelledLabels(NamedTuple):
    """The different labels of some rows, as they are spelled, and each row's place among them.

    A row without a label has an empty one.
    """

    distinct: list[bytes]
    numbers: I32

    @classmethod
    def none(cls, n_rows: int) -> "SpelledLabels":
        """Those of rows that have none."""
        return cls([b""], np.zeros(n_rows, np.int32))

    @classmethod
    def of_bytes(cls, labels: U8, offsets: I64) -> "SpelledLabels":
        """Those that lie one after another."""
        return cls(*distinct_texts(labels, offsets))

    @classmethod
    def of_array(cls, labels: AnyArray, where: str, first_row: int) -> "SpelledLabels":
        """Those of an array of strings, whole numbers or booleans, (n_rows,); NaN is none.

        Raises ``InputError`` for numbers that are not whole; ``where`` they are, and the number of
        the first row are told.
        """
        if labels.dtype.kind == "f":
            odd = np.flatnonzero(np.isinf(labels) | (np.floor(labels) < labels))
            if odd.size:
                raise InputError(
                    f"{where}, row {first_row + int(odd[0])}: the label {labels[odd[0]]:g} is not "
                    f"a whole number; labels name classes"
                )
        distinct, numbers = np.unique(labels, return_inverse=True)
        return cls([_spelled(value) for value in distinct.tolist()], numbers.astype(np.int32))

    def take(self, keep: Bools) -> "SpelledLabels":
        """Those of the rows where ``keep`` is true."""
        used, numbers = np.unique(self.numbers[keep], return_inverse=True)
        distinct = [self.distinct[i] for i in used.tolist()]
        return SpelledLabels(distinct, numbers.astype(np.int32))


def _spelled(value: object) -> bytes:
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, float):
        return b"%d" % value if value == value else b""  # noqa: PLR0124 - NaN is not itself
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")


@dataclass(frozen=True)
class DenseRows:
    """Consecutive rows of ``values`` (n_rows, n_columns) float32, ``lines`` their places."""

    values: F32
    labels: SpelledLabels
    lines: I64

    def __len__(self) -> int:
        return len(self.lines)

    def distinct_labels(self) -> tuple[list[bytes], I32]:
        """The different labels, and each row's place among them, (n_rows,) int32."""
        return self.labels

    def text_bytes(self, row: int) -> bytes:
        """The first of a row's numbers."""
        return ",".join(f"{value:g}" for value in self.values[row, :_SHOWN].tolist()).encode()

    def take(self, keep: Bools) -> "DenseRows":
        """The rows where ``keep`` is true."""
        return DenseRows(self.values[keep], self.labels.take(keep), self.lines[keep])

    def usable(self, limit: float) -> tuple["DenseRows", list[Reject]]:
        """The rows of which every number is below ``limit`` in size, and why others are not."""
        is_usable = np.empty(len(self), np.bool_)
        _are_below(self.values, np.float32(limit), is_usable)
        if is_usable.all():
            return self, []
        rejects = []
        for row in np.flatnonzero(~is_usable).tolist():
            column = int(np.argmin(np.abs(self.values[row]) < limit))
            value = self.values[row, column]
            what = "too large for --dtype" if np.isfinite(value) else "not a finite number"
            reason = f"column {column + 1} is {value:g}, {what}"
            rejects.append(Reject(int(self.lines[row]), reason, self.text_bytes(row)))
        return self.take(is_usable), rejects


@dataclass(frozen=True)
class SparseRows:
    """Consecutive rows: row ``i`` has the entries ``offsets[i]:offsets[i + 1]``.

    ``columns`` int32, ascending within a row, as the source numbers them; ``values`` float32.
    """

    offsets: I64
    columns: I32
    values: F32
    labels: SpelledLabels
    lines: I64

    def __len__(self) -> int:
        return len(self.lines)

    def distinct_labels(self) -> tuple[list[bytes], I32]:
        """The different labels, and each row's place among them, (n_rows,) int32."""
        return self.labels

    def text_bytes(self, row: int) -> bytes:
        """The first of a row's entries."""
        entries = slice(self.offsets[row], min(self.offsets[row] + _SHOWN, self.offsets[row + 1]))
        pairs = zip(self.columns[entries].tolist(), self.values[entries].tolist(), strict=True)
        return " ".join(f"{column}:{value:g}" for column, value in pairs).encode()

    def take(self, keep: Bools) -> "SparseRows":
        """The rows where ``keep`` is true."""
        lengths = np.diff(self.offsets)
        offsets = np.array([0, *itertools.accumulate(lengths[keep].tolist())], np.int64)
        entries = np.repeat(keep, lengths)
        return SparseRows(
            offsets,
            self.columns[entries],
            self.values[entries],
            self.labels.take(keep),
            self.lines[keep],
        )


@kernel
def _are_below(values: F32, limit: np.float32, found: Bools) -> None:
    for row in range(len(values)):
        above = 0
        for column in range(values.shape[1]):
            above += not abs(values[row, column]) < limit
        found[row] = above == 0
