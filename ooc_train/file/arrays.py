"""Arrays of a file, read a range of rows at a time: what all of them do, and their checksums.

`layouts` has the ways in which they lie in a file, and `joined` the arrays of several files that
are read as one.
"""

import bisect
import mmap
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

import numpy as np

from ooc_train.dtypes import U64, AnyArray
from ooc_train.file.checksums import block_length, checksums
from ooc_train.file.handle import Handle
from ooc_train.file.objects import StoredArray

_CHECK_BYTES = 2**20


class DamageError(Exception):
    """Rows ``start`` up to ``stop`` of an array are not what was written."""

    def __init__(self, start: int, stop: int, reason: str) -> None:
        super().__init__(reason)
        self.start, self.stop = start, stop


Failure = DamageError | OSError
"""What is raised where rows cannot be read."""


class Array(ABC):
    """Rows on disk, all of one shape and dtype.  Any number of threads may read."""

    name: str
    """The path in its file."""
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    row_bytes: int
    joints: tuple[int, ...] = ()
    """The rows with which other files begin than the first."""

    def __len__(self) -> int:
        return self.shape[0]

    def read(self, start: int, stop: int) -> AnyArray:
        """The rows from ``start`` up to ``stop``, as a new array."""
        rows = np.empty((stop - start, *self.shape[1:]), self.dtype)
        self.read_into(rows, start)
        return rows

    @abstractmethod
    def read_into(self, target: AnyArray, start: int) -> None:
        """Fill ``target``, contiguous and of this array's dtype, with the rows from ``start`` on.

        Raises DamageError for rows that are not what was written.
        """

    @abstractmethod
    def expect(self, start: int, stop: int) -> None:
        """Prefetch rows ``start`` up to ``stop``, which will be read soon, where that is possible.

        Takes any numbers: the offsets in a damaged file are checked when the rows are read.
        """

    @abstractmethod
    def forget(self, start: int, stop: int) -> None:
        """Let the kernel drop rows ``start`` up to ``stop``, which were used.

        Takes any numbers, as `expect` does.
        """

    @abstractmethod
    def peek(self, position: int) -> int:
        """The number at a position of an array of integers, unchecked."""

    def find(self, value: int) -> int:
        """The first position of a number above ``value`` in an ascending array, unchecked."""
        return bisect.bisect_right(range(len(self)), value, key=self.peek)


