"""CSV and TSV bytes to columnar blocks of rows, with exact line numbers for whatever is wrong.

One state machine in a compiled kernel does RFC 4180: fields separated by one byte, quoted where
they begin with ``"``, a quote inside a quoted field doubled, rows ended by LF or CRLF, blank lines
passed over.  A library's parser would be shorter but counts records instead of lines, lets NUL
bytes pass, and does not say which bytes a bad row consists of; ``csv`` of the standard library is
the oracle in the tests.

What cannot be a row is reported as a ``Reject`` and reading goes on: behind the whole record where
it is complete (too few columns), behind its first line where the quoting is broken, so that one
stray quote costs one line and not the rest of the file.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np

from ooc_train.conversion.sources.files.rejects import MAX_ROW_BYTES, Reject
from ooc_train.conversion.sources.rows import TextRows
from ooc_train.dtypes import I64, U8
from ooc_train.intrinsics import (
    PADDING,
    bytes_equal,
    copy_bytes,
    ones,
    trailing_zeros,
)
from ooc_train.jit import kernel

_QUOTE, _NEWLINE, _RETURN, _NUL = 34, 10, 13, 0
_WRONG_COLUMNS, _HAS_NUL, _TEXT_AFTER_QUOTE, _QUOTE_OPEN = 1, 2, 3, 4
_COMMA, _SPACE = 44, 32
_MAX_REJECTS_A_CALL = 256


@dataclass(frozen=True)
class Columns:
    """Which fields of a row matter: numbers from 0, ``label`` is -1 where there is none.

    ``carried`` are those that rows bring along, by their names.
    """

    delimiter: bytes
    count: int
    text: tuple[int, ...]
    label: int
    carried: dict[str, int] = field(default_factory=dict)


def read_rows(
    stream: BinaryIO, columns: Columns, *, block_bytes: int, skip_header: bool
) -> Iterator[TextRows | Reject]:
    """Blocks of rows of about ``block_bytes`` of source each, and rejects where they occur.

    Memory: four times ``block_bytes``, or of the longest row (at most ``MAX_ROW_BYTES``).
    """
    parser = _Parser(columns)
    buffer = _padded(block_bytes)
    filled, final, at_start = 0, False, True
    while True:
        filled, final = _fill(stream, buffer, filled)
        if at_start and buffer[:filled][:3].tobytes() == b"\xef\xbb\xbf":  # a byte-order mark
            buffer[:3] = _NEWLINE
            parser.line -= 3
        at_start = False
        rows, rejects, consumed = parser.parse(buffer[:filled], final)
        if skip_header and len(rows):
            rows, skip_header = rows.take(np.arange(len(rows)) > 0), False
        yield from rejects
        if len(rows):
            yield rows
        if final and consumed == filled:
            return
        if consumed == 0 and filled == len(buffer):
            if len(buffer) >= MAX_ROW_BYTES:
                reject, consumed = _too_long(stream, buffer, parser)
                yield reject
            else:
                smaller, buffer = buffer, _padded(2 * len(buffer))
                buffer[:filled] = smaller
        filled -= consumed
        buffer[:filled] = buffer[consumed : consumed + filled].copy()


def _padded(n_bytes: int) -> U8:
    """An array with readable bytes behind it, since kernels look at 64 at once."""
    return np.empty(n_bytes + PADDING, np.uint8)[:n_bytes]


def _fill(stream: BinaryIO, buffer: U8, filled: int) -> tuple[int, bool]:
    """Read until ``buffer`` is full or the stream ends; the bytes filled, and whether it ended."""
    view = buffer.data
    while filled < len(buffer):
        n_read = stream.readinto(view[filled:])  # type: ignore[attr-defined]
        if not n_read:
            return filled, True
        filled += n_read
    return filled, False


def _too_long(stream: BinaryIO, buffer: U8, parser: "_Parser") -> tuple[Reject, int]:
    """Reject the first line of a full buffer that holds no whole row; the bytes to drop."""
    reason = f"the row is longer than {MAX_ROW_BYTES:,} bytes (does a quote never close?)"
    reject = Reject(parser.line, reason, buffer[:1000].tobytes())
    newlines = np.flatnonzero(buffer == _NEWLINE)
    parser.line += 1
    if newlines.size:
        return reject, int(newlines[0]) + 1
    view = buffer.data
    while n_read := stream.readinto(view):  # type: ignore[attr-defined]
        newlines = np.flatnonzero(buffer[:n_read] == _NEWLINE)
        if newlines.size:
            rest = n_read - int(newlines[0]) - 1
            buffer[len(buffer) - rest :] = buffer[int(newlines[0]) + 1 : n_read].copy()
            return reject, len(buffer) - rest
    return reject, len(buffer)


class _Parser:
    """The kernel's state between buffers: which columns, and the line reached."""

    def __init__(self, columns: Columns) -> None:
        self.line = 1
        self._columns = columns
        self._text_columns = np.array(columns.text, np.int64)
        self._carried_columns = np.array(list(columns.carried.values()), np.int64)

    def parse(self, data: U8, final: bool) -> tuple[TextRows, list[Reject], int]:
        """The whole rows at the beginning of ``data``, what was rejected, and bytes consumed.

        Behind ``data`` there must be ``PADDING`` readable bytes.
        """
        # Sizes for the worst case: of these arrays only what is written becomes memory.
        text = np.empty(2 * len(data), np.uint8)
        labels = np.empty(len(data), np.uint8)
        capacity = len(data) // self._columns.count + 2
        text_offsets = np.zeros(capacity, np.int64)
        label_offsets = np.zeros(capacity, np.int64)
        n_carried = len(self._carried_columns)
        carried = np.empty(len(data) if n_carried else 0, np.uint8)
        carried_offsets = np.zeros(capacity * n_carried + 1, np.int64)
        lines = np.empty(capacity, np.int64)
        rejected = np.empty((_MAX_REJECTS_A_CALL, 5), np.int64)
        n_rows, n_rejected, consumed, line = _parse(
            data, final, self.line, ord(self._columns.delimiter), self._columns.count,
            self._text_columns, self._columns.label, self._carried_columns, text, text_offsets,
            labels, label_offsets, carried, carried_offsets, lines, rejected,
        )  # fmt: skip
        rejects = [self._describe(data, *found) for found in rejected[:n_rejected].tolist()]
        self.line = line
        rows = TextRows(
            text[: text_offsets[n_rows]],
            text_offsets[: n_rows + 1].copy(),
            labels[: label_offsets[n_rows]],
            label_offsets[: n_rows + 1].copy(),
            lines[:n_rows].copy(),
            self._by_name(carried, carried_offsets[: n_rows * n_carried + 1]),
        )
        return rows, rejects, consumed

    def _by_name(self, fields: U8, offsets: I64) -> list[dict[str, str]] | None:
        """Each row's fields that are carried."""
        names = self._columns.carried
        if not names:
            return None
        text = fields[: offsets[-1]].tobytes()
        bounds = itertools.pairwise(offsets.tolist())
        values = iter([text[i:j].decode("utf-8", "replace") for i, j in bounds])
        return [
            dict(zip(names, row, strict=True)) for row in zip(*[values] * len(names), strict=True)
        ]

    def _describe(
        self, data: U8, start: int, stop: int, line: int, code: int, found: int
    ) -> Reject:
        reason = {
            _WRONG_COLUMNS: f"found {found} columns, expected {self._columns.count}",
            _HAS_NUL: "the row contains a NUL byte",
            _TEXT_AFTER_QUOTE: "text follows a closing quote (a quote inside a field is doubled)",
            _QUOTE_OPEN: "a quote is opened and never closed",
        }[code]
        return Reject(line, reason, data[start:stop].tobytes().rstrip(b"\r\n"))


