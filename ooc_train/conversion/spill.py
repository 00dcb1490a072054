"""A temporary file of uint64 records, written block by block and read partition by partition.

Writers hand in one block of records at a time, already grouped by partition; the block goes to the
file in one piece, and only the bounds of its partitions stay in memory.  Reading a partition visits
its segment of every block, in the order of the blocks' numbers whoever wrote them when.
"""

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Records = npt.NDArray[np.uint64]
_ITEM_BYTES = 8


class Segment(NamedTuple):
    """One partition's records of one block; the block's rows begin at ``first_row``."""

    first_row: int
    records: Records


class _Block(NamedTuple):
    first_row: int
    position: int
    bounds: npt.NDArray[np.uint32]


class Spill:
    """Records by partition in one anonymous temporary file.

    Any number of threads may write and read.  Memory: 4 bytes for each partition of each block.
    The file has no name once it is open, so it is gone whatever becomes of the process.
    """

    def __init__(self, folder: Path) -> None:
        self._file = unlinked_file(folder)
        self._blocks: list[_Block] = []
        self._lock = threading.Lock()
        self._end = 0

    def __enter__(self) -> "Spill":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the disk back; nothing can be read any more."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    @property
    def n_bytes(self) -> int:
        """Bytes written so far."""
        return self._end

    def write(self, first_row: int, records: Records, bounds: npt.NDArray[np.int64]) -> None:
        """Add a block: the records of partition ``p`` are ``records[bounds[p]:bounds[p + 1]]``."""
        with self._lock:
            position = self._end
            self._end += records.nbytes
            self._blocks.append(_Block(first_row, position, bounds.astype(np.uint32)))
        view = memoryview(records.view(np.uint8).data)
        while view.nbytes:
            n_written = os.pwrite(self._file, view, position)
            view, position = view[n_written:], position + n_written

    def segments(self, partition: int) -> Iterator[Segment]:
        """The partition's segments, by ascending ``first_row``."""
        for block in sorted(self._blocks, key=lambda block: block.first_row):
            begin, end = int(block.bounds[partition]), int(block.bounds[partition + 1])
            if begin < end:
                yield Segment(block.first_row, self._read(block.position, begin, end))

    def read(self, partition: int) -> Records:
        """All records of a partition in one array, by ascending ``first_row`` of their blocks."""
        records = np.empty(self.n_records(partition), np.uint64)
        end = 0
        for segment in self.segments(partition):
            records[end : end + len(segment.records)] = segment.records
            end += len(segment.records)
        return records

    def n_records(self, partition: int) -> int:
        """How many records a partition has."""
        return sum(int(b.bounds[partition + 1]) - int(b.bounds[partition]) for b in self._blocks)

    def _read(self, position: int, begin: int, end: int) -> Records:
        records = np.empty(end - begin, np.uint64)
        view = memoryview(records.view(np.uint8).data)
        offset = position + begin * _ITEM_BYTES
        while view.nbytes:
            n_read = os.preadv(self._file, [view], offset)
            if n_read == 0:
                raise EOFError("a temporary file is shorter than what was written to it")
            view, offset = view[n_read:], offset + n_read
        return records


class Column:
    """An array in an anonymous temporary file that grows at its end and is then mapped."""

    def __init__(self, folder: Path, dtype: npt.DTypeLike) -> None:
        self._file = os.fdopen(unlinked_file(folder), "r+b")
        self._dtype = np.dtype(dtype)
        self._length = 0

    def __enter__(self) -> "Column":
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def __len__(self) -> int:
        return self._length

    def append(self, items: npt.NDArray[Any]) -> None:
        """Add ``items`` at the end."""
        self._file.write(np.ascontiguousarray(items, self._dtype).data)
        self._length += len(items)

    def mapped(self) -> npt.NDArray[Any]:
        """The whole array, mapped: its pages belong to the file, the kernel may drop them."""
        self._file.flush()
        if self._length == 0:
            return np.empty(0, self._dtype)
        return np.asarray(np.memmap(self._file, self._dtype, "r+", shape=(self._length,)))


def unlinked_file(folder: Path) -> int:
    """The descriptor of a new empty file in ``folder`` that has no name."""
    path = folder / f".ooc-{os.getpid()}-{threading.get_ident()}-{os.urandom(4).hex()}"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    path.unlink()
    return descriptor


def row_array(folder: Path, n_rows: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """A zeroed array with one element a row, mapped from an unlinked file.

    It grows with the rows, but its pages belong to the file: the kernel may drop them.
    """
    with os.fdopen(unlinked_file(folder), "r+b") as file:
        # Reserved now: a full disk is an error here, and would be a deadly signal later.
        os.posix_fallocate(file.fileno(), 0, max(1, n_rows) * np.dtype(dtype).itemsize)
        mapped = np.memmap(file, dtype, "r+", shape=(max(1, n_rows),))
    return np.asarray(mapped)[:n_rows]
