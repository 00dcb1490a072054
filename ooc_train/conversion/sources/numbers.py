"""Rows of dense numbers, made of the columns of files."""

import functools
import math
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ooc_train.conversion.sources.choice import choose_numbers
from ooc_train.conversion.sources.column_source import ColumnSource
from ooc_train.conversion.sources.columns import Cells, ColumnFile, Table
from ooc_train.conversion.sources.files.rejects import Reject
from ooc_train.conversion.sources.label_files import Take, open_labels
from ooc_train.conversion.sources.layout import LayoutOptions
from ooc_train.conversion.sources.numerals import parse_table
from ooc_train.conversion.sources.rows import DenseNumbers, without
from ooc_train.dtypes import F32
from ooc_train.errors import OptionError

_VALUE_BYTES = 4


@dataclass(frozen=True)
class NumberSource(ColumnSource):
    """The numbers of a file: its columns side by side, all smaller than ``limit`` in size.

    ``labels`` is the file with the labels, if they lie apart.
    """

    n_columns: int
    limit: float = math.inf
    labels: Path | None = None

    def read(self, block_bytes: int) -> Iterator[tuple[DenseNumbers | Reject, int]]:
        """Blocks of rows, and rejects where they occur, each with the progress in bytes.

        Memory: four times ``block_bytes``.
        """
        with ExitStack() as stack:
            take = None
            if self.labels:
                take = stack.enter_context(open_labels(self.labels, self.file.n_rows or 0))
            for piece, progress in self.file.read(self.chosen, block_bytes):
                if isinstance(piece, Reject):
                    yield piece, progress
                    continue
                rows, rejects = self._rows_of(piece, take)
                for reject in rejects:
                    yield reject, 0
                yield rows, progress

    def _rows_of(self, table: Table, take: Take | None) -> tuple[DenseNumbers, list[Reject]]:
        """The rows of a table that can be used, and the others."""
        columns, reasons, raw = table.columns, table.reasons, table.raw
        if isinstance(columns, Cells):
            values, reasons = parse_table(columns, self.n_columns)
            raw = functools.partial(columns.row_bytes, n_columns=self.n_columns)
        else:
            values = _side_by_side(columns, len(table.lines), self.n_columns)
        labels = take(len(values)) if take else table.labels
        rows, rejects = without(DenseNumbers(values, labels, table.lines), reasons, raw)
        rows, others = without(rows, _not_below(rows, self.limit))
        return rows, rejects + others


def find_numbers(file: ColumnFile, options: LayoutOptions, limit: float) -> NumberSource:
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
    return NumberSource(file, chosen, n_bytes, width, limit, options.labels)


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
        reasons[row] = f"column {column + 1} is {value:g}, {what}"
    return reasons