@kernel
def _parse(  # noqa: C901, PLR0912, PLR0915
    data: U8,
    final: bool,
    line: int,
    delimiter: int,
    n_columns: int,
    text_columns: I64,
    label_column: int,
    carried_columns: I64,
    text: U8,
    text_offsets: I64,
    labels: U8,
    label_offsets: I64,
    carried: U8,
    carried_offsets: I64,
    lines: I64,
    rejected: I64,
) -> tuple[int, int, int, int]:
    """TextRows found, rejects found, bytes consumed and the line reached.

    One function, long as it is: it is one state machine, and a call a field would halve its speed.
    """
    n = len(data)
    starts = np.empty(n_columns, np.int64)
    stops = np.empty(n_columns, np.int64)
    doubled = np.empty(n_columns, np.bool_)
    n_rows = n_rejected = text_end = label_end = carried_end = 0
    i = 0
    while i < n and n_rejected < len(rejected):
        start, start_line, column, problem = i, line, 0, 0
        complete = False
        while not complete:  # one field a turn
            has_double = False
            if i < n and data[i] == _QUOTE:
                i += 1
                field_start = i
                while i < n:
                    quotes = bytes_equal(data, i, np.uint8(_QUOTE))
                    before = ~quotes & (quotes - np.uint64(1))
                    line += ones(bytes_equal(data, i, np.uint8(_NEWLINE)) & before)
                    if bytes_equal(data, i, np.uint8(_NUL)) & before:
                        problem = _HAS_NUL
                    i += trailing_zeros(quotes)
                    if quotes != 0:
                        if i + 1 >= n or data[i + 1] != _QUOTE:
                            break
                        has_double = True
                        i += 2
                if i >= n:
                    problem = _QUOTE_OPEN
                    break
                field_stop = i
                i += 1
                if i + 1 < n and data[i] == _RETURN and data[i + 1] == _NEWLINE:
                    i += 1
                if i >= n or (data[i] == _RETURN and i + 1 >= n):
                    if not final:
                        problem = _QUOTE_OPEN  # what follows the quote is not here yet
                        break
                    i = n
                elif data[i] != delimiter and data[i] != _NEWLINE:
                    problem = _TEXT_AFTER_QUOTE
                    break
            else:
                field_start = i
                while i < n:
                    ends = bytes_equal(data, i, np.uint8(_NEWLINE))
                    ends |= bytes_equal(data, i, np.uint8(delimiter))
                    nuls = bytes_equal(data, i, np.uint8(_NUL)) & ~ends & (ends - np.uint64(1))
                    if nuls != 0 and i + trailing_zeros(nuls) < n:
                        problem = _HAS_NUL
                    i += trailing_zeros(ends)
                    if ends != 0:
                        break
                i = min(i, n)
                field_stop = i
                if (i >= n or data[i] == _NEWLINE) and i > field_start:
                    field_stop -= data[i - 1] == _RETURN
            if column < n_columns:
                starts[column], stops[column] = field_start, field_stop
                doubled[column] = has_double
            column += 1
            complete = i >= n or data[i] == _NEWLINE
            i += 1
        if problem == _QUOTE_OPEN or i > n:
            if not final:
                i, line = start, start_line
                break
            i = min(i, n)
        if problem >= _TEXT_AFTER_QUOTE:
            i = start  # quoting is broken: give up this line alone
            while i < n and data[i] != _NEWLINE:
                i += 1
            if i >= n and not final:
                i, line = start, start_line
                break
            i = min(i + 1, n)
            line = start_line
        line += 1
        if column == 1 and not problem and stops[0] == starts[0] and data[start] != _QUOTE:
            continue  # a blank line
        if not problem and column != n_columns:
            problem = _WRONG_COLUMNS
        if problem:
            rejected[n_rejected, 0], rejected[n_rejected, 1] = start, i
            rejected[n_rejected, 2], rejected[n_rejected, 3] = start_line, problem
            rejected[n_rejected, 4] = column
            n_rejected += 1
            continue
        for k in range(len(text_columns)):
            field = text_columns[k]
            if k:
                text[text_end], text[text_end + 1] = _COMMA, _SPACE
                text_end += 2
            text_end = _copy(data, starts[field], stops[field], doubled[field], text, text_end)
        if label_column >= 0:
            field = label_column
            label_end = _copy(data, starts[field], stops[field], doubled[field], labels, label_end)
        for k in range(len(carried_columns)):
            field = carried_columns[k]
            carried_end = _copy(
                data, starts[field], stops[field], doubled[field], carried, carried_end
            )
            carried_offsets[n_rows * len(carried_columns) + k + 1] = carried_end
        lines[n_rows] = start_line
        n_rows += 1
        text_offsets[n_rows], label_offsets[n_rows] = text_end, label_end
    return n_rows, n_rejected, i, line


@kernel
def _copy(data: U8, start: int, stop: int, doubled: bool, out: U8, end: int) -> int:
    """Append a field to ``out`` at ``end``, doubled quotes made single; the new end."""
    i = start
    while doubled and i < stop:  # up to each pair of quotes, and the first of it
        quotes = bytes_equal(data, i, np.uint8(_QUOTE))
        i += trailing_zeros(quotes)
        if quotes != 0 and i < stop:
            copy_bytes(data, start, out, end, i + 1 - start)
            end += i + 1 - start
            i += 2
            start = i
    copy_bytes(data, start, out, end, stop - start)
    return end + stop - start
