"""An array on disk, as it is read: in one file, or in several that are read as one.

`arrays` has those in one file, in each of its forms, and `joined` those in several.
"""

import bisect
from abc import ABC, abstractmethod
from typing import Any, Protocol

import numpy as np

from ooc_train.dtypes import I64, AnyArray


class DamageError(Exception):
    """Rows ``start`` up to ``stop`` of an array are not what was written."""

    def __init__(self, start: int, stop: int, reason: str) -> None:
        super().__init__(reason)
        self.start, self.stop = start, stop


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
    def peek(self, position: int) -> int:
        """The number at a position of an array of integers, unchecked."""

    def find(self, value: int) -> int:
        """The first position of a number above ``value`` in an ascending array, unchecked."""
        return bisect.bisect_right(range(len(self)), value, key=self.peek)


class Mappable(Protocol):
    """An array whose rows can be used as they are mapped, once they are fetched."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def is_whole(self) -> bool:
        """Whether the files have all rows by now, asked before fetched ones are touched."""

    def expect(self, start: int, stop: int) -> None:
        """Prefetch rows."""

    def fetch(self, start: int, stop: int) -> None:
        """Bring rows ``start`` up to ``stop``, mapped, into memory, and check them there.

        Raises DamageError where a file is truncated or a block does not match its checksum,
        OSError where the disk fails.
        """

    def release(self, start: int, stop: int) -> None:
        """Let go of fetched rows."""

    def take(self, rows: I64) -> AnyArray:
        """Fetched rows, by their numbers, as a new array."""

    def addresses(self, rows: I64) -> I64:
        """Where in memory the mapped rows of some numbers begin; only fetched ones may be read."""
