"""Files whose columns are Arrow's, of whatever format: how their rows become tables.

Columns of text may hold numbers, too; a text that is null or NaN is missing.  Columns of numbers
may hold lists, as long in every row.  Labels are strings, whole numbers or booleans; a row without
one is rejected.  A row's place is its number.
"""

import functools
import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from ooc_train.conversion.sources.columns import Cells, Chosen, ColumnFile, Table
from ooc_train.conversion.sources.files.rejects import Reject, too_long
from ooc_train.conversion.sources.formats.arrow import (
    Field,
    as_binary,
    as_floats,
    column_at,
    fields_of,
    is_decimal,
    is_list,
    is_number,
    is_numeric,
    is_plain,
    item_of,
    without_nan,
)
from ooc_train.conversion.sources.formats.hugging_face import class_names_in, named_labels
from ooc_train.conversion.sources.rows import SpelledLabels
from ooc_train.dtypes import F32, I64, U8
from ooc_train.errors import InputError

_SHOWN_BYTES = 10_000


@dataclass(frozen=True, kw_only=True)
class ArrowFile(ColumnFile):
    """Columns whose types the ``schema`` has; ``names`` are those of its `fields`.

    Labels that are numbers of classes with names become these: those that the file tells, or else
    ``known_names``.

    A subclass defines `read` or `read_range`, and `first_row`, and makes tables of record batches
    by `piece`.
    """

    schema: Any
    known_names: tuple[str, ...] = ()

    unit = "row"

    @functools.cached_property
    def fields(self) -> list[Field]:
        """The columns, and behind them the fields within structs, which are there to be chosen."""
        return fields_of(self.schema)

    @property
    def n_columns(self) -> int:
        """The number of columns, without the fields within them."""
        return len(self.schema)

    @property
    def indexes(self) -> frozenset[int]:
        """The columns that number the rows, by their names or by what pandas wrote."""
        try:
            frame = json.loads((self.schema.metadata or {}).get(b"pandas", b"{}"))
            named = [name for name in frame.get("index_columns", []) if isinstance(name, str)]
        except (ValueError, AttributeError, TypeError):  # which others may have written
            named = []
        return super().indexes.union(*(self.places.get(name, []) for name in named))

    def first_row(self, column: int) -> Any:
        """The first row of a column of lists."""
        raise NotImplementedError

    def class_names(self, chosen: Chosen) -> Sequence[str]:
        """The names of the classes that the labels' numbers stand for, if these are known."""
        column = self.fields[chosen.label] if chosen.label >= 0 else None
        if column is None or not is_number(column.kind):
            return ()
        return self._told_names.get(column.path) or self.known_names

    @functools.cached_property
    def _told_names(self) -> dict[tuple[str, ...], tuple[str, ...]]:
        return class_names_in(self.schema.metadata)

    def check(self, chosen: Chosen) -> None:
        """Refuse columns of other types than text and numbers can be made of."""
        for column in chosen.used:
            is_feature = chosen.numbers and column != chosen.label
            kind = self.fields[column].kind
            if is_feature and not is_numeric(item_of(kind)):
                raise InputError(
                    f"{self.file.path}: the column {self.names[column]!r} holds {kind}, where "
                    f"numbers are expected; name those of the features with --columns"
                )
            if not (is_feature or is_plain(kind)):
                raise InputError(
                    f"{self.file.path}: the column {self.names[column]!r} holds {kind}, where "
                    f"strings or numbers are expected; name others with --text and --label"
                )
        counts = Counter(self.names)
        for name in (self.names[column] for column in chosen.cells):
            if counts[name] > 1:
                raise InputError(f"{self.file.path} has two columns {name!r}; rename one of them")

    def widths(self, columns: Sequence[int]) -> tuple[int, ...]:
        """The number of numbers in each of some columns, by its type or else by its first row."""
        from pyarrow import types  # noqa: PLC0415 - an extra

        widths = []
        for column in columns:
            kind = self.fields[column].kind
            if types.is_fixed_size_list(kind):
                widths.append(kind.list_size)
            elif is_list(kind):
                widths.append(len(self.first_row(column).flatten()))
            else:
                widths.append(1)
        return tuple(widths)

    def piece(
        self, batches: Sequence[Any], first_row: int, chosen: Chosen, widths: Sequence[int]
    ) -> Table | Reject:
        """The rows of some batches, of which the first is ``first_row``, as they are chosen.

        ``widths`` are those of columns of numbers.
        """
        if not chosen.numbers and len(batches) == 1 and batches[0].num_rows == 1:
            texts = [_shown(self._column(batches, column)) for column in chosen.columns]
            if sum(map(len, texts)) > self.max_row_bytes:  # which is not copied
                reason = too_long("row", self.max_row_bytes)
                return Reject(first_row, reason, bytes(texts[0][:_SHOWN_BYTES]))
        return self._table(batches, first_row, chosen, widths)

    def _table(
        self, batches: Sequence[Any], first_row: int, chosen: Chosen, widths: Sequence[int]
    ) -> Table:
        n_rows = sum(batch.num_rows for batch in batches)
        reasons: dict[int, str] = {}
        labels = SpelledLabels.none(n_rows)
        if chosen.label >= 0:
            labels = _labels(self._column(batches, chosen.label), reasons)
            class_names = self.class_names(chosen)
            labels = named_labels(labels, class_names, reasons) if class_names else labels
        columns: Cells | Iterator[F32]
        missing: Sequence[int] = ()
        if chosen.numbers:
            columns = (  # one at a time, which may still add reasons
                _numbers(self._column(batches, column), self.names[column], width, reasons)
                for column, width in zip(chosen.columns, widths, strict=True)
            )
        else:
            texts = [without_nan(self._column(batches, column)) for column in chosen.columns]
            columns = _cells([as_binary(text) for text in texts])
            missing = _missing(texts)
        carried = list(chosen.carried or ())
        return Table(
            np.arange(first_row, first_row + n_rows),
            labels,
            columns,
            reasons=reasons,
            carried=self._carried(batches, first_row, carried) if carried else None,
            missing=missing,
        )

    def _column(self, batches: Sequence[Any], column: int) -> Any:
        """A column of some batches."""
        return _joined([column_at(batch, self.fields[column].path) for batch in batches])

    def _carried(
        self, batches: Sequence[Any], first_row: int, names: Sequence[str]
    ) -> list[dict[str, Any]]:
        """Other columns of each row, by their names."""
        try:
            return [row for batch in batches for row in batch.select(names).to_pylist()]
        except (ValueError, ArithmeticError) as error:  # a time beyond Python's, invalid UTF-8
            raise InputError(
                f"{self.place(first_row)} or one of the next: a column that is carried along "
                f"cannot be read ({error!s:.100}); take it out"
            ) from error


