"""CSV and TSV bytes to the cells of rows, with exact line numbers for whatever is wrong.

One state machine in a compiled kernel does RFC 4180: fields separated by one byte, quoted where
they begin with ``"``, a quote inside a quoted field doubled, rows ended by LF or CRLF, blank lines
skipped.  A `Dialect` says what is otherwise.  A byte-order mark at the beginning of a row, as files
that are joined have it, is passed over.  A library's parser would be shorter, but it counts records
instead of lines, lets NUL bytes pass, and does not tell the bytes of a bad row; ``csv`` of the
standard library is the oracle in the tests.

What cannot be a row is a `Reject`, and reading goes on: behind the whole record where it is
complete (too few columns), behind its first line where the quoting is broken or the record is too
long, so that one stray quote costs one line and not the rest of the file.
"""

import codecs
from collections.abc import Iterator, Sequence
from typing import BinaryIO, NamedTuple

import numpy as np

from ooc_train.conversion.sources.columns import Cells
from ooc_train.conversion.sources.files.buffer import Buffer
from ooc_train.conversion.sources.files.ranges import Range, RangeEnd
from ooc_train.conversion.sources.files.rejects import (
    MAX_ROW_BYTES,
    Blank,
    Reject,
    too_long,
)
from ooc_train.dtypes import I64, U8
from ooc_train.intrinsics import PADDING, bytes_equal, move_bytes, ones, trailing_zeros
from ooc_train.jit import kernel

_QUOTE, _NEWLINE, _RETURN, _NUL, _SPACE = 34, 10, 13, 0, 32
_MARK = tuple(codecs.BOM_UTF8)
_NONE = -1  # no byte
_WRONG_COLUMNS, _HAS_NUL, _TEXT_AFTER_QUOTE, _QUOTE_OPEN, _TOO_LONG = 1, 2, 3, 4, 5
_NOTHING, _PLAIN, _QUOTED = 0, 1, 2  # what a field has escapes as
_MAX_REJECTS_A_CALL = 256
_LOOKED_BYTES, _MOST_GUESSES, _FITTING_ROWS = 2**16, 64, 16
_ALL = Range()
_CELL_BYTES = 16


class Dialect(NamedTuple):
    """How the fields of rows are told apart.

    ``delimiter`` separates them.  With ``quotes``, a field that begins with ``"`` goes on to the
    next one that is not doubled; else quotes are characters like others.  The character behind an
    ``escape`` stands for itself.  With ``spaces``, spaces around a quoted field are passed over.
    """

    delimiter: str
    quotes: bool = True
    escape: str | None = None
    spaces: bool = False

    @property
    def codes(self) -> tuple[int, int, int, bool]:
        """The arguments of the kernel."""
        quote = _QUOTE if self.quotes else _NONE
        return ord(self.delimiter), quote, ord(self.escape) if self.escape else _NONE, self.spaces


class Parsed(NamedTuple):
    """Consecutive rows: their lines, and the cells of the columns that were asked for."""

    lines: I64
    cells: Cells

    def without_first(self) -> "Parsed":
        """All rows but the first, which is the header."""
        data, starts, stops = self.cells
        return Parsed(self.lines[1:], Cells(data, starts[1:], stops[1:]))


def read_rows(
    stream: BinaryIO, parser: "Parser", block_bytes: int, part: Range = _ALL, *, n_least: int = 0
) -> Iterator[Parsed | Reject | Blank | RangeEnd]:
    """Rows of about ``block_bytes`` together, rejects where they occur, and the blank lines.

    They are those that begin in a range, and ``n_least`` rows at least, if there are so many.  The
    cells lie in a buffer that the next rows overwrite.

    Memory: twice ``block_bytes`` or the longest row.
    """
    buffer = Buffer(stream, part.buffer_bytes(block_bytes), parser.max_row_bytes, part)
    if part.is_guess:
        _skip_to_row(buffer, parser)
    start, n_rows = buffer.position, 0
    while (buffer.position < part.stop or n_rows < n_least) and buffer.fill():
        n_begin = min(block_bytes, max(1, part.stop - buffer.position))
        parsed, rejects, consumed = parser.parse(buffer.data, buffer.is_last, n_begin)
        n_rows += len(parsed.lines)
        yield from rejects
        if len(parsed.lines):
            yield parsed
        if consumed or not buffer.is_full or buffer.grow():
            buffer.drop(consumed)
        else:
            yield parser.too_long(buffer.data)
            buffer.skip_line()
    if parser.n_blank:
        yield Blank(parser.n_blank)
    yield RangeEnd(start, buffer.position, parser.line)


