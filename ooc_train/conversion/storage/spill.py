"""Records of any form, written block by block and read partition by partition.

A worker writes one block of records at a time, already grouped by partition, in one piece to the
end of its file; only the bounds of the partitions stay in memory.  Reading a partition visits its
segment of every block, in the order of the blocks' first rows, whichever worker wrote them.  These
segments are small, so adjacent partitions are read together, as many as fit into memory.  What the
bytes of a record mean is the business of whoever writes and reads them.
"""

import contextlib
import itertools
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numba import types

from ooc_train.conversion.storage.job import append, expect_jumps, not_read_back, worker_file
from ooc_train.dtypes import I32, I64, U8, AnyArray, Integers
from ooc_train.intrinsics import PADDING
from ooc_train.jit import kernel

PIECE_BYTES = 2**16
"""About the size of a piece: with all that is made of it, it stays in a processor's cache."""
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


class SpillPiece(NamedTuple):
    """Some records of a partition, in segments of an array with ``PADDING`` bytes behind it.

    ``segments`` (n_segments, 2) int64 are the first byte of each and the one behind its last, in
    the order of their blocks.
    """

    records: U8
    segments: I64

    @property
    def n_bytes(self) -> int:
        """The size of the records."""
        return int((self.segments[:, 1] - self.segments[:, 0]).sum())


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

    def pieces(self) -> Iterator[SpillPiece]:
        """The records in pieces of about ``PIECE_BYTES``.

        The records of one block are never divided; blocks come by ascending ``first_row``.
        Memory: a piece.
        """
        with contextlib.ExitStack() as stack:
            files = self._opened(stack)
            for some in _in_pieces(self._places[:, 2]):
                records = _read(files, self._places[some])
                yield SpillPiece(records, np.array([[0, len(records)]]))

    def read(self) -> U8:
        """All records in one array, by ascending ``first_row`` of their blocks."""
        with contextlib.ExitStack() as stack:
            return _read(self._opened(stack), self._places)

    def _opened(self, stack: contextlib.ExitStack) -> I32:
        """The descriptors of the files."""
        files = [os.open(path, os.O_RDONLY) for path in self._paths]
        for file in files:
            stack.callback(os.close, file)
            expect_jumps(file)
        return np.array(files, np.int32)


@dataclass(frozen=True)
class HeldPartition:
    """The records of a partition that are in memory already."""

    all_records: SpillPiece

    @property
    def n_bytes(self) -> int:
        """The size of the records."""
        return self.all_records.n_bytes

    def pieces(self) -> Iterator[SpillPiece]:
        """As of a `Partition`, where they lie."""
        records, segments = self.all_records
        for some in _in_pieces(segments[:, 1] - segments[:, 0]):
            yield SpillPiece(records, segments[some])


@dataclass(frozen=True)
class PartitionGroup:
    """Adjacent partitions from ``first`` on; small when pickled.

    ``bounds`` (n_partitions + 1, n_segments) int64 are where in its segment each partition begins.
    """

    first: int
    records: Partition
    bounds: I64

    @property
    def numbers(self) -> range:
        """The numbers of the partitions."""
        return range(self.first, self.first + len(self.bounds) - 1)

    def opened(self) -> Iterator[tuple[int, Partition | HeldPartition]]:
        """The partitions of which there is anything, with their numbers.

        Memory: all records, or none if it is one partition.
        """
        if len(self.numbers) == 1:
            yield self.first, self.records
            return
        records, segments = self.records.read(), self.bounds[-1]
        starts = np.cumsum(segments) - segments
        for i, number in enumerate(self.numbers):
            is_there = self.bounds[i] < self.bounds[i + 1]
            if is_there.any():
                held = (starts + self.bounds[i : i + 2])[:, is_there]
                yield number, HeldPartition(SpillPiece(records, np.ascontiguousarray(held.T)))


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

    def partition(self, number: int) -> Partition:
        """The records of a partition."""
        return self._group(number, number + 1, _ALL).records

    def sizes(self, number: int) -> I64:
        """The bytes of a partition in each block, in the order in which they are read."""
        return np.diff(self._bounds[number : number + 2].astype(np.int64), axis=0)[0]

    def groups(self, most_bytes: int, most: int, blocks: slice = _ALL) -> list[PartitionGroup]:
        """All partitions of which there is anything, adjacent ones together.

        A group has ``most`` of them at most and ``most_bytes``, or it is one partition.  Some
        ``blocks``, which are in their order, may be taken alone.
        """
        sizes = np.diff(self._bounds[:, blocks].astype(np.int64), axis=0).sum(axis=1).tolist()
        starts, n_bytes = [0], 0
        for number, size in enumerate(sizes):
            if number > starts[-1] and (number - starts[-1] == most or n_bytes + size > most_bytes):
                starts.append(number)
                n_bytes = 0
            n_bytes += size
        bounds = itertools.pairwise([*starts, len(sizes)])
        groups = [self._group(start, stop, blocks) for start, stop in bounds]
        return [group for group in groups if group.records.n_bytes]

    def _group(self, start: int, stop: int, blocks: slice) -> PartitionGroup:
        bounds = self._bounds[start : stop + 1, blocks].astype(np.int64)
        positions, bounds = self._positions[blocks] + bounds[0], bounds - bounds[0]
        places = np.stack((self._files[blocks], positions, bounds[-1]), axis=1)
        some = bounds[-1] > 0
        return PartitionGroup(start, Partition(self._paths, places[some]), bounds[:, some])

    def remove(self) -> None:
        """Delete the temporary files; nothing can be read any more."""
        for path in self._paths:
            path.unlink(missing_ok=True)


def _in_pieces(sizes: I64) -> Iterator[slice]:
    """Segments of some sizes in groups of about ``PIECE_BYTES``."""
    ends = np.cumsum(sizes)
    cuts = (1 + np.flatnonzero(np.diff(ends // PIECE_BYTES))).tolist()
    for start, stop in itertools.pairwise([0, *cuts, len(sizes)]):
        if start < stop:
            yield slice(start, stop)


def _read(files: I32, places: I64) -> U8:
    """The records of some segments, with ``PADDING`` bytes behind them."""
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
