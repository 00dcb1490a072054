"""Sparse rows: an item for each entry, its column and its float32 value in the two halves."""

from dataclasses import dataclass

import h5py
import numpy as np

from ooc_train.conversion.storage.layouts.arrays import Piece, SplitArrays, gathered
from ooc_train.conversion.storage.shuffle import Bucket, Records, ShuffledSplit
from ooc_train.conversion.storage.sorting import SortingScratch, sort_entries
from ooc_train.dtypes import F32, I32, I64
from ooc_train.file import schema
from ooc_train.jit import kernel
from ooc_train.reading.rows import SparseRows


def pack_sparse(rows: SparseRows) -> Records:
    """The records of sparse rows."""
    items = np.empty(rows.n_entries, np.uint64)
    halves = items.view(np.int32).reshape(-1, 2)
    halves[:, 0], halves[:, 1] = rows.indices, rows.values.view(np.int32)
    return Records(rows.indptr, items)


@dataclass(frozen=True)
class SparseArrays(SplitArrays):
    """Sparse rows of ``n_columns``, each row's columns ascending.

    ``column_of`` int32 is the final column of each column in the records, -1 for those that are
    left out; then ``n_left`` is the number of entries that are left.  Without it the records' own
    columns stand.
    """

    n_columns: int
    column_of: I32 | None = None
    n_left: int | None = None

    names = ("indices", "values")

    def n_entries(self, rows: ShuffledSplit) -> int | None:
        """The entries of the split."""
        return rows.n_items if self.column_of is None else self.n_left

    def create(
        self, file: h5py.File, split: str, n_rows: int, n_entries: int, n_classes: int
    ) -> h5py.Group:
        """The group of the split, its datasets at their final size and still empty."""
        return schema.create_sparse_split(
            file,
            split,
            n_rows=n_rows,
            n_entries=n_entries,
            n_columns=self.n_columns,
            n_classes=n_classes,
        )

    def unpack(self, bucket: Bucket) -> Piece:
        """The rows of a bucket, with columns as they lie in the file: HDF5 converts slowly."""
        dtype = schema.index_dtype(self.n_columns)
        if self.column_of is None:
            offsets, items = gathered(bucket)
            columns, values = items.view(np.int32)[::2], items.view(np.float32)[1::2]
            return Piece(bucket.labels, offsets, (columns.astype(dtype), values))
        offsets = np.zeros(len(bucket.labels) + 1, np.int64)
        columns = np.empty(int(bucket.lengths.sum()), np.int32)
        values = np.empty(len(columns), np.float32)
        n = _renumber(
            bucket.starts, bucket.lengths, bucket.items.view(np.int32),
            bucket.items.view(np.float32), self.column_of, offsets, columns, values,
            SortingScratch.of(self.n_columns),
        )  # fmt: skip
        return Piece(bucket.labels, offsets, (columns[:n].astype(dtype), values[:n]))


@kernel
def _renumber(
    starts: I64,
    lengths: I64,
    halves: I32,
    floats: F32,
    column_of: I32,
    offsets: I64,
    columns: I32,
    values: F32,
    scratch: SortingScratch,
) -> int:
    """The entries that have a final column, sorted by it within each row; their number."""
    n = 0
    for row in range(len(starts)):
        begin = n
        for k in range(starts[row], starts[row] + lengths[row]):
            column = column_of[halves[2 * k]]
            columns[n], values[n] = column, floats[2 * k + 1]
            n += np.int64(column >= 0)  # a branch would often be mispredicted
        sort_entries(columns, values, begin, n, scratch)
        offsets[row + 1] = n
    return n
