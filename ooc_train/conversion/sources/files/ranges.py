"""Ranges of a file's bytes, whose rows are read without those before them.

A range has the rows that begin in it; the last one may end behind it.  A row may go over several
lines, so that where the first row begins is a guess, unless the file begins there.  The range
before proves it: its last row ends where the first one of this range begins, and nowhere else.
"""

import sys
from typing import NamedTuple

_OVERHANG = 2**16


class Range(NamedTuple):
    """The bytes of a file from ``start`` to ``stop``, by default all.

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


class LongRowError(Exception):
    """A row is longer than a task may read beside others."""
