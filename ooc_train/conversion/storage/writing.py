"""The sparse rows of all splits, shuffled on their way into the file."""

import functools
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack

import h5py
import numpy as np
import numpy.typing as npt

from ooc_train.conversion.resources import Resources
from ooc_train.conversion.storage.placement import Destination, Placement
from ooc_train.conversion.storage.shuffle import AnyBuckets, LabelledRows, RowShuffle
from ooc_train.dtypes import I32
from ooc_train.file import schema
from ooc_train.file.checksums import Appender

_ENTRY_BYTES, _HEADER_BYTES = 8, 16


def split_buckets(
    make: Callable[[int, int], AnyBuckets],
    placement: Placement,
    entry_bytes: int,
    most_entries: int,
    stack: ExitStack,
) -> dict[str, AnyBuckets]:
    """Buckets for each split, made by ``make`` from a number of rows and the bytes to expect.

    ``most_entries`` is how many entries all rows have together at most, of ``entry_bytes`` each.
    """
    total = sum(placement.n_rows.values())
    expected_bytes = entry_bytes * most_entries + _HEADER_BYTES * total
    buckets = {
        split: make(n_rows, expected_bytes * n_rows // total)
        for split, n_rows in placement.n_rows.items()
    }
    for one in buckets.values():
        stack.enter_context(one)
    return buckets


class SplitWriter:
    """Takes rows with their destinations in any order, and writes them in that of the splits.

    ``n_columns`` is the number of columns of the rows that are added, ``most_entries`` how many
    entries all rows have together at most.  Temporary files belong to ``stack``.  Any number of
    threads may add.  Memory: two buckets for each worker, and four, while writing.
    """

    def __init__(
        self,
        placement: Placement,
        n_columns: int,
        most_entries: int,
        resources: Resources,
        stack: ExitStack,
    ) -> None:
        self._resources = resources

        def make(n_rows: int, expected_bytes: int) -> RowShuffle:
            return RowShuffle(
                resources.temp_dir,
                n_rows,
                n_columns,
                expected_bytes=expected_bytes,
                bucket_bytes=resources.plan.bucket_bytes,
            )

        self._shuffles = split_buckets(make, placement, _ENTRY_BYTES, most_entries, stack)

    @property
    def n_bytes(self) -> int:
        """Bytes of temporary files so far."""
        return sum(shuffle.n_bytes for shuffle in self._shuffles.values())

    def add(self, rows: LabelledRows, destinations: Sequence[Destination]) -> None:
        """Add the rows of a block."""
        for split, chosen, places in destinations:
            self._shuffles[split].write(places, rows, chosen)

    def write(self, file: h5py.File, column_of: I32, *, n_columns: int, n_classes: int) -> None:
        """Write a group for each split.

        ``column_of`` gives the final column, below ``n_columns``, of each column that was added;
        -1 leaves it out.
        """
        n_rows = sum(shuffle.n_rows for shuffle in self._shuffles.values())
        self._resources.progress.start("writing", n_rows, "row")
        dtype = schema.index_dtype(n_columns)
        for split in schema.SPLIT_NAMES:
            if split in self._shuffles:
                shuffle = self._shuffles[split]
                group = schema.create_sparse_split(
                    file,
                    split,
                    n_rows=shuffle.n_rows,
                    n_entries=int(shuffle.entries[column_of >= 0].sum()),
                    n_columns=n_columns,
                    n_classes=n_classes,
                )
                read = functools.partial(_read, shuffle, column_of, dtype)
                self._write_rows(group, self._resources.in_order(read, range(shuffle.n_buckets)))

    def _write_rows(self, group: h5py.Group, pieces: Iterable[LabelledRows]) -> None:
        first_entry = 0
        with (
            Appender(group["labels"]) as labels,
            Appender(group["indptr"]) as indptr,
            Appender(group["indices"]) as indices,
            Appender(group["values"]) as values,
        ):
            indptr.append(np.zeros(1))
            for rows in pieces:
                labels.append(rows.labels)
                indptr.append(rows.offsets[1:] + first_entry)
                indices.append(rows.columns)
                values.append(rows.values)
                first_entry += len(rows.columns)
                self._resources.progress.advance(len(rows.labels))


def _read(shuffle: RowShuffle, column_of: I32, dtype: npt.DTypeLike, bucket: int) -> LabelledRows:
    """A bucket's rows with columns as they lie in the file: HDF5 is slow at converting them."""
    rows = shuffle.read(bucket, column_of)
    return rows._replace(columns=rows.columns.astype(dtype))
