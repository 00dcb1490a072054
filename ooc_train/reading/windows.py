"""Windows of rows that stay in the file's own form, in memory or mapped, until they are taken."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ooc_train.dtypes import F32, I64, AnyArray
from ooc_train.file.arrays import DamageError, Mappable
from ooc_train.reading.rows import Batch, DenseRows, RaggedRows, indptr_of

_FRESH_SECONDS = 0.1
"""How long fetched pages are relied on: the kernel may take them back."""
_WHOLE_SECONDS = 0.001
"""How long files are relied on to have all rows, once they had: asking takes a call for each."""

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
        self._places, self._error_of = places, error_of
        self._arrays = [*{id(array): array for array, _, _ in places}.values()]
        self._fetch()

    def ensure(self) -> None:
        """See to it that the rows can be touched now."""
        now = time.monotonic()
        if now < self._whole_until:
            return
        if now < self._fresh_until and all(array.is_whole for array in self._arrays):
            self._whole_until = now + _WHOLE_SECONDS
            return
        for array, start, stop in self._places:
            array.expect(start, stop)
        self._fetch()

    def _fetch(self) -> None:
        for array, start, stop in self._places:
            try:
                array.fetch(start, stop)
            except (DamageError, OSError) as error:
                raise self._error_of(error, array, start, stop) from error
        now = time.monotonic()
        self._fresh_until, self._whole_until = now + _FRESH_SECONDS, now + _WHOLE_SECONDS

    def release(self) -> None:
        """Let go of the pages."""
        for mine in self._arrays:
            mine.release([(start, stop) for array, start, stop in self._places if array is mine])


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
