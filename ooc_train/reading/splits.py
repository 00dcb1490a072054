"""The layouts of splits: how their rows lie in arrays, one class each, and the table of all."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import ClassVar

import numpy as np

from ooc_train.dtypes import F32, I64, AnyArray
from ooc_train.file.arrays import Array
from ooc_train.file.group import FileGroup
from ooc_train.file.joined import Mappable
from ooc_train.file.shards import DataFile
from ooc_train.kinds import Layout
from ooc_train.reading.rows import (
    Buffers,
    DenseRows,
    LoadedWindow,
    RaggedRows,
    SequenceRows,
    SparseRows,
    numbers_of,
)
from ooc_train.reading.sampler import WINDOW_SLICES
from ooc_train.reading.split import Split, named
from ooc_train.reading.windows import MappedRaggedRows, MappedRows, StoredRows

KERNEL_ENTRIES = 2**20
"""Entries of a split from which on a kernel takes the rows of different lengths.

Loading Numba takes longer than it saves where NumPy takes fewer.
"""


class RaggedSplit(Split):
    """A split whose rows have different lengths: arrays of entries, and each row's offset."""

    _entry_names: ClassVar[tuple[str, ...]]
    """The arrays with one value for each entry."""

    def __init__(self, file: DataFile, name: str) -> None:
        super().__init__(file, name)
        self._indptr = self._open("indptr")
        self._entries = [self._open(name) for name in self._entry_names]
        self._check_ends()

    @property
    def n_entries(self) -> int:
        """The entries of all rows."""
        return len(self._entries[0])

    @property
    def row_bytes(self) -> float:
        """The memory of an average row."""
        entry_bytes: int = sum(array.dtype.itemsize for array in self._entries)
        return 16 + entry_bytes * self.n_entries / max(self.n_rows, 1)

    def entries_by_row(self, start: int, stop: int) -> I64:
        """The number of entries of rows ``start`` up to ``stop``: ``(stop - start,) int64``."""
        self._check_range(start, stop)
        return np.diff(self._read_indptr(start, stop))

    def rows_of(self, array: Array, start: int, stop: int) -> tuple[int, int]:
        """The first and the last row that an array's entries ``start`` up to ``stop`` belong to."""
        if array is self._indptr:
            return max(0, start - 1), min(stop, self.n_rows) - 1
        if array is self._labels:
            return start, stop - 1
        return self._indptr.find(start) - 1, self._indptr.find(stop - 1) - 1

    @abstractmethod
    def _rows(self, indptr: I64, entries: list[AnyArray], where: str) -> RaggedRows:
        """Rows of the entries read; FormatError if an entry is out of range."""

    @contextmanager
    def window(self, slices: Sequence[tuple[int, int]], buffers: Buffers) -> Iterator[LoadedWindow]:
        """The rows of several slices; those of a small split in memory, see KERNEL_ENTRIES."""
        arrays = _mappable(self._entries, slices)
        if not arrays or self.n_entries < KERNEL_ENTRIES:
            yield self.read_slices(slices, buffers)
            return
        labels = self._read_labels(slices)
        bounds = [self._read_indptr(start, stop) for start, stop in slices]
        places = [(array, int(bound[0]), int(bound[-1])) for array in arrays for bound in bounds]
        where = named(slices)
        with self._mapped_places(places) as held:
            starts = np.concatenate([bound[:-1] for bound in bounds])
            yield MappedRaggedRows(
                dtypes=[array.dtype for array in arrays],
                addresses=[array.addresses(starts) for array in arrays],
                lengths=np.concatenate([np.diff(bound) for bound in bounds]),
                labels=labels,
                places=held,
                made=lambda indptr, entries: self._rows(indptr, entries, where),
            )

    def _read_rows(self, slices: Sequence[tuple[int, int]], buffers: Buffers) -> RaggedRows:
        bounds = [self._read_indptr(start, stop) for start, stop in slices]
        lengths = np.concatenate([np.diff(bound) for bound in bounds])
        indptr = np.zeros(len(lengths) + 1, np.int64)
        np.cumsum(lengths, out=indptr[1:])
        entries = [
            buffers.empty(array.name, (int(indptr[-1]),), array.dtype) for array in self._entries
        ]
        done = 0
        for bound in bounds:
            stop = done + int(bound[-1] - bound[0])
            for target, array in zip(entries, self._entries, strict=True):
                self._fill(target[done:stop], array, int(bound[0]))
            done = stop
        return self._rows(indptr, entries, named(slices))

    def _places_of(self, slices: Sequence[tuple[int, int]]) -> Iterator[tuple[Array, int, int]]:
        yield from super()._places_of(slices)
        for start, stop in slices:
            yield self._indptr, start, stop + 1
        for bounds in slices:  # after all offsets were requested, so that the first have arrived
            first, last = map(self._indptr.peek, bounds)
            for array in self._entries:
                yield array, first, last

    def _read_indptr(self, start: int, stop: int) -> I64:
        self._check_range(start, stop)
        indptr: I64 = self._slice(self._indptr, start, stop + 1)
        # Compared, not subtracted: a difference of large numbers wraps around.
        ascends = (indptr[1:] >= indptr[:-1]).all()
        if not ascends or indptr[0] < 0 or indptr[-1] > self.n_entries:
            raise self._damaged(f"indptr does not ascend in rows {start} to {stop}")
        return indptr

    def _check_ends(self) -> None:
        first, last = (int(self._slice(self._indptr, i, i + 1)[0]) for i in (0, self.n_rows))
        if (first, last) != (0, self.n_entries):
            raise self._damaged(f"indptr runs from {first} to {last}, not 0 to {self.n_entries}")
        for row, entry in zip(self._indptr.joints, self._entries[0].joints, strict=True):
            if self._indptr.peek(row) != entry:
                raise self._damaged(f"the indptr of the shard with row {row} does not begin with 0")


