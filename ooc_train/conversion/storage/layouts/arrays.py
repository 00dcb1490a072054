"""The interface between the writer of splits and the layouts of rows."""

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

import h5py
import numpy as np

from ooc_train.conversion.storage.shuffle import Bucket, ShuffledSplit
from ooc_train.dtypes import I64, U16, AnyArray, Integers
from ooc_train.jit import kernel


class Piece(NamedTuple):
    """The rows of a bucket as they lie in the arrays of a split.

    ``offsets`` (n_rows + 1,) int64 are from 0 on, ``None`` where all rows are equally long;
    ``arrays`` are those behind ``labels`` and ``indptr``, in their order.  ``n_clipped`` values had
    to be clipped.
    """

    labels: Integers
    offsets: I64 | None
    arrays: tuple[AnyArray, ...]
    n_clipped: int = 0


class SplitArrays(ABC):
    """The arrays of a split.  A task is given it, so it is small when pickled."""

    names: ClassVar[tuple[str, ...]]
    """The arrays behind ``labels`` and ``indptr``."""

    @abstractmethod
    def n_entries(self, rows: ShuffledSplit) -> int | None:
        """The entries of the split, or ``None`` if only unpacking all buckets can tell."""

    @abstractmethod
    def create(
        self, file: h5py.File, split: str, n_rows: int, n_entries: int, n_classes: int
    ) -> h5py.Group:
        """The group of the split, its datasets at their final size and still empty."""

    @abstractmethod
    def unpack(self, bucket: Bucket) -> Piece:
        """The rows of a bucket.  Memory: the bucket."""


def gathered(bucket: Bucket) -> tuple[I64, U16]:
    """The items of a bucket's rows one after another, and the rows' offsets first."""
    offsets = np.zeros(len(bucket.starts) + 1, np.int64)
    np.cumsum(bucket.lengths, out=offsets[1:])
    items = np.empty(offsets[-1], np.uint16)
    _gather(bucket.starts, bucket.items, offsets, items)
    return offsets, items


@kernel
def _gather(starts: I64, packed: U16, offsets: I64, items: U16) -> None:
    for row in range(len(starts)):
        begin = offsets[row]
        for k in range(offsets[row + 1] - begin):
            items[begin + k] = packed[starts[row] + k]
