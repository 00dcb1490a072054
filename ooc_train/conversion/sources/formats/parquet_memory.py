"""The memory that rows of a Parquet file take while they are read, by the headers of its pages.

A page of each column is in memory as a whole, whatever the number of rows that are asked for.  Rows
become columns of Arrow; so few are asked for at a time that these are bounded, too, however unequal
the rows.
"""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from ooc_train.conversion.sources.formats.parquet_pages import (
    Page,
    ParquetError,
    StoredColumn,
    read_pages,
)
from ooc_train.counts import counted
from ooc_train.dtypes import F64, I64

ROWS_AT_ONCE = tuple(4096 >> k for k in range(13))
"""Numbers of rows, down to 1."""

_INDICES, _PREFIXES = (2, 8), 7  # encodings: by a dictionary; by what a value repeats of another
_VALUE_BYTES = {"BOOLEAN": 1, "INT32": 4, "INT64": 8, "INT96": 12, "FLOAT": 4, "DOUBLE": 8}
_TEXT, _FIXED_TEXT = "BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY"
_PLACE_BYTES = 8  # of a text: its offset, or its place in a dictionary
_LEVEL_BYTES = 4  # two levels of a value that is nested
_READER_BYTES = 2**13  # a column's reader itself
_DICTIONARY_COPIES = 3  # as stored, as read, and as values; of texts two more
_MOST_PAGES = 2  # in which consecutive rows may lie, so that they are as many as in a page
_MOST_BUFFER_BYTES, _LEAST_BUFFER_BYTES, _NESTED_BUFFER_BYTES = 2**20, 2**14, 2**16
_ALL_BUFFERS_BYTES = 2**24


class Leaf(NamedTuple):
    """A column as it is stored: one without parts.

    ``number`` is its place among all, ``value_bytes`` the size of a value, 0 for texts.  Rows have
    one value unless it ``is_nested``.
    """

    number: int
    path: str
    value_bytes: int
    is_nested: bool


class RowsMemory(NamedTuple):
    """The memory that some rows of a column take, or of several, in bytes.

    ``held`` is taken whatever the number of rows, ``a_row`` by a row on average, and by consecutive
    rows at most what ``most`` says for each number of `ROWS_AT_ONCE`.  Of nested columns these are
    averages.
    """

    held: int
    a_row: int
    most: F64


