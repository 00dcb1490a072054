"""Parquet files through pyarrow.

Columns of text may hold numbers, too; null is an empty text.  Columns of numbers may hold lists,
as long in every row.  Labels are strings, whole numbers or booleans; a row without one is rejected.
A row's place is its number in the file.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ooc_train.conversion.sources.columns import Cells, Chosen, ColumnFile, Table
from ooc_train.conversion.sources.files.input_file import InputFile
from ooc_train.conversion.sources.layout import LayoutOptions
from ooc_train.conversion.sources.rows import SpelledLabels
from ooc_train.dtypes import F32, I64, U8, AnyArray
from ooc_train.errors import InputError, OptionError

_READ_BYTES = 2**20
_MOST_ROWS = 4096


@dataclass(frozen=True, kw_only=True)
class ParquetFile(ColumnFile):
    """One file of columns, whose types its ``schema`` has."""

    schema: Any

    unit = "row"

    def check(self, chosen: Chosen) -> None:
        """Refuse columns of other types than text and numbers can be made of."""
        for column in chosen.used:
            is_feature = chosen.numbers and column != chosen.label
            kind = self.schema.field(column).type
            if is_feature and not _is_numeric(_item(kind)):
                raise InputError(
                    f"{self.file.path}: the column {self.names[column]!r} holds {kind}, where "
                    f"numbers are expected; name those of the features with --columns"
                )
            if not (is_feature or _is_plain(kind)):
                raise InputError(
                    f"{self.file.path}: the column {self.names[column]!r} holds {kind}, where "
                    f"strings or numbers are expected; name others with --text and --label"
                )

    def widths(self, columns: Sequence[int]) -> tuple[int, ...]:
        """The number of numbers in each of some columns, by its type or else by its first row."""
        from pyarrow import types  # noqa: PLC0415 - an extra

        widths = []
        for column in columns:
            kind = self.schema.field(column).type
            if types.is_fixed_size_list(kind):
                widths.append(kind.list_size)
            elif _is_list(kind):
                with _opened(self.file) as table:
                    first = next(table.iter_batches(1, columns=[self.names[column]])).column(0)
                    widths.append(len(first.flatten()))
            else:
                widths.append(1)
        return tuple(widths)

    def content_bytes(self, columns: Sequence[int]) -> int:
        """The size of some columns when they are decompressed."""
        with _opened(self.file) as table:
            return _uncompressed_bytes(table.metadata, [self.names[k] for k in columns])

    def read(self, chosen: Chosen, block_bytes: int) -> Iterator[tuple[Table, int]]:
        """The rows in tables of about ``block_bytes``, each with the progress.

        Memory: some pages of each column, and a block, or 4,096 rows if these are repetitive.
        """
        widths = self.widths(chosen.columns) if chosen.numbers else ()
        carried = [self.names[column] for column in (chosen.carried or {}).values()]
        names = list(dict.fromkeys([*(self.names[column] for column in chosen.used), *carried]))
        with _opened(self.file) as table:
            for batch, first_row, progress in _batches(self.file, table, names, block_bytes):
                yield self._table(batch, first_row, chosen, widths), progress

    def _table(self, batch: Any, first_row: int, chosen: Chosen, widths: Sequence[int]) -> Table:
        reasons: dict[int, str] = {}
        labels = SpelledLabels.none(batch.num_rows)
        if chosen.label >= 0:
            labels = _labels(batch.column(self.names[chosen.label]), reasons)
        names = [self.names[column] for column in chosen.columns]
        columns: Cells | Iterator[F32]
        if chosen.numbers:
            columns = (  # one at a time, which may still add reasons
                _numbers(batch.column(name), name, width, reasons)
                for name, width in zip(names, widths, strict=True)
            )
        else:
            columns = _cells([_as_binary(batch.column(name)) for name in names])
        carried = list(chosen.carried or ())
        return Table(
            np.arange(first_row, first_row + batch.num_rows),
            labels,
            columns,
            reasons=reasons,
            carried=batch.select(carried).to_pylist() if carried else None,
        )


def open_parquet(file: InputFile, _: LayoutOptions) -> ParquetFile:
    """Look into a file for its columns."""
    with _opened(file) as table:
        schema = table.schema_arrow
        return ParquetFile(
            file=file,
            format="parquet",
            names=tuple(schema.names),
            n_rows=table.metadata.num_rows,
            schema=schema,
        )


@contextmanager
def _opened(file: InputFile) -> Iterator[Any]:
    """A ``pyarrow.parquet.ParquetFile`` that reads its columns piece by piece.

    Raises ``InputError`` for what is not Parquet, or damaged, also while it is read.
    """
    try:
        import pyarrow  # noqa: PLC0415 - an extra
        import pyarrow.parquet  # noqa: PLC0415
    except ImportError:
        raise OptionError(
            f"{file.path} is a Parquet file, which needs the package pyarrow; "
            f"pip install 'ooc-train[parquet]'"
        ) from None
    if file.compression:
        raise InputError(f"{file.path}: Parquet is compressed within; decompress the file first")
    with file.open_raw() as raw:
        try:
            with pyarrow.parquet.ParquetFile(
                raw, buffer_size=_READ_BYTES, pre_buffer=False, page_checksum_verification=True
            ) as table:
                if not table.metadata.num_rows:
                    raise InputError(f"{file.path} is empty; it holds no rows")
                yield table
        except (pyarrow.ArrowException, OSError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise InputError(f"{file.path} cannot be read as Parquet: {reason}") from error


def _batches(
    file: InputFile, table: Any, columns: Sequence[str], block_bytes: int
) -> Iterator[tuple[Any, int, int]]:
    """Record batches of about ``block_bytes``, with the number of their first row and progress.

    Rows are numbered from 1; the progress is the share of the file's bytes that its rows are.
    """
    n_rows, n_bytes, row, done = table.metadata.num_rows, file.n_bytes, 1, 0
    for group in range(table.num_row_groups):
        found = table.metadata.row_group(group)
        if not found.num_rows:
            continue
        a_row = max(1, _uncompressed_bytes(table.metadata, columns, group) // found.num_rows)
        size = max(1, min(block_bytes // a_row, _MOST_ROWS))
        for batch in table.iter_batches(size, [group], columns, use_threads=False):
            progress = n_bytes * (row - 1 + batch.num_rows) // n_rows - done
            yield batch, row, progress
            row, done = row + batch.num_rows, done + progress


def _uncompressed_bytes(metadata: Any, columns: Sequence[str], group: int | None = None) -> int:
    """The size of some columns, in one row group or in all, before their compression."""
    wanted = set(columns)
    groups = range(metadata.num_row_groups) if group is None else [group]
    chunks = (metadata.row_group(i).column(k) for i in groups for k in range(metadata.num_columns))
    return sum(
        chunk.total_uncompressed_size
        for chunk in chunks
        if chunk.path_in_schema in wanted or chunk.path_in_schema.partition(".")[0] in wanted
    )


def _is_plain(kind: Any) -> bool:
    """Whether a type is of strings or numbers."""
    from pyarrow import types  # noqa: PLC0415 - an extra

    if types.is_dictionary(kind):
        kind = kind.value_type
    text = (types.is_string, types.is_large_string, types.is_binary, types.is_large_binary)
    return _is_numeric(kind) or any(test(kind) for test in text)


def _is_numeric(kind: Any) -> bool:
    from pyarrow import types  # noqa: PLC0415 - an extra

    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind))


def _item(kind: Any) -> Any:
    """The type of a list's items; the type itself where it is none of lists."""
    return kind.value_type if _is_list(kind) else kind


