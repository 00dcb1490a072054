"""Parquet files through pyarrow: some columns are the text and one is the label.

Columns of text may hold numbers, too; null is an empty text.  Labels are strings, whole numbers or
booleans; a row without one is rejected.  A row's place is its number in the file.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ooc_train.conversion.sources.choice import named_columns
from ooc_train.conversion.sources.files.input_file import InputFile
from ooc_train.conversion.sources.files.rejects import MAX_ROW_BYTES, Place, Reject
from ooc_train.conversion.sources.formats.file_source import FileSource
from ooc_train.conversion.sources.layout import LayoutOptions
from ooc_train.conversion.sources.rows import TextRows, joined
from ooc_train.dtypes import I64, U8, AnyArray
from ooc_train.errors import InputError, OptionError
from ooc_train.jit import kernel

_READ_BYTES = 2**20
_MOST_ROWS = 4096
_COMMA, _SPACE = 44, 32


@dataclass(frozen=True)
class ParquetFile(FileSource):
    """One file of columns."""

    text: tuple[str, ...]
    label: str | None
    decompressed_bytes: int
    """The size of the columns of text then."""
    carried: tuple[str, ...] = ()
    """The columns that rows bring along."""

    @property
    def text_bytes(self) -> int:
        """The size of the columns of text when they are decompressed."""
        return self.decompressed_bytes

    @property
    def layout(self) -> dict[str, Any]:
        """Columns by their names."""
        return {"format": "parquet", "text": list(self.text), "label": self.label}

    def place(self, line: int) -> Place:
        """The number of the row."""
        return Place(self.path, line, "row")

    def read(self, block_bytes: int) -> Iterator[tuple[TextRows | Reject, int]]:
        """Blocks of rows of about ``block_bytes`` each, and rejects; ``lines`` are row numbers.

        Memory: some pages of each column, and a block, or 4,096 rows if these are repetitive.
        """
        columns = [*self.text, *([self.label] if self.label else []), *self.carried]
        with open_parquet(self.file) as table:
            for batch, first_row, progress in batches(self.file, table, columns, block_bytes):
                rows, rejects = self._rows(batch, first_row)
                for reject in rejects:
                    yield reject, 0
                yield rows, progress

    def _rows(self, batch: Any, first_row: int) -> tuple[TextRows, list[Reject]]:
        n_rows = batch.num_rows
        text, text_offsets = _side_by_side([as_binary(batch.column(name)) for name in self.text])
        label, label_offsets = np.empty(0, np.uint8), np.zeros(n_rows + 1, np.int64)
        reasons: dict[int, str] = {}
        if self.label:
            label, label_offsets, reasons = spelled_labels(batch.column(self.label))
        lines = np.arange(first_row, first_row + n_rows)
        carried = batch.select(self.carried).to_pylist() if self.carried else None
        rows = TextRows(text, text_offsets, label, label_offsets, lines, carried)
        for row in np.flatnonzero(np.diff(text_offsets) > MAX_ROW_BYTES).tolist():
            reasons[row] = f"the row is longer than {MAX_ROW_BYTES:,} bytes"
        if (text == 0).any():
            places = np.flatnonzero(text == 0)
            for row in np.searchsorted(text_offsets, places, "right").tolist():
                reasons[row - 1] = "the row contains a NUL byte"
        rejects = [
            Reject(first_row + row, reason, rows.text_bytes(row)[:MAX_ROW_BYTES])
            for row, reason in sorted(reasons.items())
        ]
        if reasons:
            keep = np.ones(n_rows, np.bool_)
            keep[list(reasons)] = False
            rows = rows.take(keep)
        return rows, rejects


def find_parquet(file: InputFile, options: LayoutOptions) -> ParquetFile:
    """Look into a file and decide which of its columns are text and which is the label."""
    if options.header:
        raise OptionError(f"{file.path} has columns with names and no header; leave out --header")
    with open_parquet(file) as table:
        schema = table.schema_arrow
        text, label = named_columns(file.path, schema.names, options, what="column")
        for name in [*text, *([label] if label else [])]:
            if not _is_plain(schema.field(name).type):
                raise InputError(
                    f"{file.path}: the column {name!r} holds {schema.field(name).type}, where "
                    f"strings or numbers are expected; name others with --text and --label"
                )
        carried = tuple(name for name in schema.names if options.carry and name not in text)
        return ParquetFile(file, text, label, _uncompressed_bytes(table.metadata, text), carried)


@contextmanager
def open_parquet(file: InputFile) -> Iterator[Any]:
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


def batches(
    file: InputFile, table: Any, columns: list[str], block_bytes: int
) -> Iterator[tuple[Any, int, int]]:
    """Record batches of about ``block_bytes``, with the number of their first row and progress.

    TextRows are numbered from 1; the progress is the share of the file's bytes that its rows are.
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


def _uncompressed_bytes(
    metadata: Any, columns: list[str] | tuple[str, ...], group: int | None = None
) -> int:
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
    from pyarrow import types  # noqa: PLC0415 - an extra

    if types.is_dictionary(kind):
        kind = kind.value_type
    text = (types.is_string, types.is_large_string, types.is_binary, types.is_large_binary)
    number = (types.is_integer, types.is_floating, types.is_boolean)
    return any(test(kind) for test in (*text, *number))


def as_binary(column: Any) -> tuple[U8, I64]:
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
    # Copied: kernels are compiled for arrays that may be written to.
    text = np.frombuffer(data, np.uint8, stop - start, start) if data else np.empty(0, np.uint8)
    return text.copy(), offsets - start


def as_floats(column: Any, dtype: npt.DTypeLike = np.float64) -> AnyArray:
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


def spelled_labels(column: Any) -> tuple[U8, I64, dict[int, str]]:
    """The labels as `as_binary` has them, and why some are none, by their positions."""
    import pyarrow  # noqa: PLC0415 - an extra

    reasons: dict[int, str] = {}
    if not pyarrow.types.is_floating(column.type):
        return *as_binary(column), reasons
    labels = []  # whole numbers among which some are missing
    for row, value in enumerate(as_floats(column).tolist()):
        if not (value.is_integer() or math.isnan(value)):
            reasons[row] = f"the label {value:g} is not a string or whole number"
        labels.append(b"%d" % value if value.is_integer() else b"")
    return *joined(labels), reasons


def _side_by_side(columns: list[tuple[U8, I64]]) -> tuple[U8, I64]:
    """Columns of bytes, joined by ", "."""
    text, offsets = columns[0]
    for more, more_offsets in columns[1:]:
        joined = np.empty(len(text) + len(more) + 2 * (len(offsets) - 1), np.uint8)
        joined_offsets = np.zeros_like(offsets)
        _join(text, offsets, more, more_offsets, joined, joined_offsets)
        text, offsets = joined, joined_offsets
    return text, offsets


@kernel
def _join(
    left: U8,
    left_offsets: I64,
    right: U8,
    right_offsets: I64,
    joined: U8,
    offsets: I64,
) -> None:
    end = 0
    for row in range(len(offsets) - 1):
        for i in range(left_offsets[row], left_offsets[row + 1]):
            joined[end] = left[i]
            end += 1
        joined[end], joined[end + 1] = _COMMA, _SPACE
        end += 2
        for i in range(right_offsets[row], right_offsets[row + 1]):
            joined[end] = right[i]
            end += 1
        offsets[row + 1] = end
