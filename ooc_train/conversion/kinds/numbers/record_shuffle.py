"""Rows of any content on their way to their place, and from there into the file.

Packed rows are those of `shuffle`; the items of a row are what its kind of features makes of it.
"""

from typing import NamedTuple

import numpy as np

from ooc_train.conversion.storage.shuffle import HEADER_ITEMS, Buckets
from ooc_train.dtypes import I32, I64, U64
from ooc_train.jit import kernel


class Records(NamedTuple):
    """Rows: row ``i`` is the items ``offsets[i]:offsets[i + 1]``, uint64."""

    offsets: I64
    items: U64


class LabelledRecords(NamedTuple):
    """Rows, and the numbers of their labels, (n_rows,) int32."""

    labels: I32
    records: Records


class RecordShuffle(Buckets):
    """Rows of one split.  Memory: two buckets for each that is being read."""

    def write(self, destinations: I64, rows: LabelledRecords, chosen: I64) -> None:
        """Add the rows at the positions ``chosen``, each with its destination in the split."""
        labels, records = rows
        order, bounds = self.arrange(destinations, np.diff(records.offsets)[chosen])
        packed = np.empty(bounds[-1], np.uint64)
        _pack(chosen[order], destinations[order], labels, *records, packed, packed.view(np.int32))
        self.write_packed(packed, bounds)

    def read(self, bucket: int) -> LabelledRecords:
        """The rows of a bucket in order."""
        starts, packed = self.read_packed(bucket)
        labels, offsets = np.empty(len(starts), np.int32), np.zeros(len(starts) + 1, np.int64)
        items = np.empty(len(packed) - HEADER_ITEMS * len(starts), np.uint64)
        _unpack(starts, packed, packed.view(np.int32), labels, offsets, items)
        return LabelledRecords(labels, Records(offsets, items))


@kernel
def _pack(
    chosen: I64,
    destinations: I64,
    labels: I32,
    offsets: I64,
    items: U64,
    packed: U64,
    halves: I32,
) -> None:
    end = 0
    for i in range(len(chosen)):
        row = chosen[i]
        begin, n = offsets[row], offsets[row + 1] - offsets[row]
        packed[end] = np.uint64(destinations[i])
        halves[2 * end + 2], halves[2 * end + 3] = labels[row], n
        end += HEADER_ITEMS
        for k in range(n):
            packed[end + k] = items[begin + k]
        end += n


@kernel
def _unpack(starts: I64, packed: U64, halves: I32, labels: I32, offsets: I64, items: U64) -> None:
    end = 0
    for row in range(len(starts)):
        start = starts[row]
        labels[row], n = halves[2 * start + 2], halves[2 * start + 3]
        for k in range(n):
            items[end + k] = packed[start + HEADER_ITEMS + k]
        end += n
        offsets[row + 1] = end