class SparseSplit(RaggedSplit):
    """A split of rows that keep only their values other than zero."""

    layout = "sparse"
    _entry_names = ("indices", "values")

    def _rows(self, indptr: I64, entries: list[AnyArray], where: str) -> SparseRows:
        indices, values = entries
        if indices.size and indices.max() >= self.n_columns:
            raise self._damaged(f"{where} have a column too high")
        return SparseRows(indptr, indices, values.astype(np.float32, copy=False), self.n_columns)


class SequenceSplit(RaggedSplit):
    """A split of sequences of tokens."""

    layout = "ragged"
    _entry_names = ("tokens",)

    def _rows(self, indptr: I64, entries: list[AnyArray], where: str) -> SequenceRows:
        (tokens,) = entries
        if tokens.size and (tokens.min() == 0 or tokens.max() >= self.n_columns):
            raise self._damaged(f"{where} have the token of no term")
        length = self._header.max_length or 1  # models take no rows of length 0
        return SequenceRows(indptr, tokens, self.n_columns, length)


class DenseSplit(Split):
    """A split of rows with a value for every column."""

    layout = "dense"

    def __init__(self, file: DataFile, name: str) -> None:
        super().__init__(file, name)
        self._features = self._open("features")
        self._scales = (
            FileGroup(file.shared, "vectorizer").scales() if file.header.has_scales else None
        )

    @property
    def row_bytes(self) -> float:
        """The memory of a row."""
        return 8 + 4 * self.n_columns

    def _places_of(self, slices: Sequence[tuple[int, int]]) -> Iterator[tuple[Array, int, int]]:
        yield from super()._places_of(slices)
        for start, stop in slices:
            yield self._features, start, stop

    @contextmanager
    def window(self, slices: Sequence[tuple[int, int]], buffers: Buffers) -> Iterator[LoadedWindow]:
        """The rows of several slices, which stay as they are stored until they are taken."""
        labels, arrays = self._read_labels(slices), _mappable([self._features], slices)
        if not arrays:
            stored = self._read_array(self._features, slices, buffers)
            yield StoredRows(stored, labels, self._unscaled)
            return
        places = [(arrays[0], start, stop) for start, stop in slices]
        with self._mapped_places(places) as held:
            positions = arrays[0].positions(numbers_of(slices))
            yield MappedRows(arrays[0], positions, labels, self._unscaled, held)

    def _read_rows(self, slices: Sequence[tuple[int, int]], buffers: Buffers) -> DenseRows:
        return DenseRows(self._unscaled(self._read_array(self._features, slices, buffers)))

    def _unscaled(self, stored: AnyArray) -> F32:
        """The stored numbers as float32, integers multiplied by the scale of their column."""
        values: F32 = stored.astype(np.float32, copy=False)
        if self._scales is not None:
            values *= self._scales
        return values


SPLITS: Mapping[Layout, type[Split]] = {
    "sparse": SparseSplit,
    "ragged": SequenceSplit,
    "dense": DenseSplit,
}
"""The class of splits for each layout of rows."""


def open_split(file: DataFile, name: str) -> Split:
    """The split of that name.  Raises FormatError if its arrays do not fit together."""
    return SPLITS[file.header.layout](file, name)


def _mappable(arrays: Sequence[Array], slices: Sequence[tuple[int, int]]) -> list[Mappable]:
    """The arrays if slices of all are to be mapped, or none: many small ones are read faster."""
    found = [each for each in arrays if isinstance(each, Mappable) and each.can_fetch]
    return found if len(found) == len(arrays) and len(slices) <= WINDOW_SLICES else []