class GroupPlan(NamedTuple):
    """How some columns of a row group are read.

    ``places`` are the paths of texts that are read as places in a dictionary, where a long text may
    be the value of many rows.  Whether those of ``unknown`` are, the longest text of their
    dictionary tells.
    """

    memory: RowsMemory
    places: frozenset[str]
    unknown: frozenset[str]

    def n_rows(self, block_bytes: int, longest: int = 0) -> int:
        """How many rows to ask for, so that they take about ``block_bytes``.

        ``longest`` is the size of the longest text in a dictionary.
        """
        usual = max(1, block_bytes // max(1, self.memory.a_row))
        allowed = block_bytes + _MOST_PAGES * (self.memory.most[-1] + longest)
        fits = self.memory.most + longest * np.array(ROWS_AT_ONCE) <= allowed
        return min(usual, ROWS_AT_ONCE[int(np.argmax(fits))])  # one row always fits


def leaves_of(schema: Any, numbers: Iterable[int]) -> list[Leaf]:
    """The columns of a file's ``ParquetSchema`` that have some numbers."""
    leaves = []
    for number in numbers:
        column = schema.column(number)
        size = _VALUE_BYTES.get(column.physical_type, 0)
        size = (column.length or 0) if column.physical_type == _FIXED_TEXT else size
        leaves.append(Leaf(number, column.path, size, column.max_repetition_level > 0))
    return leaves


def buffer_bytes(leaves: Sequence[Leaf]) -> int:
    """The size of the buffer through which each of some columns is read."""
    most = _NESTED_BUFFER_BYTES if any(leaf.is_nested for leaf in leaves) else _MOST_BUFFER_BYTES
    return min(most, max(_LEAST_BUFFER_BYTES, _ALL_BUFFERS_BYTES // max(1, len(leaves))))


def plan_group(
    file: BinaryIO, n_file_bytes: int, n_rows: int, columns: Mapping[Leaf, StoredColumn]
) -> GroupPlan:
    """How to read some columns of a row group of ``n_rows``.

    Memory: the sizes of a column's pages.  Raises ``ParquetError``.
    """
    n_buffer_bytes = buffer_bytes(list(columns))
    held = a_row = 0.0
    most: F64 = np.zeros(len(ROWS_AT_ONCE))
    places: set[str] = set()
    unknown: set[str] = set()
    for leaf, column in columns.items():
        if column.place < 0 or not 0 <= column.n_stored <= n_file_bytes - column.place:
            raise ParquetError(f"the column {leaf.path!r} lies outside the file")
        pages = _Pages(read_pages(file, column))
        memory = pages.memory(leaf, n_rows, n_buffer_bytes)
        held, a_row, most = held + memory.held, a_row + memory.a_row, most + memory.most
        if pages.has_indices and not leaf.value_bytes:
            (unknown if pages.begins_with_indices and not leaf.is_nested else places).add(leaf.path)
    # Arrow's builders grow to twice what they hold.
    held += 2 * _MOST_PAGES * most[-1]
    return GroupPlan(RowsMemory(int(held), int(a_row), most), frozenset(places), frozenset(unknown))


class _Pages:
    """The pages of a column in a row group."""

    def __init__(self, pages: Iterable[Page]) -> None:
        sizes, stored, counts, encodings = (array("q") for _ in range(4))
        self._dictionary_bytes = 0
        for page in pages:
            if page.is_dictionary:
                self._dictionary_bytes = max(self._dictionary_bytes, page.n_bytes, page.n_stored)
                continue
            sizes.append(page.n_bytes)
            stored.append(page.n_stored)
            counts.append(page.n_values)
            encodings.append(page.encoding)
        # In floats, which do not overflow.
        self._sizes, self._stored, self._counts = (
            np.array(numbers, np.float64) for numbers in (sizes, stored, counts)
        )
        self._have_indices = np.array([encoding in _INDICES for encoding in encodings], np.bool_)
        self._have_prefixes = _PREFIXES in encodings

    @property
    def has_indices(self) -> bool:
        """Whether values are places in a dictionary."""
        return bool(self._have_indices.any())

    @property
    def begins_with_indices(self) -> bool:
        """Whether the first values are."""
        return bool(self._have_indices[:1].all())

    def memory(self, leaf: Leaf, n_rows: int, n_buffer_bytes: int) -> RowsMemory:
        """The memory that the column takes.  Raises ``ParquetError`` for other than ``n_rows``."""
        n_values = self._counts.sum()
        if not leaf.is_nested and n_values != n_rows:
            raise ParquetError(
                f"the column {leaf.path!r} has {n_values:,.0f} values for {counted(n_rows, 'row')}"
            )
        largest = self._sizes.max(initial=0)
        held = (
            min(n_buffer_bytes, self._stored.sum())
            + largest
            + self._stored.max(initial=0)
            + (_DICTIONARY_COPIES + (0 if leaf.value_bytes else 2)) * self._dictionary_bytes
            + _READER_BYTES
        )
        taken = self._counts * (leaf.value_bytes or _PLACE_BYTES)
        if not leaf.value_bytes:
            taken += np.where(self._have_indices, 0, self._sizes)
            taken = self._counts * largest if self._have_prefixes else taken
        if leaf.is_nested:
            taken += _LEVEL_BYTES * self._counts
            held += 2 * self._most_between_reads(taken, n_buffer_bytes)
        a_row = taken.sum() / max(1, n_rows)
        if leaf.is_nested or leaf.value_bytes or self._have_prefixes:
            most = a_row * np.array(ROWS_AT_ONCE)
        else:
            most = np.array([self._most_in_rows(taken, n) for n in ROWS_AT_ONCE])
        return RowsMemory(int(held), int(a_row), most)

    def _most_in_rows(self, taken: F64, n_rows: int) -> float:
        """The size of the largest pages that have some consecutive rows among them."""
        ends = np.cumsum(self._counts)
        # The last row of a page, and the page of the last of the rows from there.
        last = np.searchsorted(ends, ends + (n_rows - 1), "left")
        return _largest_run(taken, last)

    def _most_between_reads(self, taken: F64, n_buffer_bytes: int) -> float:
        """The size of the largest pages that are decoded without reading from the file between."""
        ends = np.cumsum(self._stored)
        last = np.searchsorted(ends, ends + n_buffer_bytes, "left")
        return _largest_run(taken, last)


def _largest_run(taken: F64, last: I64) -> float:
    """The largest sum of pages, from each to its last."""
    ends = np.cumsum(taken)
    runs = ends[np.minimum(last, len(ends) - 1)] - ends + taken
    return float(runs.max(initial=0))