def _is_list(kind: Any) -> bool:
    from pyarrow import types  # noqa: PLC0415 - an extra

    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def _as_binary(column: Any) -> tuple[U8, I64]:
    """The bytes of a column of strings or numbers, null being empty, and where each row's lie."""
    import pyarrow  # noqa: PLC0415 - an extra

    if pyarrow.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if column.type not in (pyarrow.binary(), pyarrow.large_binary(), pyarrow.large_string()):
        column = column.cast(pyarrow.large_string())
    column = column.cast(pyarrow.large_binary())
    _, offset_buffer, data = column.buffers()
    offsets = np.frombuffer(offset_buffer, np.int64, len(column) + 1, 8 * column.offset)
    start, stop = int(offsets[0]), int(offsets[-1])
    text = np.frombuffer(data, np.uint8, stop - start, start) if data else np.empty(0, np.uint8)
    return text, offsets - start


def _cells(columns: Sequence[tuple[U8, I64]]) -> Cells:
    """The cells of columns, copied behind one another."""
    bounds = np.empty((2, len(columns[0][1]) - 1, len(columns)), np.int64)
    n_bytes = 0
    for k, (data, offsets) in enumerate(columns):
        bounds[0, :, k], bounds[1, :, k] = offsets[:-1] + n_bytes, offsets[1:] + n_bytes
        n_bytes += len(data)
    return Cells(np.concatenate([data for data, _ in columns]), *bounds)


def _as_floats(column: Any, dtype: npt.DTypeLike = np.float64) -> AnyArray:
    """A column of numbers, (n_rows,) of a floating ``dtype``, null being NaN."""
    import pyarrow  # noqa: PLC0415 - an extra

    # Through its buffers: pyarrow's own way to NumPy imports pandas where it is installed.
    column = column.cast(pyarrow.from_numpy_dtype(dtype), safe=False)
    valid, data = column.buffers()
    stop = column.offset + len(column)
    values = np.frombuffer(data, dtype, stop)[column.offset :].copy()
    if valid:
        bits = np.unpackbits(np.frombuffer(valid, np.uint8), count=stop, bitorder="little")
        values[bits[column.offset :] == 0] = np.nan
    return values


def _labels(column: Any, reasons: dict[int, str]) -> SpelledLabels:
    """The labels in a column; rows with something else are given a reason."""
    import pyarrow  # noqa: PLC0415 - an extra

    if not pyarrow.types.is_floating(column.type):
        return _cells([_as_binary(column)]).labels(0)
    labels = []  # whole numbers among which some are missing
    for row, value in enumerate(_as_floats(column).tolist()):
        if not (value.is_integer() or math.isnan(value)):
            reasons[row] = f"the label {value:g} is not a string or whole number"
        labels.append(b"%d" % value if value.is_integer() else b"")
    return Cells.of(labels, 1).labels(0)


def _numbers(column: Any, name: str, width: int, reasons: dict[int, str]) -> F32:
    """A column's numbers, (n_rows, width); rows that have another number are given a reason."""
    from pyarrow import types  # noqa: PLC0415 - an extra

    if not _is_list(column.type):
        return _as_floats(column, np.float32).reshape(-1, 1)
    if types.is_fixed_size_list(column.type):
        flat = column.values.slice(column.offset * width, len(column) * width)
        values = _as_floats(flat, np.float32).reshape(-1, width)
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
    flat = _as_floats(column.flatten(), np.float32)
    values[fits] = flat[np.repeat(fits, lengths)].reshape(-1, width)
    return values
