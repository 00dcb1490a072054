"""Sparse rows as counts of terms, which become values when they are written.

The value of a term in a row is its count, times the term's factor, times the row's.  So a term
takes two bytes or four on its way, and its value none.  A row is its factor, float64, and its terms
as ``storage.codes`` writes them.  A count above 1 stands behind its term: as that sign, or as the
sign 0 and a number.
"""

from dataclasses import dataclass

import numpy as np

from ooc_train.conversion.storage.codes import (
    N_SIGNS,
    SIGN,
    code_at,
    put_code,
    put_u32,
    u32_at,
)
from ooc_train.conversion.storage.layouts.arrays import Piece
from ooc_train.conversion.storage.layouts.sparse import SparseArrays
from ooc_train.conversion.storage.shuffle import Bucket, Records, ShuffledSplit
from ooc_train.conversion.storage.sorting import SortingScratch, sort_entries
from ooc_train.dtypes import F32, F64, I32, I64, U16, U64
from ooc_train.file import schema
from ooc_train.jit import kernel

_FACTOR_ITEMS = 4
_MOST_ITEMS = 5  # of a term and its count


def pack_counts(terms: I32, counts: I32, offsets: I64, factors: F64) -> Records:
    """The records of rows: row ``i`` has ``terms[offsets[i]:offsets[i + 1]]``, ``factors[i]``."""
    n_rows = len(offsets) - 1
    items = np.empty(_FACTOR_ITEMS * n_rows + _MOST_ITEMS * len(terms), np.uint16)
    item_offsets = np.zeros(n_rows + 1, np.int64)
    bits = np.ascontiguousarray(factors).view(np.uint64)
    n = _pack(terms, counts, offsets, bits, item_offsets, items)
    return Records(item_offsets, items[:n])


@dataclass(frozen=True)
class CountedArrays(SparseArrays):
    """Sparse rows whose records are counts.

    ``column_of`` int32 is the final column of each term in the records, -1 for those that are left
    out, and ``factors`` float64 the terms' factors; ``n_left`` is the number of entries that are
    left.
    """

    column_of: I32
    factors: F64
    n_left: int

    def n_entries(self, rows: ShuffledSplit) -> int | None:  # noqa: ARG002
        """The entries of the split."""
        return self.n_left

    def unpack(self, bucket: Bucket) -> Piece:
        """The rows of a bucket, with columns as they lie in the file: HDF5 converts slowly."""
        offsets = np.zeros(len(bucket.labels) + 1, np.int64)
        columns = np.empty(int(bucket.lengths.sum()), np.int32)
        values, factor = np.empty(len(columns), np.float32), np.empty(1)
        n = _weigh(
            bucket.starts, bucket.lengths, bucket.items, self.column_of, self.factors, offsets,
            columns, values, SortingScratch.of(self.n_columns), factor.view(np.uint64), factor,
        )  # fmt: skip
        dtype = schema.index_dtype(self.n_columns)
        return Piece(bucket.labels, offsets, (columns[:n].astype(dtype), values[:n]))


@kernel
def _pack(
    terms: I32, counts: I32, offsets: I64, factors: U64, item_offsets: I64, items: U16
) -> int:
    i = 0
    for row in range(len(factors)):
        put_u32(items, i, np.int64(factors[row] & np.uint64(0xFFFFFFFF)))
        put_u32(items, i + 2, np.int64(factors[row] >> np.uint64(32)))
        i += _FACTOR_ITEMS
        for k in range(offsets[row], offsets[row + 1]):
            i = put_code(items, i, np.int64(terms[k]))
            count = np.int64(counts[k])
            if count == 1:
                continue
            if count < N_SIGNS:
                items[i] = SIGN + count
                i += 1
            else:
                items[i] = SIGN
                i = put_code(items, i + 1, count)
        item_offsets[row + 1] = i
    return i


@kernel
def _weigh(
    starts: I64,
    lengths: I64,
    items: U16,
    column_of: I32,
    factors: F64,
    offsets: I64,
    columns: I32,
    values: F32,
    scratch: SortingScratch,
    bits: U64,
    factor: F64,
) -> int:
    """The entries that have a final column, sorted by it within each row; their number.

    ``bits`` are those of ``factor``, one float64 that is overwritten.
    """
    n = 0
    for row in range(len(starts)):
        begin, i, stop = n, starts[row], starts[row] + lengths[row]
        low, high = u32_at(items, i), u32_at(items, i + 2)
        bits[0] = np.uint64(low) | (np.uint64(high) << np.uint64(32))
        of_row = factor[0]
        i += _FACTOR_ITEMS
        while i < stop:
            term, i = code_at(items, i)
            count = 1
            if i < stop and items[i] >= SIGN:
                count = np.int64(items[i]) - SIGN
                i += 1
                if count == 0:
                    count, i = code_at(items, i)
            column = column_of[term]
            columns[n], values[n] = column, count * factors[term] * of_row
            n += np.int64(column >= 0)  # a branch would often be mispredicted
        sort_entries(columns, values, begin, n, scratch)
        offsets[row + 1] = n
    return n
