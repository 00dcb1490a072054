"""Windows of rows that stay in the file's own form, in memory or mapped, until they are taken."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ooc_train.dtypes import F32, I64, AnyArray
from ooc_train.file.arrays import DamageError
from ooc_train.file.handle import Handle
from ooc_train.file.joined import Mappable
from ooc_train.file.layouts import FlatArray
from ooc_train.reading.rows import Batch, DenseRows, RaggedRows, indptr_of

_FRESH_SECONDS = 0.1
"""How long fetched pages are relied on: the kernel may take them back."""

Places = Sequence[tuple[Mappable, int, int]]
"""Ranges of mapped arrays: rows from the second number up to the third."""


class MappedPlaces:
    """The pages of a window's slices in memory, so that mapped rows there can be touched.

    They are fetched at once, and again where their batches are asked for later: the file may have
    been cut short by then, and in little memory the kernel drops pages.  ``error_of`` makes errors
    of reading an array those that are raised.
    """

    def __init__(
        self, places: Places, error_of: Callable[[Exception, Any, int, int], Exception]
    ) -> None:
        self._error_of = error_of
        self._ranges: dict[FlatArray, list[tuple[int, int]]] = {}
        self._arrays: dict[FlatArray, Mappable] = {}
        for array, start, stop in places:
            for part, first, last in array.cut(start, stop):
                self._ranges.setdefault(part, []).append((first, last))
                self._arrays[part] = array
        self._ends: dict[Handle, int] = {}  # of what is used of each file
        for part in self._ranges:
            self._ends[part.handle] = max(part.end, self._ends.get(part.handle, 0))
        self._fetch()

    def ensure(self) -> None:
        """See to it that the rows can be touched now."""
        is_safe = time.monotonic() < self._fresh_until
        for handle, end in self._ends.items():
            is_safe = is_safe and handle.reaches(end)
        if is_safe:
            return
        for part, ranges in self._ranges.items():
            for first, last in ranges:
                part.expect(first, last)
        self._fetch()

    def _fetch(self) -> None:
        for part, ranges in self._ranges.items():
            for first, last in ranges:
                try:
                    part.fetch(first, last)
                except (DamageError, OSError) as error:
                    array = self._arrays[part]
                    rows = first + array.begin_of(part), last + array.begin_of(part)
                    raise self._error_of(array.named(error, part), array, *rows) from error
        self._fresh_until = time.monotonic() + _FRESH_SECONDS

    def release(self) -> None:
        """Let go of the pages."""
        for part, ranges in self._ranges.items():
            part.release(ranges)


@dataclass(frozen=True)
class StoredRows:
    """A window of dense rows, in memory as numbers of the file's dtype."""

    stored: AnyArray
    labels: I64
    unscaled: Callable[[AnyArray], F32]

    @property
    def lengths(self) -> I64:
        """The number of columns, once for each row: ``(n_rows,) int64``."""
        return np.full(len(self.stored), self.stored.shape[1])

    def take(self, rows: I64) -> Batch:
        """The rows with the given numbers, in their order.  A copy."""
        return Batch(DenseRows(self.unscaled(self.stored.take(rows, axis=0))), self.labels[rows])


@dataclass(frozen=True)
class MappedRows:
    """A window of dense rows in the file itself."""

    array: Mappable
    positions: I64
    """Of the window's rows in the array, see `Mappable.positions`."""
    labels: I64
    unscaled: Callable[[AnyArray], F32]
    places: MappedPlaces

    @property
    def lengths(self) -> I64:
        """The number of columns, once for each row: ``(n_rows,) int64``."""
        return np.full(len(self.positions), self.array.shape[1])

    def take(self, rows: I64) -> Batch:
        """The rows with the given numbers, in their order.  A copy."""
        self.places.ensure()
        found = self.array.take(self.positions[rows])
        return Batch(DenseRows(self.unscaled(found)), self.labels[rows])


@dataclass(frozen=True)
class MappedRaggedRows:
    """A window of rows of different lengths in the file itself."""

    dtypes: Sequence[np.dtype[Any]]
    """Those of the arrays of entries."""
    addresses: Sequence[I64]
    """Where the entries of each of the window's rows begin in memory, for each array."""
    lengths: I64
    """The number of entries of each row: ``(n_rows,) int64``."""
    labels: I64
    places: MappedPlaces
    made: Callable[[I64, list[AnyArray]], RaggedRows]
    """Makes rows of offsets and entries, which it checks."""

    def take(self, rows: I64) -> Batch:
        """The rows with the given numbers, in their order.  A copy."""
        from ooc_train.file.gathering import gather  # noqa: PLC0415 - Numba

        self.places.ensure()
        indptr = indptr_of(self.lengths[rows])
        entries = [
            gather(starts[rows], dtype, indptr)
            for starts, dtype in zip(self.addresses, self.dtypes, strict=True)
        ]
        return Batch(self.made(indptr, entries), self.labels[rows])
