"""The beginning of a delimited file, in which its dialect and its columns are found."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ooc_train.conversion.sources.files.rejects import Reject, UnfitError
from ooc_train.conversion.sources.formats.delimited_kernel import Dialect, Parser, row_widths
from ooc_train.dtypes import U8
from ooc_train.intrinsics import PADDING

MAX_COLUMNS = 2**19
"""More are no columns: each takes 16 bytes a row, and some 150 while they are chosen."""


class FirstRows(NamedTuple):
    """The first rows of a file that can be used, as lists of fields, and the rejects among them.

    All have ``n_columns``.  ``lines`` are the rows' lines, from 1; there may be more of them.
    ``is_all`` says that the file has no more.
    """

    n_columns: int
    fields: list[list[bytes]]
    lines: list[int]
    rejects: list[Reject]
    is_all: bool


class Sample:
    """The beginning of a file, or all of it if it ``is_whole``, to be read in any dialect.

    ``first_line`` is the number of the first line of ``text``.  Memory: three times the text, and
    16 bytes for each field.
    """

    def __init__(
        self, text: bytes, max_row_bytes: int, *, is_whole: bool, first_line: int = 1
    ) -> None:
        self.text = text
        self.is_whole = is_whole
        self.first_line = first_line
        self._max_row_bytes = max_row_bytes

    @property
    def _data(self) -> U8:
        return np.frombuffer(bytearray(self.text) + bytes(PADDING), np.uint8, len(self.text))

    def widths(self, dialect: Dialect) -> list[int]:
        """The number of columns of each of the first rows; 0 of those that are broken."""
        return row_widths(self._data, dialect, self._max_row_bytes, is_last=self.is_whole)

    def rows(self, dialect: Dialect, n_rows: int) -> FirstRows:
        """Up to ``n_rows`` of the first rows, as they will be read.

        They have as many columns as most of the sample's rows.  Raises ``UnfitError`` for more than
        ``MAX_COLUMNS``.
        """
        n_columns = most_frequent([width for width in self.widths(dialect) if width])
        if n_columns > MAX_COLUMNS:
            raise UnfitError(f"found {n_columns:,} columns, more than {MAX_COLUMNS:,}")
        n_columns = max(1, n_columns)  # without a row, so that all are rejected
        parser = Parser(dialect, n_columns, range(n_columns), self._max_row_bytes, self.first_line)
        found = FirstRows(n_columns, [], [], [], is_all=False)
        data, done = self._data, 0
        while done < len(data) and len(found.fields) < n_rows:
            (lines, cells), rejects, consumed = parser.parse(data[done:], self.is_whole, len(data))
            if not consumed:
                break
            done += consumed
            found.rejects.extend(rejects)
            found.lines.extend(lines.tolist())
            for row in range(min(len(lines), n_rows - len(found.fields))):
                found.fields.append([cells.cell(row, column) for column in range(n_columns)])
        return found._replace(is_all=self.is_whole and done == len(data))


def most_frequent(numbers: Sequence[int]) -> int:
    """The most frequent number, of several the first; 0 if there is none.

    >>> most_frequent([3, 2, 2, 3]), most_frequent([])
    (3, 0)
    """
    return Counter(numbers).most_common(1)[0][0] if numbers else 0
