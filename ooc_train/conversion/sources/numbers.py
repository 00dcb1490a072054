"""Rows of dense or sparse numbers, made of the columns of files."""

import functools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from ooc_train.conversion.sources.choice import choose_numbers
from ooc_train.conversion.sources.columns import (
    Cells,
    Chosen,
    ColumnFile,
    Piece,
    SparseEntries,
    Table,
)
from ooc_train.conversion.sources.files.input_file import Input
from ooc_train.conversion.sources.files.ranges import Range, RangeEnd
from ooc_train.conversion.sources.files.rejects import Reject
from ooc_train.conversion.sources.label_files import has_borders, input_of, open_labels
from ooc_train.conversion.sources.layout import LayoutOptions
from ooc_train.conversion.sources.numerals import parse_table
from ooc_train.conversion.sources.rows import DenseNumbers, SparseNumbers, without
from ooc_train.conversion.sources.source import Source
from ooc_train.dtypes import F32
from ooc_train.errors import OptionError

_VALUE_BYTES = 4


@dataclass(frozen=True)
class DenseSource(Source):
    """The numbers of a file: its columns side by side, ``n_columns`` in all.

    Rows whose numbers are not all smaller than ``limit`` in size cannot be used.  ``labels`` is the
    file with the labels, if they lie apart.
    """

    n_columns: int
    limit: float = math.inf
    labels: Input | None = None

    @property
    def row_bytes(self) -> int:
        """The size of each row."""
        return self.n_columns * max(_VALUE_BYTES, self.file.value_bytes)

    def tables(self, block_bytes: int) -> Iterator[tuple[Piece, int]]:
        """The rows as the file gives them, with the labels of the other file if there is one."""
        return self._labelled(super().tables(block_bytes))

    def range_tables(self, block_bytes: int, part: Range) -> Iterator[tuple[Piece | RangeEnd, int]]:
        """The same of the rows in a range."""
        return self._labelled(super().range_tables(block_bytes, part), part.start)

    @property
    def is_divisible(self) -> bool:
        """Whether both files can be read from any of some rows on."""
        return super().is_divisible and (self.labels is None or has_borders(self.labels))

    @property
    def stamp(self) -> tuple[Any, ...]:
        """The sizes and times of both files."""
        return (*super().stamp, self.labels and input_of(self.labels).stamp)

    def _labelled(
        self, pieces: Iterator[tuple[Any, int]], first_row: int = 0
    ) -> Iterator[tuple[Any, int]]:
        """Tables from a row on, counted from 0, with the labels of the other file."""
        if self.labels is None:
            yield from pieces
            return
        with open_labels(self.labels, self.n_rows or 0, first_row) as take:
            for piece, progress in pieces:
                if isinstance(piece, Table):
                    yield replace(piece, labels=take(len(piece.lines))), progress
                else:
                    yield piece, progress

    def rows_of(self, table: Table) -> tuple[DenseNumbers, list[Reject]]:
        """The rows of a table that can be used, and the others."""
        reasons, raw = table.reasons, table.raw
        if isinstance(table.columns, Cells):
            values, reasons = parse_table(table.columns, self.n_columns)
            raw = functools.partial(table.columns.row_bytes, n_columns=self.n_columns)
        else:
            columns = cast(Iterable[F32], table.columns)
            values = _side_by_side(columns, len(table.lines), self.n_columns)
        rows, rejects = without(DenseNumbers(values, table.labels, table.lines), reasons, raw)
        rows, others = without(rows, _not_below(rows, self.limit))
        return rows, rejects + others


@dataclass(frozen=True)
class SparseSource(Source):
    """The entries of a file."""

    def rows_of(self, table: Table) -> tuple[SparseNumbers, list[Reject]]:
        """The rows of a table that can be used, and the others."""
        entries = cast(SparseEntries, table.columns)
        return without(SparseNumbers(*entries, table.labels, table.lines), table.reasons, table.raw)


def find_dense(file: ColumnFile, options: LayoutOptions, limit: float) -> DenseSource:
    """The numbers of a file, which the options describe; they must be below ``limit`` in size."""
    n_rows = file.n_rows
    if options.labels and n_rows is None:
        raise OptionError(
            f"{file.file.path} has its labels in a column; name it with --label, and leave out "
            f"--labels"
        )
    chosen = choose_numbers(file, options)
    if options.labels and n_rows is not None:
        with open_labels(options.labels, n_rows):  # so that labels that do not fit are found now
            pass
    width = sum(file.widths(chosen.columns))
    n_bytes = file.file.text_bytes if n_rows is None else n_rows * width * _VALUE_BYTES
    return DenseSource(file, chosen, n_bytes, width, limit, options.labels)


def find_sparse(file: ColumnFile) -> SparseSource:
    """The entries of a file, whose columns need not be chosen."""
    return SparseSource(file, Chosen((), numbers=True), file.file.text_bytes)


def _side_by_side(columns: Iterable[F32], n_rows: int, n_columns: int) -> F32:
    """Columns of one number or of several in one array, (n_rows, n_columns)."""
    values = np.empty((n_rows, n_columns), np.float32)
    start = 0
    for column in columns:
        if column.shape == values.shape:
            return column
        values[:, start : start + column.shape[1]] = column
        start += column.shape[1]
    return values


def _not_below(rows: DenseNumbers, limit: float) -> dict[int, str]:
    """Rows with a number that is not finite, or not below ``limit`` in size, and the reason."""
    reasons = {}
    for row in np.flatnonzero(~rows.below(limit)).tolist():
        column = int(np.argmin(np.abs(rows.values[row]) < limit))
        value = rows.values[row, column]
        what = "too large for --dtype" if np.isfinite(value) else "not a finite number"
        if np.isinf(value):
            what += ", or too large for 32 bits"
        reasons[row] = f"column {column + 1} is {value:g}, {what}"
    return reasons