class BlockArray(Array):
    """An array in one file, of the ``shape`` and ``dtype`` that it has there.

    If the handle verifies, a block is compared with its checksum when a row of it is read for the
    first time.  Any number of threads may read.  Memory: 9 bytes for each block of 64 KiB, and one
    block.
    """

    def __init__(self, path: str, stored: StoredArray, handle: Handle) -> None:
        self.handle = handle
        self.name = path
        self.shape, self.dtype = stored.shape, stored.dtype
        self.row_bytes: int = int(self.dtype.itemsize * np.prod(self.shape[1:], dtype=np.int64))
        self.block_length = block_length(self.shape, self.dtype)
        self._sums: U64 | None = handle.sums(path) if handle.verify else None
        self._checked = bytearray(self.n_blocks)  # 1 for a block that was
        self._last: tuple[int, AnyArray] = (-1, np.empty(0, self.dtype))

    @property
    def n_blocks(self) -> int:
        """The number of blocks, each of which has a checksum."""
        return -(-self.shape[0] // self.block_length)

    def read_into(self, target: AnyArray, start: int) -> None:
        """Fill ``target``, contiguous and of this array's dtype, with the rows from ``start`` on.

        Raises DamageError for blocks that do not match their checksums.
        """
        if not len(target):
            return
        stop = start + len(target)
        if self.is_checked(start, stop):
            self._fetch(target, start)
        else:
            self._fetch_checked(target, start, stop)

    def expect(self, start: int, stop: int) -> None:
        """Prefetch rows ``start`` up to ``stop``, which will be read soon, where that is possible.

        Takes any numbers: the offsets in a damaged file are checked when the rows are read.
        """
        start, stop = max(start, 0), min(stop, len(self))
        if start < stop:
            if not self.is_checked(start, stop):  # whole blocks will be read and compared
                start -= start % self.block_length
                stop = min(stop + -stop % self.block_length, len(self))
            for extent in self._extents(start, stop):
                self.handle.expect(*extent)

    def forget(self, start: int, stop: int) -> None:
        """Let the kernel drop rows as all arrays do, see `Handle.forget`.

        Of at least a block's rows the blocks go that they begin and end in, which were read whole,
        to be checked: what stays of each range adds up, and where it fills the memory, the kernel
        drops others for it.  Of fewer rows all pages stay that have others, too.
        """
        start, stop = max(start, 0), min(stop, len(self))
        spare = 0
        if stop - start >= self.block_length:
            start -= start % self.block_length
            stop = min(stop + -stop % self.block_length, len(self))
            spare = mmap.PAGESIZE  # the kernel drops whole pages alone
        if start < stop:
            for position, n_bytes in self._extents(start, stop):
                first = max(position - spare, 0)
                self.handle.forget(first, position + n_bytes + spare - first)

    def peek(self, position: int) -> int:
        """The number at a position of an array of integers, unchecked."""
        number = np.empty(1, self.dtype)
        self._fetch(number, position)
        return int(number[0])

    def _extents(self, start: int, stop: int) -> Iterable[tuple[int, int]]:  # noqa: ARG002
        """Positions in the file, with numbers of bytes, of rows that exist; as far as is known."""
        return ()

    @abstractmethod
    def _fetch(self, target: AnyArray, start: int) -> None:
        """Fill ``target`` with the rows from ``start`` on, unchecked."""

    def is_checked(self, start: int, stop: int) -> bool:
        """Whether rows ``start`` up to ``stop`` need no check, or have passed theirs."""
        first, last = start // self.block_length, -(-stop // self.block_length)
        return self._sums is None or self._checked.find(0, first, last) < 0

    def _fetch_checked(self, target: AnyArray, start: int, stop: int) -> None:
        """Read and check rows: whole blocks straight to their place, the ends by `_block`."""
        length = self.block_length
        first, last = -(-start // length), stop // length
        if stop == len(self):
            last = self.n_blocks  # the last block may be short, and is whole all the same
        for block in {start // length, (stop - 1) // length} - {*range(first, last)}:
            begin = block * length
            rows = self._block(block)[max(start - begin, 0) : stop - begin]
            at = max(begin - start, 0)
            target[at : at + len(rows)] = rows
        if first < last:
            inner = target[first * length - start : last * length - start]
            self._fetch(inner, first * length)
            self._check(first, inner)

    def _block(self, block: int) -> AnyArray:
        """The rows of a block, checked.  The block is kept: the next read often begins in it."""
        last, rows = self._last
        if last != block:
            start = block * self.block_length
            stop = min(start + self.block_length, len(self))
            rows = np.empty((stop - start, *self.shape[1:]), self.dtype)
            self._fetch(rows, start)
            self._check(block, rows)
            self._last = block, rows
        return rows

    def _check(self, first: int, rows: AnyArray) -> None:
        """Compare whole blocks, from number ``first`` on, with their checksums.

        Raises DamageError for the first that differs.
        """
        if self._sums is None:
            return
        found = checksums(rows, self.block_length)
        stop = first + len(found)
        wanted = self._sums[first:stop].tolist()
        if found != wanted:
            wrong = first + next(k for k, sum_ in enumerate(found) if sum_ != wanted[k])
            start = wrong * self.block_length
            end = min(start + self.block_length, len(self))
            raise DamageError(start, end, "the checksum differs")
        self._checked[first:stop] = b"\1" * len(found)


def check_array(array: BlockArray) -> None:
    """Compare what was not read yet of an array with its checksums, if its file is to be verified.

    Raises DamageError.  Memory: a megabyte, or a block.
    """
    step = array.block_length * max(1, _CHECK_BYTES // (array.block_length * array.row_bytes))
    for start in range(0, len(array), step):
        stop = min(start + step, len(array))
        if not array.is_checked(start, stop):
            array.read(start, stop)
