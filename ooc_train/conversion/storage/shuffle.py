"""Rows on their way to their place: an external shuffle through buckets.

A row's place in its split is known when the row is encoded, so its record goes to the *bucket* that
its place falls into.  Later each bucket is read whole, and its rows are written in their order
behind those of the bucket before.

A row's *record* is a run of items of two bytes: its place in the bucket, its label, and the number
of items that follow, two items each; and these, which the layout makes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ooc_train.conversion.sources.rows import NewClasses
from ooc_train.conversion.storage.codes import ITEM_BYTES, put_u32, u32_at
from ooc_train.conversion.storage.placement import Placement
from ooc_train.conversion.storage.spill import Partition, Segment, Spill, SpillWriter
from ooc_train.dtypes import I32, I64, U16
from ooc_train.jit import kernel

HEADER_ITEMS = 6
_LEAST_BUCKETS = 16  # so that there is something for all workers


class Records(NamedTuple):
    """Rows: row ``i`` is the items ``offsets[i]:offsets[i + 1]``, uint16."""

    offsets: I64
    items: U16

    @classmethod
    def joined(cls, parts: "Sequence[Records]") -> "Records":
        """The rows of all parts, one part after another."""
        lengths = [np.diff(part.offsets) for part in parts]
        offsets = np.zeros(1 + sum(map(len, lengths)), np.int64)
        np.cumsum(np.concatenate(lengths), out=offsets[1:])
        return cls(offsets, np.concatenate([part.items for part in parts]))


NO_RECORDS = Records(np.zeros(1, np.int64), np.empty(0, np.uint16))


class Bucket(NamedTuple):
    """The rows of a bucket in their order: ``labels`` (n_rows,), and their records.

    Row ``i`` has the ``lengths[i]`` items from ``items[starts[i]]`` on.
    """

    labels: I32
    starts: I64
    lengths: I64
    items: U16


@dataclass(frozen=True)
class Buckets:
    """The division of a split's ``n_rows`` places into buckets, and the writer of their files."""

    writer: SpillWriter
    n_rows: int
    rows_a_bucket: int

    @classmethod
    def divide(
        cls, folder: Path, split: str, n_rows: int, *, expected_bytes: int, bucket_bytes: int
    ) -> "Buckets":
        """Buckets of about ``bucket_bytes`` for records of ``expected_bytes``."""
        wanted = max(_LEAST_BUCKETS, -(-expected_bytes // bucket_bytes))
        return cls(SpillWriter(folder, f"rows-{split}"), n_rows, max(1, n_rows // wanted))

    @property
    def n_buckets(self) -> int:
        """How many buckets there are."""
        return -(-self.n_rows // self.rows_a_bucket)

    def write(self, places: I64, labels: I32, records: Records, chosen: I64) -> Segment:
        """Write the rows at the positions ``chosen``, each with its place in the split."""
        buckets = places // self.rows_a_bucket
        order = np.argsort(buckets, kind="stable")
        sizes = HEADER_ITEMS + np.diff(records.offsets)[chosen]
        bounds = np.zeros(self.n_buckets + 1, np.int64)
        np.cumsum(np.bincount(buckets, sizes, self.n_buckets).astype(np.int64), out=bounds[1:])
        packed = np.empty(bounds[-1], np.uint16)
        _pack(chosen[order], places[order] % self.rows_a_bucket, labels, *records, packed)
        return self.writer.write(0, packed, bounds)


class BucketOfRows(NamedTuple):
    """The task of reading a bucket: its records and its number of rows.

    The labels in some bytes of the records, from a first to a last, are of new classes.
    """

    records: Partition
    n_rows: int
    new: Sequence[tuple[int, int, NewClasses]] = ()

    @property
    def n_bytes(self) -> int:
        """The size of the records."""
        return self.records.n_bytes

    def read(self) -> Bucket:
        """The rows.  Memory: the bucket."""
        items = self.records.read().view(np.uint16)
        labels = np.empty(self.n_rows, np.int32)
        starts, lengths = np.empty((2, self.n_rows), np.int64)
        _locate(items, labels, starts, lengths)
        for first, last, (n_known, numbers) in self.new:
            places = ITEM_BYTES * starts
            some = (first <= places) & (places < last) & (labels >= n_known)
            labels[some] = numbers[labels[some] - n_known]
        return Bucket(labels, starts, lengths, items)


@dataclass
class ShuffledSplit:
    """The rows of a split in its buckets; ``new`` are the new classes of some segments."""

    buckets: Buckets
    segments: list[Segment] = field(default_factory=list)
    new: dict[int, NewClasses] = field(default_factory=dict)

    def add(self, segment: Segment, new: NewClasses | None = None) -> None:
        """Add rows that were written, some of which may be of new classes."""
        if new:
            self.new[len(self.segments)] = new
        self.segments.append(segment)

    @property
    def n_rows(self) -> int:
        """How many rows the split has."""
        return self.buckets.n_rows

    @property
    def n_items(self) -> int:
        """How many items the records have, without their headers."""
        return self.n_bytes // ITEM_BYTES - HEADER_ITEMS * self.n_rows

    @property
    def n_bytes(self) -> int:
        """Bytes of temporary files."""
        return sum(segment.n_bytes for segment in self.segments)

    def remove(self) -> None:
        """Delete the temporary files; nothing can be read any more."""
        Spill(self.segments).remove()

    def tasks(self) -> Iterable[BucketOfRows]:
        """All buckets in their order."""
        spill = Spill(self.segments)
        for number in range(self.buckets.n_buckets):
            n_rows = self.n_rows - number * self.buckets.rows_a_bucket
            sizes = spill.sizes(number)
            ends = np.cumsum(sizes)
            yield BucketOfRows(
                spill.partition(number),
                min(self.buckets.rows_a_bucket, n_rows),
                [(int(ends[k] - sizes[k]), int(ends[k]), new) for k, new in self.new.items()],
            )


def shuffled_splits(
    placement: Placement, folder: Path, *, expected_items: int, bucket_bytes: int
) -> dict[str, ShuffledSplit]:
    """Buckets for each split, for ``expected_items`` of all rows together, without headers."""
    total = sum(placement.n_rows.values())
    expected_bytes = ITEM_BYTES * (expected_items + HEADER_ITEMS * total)
    return {
        split: ShuffledSplit(
            Buckets.divide(
                folder,
                split,
                n_rows,
                expected_bytes=expected_bytes * n_rows // total,
                bucket_bytes=bucket_bytes,
            )
        )
        for split, n_rows in placement.n_rows.items()
    }


@kernel
def _pack(chosen: I64, places: I64, labels: I32, offsets: I64, items: U16, packed: U16) -> None:
    end = 0
    for i in range(len(chosen)):
        row = chosen[i]
        begin, n = offsets[row], offsets[row + 1] - offsets[row]
        put_u32(packed, end, places[i])
        put_u32(packed, end + 2, np.int64(labels[row]))
        put_u32(packed, end + 4, n)
        end += HEADER_ITEMS
        for k in range(n):
            packed[end + k] = items[begin + k]
        end += n


@kernel
def _locate(packed: U16, labels: I32, starts: I64, lengths: I64) -> None:
    i = 0
    while i < len(packed):
        row, n = u32_at(packed, i), u32_at(packed, i + 4)
        labels[row], starts[row], lengths[row] = u32_at(packed, i + 2), i + HEADER_ITEMS, n
        i += HEADER_ITEMS + n
