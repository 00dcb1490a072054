"""Ranges of a file, whose rows are read without those before them.

The borders of text are bytes.  A range has the rows that begin in it; the last one may end behind
it.  A row may go over several lines, so that where the first row begins is a guess, unless the file
begins there.  The range before proves it: its last row ends where the first one of this range
begins, and nowhere else.

The borders of a table, whose number of rows is known before it is read, are numbers of rows, from
0, and no guesses.
"""

import sys
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_OVERHANG = 2**16


class Range(NamedTuple):
    """The bytes or rows of a file from ``start`` to ``stop``, by default all.

    ``first_line`` is the number that lines are counted from.  With ``is_guess`` a row may go across
    ``start``, and the first row is looked for from there on.  A row of more than ``most_bytes`` is
    not read, but raises `LongRowError`.
    """

    start: int = 0
    stop: int = sys.maxsize
    first_line: int = 1
    is_guess: bool = False
    most_bytes: int = sys.maxsize

    @property
    def first_byte(self) -> int:
        """The first byte to read; of a guess it is the one before, which may end a line."""
        return self.start - self.is_guess

    def buffer_bytes(self, block_bytes: int) -> int:
        """The usual size of a buffer, which mostly has the end of the last row, too."""
        return min(block_bytes, self.stop - self.start + _OVERHANG)


class RangeEnd(NamedTuple):
    """Where the first row of a range begins, where its last row ends, and on which line."""

    start: int
    stop: int
    line: int


def byte_ranges(n_in_all: int, n_bytes: int) -> Iterator[Range]:
    """A text of ``n_in_all`` bytes in ranges of ``n_bytes``.

    >>> [(part.start, part.stop, part.is_guess) for part in byte_ranges(5, 3)]
    [(0, 3, False), (3, 5, True)]
    """
    for start in range(0, n_in_all, n_bytes):
        yield Range(start, min(start + n_bytes, n_in_all), is_guess=start > 0)


def row_ranges(borders: Sequence[int], n_rows: int) -> Iterator[Range]:
    """A table in ranges of ``n_rows``, or of more, between some of the ascending ``borders``.

    These are the first row, those that can be read without the rows before them, and the number of
    all rows.

    >>> [(part.start, part.stop, part.first_line) for part in row_ranges([0, 2, 4, 9, 10], 3)]
    [(0, 4, 1), (4, 9, 5), (9, 10, 10)]
    """
    start, last = 0, len(borders) - 1
    while start < borders[last]:
        stop = borders[min(bisect_left(borders, start + n_rows), last)]
        yield Range(start, stop, first_line=start + 1)
        start = stop


class LongRowError(Exception):
    """A row is longer than a task may read beside others."""