def _skip_to_row(buffer: Buffer, parser: "Parser") -> None:
    """Skip to the first line from which on rows can be read, as far as some rows tell.

    A line within a quoted field is hardly ever a row, or the lines behind it are none.
    """
    buffer.fill()
    looked_at = buffer.data[:_LOOKED_BYTES]
    starts = (1 + np.flatnonzero(looked_at == _NEWLINE)[:_MOST_GUESSES]).tolist()
    for start in starts:
        data = buffer.data[start : start + _LOOKED_BYTES]
        if parser.fits(data, buffer.is_last and start + len(data) == len(buffer.data)):
            buffer.drop(start)
            return
    buffer.skip_line()


class Parser:
    """The kernel with its state between buffers: the ``line`` reached, at first ``first_line``.

    ``n_blank`` lines before it were blank.

    Every row has ``n_columns``; of these, counted from 0, the ``wanted`` ones are given, in that
    order.  A row has at most ``max_row_bytes``.
    """

    def __init__(
        self,
        dialect: Dialect,
        n_columns: int,
        wanted: Sequence[int],
        max_row_bytes: int = MAX_ROW_BYTES,
        first_line: int = 1,
    ) -> None:
        self.line, self.n_blank = first_line, 0
        self.max_row_bytes = max_row_bytes
        self._codes = dialect.codes
        self._n_wanted = len(wanted)
        self._places = np.full(n_columns, -1, np.int64)
        self._places[np.array(wanted, np.int64)] = np.arange(len(wanted))
        self._bounds = np.empty((2, 0, len(wanted)), np.int64)
        self._lines = np.empty(0, np.int64)

    def parse(self, data: U8, is_last: bool, block_bytes: int) -> tuple[Parsed, list[Reject], int]:
        """The whole rows that begin in the first ``block_bytes`` of ``data``.

        Returns these rows, the rejects among them, and the bytes consumed.  The cells are valid
        until the next call.  Doubled quotes in the rows' fields are made single where they lie.
        Behind ``data`` there must be `PADDING` readable bytes.
        """
        # Cells take no more memory than the data, of which fewer rows are parsed then.
        capacity = len(data) // (_CELL_BYTES * self._n_wanted) + 1
        if capacity > len(self._lines):
            self._bounds = np.empty((2, capacity, self._n_wanted), np.int64)
            self._lines = np.empty(capacity, np.int64)
        starts, stops, lines = *self._bounds, self._lines
        rejected = np.empty((_MAX_REJECTS_A_CALL, 5), np.int64)
        n_rows, n_rejected, n_blank, consumed, self.line = _parse(
            data, is_last, block_bytes, self.max_row_bytes, self.line, *self._codes, self._places,
            starts, stops, lines, rejected,
        )  # fmt: skip
        self.n_blank += n_blank
        rejects = [self._reject(data, *found) for found in rejected[:n_rejected].tolist()]
        cells = Cells(data, starts[:n_rows], stops[:n_rows])
        return Parsed(lines[:n_rows].copy(), cells), rejects, consumed

    def fits(self, data: U8, is_last: bool) -> bool:
        """Whether the first rows of ``data`` can be used, as far as they are whole."""
        starts, stops = np.empty((2, _FITTING_ROWS, self._n_wanted), np.int64)
        _, n_rejected, *_ = _parse(
            np.concatenate((data, np.zeros(PADDING, np.uint8)))[: len(data)], is_last, len(data),
            self.max_row_bytes, 1, *self._codes, self._places, starts, stops,
            np.empty(_FITTING_ROWS, np.int64), np.empty((1, 5), np.int64),
        )  # fmt: skip
        return n_rejected == 0

    def too_long(self, data: U8) -> Reject:
        """Reject the row at the beginning of ``data`` that has no end there, but for its line."""
        first_line, _, _ = data[: self.max_row_bytes + 1].tobytes().partition(b"\n")
        self.line += 1
        return Reject(self.line - 1, self._reason(_TOO_LONG), first_line.rstrip(b"\r"))

    def _reject(self, data: U8, start: int, stop: int, line: int, code: int, found: int) -> Reject:
        return Reject(line, self._reason(code, found), data[start:stop].tobytes().rstrip(b"\r\n"))

    def _reason(self, code: int, found: int = 0) -> str:
        return {
            _WRONG_COLUMNS: f"found {found} columns, expected {len(self._places)}",
            _HAS_NUL: "the row contains a NUL byte",
            _TEXT_AFTER_QUOTE: "text follows a closing quote (a quote inside a field is doubled, "
            "unless --escape or --quoting says otherwise)",
            _QUOTE_OPEN: "a quote is opened and never closed",
            _TOO_LONG: f"{too_long('row', self.max_row_bytes)} (does a quote never close?)",
        }[code]


