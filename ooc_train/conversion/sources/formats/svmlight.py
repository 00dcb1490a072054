"""svmlight files: a label and the columns that are not zero, a row a line.

``label [qid:q] column:value column:value ... # comment``, columns ascending.  A query's number is
passed over: rows are classified each by itself.

The kernel reads what is plain; a line that it does not take is read again in Python, which knows
all numerals, or says what is wrong.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from ooc_train.conversion.sources.columns import (
    Cells,
    Chosen,
    ColumnFile,
    Piece,
    SparseEntries,
    Table,
)
from ooc_train.conversion.sources.files.buffer import first_lines, range_blocks
from ooc_train.conversion.sources.files.input_file import InputFile
from ooc_train.conversion.sources.files.ranges import Range, RangeEnd
from ooc_train.conversion.sources.files.rejects import (
    MAX_ROW_BYTES,
    Blank,
    UnfitError,
    too_long,
)
from ooc_train.conversion.sources.layout import LayoutOptions
from ooc_train.conversion.sources.numerals import POWERS, number, parse_number
from ooc_train.conversion.sources.rows import SpelledLabels
from ooc_train.dtypes import F32, F64, I32, I64, U8, Bools
from ooc_train.errors import EmptyInputError, InputError, OptionError
from ooc_train.jit import inner_kernel

MAX_COLUMN = 2**31 - 2
_PART = re.compile(rb"\S+")
_MOST_DIGITS = 10
_SHOWN_BYTES = 100
_ROW_BYTES = 32
_Q, _I, _D = 113, 105, 100
_NUL, _NEWLINE, _SPACE, _COLON, _HASH, _ZERO, _NINE = 0, 10, 32, 58, 35, 48, 57


@dataclass(frozen=True, kw_only=True)
class SvmlightFile(ColumnFile):
    """One file of sparse rows, whose columns are numbered and need not be chosen."""

    def layout(self, chosen: Chosen) -> dict[str, Any]:  # noqa: ARG002 - there is one layout
        """The format alone."""
        return {"format": self.format}

    @property
    def is_divisible(self) -> bool:
        """Whether its text can be read from any byte on."""
        return self.file.is_divisible

    def read_range(
        self,
        chosen: Chosen,  # noqa: ARG002 - all columns are read
        block_bytes: int,
        part: Range,
    ) -> Iterator[tuple[Piece | RangeEnd, int]]:
        """The rows that begin in a range, and where they are."""
        line, n_rows = part.first_line, 0
        size = part.buffer_bytes(block_bytes)
        for text, progress in self.file.parsed(
            lambda stream: range_blocks(stream, size, self.max_row_bytes, part), part.first_byte
        ):
            if isinstance(text, RangeEnd):
                if line - part.first_line > n_rows:
                    yield Blank(line - part.first_line - n_rows), 0
                yield text._replace(line=line), progress
                return
            for table in tables(text, line, self.max_row_bytes):
                yield table, progress
                n_rows += len(table.lines)
                progress = 0  # noqa: PLW2901 - the others of the same block
            line += text.count(b"\n")


def open_svmlight(file: InputFile, options: LayoutOptions) -> SvmlightFile:
    """Look whether a file has a line that is a row."""
    if options.text or options.label or options.header:
        raise OptionError(
            f"{file.path} has the label first in every row; leave out --columns, --label and "
            f"--header"
        )
    lines, is_all = first_lines(file, options.max_row_bytes)
    rows = [line for line in lines if line.partition(b"#")[0].strip()]
    if not rows and is_all:
        raise EmptyInputError(f"{file.path} is empty; it must hold one row a line")
    if len(rows) == 1 and is_all:
        (found,) = tables(rows[0].rstrip(b"\n") + b"\n", 1, options.max_row_bytes)
        for reason in found.reasons.values():
            raise InputError(f"{file.path} is not svmlight: {reason}")
    return SvmlightFile(file=file, format="svmlight", names=(), max_row_bytes=options.max_row_bytes)


def tables(text: bytes, first_line: int, max_row_bytes: int = MAX_ROW_BYTES) -> Iterator[Table]:
    """The rows of whole lines; those that cannot be used have a reason.

    Where rows are short, a table has only some of them, so that it takes no more than some
    multiples of ``text``.
    """
    data = np.frombuffer(bytearray(text), np.uint8)
    done, line = 0, first_line
    while done < len(text):
        found, done, line = _some_rows(text, data, done, line, max_row_bytes)
        if len(found.lines):
            yield found


def _some_rows(
    text: bytes, data: U8, start: int, line: int, max_row_bytes: int
) -> tuple[Table, int, int]:
    """Rows from the byte ``start`` on, and the byte and the line where the next ones begin."""
    capacity = min(text.count(b"\n", start), (len(text) - start) // _ROW_BYTES + 1)
    most = text.count(b":", start)
    labels = np.empty((capacity, 2), np.int64)
    bounds = np.empty((capacity, 2), np.int64)
    lines = np.empty(capacity, np.int64)
    offsets = np.zeros(capacity + 1, np.int64)
    columns, values = np.empty(most, np.int32), np.empty(most, np.float32)
    is_plain = np.empty(capacity, np.bool_)
    n, stop, line = _parse(
        data, start, POWERS, max_row_bytes, line, labels, bounds, lines, offsets, columns, values,
        is_plain,
    )  # fmt: skip
    labels, bounds, lines, offsets = labels[:n], bounds[:n], lines[:n], offsets[: n + 1]
    more: dict[int, tuple[I32, F32]] = {}
    reasons: dict[int, str] = {}

    def line_of(row: int) -> bytes:
        return text[bounds[row, 0] : bounds[row, 1]]

    for row in np.flatnonzero(~is_plain[:n]).tolist():
        try:
            with np.errstate(over="ignore"):
                (first, last), *more[row] = _parse_line(line_of(row), max_row_bytes)  # type: ignore[assignment]
        except UnfitError as error:
            reasons[row] = str(error)
        else:
            labels[row] = bounds[row, 0] + first, bounds[row, 0] + last
    if more:
        offsets, columns, values = _with(offsets, columns, values, more)
    found = Cells(data, labels[:, :1], labels[:, 1:]).labels(0)
    for row in _rows_with(found, b","):
        label = found.distinct[found.numbers[row]].decode("utf-8", "replace")
        reasons.setdefault(row, f"{label!r} is more than one label")
    entries = SparseEntries(offsets, columns[: offsets[-1]], values[: offsets[-1]])
    return Table(lines, found, entries, reasons=reasons, raw=line_of), stop, line


def _rows_with(labels: SpelledLabels, part: bytes) -> list[int]:
    """The rows whose label has some part."""
    odd = [i for i, label in enumerate(labels.distinct) if part in label]
    return cast(list[int], np.flatnonzero(np.isin(labels.numbers, odd)).tolist())


def _with(
    offsets: I64, columns: I32, values: F32, more: dict[int, tuple[I32, F32]]
) -> tuple[I64, I32, F32]:
    """The rows with the entries of some that had none before."""
    rows, (new_columns, new_values) = list(more), zip(*more.values(), strict=True)
    lengths = np.diff(offsets)
    lengths[rows] = [len(entries) for entries in new_columns]
    places = np.repeat(offsets[rows], lengths[rows])
    columns = np.insert(columns, places, np.concatenate(new_columns))
    values = np.insert(values, places, np.concatenate(new_values))
    return np.cumsum([0, *lengths]), columns, values


def _parse_line(line: bytes, max_row_bytes: int) -> tuple[tuple[int, int], I32, F32]:
    """Where a row's label begins and ends in the line, and the row's columns and values."""
    if len(line) > max_row_bytes:
        raise UnfitError(too_long("row", max_row_bytes))
    row = line.partition(b"#")[0]
    if b"\0" in row:
        raise UnfitError("the row contains a NUL byte")
    parts = _PART.finditer(row)
    label = next(parts)
    if b":" in label[0]:
        raise UnfitError("no label")
    most = row.count(b":")
    columns, values = np.empty(most, np.int32), np.empty(most, np.float32)
    n = 0
    for place, part in enumerate(parts):
        if place == 0 and part[0].startswith(b"qid:"):
            continue
        digits, _, numeral = part[0].partition(b":")
        value = number(numeral) if digits.isdigit() else None
        digits = digits.lstrip(b"0") or b"0"
        shown = part[0][:_SHOWN_BYTES].decode("utf-8", "replace")
        if value is None:
            raise UnfitError(f"{shown!r} is not column:value")
        if len(digits) > _MOST_DIGITS or int(digits) > MAX_COLUMN:
            raise UnfitError(f"{shown!r} has a column above {MAX_COLUMN:,}")
        columns[n], values[n] = int(digits), np.float64(value)
        if not np.isfinite(values[n]):
            raise UnfitError(f"{shown!r} is not a finite number")
        if n and columns[n] <= columns[n - 1]:
            raise UnfitError(f"{shown!r} does not ascend, its column is after {columns[n - 1]}")
        n += 1
    return label.span(), columns[:n], values[:n]


@inner_kernel
def _parse(  # noqa: C901, PLR0912, PLR0915 - one state machine, as in `delimited_kernel`
    data: U8,
    i: int,
    powers: F64,
    max_row_bytes: int,
    line: int,
    labels: I64,
    bounds: I64,
    lines: I64,
    offsets: I64,
    columns: I32,
    values: F32,
    is_plain: Bools,
) -> tuple[int, int, int]:
    """The rows from byte ``i`` on, one for each line that is not blank, as far as there is room.

    Returns their number, and the byte and the line behind them.  Rows that are not plain have no
    entries.  The last byte of ``data`` is a newline, so that no loop runs beyond it.
    """
    row = end = 0
    while i < len(data) and row < len(lines):
        begin = i
        while _NUL < data[i] <= _SPACE and data[i] != _NEWLINE:
            i += 1
        # The label, up to a space: a colon in it belongs to an entry without a label before it.
        start = i
        while data[i] > _SPACE and data[i] != _HASH and data[i] != _COLON:
            i += 1
        label_stop, first, previous = i, end, -1
        while _NUL < data[i] <= _SPACE and data[i] != _NEWLINE:
            i += 1
        if data[i] == _Q and data[i + 1] == _I and data[i + 2] == _D and data[i + 3] == _COLON:
            while data[i] > _SPACE and data[i] != _HASH:
                i += 1
        plain = _NUL < data[label_stop] <= _SPACE and label_stop > start
        while plain and data[i] != _NEWLINE:  # an entry, or a space, a turn
            if _NUL < data[i] <= _SPACE:
                i += 1
                continue
            if data[i] == _HASH:
                break  # a comment to the end of the line
            column, digits = 0, i
            while _ZERO <= data[i] <= _NINE and column <= MAX_COLUMN:
                column = 10 * column + data[i] - _ZERO
                i += 1
            # Not a number, as in qid:7; not followed by a value; not ascending; or too large.
            if i == digits or data[i] != _COLON or not previous < column <= MAX_COLUMN:
                plain = False
                break
            value, stop = parse_number(data, i + 1, len(data), powers)
            # A numeral that the kernel does not know, or something behind it.
            if stop < 0 or data[stop] > _SPACE:
                plain = False
                break
            columns[end], values[end], previous, i = column, value, column, stop
            end += 1
        i = max(i, start)
        is_blank = label_stop == start and (data[start] == _NEWLINE or data[start] == _HASH)
        while data[i] != _NEWLINE:  # behind a comment, or what is not plain
            i += 1
        if i - begin > max_row_bytes:
            plain = is_blank = False
        if not is_blank:
            if not plain:
                end = first  # forget its entries: the line is read again
            labels[row, 0], labels[row, 1] = start, label_stop
            bounds[row, 0], bounds[row, 1], lines[row] = begin, i, line
            is_plain[row] = plain
            row += 1
            offsets[row] = end
        i += 1
        line += 1
    return row, i, line
