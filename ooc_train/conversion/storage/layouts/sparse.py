"""Sparse rows: of each entry its column, int32, and its value, float32."""

from dataclasses import dataclass

import h5py
import numpy as np

from ooc_train.conversion.storage.codes import ITEM_BYTES
from ooc_train.conversion.storage.layouts.arrays import Piece, SplitArrays, gathered
from ooc_train.conversion.storage.shuffle import Bucket, Records, ShuffledSplit
from ooc_train.file import schema
from ooc_train.reading.rows import SparseRows

ENTRY_ITEMS = 8 // ITEM_BYTES


def pack_sparse(rows: SparseRows) -> Records:
    """The records of sparse rows."""
    halves = np.empty((rows.n_entries, 2), np.int32)
    halves[:, 0], halves[:, 1] = rows.indices, rows.values.view(np.int32)
    return Records(rows.indptr * ENTRY_ITEMS, halves.reshape(-1).view(np.uint16))


@dataclass(frozen=True)
class SparseArrays(SplitArrays):
    """Sparse rows of ``n_columns``, each row's columns ascending."""

    n_columns: int

    names = ("indices", "values")

    def n_entries(self, rows: ShuffledSplit) -> int | None:
        """The entries of the split."""
        return rows.n_items // ENTRY_ITEMS

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
        offsets, items = gathered(bucket)
        columns, values = items.view(np.int32)[::2], items.view(np.float32)[1::2]
        dtype = schema.index_dtype(self.n_columns)
        return Piece(bucket.labels, offsets // ENTRY_ITEMS, (columns.astype(dtype), values))
