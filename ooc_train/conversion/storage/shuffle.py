"""Rows on their way to their place: an external shuffle through buckets.

A row's destination in its split is known when it is read, so it goes to the *bucket* of
destinations that its own falls into.  Buckets lie in a temporary file; later each is read whole,
its rows put in order, and written behind the one before.

A packed row is a run of uint64: its destination; its label and the number of uint64 that follow;
and these.  In a sparse row there is one for each entry: a column and a float32, its two halves.
"""

import threading
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from ooc_train.conversion.storage.spill import Spill
from ooc_train.dtypes import F32, I32, I64, U64
from ooc_train.intrinsics import trailing_zeros
from ooc_train.jit import kernel

HEADER_ITEMS = 2
_LEAST_BUCKETS = 16  # so that there is something for all workers

AnyBuckets = TypeVar("AnyBuckets", bound="Buckets")


class LabelledRows(NamedTuple):
    """Sparse rows: labels (n_rows,), offsets (n_rows + 1,), columns and values (n_entries,)."""

    labels: I32
    offsets: I64
    columns: I32
    values: F32


class SortingScratch(NamedTuple):
    """What ``sort_entries`` needs for columns below a number; all bits are 0 between its calls.

    A bit for each column that is there, a bit for each 64 of these, and the columns' values.
    """

    bits: U64
    summary: U64
    values: F32

    @classmethod
    def of(cls, n_columns: int) -> "SortingScratch":
        """Scratch for ``n_columns``: 5 bytes for each."""
        bits = np.zeros(n_columns // 64 + 1, np.uint64)
        summary = np.zeros(len(bits) // 64 + 1, np.uint64)
        return cls(bits, summary, np.empty(n_columns, np.float32))


class Buckets:
    """Packed rows of one split, written in any order and read in that of their destinations.

    Any number of threads may write, and then read.  Memory: a bucket of about ``bucket_bytes`` for
    each that is being read.
    """

    def __init__(
        self, folder: Path, n_rows: int, *, expected_bytes: int, bucket_bytes: int
    ) -> None:
        self.n_rows = n_rows
        wanted = max(_LEAST_BUCKETS, -(-expected_bytes // bucket_bytes))
        self._rows_a_bucket = max(1, n_rows // wanted)
        self.n_buckets = -(-n_rows // self._rows_a_bucket)
        self._spill = Spill(folder)

    def __enter__(self: AnyBuckets) -> AnyBuckets:
        return self

    def __exit__(self, *error: object) -> None:
        self._spill.close()

    @property
    def n_bytes(self) -> int:
        """Bytes written to the temporary file so far."""
        return self._spill.n_bytes

    def arrange(self, destinations: I64, n_items: I64) -> tuple[I64, I64]:
        """How to pack rows of so many items each: their order, and where each bucket begins."""
        buckets = destinations // self._rows_a_bucket
        order = np.argsort(buckets, kind="stable")
        sizes = HEADER_ITEMS + n_items
        bounds = np.zeros(self.n_buckets + 1, np.int64)
        np.cumsum(np.bincount(buckets, sizes, self.n_buckets).astype(np.int64), out=bounds[1:])
        return order, bounds

    def write_packed(self, items: U64, bounds: I64) -> None:
        """Add rows that are packed as `arrange` said."""
        self._spill.write(0, items, bounds)

    def read_packed(self, bucket: int) -> tuple[I64, U64]:
        """The packed rows of a bucket, row ``i`` at the ``i``-th of the offsets that come first."""
        first = bucket * self._rows_a_bucket
        items = self._spill.read(bucket)
        starts = np.empty(min(self._rows_a_bucket, self.n_rows - first), np.int64)
        _locate(items, items.view(np.int32), first, starts)
        return starts, items


class RowShuffle(Buckets):
    """Sparse rows of one split.  ``entries`` (n_columns,) counts the entries of each column.

    Memory: two buckets of about ``bucket_bytes`` for each that is being read.
    """

    def __init__(
        self, folder: Path, n_rows: int, n_columns: int, *, expected_bytes: int, bucket_bytes: int
    ) -> None:
        super().__init__(folder, n_rows, expected_bytes=expected_bytes, bucket_bytes=bucket_bytes)
        self.entries = np.zeros(n_columns, np.int64)
        self._lock = threading.Lock()

    def write(self, destinations: I64, rows: LabelledRows, chosen: I64) -> None:
        """Add the rows at the positions ``chosen``, each with its destination in the split."""
        order, bounds = self.arrange(destinations, np.diff(rows.offsets)[chosen])
        packed = np.empty(bounds[-1], np.uint64)
        entries = np.zeros_like(self.entries)
        _pack(
            chosen[order], destinations[order], *rows,
            packed, packed.view(np.int32), packed.view(np.float32), entries,
        )  # fmt: skip
        with self._lock:
            self.entries += entries
        self.write_packed(packed, bounds)

    def read(self, bucket: int, column_of: I32) -> LabelledRows:
        """The rows of a bucket in order, columns ascending within each row.

        Entry columns are mapped by ``column_of``; those that it maps to -1 are left out.
        """
        starts, packed = self.read_packed(bucket)
        n_rows = len(starts)
        labels, offsets = np.empty(n_rows, np.int32), np.zeros(n_rows + 1, np.int64)
        halves, floats = packed.view(np.int32), packed.view(np.float32)
        columns = np.empty(len(packed) - HEADER_ITEMS * n_rows, np.int32)
        values = np.empty(len(columns), np.float32)
        scratch = SortingScratch.of(len(column_of))
        n = _unpack(starts, halves, floats, column_of, labels, offsets, columns, values, scratch)
        return LabelledRows(labels, offsets, columns[:n], values[:n])


@kernel
def _pack(
    chosen: I64,
    destinations: I64,
    labels: I32,
    offsets: I64,
    columns: I32,
    values: F32,
    packed: U64,
    halves: I32,
    floats: F32,
    entries: I64,
) -> None:
    end = 0
    for i in range(len(chosen)):
        row = chosen[i]
        packed[end] = np.uint64(destinations[i])
        halves[2 * end + 2] = labels[row]
        halves[2 * end + 3] = offsets[row + 1] - offsets[row]
        end += HEADER_ITEMS
        for k in range(offsets[row], offsets[row + 1]):
            halves[2 * end], floats[2 * end + 1] = columns[k], values[k]
            entries[columns[k]] += 1
            end += 1


@kernel
def _locate(packed: U64, halves: I32, first: int, starts: I64) -> None:
    i = 0
    while i < len(packed):
        starts[np.int64(packed[i]) - first] = i
        i += HEADER_ITEMS + halves[2 * i + 3]


@kernel
def _unpack(
    starts: I64,
    halves: I32,
    floats: F32,
    column_of: I32,
    labels: I32,
    offsets: I64,
    columns: I32,
    values: F32,
    scratch: SortingScratch,
) -> int:
    n = 0
    for row in range(len(starts)):
        i = starts[row]
        labels[row] = halves[2 * i + 2]
        n_entries = halves[2 * i + 3]
        begin = n
        for k in range(i + HEADER_ITEMS, i + HEADER_ITEMS + n_entries):
            column = column_of[halves[2 * k]]
            columns[n], values[n] = column, floats[2 * k + 1]
            n += np.int64(column >= 0)  # without a branch that a processor could not foresee
        sort_entries(columns, values, begin, n, scratch)
        offsets[row + 1] = n
    return n


@kernel
def sort_entries(columns: I32, values: F32, begin: int, end: int, scratch: SortingScratch) -> None:
    """Sort the entries ``begin`` to ``end``, a row's, by their columns, which are all different.

    Marking them in a set of bits and reading that in order takes no comparison, and a time in
    proportion to their number.
    """
    bits, summary, by_column = scratch
    one = np.uint64(1)
    for k in range(begin, end):
        column = np.int64(columns[k])
        by_column[column] = values[k]
        bits[column >> 6] |= one << np.uint64(column & 63)
        summary[column >> 12] |= one << np.uint64((column >> 6) & 63)
    n = begin
    for high in range(len(summary)):
        words = summary[high]
        summary[high] = 0
        while words != 0:
            word = 64 * high + trailing_zeros(words)
            words &= words - one
            marks = bits[word]
            bits[word] = 0
            while marks != 0:
                column = 64 * word + trailing_zeros(marks)
                marks &= marks - one
                columns[n], values[n] = column, by_column[column]
                n += 1
