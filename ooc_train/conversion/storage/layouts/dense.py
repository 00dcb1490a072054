"""Dense rows: the bytes of the values, and zeros up to a whole item."""

from dataclasses import dataclass

import h5py
import numpy as np
import numpy.typing as npt

from ooc_train.conversion.storage.codes import ITEM_BYTES
from ooc_train.conversion.storage.layouts.arrays import Piece, SplitArrays, gathered
from ooc_train.conversion.storage.shuffle import Bucket, Records, ShuffledSplit
from ooc_train.dtypes import F32, AnyArray
from ooc_train.file import schema

LARGEST_INTEGER = 127


def pack_dense(values: AnyArray) -> Records:
    """The records of ``values`` (n_rows, n_columns)."""
    n_rows, row_bytes = len(values), values.shape[1] * values.itemsize
    row_items = row_items_of(values.shape[1], values.dtype)
    padded = np.ascontiguousarray(values)
    if row_bytes % ITEM_BYTES:
        padded = np.zeros((n_rows, row_items * ITEM_BYTES), np.uint8)
        padded[:, :row_bytes] = np.ascontiguousarray(values).view(np.uint8)
    items = padded.reshape(-1).view(np.uint16)
    return Records(np.arange(n_rows + 1) * row_items, items)


def row_items_of(n_columns: int, dtype: npt.DTypeLike) -> int:
    """How many items the record of a row has."""
    return -(-n_columns * np.dtype(dtype).itemsize // ITEM_BYTES)


@dataclass(frozen=True)
class DenseArrays(SplitArrays):
    """Rows of a value for each of ``n_columns``.

    ``dtype`` is that of the records and of the file, unless there are ``scales`` (n_columns,):
    then the records are float32, and the file has integers of 8 bits in units of these.
    """

    n_columns: int
    dtype: str
    scales: F32 | None = None

    names = ("features",)

    def n_entries(self, rows: ShuffledSplit) -> int | None:
        """The values of the split."""
        return rows.n_rows * self.n_columns

    def create(
        self,
        file: h5py.File,
        split: str,
        n_rows: int,
        n_entries: int,  # noqa: ARG002 - for all layouts
        n_classes: int,
    ) -> h5py.Group:
        """The group of the split, its datasets at their final size and still empty."""
        return schema.create_dense_split(
            file,
            split,
            n_rows=n_rows,
            n_columns=self.n_columns,
            dtype=self.dtype if self.scales is None else np.int8,
            n_classes=n_classes,
        )

    def unpack(self, bucket: Bucket) -> Piece:
        """The rows of a bucket, as integers where there are scales."""
        _, items = gathered(bucket)
        values = items.view(self.dtype).reshape(len(bucket.labels), -1)[:, : self.n_columns]
        n_clipped = 0
        if self.scales is not None:
            values, n_clipped = as_integers(values, self.scales)
        return Piece(bucket.labels, None, (values,), n_clipped)


def as_integers(values: F32, scales: F32) -> tuple[AnyArray, int]:
    """Values in units of their column's scale, and how many of them were clipped."""
    integers = np.rint(values / scales)
    n_clipped = int(np.count_nonzero(np.abs(integers) > LARGEST_INTEGER))
    np.clip(integers, -LARGEST_INTEGER, LARGEST_INTEGER, out=integers)
    return integers.astype(np.int8), n_clipped
