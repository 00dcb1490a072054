"""A temporary file of uint64 records, written block by block and read partition by partition.

Writers hand in one block of records at a time, already grouped by partition; the block goes to the
file in one piece, and only the bounds of its partitions stay in memory.  Reading a partition visits
its segment of every block, in the order of the blocks' first rows whoever wrote them when.
"""

import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import types

from ooc_train.dtypes import I64, U32, U64, AnyArray
from ooc_train.jit import kernel

PIECE_BYTES = 2**20
_ITEM_BYTES = 8
_pread = types.ExternalFunction(  # of the C library
    "pread", types.intp(types.int32, types.voidptr, types.uintp, types.int64)
)


class _Block(NamedTuple):
    first_row: int
    position: int
    bounds: U32


class _Index(NamedTuple):
    """Blocks' positions, (n_blocks,), and bounds, (n_partitions + 1, n_blocks)."""

    positions: I64
    bounds: U32


class Spill:
    """Records by partition in one anonymous temporary file.

    Any number of threads may write, and then read.  Memory: 4 bytes for each partition of each
    block.  The file has no name once it is open, so it is gone whatever becomes of the process.
    """

    def __init__(self, folder: Path) -> None:
        self._file = unlinked_file(folder)
        self._blocks: list[_Block] = []  # until the first reading
        self._found: _Index | None = None
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

    def write(self, first_row: int, records: U64, bounds: I64) -> None:
        """Add a block: the records of partition ``p`` are ``records[bounds[p]:bounds[p + 1]]``."""
        with self._lock:
            if self._found:
                raise RuntimeError("a spill that has been read from takes no more records")
            position = self._end
            self._end += records.nbytes
            self._blocks.append(_Block(first_row, position, bounds.astype(np.uint32)))
        write_at(self._file, records, position)

    def pieces(self, partition: int) -> Iterator[U64]:
        """The records of a partition in arrays of about ``PIECE_BYTES``.

        What one block handed in is never divided; blocks come by ascending ``first_row``.
        """
        segments = self._segments(partition)
        ends = np.cumsum(segments[:, 1])
        for some in np.split(segments, 1 + np.flatnonzero(np.diff(ends // PIECE_BYTES))):
            if len(some):
                yield self._read(some)

    def read(self, partition: int) -> U64:
        """All records of a partition in one array, by ascending ``first_row`` of their blocks."""
        return self._read(self._segments(partition))

    def n_records(self, partition: int) -> int:
        """How many records a partition has."""
        return int(self._segments(partition)[:, 1].sum()) // _ITEM_BYTES

    def _segments(self, partition: int) -> I64:
        """Where in the file the partition's records of each block are: first byte, and bytes."""
        positions, bounds = self._index()
        begin = bounds[partition].astype(np.int64)
        sizes = bounds[partition + 1] - begin
        segments = np.stack((positions + begin * _ITEM_BYTES, sizes * _ITEM_BYTES), axis=1)
        return segments[sizes > 0]

    def _index(self) -> _Index:
        """All blocks by ascending ``first_row``."""
        with self._lock:
            if self._found is None:
                blocks = sorted(self._blocks, key=lambda block: block.first_row)
                self._blocks = []
                positions = np.array([block.position for block in blocks])
                self._found = _Index(positions, np.stack([block.bounds for block in blocks], 1))
            return self._found

    def _read(self, places: I64) -> U64:
        records = np.empty(places[:, 1].sum() // _ITEM_BYTES, np.uint64)
        if not _read_segments(self._file, places, records):
            raise OSError(errno.EIO, "a temporary file could not be read back")
        return records


@kernel
def _read_segments(file: int, places: I64, records: U64) -> bool:
    """Read pieces of a file one behind another; whether all was there.

    A kernel, since there are thousands: each call from Python takes the GIL twice.
    """
    address, end = records.ctypes.data, 0
    for k in range(len(places)):
        position, stop = places[k, 0], end + places[k, 1]
        while end < stop:
            n_read = _pread(np.int32(file), address + end, np.uint64(stop - end), position)
            if n_read <= 0:
                return False
            end += n_read
            position += n_read
    return True


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

    def append(self, items: AnyArray) -> None:
        """Add ``items`` at the end."""
        self._file.write(np.ascontiguousarray(items, self._dtype).data)
        self._length += len(items)

    def mapped(self) -> AnyArray:
        """The whole array, mapped: its pages belong to the file, the kernel may drop them."""
        self._file.flush()
        if self._length == 0:
            return np.empty(0, self._dtype)
        return np.asarray(np.memmap(self._file, self._dtype, "r+", shape=(self._length,)))


def write_at(file: int, items: AnyArray, position: int) -> None:
    """Write an array to a file from a position on."""
    view = memoryview(items.view(np.uint8).data)
    while view.nbytes:
        n_written = os.pwrite(file, view, position)
        view, position = view[n_written:], position + n_written


def unlinked_file(folder: Path) -> int:
    """The descriptor of a new empty file in ``folder`` that has no name."""
    path = folder / f".ooc-{os.getpid()}-{threading.get_ident()}-{os.urandom(4).hex()}"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    path.unlink()
    return descriptor


def row_array(folder: Path, n_rows: int, dtype: npt.DTypeLike) -> AnyArray:
    """A zeroed array with one element a row, mapped from an unlinked file.

    It grows with the rows, but its pages belong to the file: the kernel may drop them.
    """
    with os.fdopen(unlinked_file(folder), "r+b") as file:
        # Reserved now: a full disk is an error here, and would be a deadly signal later.
        os.posix_fallocate(file.fileno(), 0, max(1, n_rows) * np.dtype(dtype).itemsize)
        mapped = np.memmap(file, dtype, "r+", shape=(max(1, n_rows),))
    return np.asarray(mapped)[:n_rows]
