"""Dense rows from columns of Parquet files: of numbers, or of lists of numbers.

A list has as many numbers in every row.  One column is the label and all others are features,
unless they are named.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np

from ooc_train.conversion.sources.dense_layout import VALUE_BYTES, without
from ooc_train.conversion.sources.files.input_file import InputFile
from ooc_train.conversion.sources.files.rejects import Place, Reject
from ooc_train.conversion.sources.formats.file_source import FileSource
from ooc_train.conversion.sources.formats.parquet import (
    as_floats,
    batches,
    open_parquet,
    spelled_labels,
)
from ooc_train.conversion.sources.label_files import Take, open_labels
from ooc_train.conversion.sources.layout import LayoutOptions
from ooc_train.conversion.sources.rows import DenseNumbers, SpelledLabels
from ooc_train.dtypes import F32
from ooc_train.errors import InputError, OptionError


@dataclass(frozen=True)
class ParquetSource(FileSource):
    """Numeric columns of a Parquet file, and columns of lists of numbers, side by side.

    ``widths`` says how many numbers each has.
    """

    columns: tuple[str, ...]
    widths: tuple[int, ...]
    label: str | None
    options: LayoutOptions
    limit: float
    n_rows: int

    @property
    def n_columns(self) -> int:
        """The numbers of a row."""
        return sum(self.widths)

    @property
    def text_bytes(self) -> int:
        """The size of the numbers as they are converted."""
        return self.n_rows * self.n_columns * VALUE_BYTES

    @property
    def layout(self) -> dict[str, Any]:
        """Columns by their names."""
        return {"format": "parquet", "columns": list(self.columns), "label": self.label}

    def place(self, line: int) -> Place:
        """The number of the row."""
        return Place(self.path, line, "row")

    def read(self, block_bytes: int) -> Iterator[tuple[DenseNumbers | Reject, int]]:
        """Blocks of rows of about ``block_bytes``, and rejects; ``lines`` are row numbers.

        Memory: some pages of each column, and a block three times.
        """
        wanted = [*self.columns, *([self.label] if self.label else [])]
        with ExitStack() as stack:
            table = stack.enter_context(open_parquet(self.file))
            take = None
            if self.options.labels:
                take = stack.enter_context(open_labels(self.options.labels, self.n_rows))
            for batch, first, progress in batches(self.file, table, wanted, block_bytes):
                yield from self._rows(batch, first, progress, take)

    def _rows(
        self, batch: Any, first: int, progress: int, take: Take | None
    ) -> Iterator[tuple[DenseNumbers | Reject, int]]:
        reasons: dict[int, str] = {}
        labels = take(batch.num_rows) if take else SpelledLabels.none(batch.num_rows)
        if self.label:
            text, offsets, reasons = spelled_labels(batch.column(self.label))
            labels = SpelledLabels.of_bytes(text, offsets)
        values = np.empty((batch.num_rows, self.n_columns), np.float32)
        start = 0
        for name, width in zip(self.columns, self.widths, strict=True):
            values[:, start : start + width] = _numbers(batch.column(name), name, width, reasons)
            start += width
        rows = DenseNumbers(values, labels, np.arange(first, first + len(values)))
        yield from without(rows, reasons, self.limit, progress)


def find_dense_parquet(file: InputFile, options: LayoutOptions, limit: float) -> ParquetSource:
    """Look into a file and decide which of its columns are features and which is the label."""
    with open_parquet(file) as table:
        schema = table.schema_arrow
        label = None
        if options.labels is None:
            label = options.label or ("label" if "label" in schema.names else None)
            if label is None and options.needs_label:
                raise OptionError(
                    f"{file.path}: name the column of the labels with --label, or give a file of "
                    f"them with --labels"
                )
        columns = options.text or tuple(name for name in schema.names if name != label)
        chosen = [*columns, *([label] if label and options.needs_label else [])]
        for name in chosen:
            if name not in schema.names:
                listing = ", ".join(map(repr, schema.names))
                raise InputError(f"{file.path}: there is no column {name!r}; there are {listing}")
        widths = _widths(file, table, columns)
        label = label if options.needs_label else None
        return ParquetSource(file, columns, widths, label, options, limit, table.metadata.num_rows)


def _widths(file: InputFile, table: Any, columns: tuple[str, ...]) -> tuple[int, ...]:
    """How many numbers each column has, by its type or else by its first row."""
    from pyarrow import types  # noqa: PLC0415 - an extra

    widths = []
    for name in columns:
        kind = table.schema_arrow.field(name).type
        item = kind.value_type if _is_list(kind) else kind
        if not (types.is_integer(item) or types.is_floating(item) or types.is_boolean(item)):
            raise InputError(
                f"{file.path}: the column {name!r} holds {kind}, where numbers are expected; name "
                f"those of the features with --columns"
            )
        if types.is_fixed_size_list(kind):
            widths.append(kind.list_size)
        elif _is_list(kind):
            first = next(table.iter_batches(1, columns=[name])).column(0)
            widths.append(len(first.flatten()))
        else:
            widths.append(1)
    return tuple(widths)


def _is_list(kind: Any) -> bool:
    from pyarrow import types  # noqa: PLC0415 - an extra

    return types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)


def _numbers(column: Any, name: str, width: int, reasons: dict[int, str]) -> F32:
    """A column's numbers, (n_rows, width); rows that have another number are given a reason."""
    from pyarrow import types  # noqa: PLC0415 - an extra

    if not _is_list(column.type):
        return as_floats(column, np.float32).reshape(-1, 1)
    if types.is_fixed_size_list(column.type):
        flat = column.values.slice(column.offset * width, len(column) * width)
        values = as_floats(flat, np.float32).reshape(-1, width)
        if column.null_count:
            for row, value in enumerate(column.is_null().to_pylist()):
                if value:
                    reasons.setdefault(row, f"column {name!r} is null")
        return values
    offsets = np.array(column.offsets.to_pylist(), np.int64)
    lengths = offsets[1:] - offsets[:-1]
    fits = lengths == width
    for row in np.flatnonzero(~fits).tolist():
        reasons.setdefault(row, f"column {name!r} has {lengths[row]} numbers, not {width}")
    values = np.zeros((len(column), width), np.float32)
    flat = as_floats(column.flatten(), np.float32)
    values[fits] = flat[np.repeat(fits, lengths)].reshape(-1, width)
    return values
