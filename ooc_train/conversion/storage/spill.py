"""Records of any form, written block by block and read partition by partition.

A worker writes one block of records at a time, already grouped by partition, in one piece to the
end of its file; only the bounds of the partitions stay in memory.  Reading a partition visits its
segment of every block, in the order of the blocks' first rows, whichever worker wrote them.  What
the bytes of a record mean is the business of whoever writes and reads them.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numba import types

from ooc_train.conversion.storage.job import append, not_read_back, worker_file
from ooc_train.dtypes import I32, I64, U8, AnyArray, Integers
from ooc_train.intrinsics import PADDING
from ooc_train.jit import kernel

PIECE_BYTES = 2**18
_MOST_IN_U32 = np.iinfo(np.uint32).max
_ALL = slice(None)
_pread = types.ExternalFunction(  # of the C library
    "pread", types.intp(types.int32, types.voidptr, types.uintp, types.int64)
)


class Segment(NamedTuple):
    """A block that was written: where it is, and at which byte each partition's records begin."""

    first_row: int
    path: Path
    position: int
    bounds: Integers

    @property
    def n_bytes(self) -> int:
        """The size of the block."""
        return int(self.bounds[-1])


@dataclass(frozen=True)
class SpillWriter:
    """Writes blocks of records to files in ``folder`` whose names begin with ``stem``."""

    folder: Path
    stem: str

    def write(self, first_row: int, records: AnyArray, bounds: I64) -> Segment:
        """Write a block; the records of partition ``p`` are ``records[bounds[p]:bounds[p + 1]]``.

        A task that runs twice writes twice; only the segment that is returned counts.
        """
        path, byte_bounds = worker_file(self.folder, self.stem), bounds * records.itemsize
        if byte_bounds[-1] <= _MOST_IN_U32:  # but for a row of gigabytes
            byte_bounds = byte_bounds.astype(np.uint32)
        return Segment(first_row, path, append(path, records), byte_bounds)


class Partition:
    """The records of a partition, wherever they lie; small when pickled.

    ``places`` (n_segments, 3) int64 are each segment's file of ``paths``, first byte, and bytes.
    """

    def __init__(self, paths: tuple[Path, ...], places: I64) -> None:
        self._paths = paths
        self._places = places

    @property
    def n_bytes(self) -> int:
        """The size of the records."""
        return int(self._places[:, 2].sum())

    def pieces(self) -> Iterator[U8]:
        """The records in arrays of about ``PIECE_BYTES``, with ``PADDING`` bytes behind each.

        The records of one block are never divided; blocks come by ascending ``first_row``.
        """
        ends = np.cumsum(self._places[:, 2])
        with contextlib.ExitStack() as stack:
            files = self._opened(stack)
            for some in np.split(self._places, 1 + np.flatnonzero(np.diff(ends // PIECE_BYTES))):
                if len(some):
                    yield _read(files, some)

    def read(self) -> U8:
        """All records in one array, by ascending ``first_row`` of their blocks."""
        with contextlib.ExitStack() as stack:
            return _read(self._opened(stack), self._places)

    def _opened(self, stack: contextlib.ExitStack) -> I32:
        """The descriptors of the files."""
        files = [os.open(path, os.O_RDONLY) for path in self._paths]
        for file in files:
            stack.callback(os.close, file)
        return np.array(files, np.int32)


class Spill:
    """All blocks of records that were written, as partitions.

    Memory: 4 bytes for each partition of each block.
    """

    def __init__(self, segments: Iterable[Segment]) -> None:
        found = sorted(segments, key=lambda segment: segment.first_row)
        self._paths = tuple(dict.fromkeys(segment.path for segment in found))
        numbers = {path: number for number, path in enumerate(self._paths)}
        self._files = np.array([numbers[segment.path] for segment in found], np.int64)
        self._positions = np.array([segment.position for segment in found], np.int64)
        # (n_partitions + 1, n_blocks)
        bounds = [segment.bounds for segment in found] or [np.zeros(1, np.uint32)]
        self._bounds = np.stack(bounds, axis=1)
        self.n_bytes = int(self._bounds[-1].sum(dtype=np.int64))

    def partition(self, number: int, blocks: slice = _ALL) -> Partition:
        """The records of a partition, or those of some ``blocks``, which are in their order."""
        begin = self._bounds[number, blocks].astype(np.int64)
        sizes = self._bounds[number + 1, blocks].astype(np.int64) - begin
        positions = self._positions[blocks] + begin
        places = np.stack((self._files[blocks], positions, sizes), axis=1)
        return Partition(self._paths, places[sizes > 0])

    def remove(self) -> None:
        """Delete the temporary files; nothing can be read any more."""
        for path in self._paths:
            path.unlink(missing_ok=True)


def _read(files: I32, places: I64) -> U8:
    n_bytes = int(places[:, 2].sum())
    records = np.empty(n_bytes + PADDING, np.uint8)[:n_bytes]
    if not _read_segments(files, places, records):
        raise not_read_back()
    return records


@kernel
def _read_segments(files: I32, places: I64, records: U8) -> bool:
    """Read pieces of files one behind another; whether all was there.

    A kernel, since there are thousands: each call from Python takes the GIL twice.
    """
    address, end = records.ctypes.data, 0
    for k in range(len(places)):
        position, stop = places[k, 1], end + places[k, 2]
        while end < stop:
            n_read = _pread(files[places[k, 0]], address + end, np.uint64(stop - end), position)
            if n_read <= 0:
                return False
            end += n_read
            position += n_read
    return True