def _joined(columns: Sequence[Any]) -> Any:
    """Columns one behind another."""
    if len(columns) == 1:
        return columns[0]
    import pyarrow  # noqa: PLC0415 - an extra

    if pyarrow.types.is_dictionary(columns[0].type):
        columns = [column.dictionary_decode() for column in columns]
    return pyarrow.concat_arrays(columns)


def _missing(columns: Sequence[Any]) -> Sequence[int]:
    """The rows that are null in all columns."""
    if not all(column.null_count for column in columns):
        return ()
    nulls = [column.is_null().to_numpy(zero_copy_only=False) for column in columns]
    return cast(list[int], np.flatnonzero(np.all(nulls, axis=0)).tolist())


def _shown(column: Any) -> Any:
    """The bytes of a text, not copied; of a number none."""
    import pyarrow  # noqa: PLC0415 - an extra

    value = column[0]
    if pyarrow.types.is_dictionary(column.type):
        value = value.value
    is_text = isinstance(value, pyarrow.BinaryScalar | pyarrow.StringScalar)
    return memoryview(value.as_buffer() or b"") if is_text else b""


def _cells(columns: Sequence[tuple[U8, I64]]) -> Cells:
    """The cells of columns, copied behind one another."""
    bounds = np.empty((2, len(columns[0][1]) - 1, len(columns)), np.int64)
    n_bytes = 0
    for k, (data, offsets) in enumerate(columns):
        bounds[0, :, k], bounds[1, :, k] = offsets[:-1] + n_bytes, offsets[1:] + n_bytes
        n_bytes += len(data)
    return Cells(np.concatenate([data for data, _ in columns]), *bounds)


def _labels(column: Any, reasons: dict[int, str]) -> SpelledLabels:
    """The labels in a column; rows with something else are given a reason."""
    import pyarrow  # noqa: PLC0415 - an extra

    column = without_nan(column)
    if not (pyarrow.types.is_floating(column.type) or is_decimal(column.type)):
        return _cells([as_binary(column)]).labels(0)
    labels = []  # whole numbers among which some are missing
    for row, value in enumerate(as_floats(column).tolist()):
        if not (value.is_integer() or math.isnan(value)):
            reasons[row] = f"the label {value:g} is not a string or whole number"
        labels.append(b"%d" % value if value.is_integer() else b"")
    return Cells.of(labels, 1).labels(0)


def _numbers(column: Any, name: str, width: int, reasons: dict[int, str]) -> F32:
    """A column's numbers, (n_rows, width); rows that have another number are given a reason."""
    from pyarrow import types  # noqa: PLC0415 - an extra

    if not is_list(column.type):
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
    if column.null_count:  # whose items, if they have any, are left out of the others
        lengths[column.is_null().to_numpy(zero_copy_only=False)] = 0
    fits = lengths == width
    for row in np.flatnonzero(~fits).tolist():
        reasons.setdefault(row, f"column {name!r} has {lengths[row]} numbers, not {width}")
    values = np.zeros((len(column), width), np.float32)
    flat = as_floats(column.flatten(), np.float32)
    values[fits] = flat[np.repeat(fits, lengths)].reshape(-1, width)
    return values