def row_widths(data: U8, dialect: Dialect, max_row_bytes: int, *, is_last: bool) -> list[int]:
    """The number of columns of each of the first rows of ``data``; 0 of those that are broken.

    Where no column is expected, the kernel rejects every row, and tells how many it has.
    """
    cells = np.empty((1, 0), np.int64)
    rejected = np.empty((_MAX_REJECTS_A_CALL, 5), np.int64)
    _, n, *_ = _parse(
        data, is_last, len(data), max_row_bytes, 1, *dialect.codes, cells[0],
        cells, cells, np.empty(1, np.int64), rejected,
    )  # fmt: skip
    return [found if code == _WRONG_COLUMNS else 0 for *_, code, found in rejected[:n].tolist()]


@kernel
def _parse(  # noqa: C901, PLR0912, PLR0915
    data: U8,
    is_last: bool,
    block_bytes: int,
    max_row_bytes: int,
    line: int,
    delimiter: int,
    quote: int,
    escape: int,
    spaces: bool,
    places: I64,
    starts: I64,
    stops: I64,
    lines: I64,
    rejected: I64,
) -> tuple[int, int, int, int, int]:
    """Numbers of rows, of rejects and of blank lines, bytes consumed, and the line reached.

    One function, long as it is: it is one state machine, and a call for each field would halve its
    speed.
    """
    n, n_columns = len(data), len(places)
    n_begin = min(n, block_bytes)
    escapes = np.zeros(starts.shape[1], np.uint8)
    n_rows = n_rejected = n_blank = i = 0
    while i < n_begin and n_rejected < len(rejected) and n_rows < len(lines):
        start, start_line, column, problem = i, line, 0, 0
        if (
            data[i] == _MARK[0]
            and i + 2 < n
            and data[i + 1] == _MARK[1]
            and data[i + 2] == _MARK[2]
        ):
            i += 3
        field_start = field_stop = i
        any_escapes = False
        complete = False
        while not complete:  # one field a turn
            escaped = _NOTHING
            if spaces:
                k = i
                while k < n and data[k] == _SPACE:
                    k += 1
                if k < n and data[k] == quote:
                    i = k
            if i < n and data[i] == quote:
                # A quoted field: 64 bytes at a time up to the quote that closes it.
                i += 1
                field_start = i
                while i < n:
                    marks = bytes_equal(data, i, np.uint8(_QUOTE))
                    if escape >= 0:
                        marks |= bytes_equal(data, i, np.uint8(escape))
                    before = ~marks & (marks - np.uint64(1))  # all bits below the first mark's
                    line += ones(bytes_equal(data, i, np.uint8(_NEWLINE)) & before)
                    if bytes_equal(data, i, np.uint8(_NUL)) & before:
                        problem = _HAS_NUL
                    i += trailing_zeros(marks)
                    if marks != 0:
                        if i + 1 >= n or (data[i] == _QUOTE and data[i + 1] != _QUOTE):
                            # The closing quote, or one of which the next byte is not here.
                            i += i < n and data[i] != _QUOTE  # an escape closes nothing
                            break
                        line += data[i + 1] == _NEWLINE
                        escaped = _QUOTED
                        i += 2
                if i >= n:
                    problem = _QUOTE_OPEN
                    break
                field_stop = i
                i += 1
                while spaces and i < n and data[i] == _SPACE:
                    i += 1
                # A CR belongs to the end of the row if an LF follows it, or nothing at all.
                if i + 1 < n and data[i] == _RETURN and data[i + 1] == _NEWLINE:
                    i += 1
                if i >= n or (data[i] == _RETURN and i + 1 >= n):
                    if not is_last:
                        problem = _QUOTE_OPEN  # the bytes behind the quote are not here yet
                        break
                    i = n  # the end of the file ends the row
                elif data[i] != delimiter and data[i] != _NEWLINE:
                    problem = _TEXT_AFTER_QUOTE
                    break
            else:
                # A plain field: 64 bytes at a time up to a delimiter or the end of the line.
                # Quotes inside it mean nothing.
                field_start = i
                while i < n:
                    ends = bytes_equal(data, i, np.uint8(_NEWLINE))
                    ends |= bytes_equal(data, i, np.uint8(delimiter))
                    if escape >= 0:
                        ends |= bytes_equal(data, i, np.uint8(escape))
                    nuls = bytes_equal(data, i, np.uint8(_NUL)) & ~ends & (ends - np.uint64(1))
                    if nuls != 0 and i + trailing_zeros(nuls) < n:
                        problem = _HAS_NUL  # and not in the padding behind the data
                    i += trailing_zeros(ends)
                    if ends != 0:
                        if i >= n or data[i] != escape:
                            break
                        line += i + 1 < n and data[i + 1] == _NEWLINE
                        escaped = _PLAIN
                        i += 2
                i = min(i, n)  # the field may have ended in the padding
                field_stop = i
                if (i >= n or data[i] == _NEWLINE) and i > field_start:
                    field_stop -= data[i - 1] == _RETURN
            if column < n_columns and places[column] >= 0:
                place = places[column]
                starts[n_rows, place], stops[n_rows, place] = field_start, field_stop
                escapes[place] = escaped
                any_escapes |= escaped != _NOTHING
            column += 1
            complete = i >= n or data[i] == _NEWLINE
            i += 1  # behind the delimiter or the newline
        if problem == _QUOTE_OPEN or i > n:
            # The row is not whole: its rest comes with the next buffer, if there is one.
            if not is_last:
                i, line = start, start_line
                break
            i = min(i, n)
        # Without the newline behind it.
        length = i - start - np.int64(complete and data[i - 1] == _NEWLINE)
        if length > max_row_bytes:
            problem = _TOO_LONG
        if problem >= _TEXT_AFTER_QUOTE:
            # The quoting is broken: where the record ends is not known, so give up this line alone.
            i = start
            while i < n and data[i] != _NEWLINE:
                i += 1
            if i >= n and not is_last:
                i, line = start, start_line
                break
            if i - start > max_row_bytes:
                problem = _TOO_LONG
            i = min(i + 1, n)
            line = start_line
        line += 1
        if column == 1 and not problem and field_stop == field_start and data[start] != _QUOTE:
            n_blank += 1  # one of two quotes is a row of one empty field
            continue
        if not problem and column != n_columns:
            problem = _WRONG_COLUMNS
        if problem:
            rejected[n_rejected, 0], rejected[n_rejected, 1] = start, i
            rejected[n_rejected, 2], rejected[n_rejected, 3] = start_line, problem
            rejected[n_rejected, 4] = column
            n_rejected += 1
            continue
        if any_escapes:
            # Only now: a row that is rejected, or read again, must stay as it was.
            for place in range(len(escapes)):
                if escapes[place] != _NOTHING:
                    stops[n_rows, place] = _unescape(
                        data,
                        starts[n_rows, place],
                        stops[n_rows, place],
                        escape if escape >= 0 else _QUOTE,
                        escapes[place] == _QUOTED,
                    )
        lines[n_rows] = start_line
        n_rows += 1
    return n_rows, n_rejected, n_blank, i, line


@kernel
def _unescape(data: U8, start: int, stop: int, escape: int, is_quoted: bool) -> int:
    """Take out escapes, and the first of doubled quotes, in place; the new stop."""
    end = start
    i = start
    while i < stop:  # up to each character that another stands before, and the first of them
        marks = bytes_equal(data, i, np.uint8(escape))
        if is_quoted:
            marks |= bytes_equal(data, i, np.uint8(_QUOTE))
        i += trailing_zeros(marks)
        if marks != 0 and i < stop:
            move_bytes(data, start, end, i - start)
            end += i - start
            start = i + 1
            i += 2
    move_bytes(data, start, end, stop - start)
    return end + stop - start
