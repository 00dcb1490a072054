"""The splits of a file on disk: one class for each kind of rows, all read in the same way."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import h5py
import numpy as np

from ooc_train.dtypes import F32, I64, AnyArray
from ooc_train.errors import FormatError, InputError
from ooc_train.file.arrays import Array, DamageError
from ooc_train.reading.adapters import Adapters
from ooc_train.reading.batches import Batches
from ooc_train.reading.rows import (
    Batch,
    Buffers,
    DenseRows,
    LoadedWindow,
    RaggedRows,
    Rows,
    SequenceRows,
    SparseRows,
)
from ooc_train.reading.stream import Stream

if TYPE_CHECKING:
    from ooc_train.reading.store import Store

AGAIN = "convert the source again with ooc-convert"
LABELS_AT_ONCE = 2**20


@dataclass(frozen=True)
class Sizes:
    """What the rows of all splits of a file have in common.

    ``max_length`` is what sequences are padded or cut to, ``scales`` what the columns of integers
    are multiplied with: ``(n_columns,) float32``; others have none.
    """

    n_columns: int
    n_classes: int
    max_length: int | None = None
    scales: F32 | None = None


class Split(Adapters, ABC):
    """The rows of one split, on disk."""

    features: ClassVar[str]
    """The kind of rows, as they say it: "ngram" of all that are sparse."""

    def __init__(self, store: "Store", name: str, sizes: Sizes) -> None:
        self._store = store
        self.name = name
        self.n_columns = sizes.n_columns
        self.n_classes = sizes.n_classes
        self._sizes = sizes
        self.where = f"{store.path}: split {name!r}"
        self.arrays: dict[str, Array] = {}
        self._labels = self._open("labels", "u")
        self.n_rows = len(self._labels)

    def __len__(self) -> int:
        return self.n_rows

    @property
    def is_shuffled(self) -> bool:
        """Whether the rows lie in random order in the file, and not in that of their source."""
        return self.name == "train" and self._store.is_shuffled

    @property
    def fingerprint(self) -> str:
        """That of the file: its content, as 32 hexadecimal digits."""
        return self._store.fingerprint

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, (self._store, self.name)

    def read(self, start: int, stop: int) -> Rows:
        """The rows from ``start`` up to ``stop``, read as contiguous slices."""
        return self._read_rows([(start, stop)], Buffers())

    def read_labels(self, start: int, stop: int) -> I64:
        """The labels of rows ``start`` up to ``stop``: ``(stop - start,) int64`` class indices."""
        return self._read_labels([(start, stop)])

    def class_counts(self) -> I64:
        """The rows of each class: ``(n_classes,)``.  Memory: a megabyte of labels at a time."""
        counts = np.zeros(self.n_classes, np.int64)
        for start in range(0, len(self), LABELS_AT_ONCE):
            labels = self.read_labels(start, min(start + LABELS_AT_ONCE, len(self)))
            counts += np.bincount(labels, minlength=self.n_classes)
        return counts

    def batches(
        self, batch_size: int, *, seed: int | None = None, epoch: int = 0, by_length: bool = False
    ) -> Batches:
        """All rows in batches of ``batch_size``; the last is shorter where it does not divide.

        The order depends on ``seed`` and ``epoch`` alone; without a seed, it is the file's.
        With ``by_length``, which needs a seed, the rows of a batch are of near length.
        ``len`` of the result is the number of batches, the guide's ``steps_per_epoch``.
        Memory: one window, 32 MB for rows of average length, and one batch.
        """
        return Batches(self, batch_size, seed, epoch, by_length)

    def stream(self, batch_size: int, *, seed: int | None = 0, by_length: bool = False) -> Stream:
        """The batches of all epochs, one after another, for ever: for training loops of one's own.

        ``stream.state()`` is its position, small and fit for JSON, which `resume` goes on from.
        """
        return Stream(self, batch_size, seed=seed, by_length=by_length)

    def resume(self, state: Mapping[str, Any]) -> Stream:
        """The stream that goes on from the position of an earlier one.

        Raises OptionError if ``state`` is no stream's, or one of other rows.
        """
        return Stream.from_state(self, state)

    def generator(self, batch_size: int, *, seed: int | None = 0) -> Iterator[tuple[AnyArray, I64]]:
        """Dense batches for ever, epoch after epoch: what ``model.fit`` of plain Keras takes.

        Yields features, ``(n, max_length) int32`` of sequences and ``(n, n_columns) float32`` of
        all others, and ``(n,) int64`` labels; epochs have ``len(split.batches(batch_size))``
        steps, each in an order of its own.  Without a seed, all are in the file's order: the
        form for validation data.
        """
        stream = self.stream(batch_size, seed=seed)
        return ((rows.to_dense(), labels) for rows, labels in stream)

    def read_slices(
        self, slices: Sequence[tuple[int, int]], buffers: Buffers | None = None
    ) -> Batch:
        """The rows and labels of several slices ``(start, stop)``, one after another.

        With ``buffers`` the rows lie in these, until the next call with the same.
        """
        labels = self._read_labels(slices)
        return Batch(self._read_rows(slices, buffers or Buffers()), labels)

    def window(self, slices: Sequence[tuple[int, int]], buffers: Buffers) -> LoadedWindow:
        """The rows of several slices, from which any can be taken until the next call."""
        return self.read_slices(slices, buffers)

    def expect(self, slices: Sequence[tuple[int, int]]) -> None:
        """Several slices will be read next: have the disk fetch them meanwhile.

        Where that fails, the reading will say why.
        """
        with suppress(DamageError, OSError):
            for array, start, stop in self._places_of(slices):
                array.expect(start, stop)

    @property
    def width(self) -> int:
        """Columns of rows made dense: the features', or the length sequences are padded to."""
        return self.read(0, 0).width

    @property
    @abstractmethod
    def row_bytes(self) -> float:
        """What an average row takes in memory."""

    @property
    def n_entries(self) -> int:
        """The numbers that are stored of all rows."""
        return self.n_rows * self.n_columns

    @abstractmethod
    def rows_of(self, array: Array, start: int, stop: int) -> tuple[int, int]:
        """The first and the last row that an array's rows ``start`` up to ``stop`` belong to."""

    @abstractmethod
    def _read_rows(self, slices: Sequence[tuple[int, int]], buffers: Buffers) -> Rows:
        """Rows of several slices, each read straight to its place in arrays of the final size."""

    def _places_of(self, slices: Sequence[tuple[int, int]]) -> Iterator[tuple[Array, int, int]]:
        """Where the rows of several slices lie: arrays, and from where up to where in them."""
        for start, stop in slices:
            yield self._labels, start, stop

    def _read_labels(self, slices: Sequence[tuple[int, int]]) -> I64:
        labels: I64 = self._read_array(self._labels, slices, Buffers()).astype(np.int64)
        if labels.size and labels.max() >= self.n_classes:
            raise self._damaged(f"rows {slices[0][0]} to {slices[-1][1]} have a label of no class")
        return labels

    def _read_array(
        self, array: Array, slices: Sequence[tuple[int, int]], buffers: Buffers
    ) -> AnyArray:
        """What an array that has an entry for each row holds of some slices."""
        for start, stop in slices:
            self._check_range(start, stop)
        n_rows = sum(stop - start for start, stop in slices)
        stored = buffers.empty(array.name, (n_rows, *array.shape[1:]), array.dtype)
        done = 0
        for start, stop in slices:
            self._fill(stored[done : done + stop - start], array, start)
            done += stop - start
        return stored

    def _check_range(self, start: int, stop: int) -> None:
        if not 0 <= start <= stop <= self.n_rows:
            raise IndexError(f"{self.where} has rows 0 to {self.n_rows}, not {start} to {stop}")

    def _slice(self, array: Array, start: int, stop: int) -> AnyArray:
        rows = np.empty(stop - start, array.dtype)
        self._fill(rows, array, start)
        return rows

    def _fill(self, target: AnyArray, array: Array, start: int) -> None:
        """Read as many rows of an array as ``target`` holds, from ``start`` on."""
        with self._errors(array):
            array.read_into(target, start)

    @contextmanager
    def _errors(self, array: Array) -> Iterator[None]:
        """What may go wrong in reading an array, said with the split and its rows."""
        if not self._store.is_open:
            raise ValueError(f"{self.where}: the file is closed; read inside its with block")
        try:
            yield
        except DamageError as error:
            first, last = self.rows_of(array, error.start, error.stop)
            raise self._damaged(
                f"{error} in array {array.name!r}, rows {first} to {last}"
            ) from error
        except OSError as error:
            raise InputError(f"{self.where}: {array.name} cannot be read: {error}") from error

    def _open(self, name: str, kinds: str, n_dimensions: int = 1) -> Array:
        dataset = self._store.file.get(f"{self.name}/{name}")
        if not isinstance(dataset, h5py.Dataset) or dataset.ndim != n_dimensions:
            dimensions = {1: "one-dimensional", 2: "two-dimensional"}[n_dimensions]
            raise self._damaged(f"the array {name!r} is missing or not {dimensions}")
        if dataset.dtype.kind not in kinds:
            raise self._damaged(f"the array {name!r} has the type {dataset.dtype}")
        try:
            self.arrays[name] = self._store.open_array(dataset)
        except (KeyError, ValueError, OSError) as error:
            raise self._damaged(f"the checksums of {name!r}: {error.args[0]}") from error
        return self.arrays[name]

    def _damaged(self, what: str) -> FormatError:
        return FormatError(f"{self.where} is damaged: {what}; {AGAIN}")


class RaggedSplit(Split):
    """A split whose rows have different lengths: arrays of entries, and where each row's lie."""

    _entry_kinds: ClassVar[dict[str, str]]
    """The arrays that have a value for each entry, with the kind of their numbers."""

    def __init__(self, store: "Store", name: str, sizes: Sizes) -> None:
        super().__init__(store, name, sizes)
        self._indptr = self._open("indptr", "i")
        self._entries = [self._open(*array) for array in self._entry_kinds.items()]
        self._check_lengths()

    @property
    def n_entries(self) -> int:
        """The entries of all rows."""
        return len(self._entries[0])

    @property
    def row_bytes(self) -> float:
        """What an average row takes in memory."""
        entry_bytes: int = sum(array.dtype.itemsize for array in self._entries)
        return 16 + entry_bytes * self.n_entries / max(self.n_rows, 1)

    def entries_by_row(self, start: int, stop: int) -> I64:
        """How many entries each of some rows has, (stop - start,) int64."""
        self._check_range(start, stop)
        return np.diff(self._read_indptr(start, stop))

    def rows_of(self, array: Array, start: int, stop: int) -> tuple[int, int]:
        """The first and the last row that an array's rows ``start`` up to ``stop`` belong to."""
        if array is self._indptr:
            return max(0, start - 1), min(stop, self.n_rows) - 1
        if array is self._labels:
            return start, stop - 1
        return self._indptr.find(start) - 1, self._indptr.find(stop - 1) - 1

    @abstractmethod
    def _rows(self, indptr: I64, entries: list[AnyArray], where: str) -> RaggedRows:
        """Rows of the entries read; FormatError if they are not what they may be."""

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
        return self._rows(indptr, entries, f"rows {slices[0][0]} to {slices[-1][1]}")

    def _places_of(self, slices: Sequence[tuple[int, int]]) -> Iterator[tuple[Array, int, int]]:
        yield from super()._places_of(slices)
        for start, stop in slices:
            yield self._indptr, start, stop + 1
        for bounds in slices:  # when all offsets are on their way, and so the first are here
            first, last = map(self._indptr.peek, bounds)
            for array in self._entries:
                yield array, first, last

    def _read_indptr(self, start: int, stop: int) -> I64:
        self._check_range(start, stop)
        indptr: I64 = self._slice(self._indptr, start, stop + 1)
        if indptr[0] < 0 or indptr[-1] > self.n_entries or (np.diff(indptr) < 0).any():
            raise self._damaged(f"indptr does not ascend in rows {start} to {stop}")
        return indptr

    def _check_lengths(self) -> None:
        entry_counts = [len(array) for array in self._entries]
        if len(self._indptr) != self.n_rows + 1 or len(set(entry_counts)) > 1:
            counts = zip(entry_counts, self._entry_kinds, strict=True)
            raise self._damaged(
                f"the lengths disagree: {self.n_rows} labels, {len(self._indptr)} row offsets, "
                + ", ".join(f"{count} {name}" for count, name in counts)
            )
        first, last = (int(self._slice(self._indptr, i, i + 1)[0]) for i in (0, self.n_rows))
        if (first, last) != (0, self.n_entries):
            raise self._damaged(f"indptr runs from {first} to {last}, not 0 to {self.n_entries}")


class SparseSplit(RaggedSplit):
    """A split of n-gram features, or of any others of which most are zero."""

    features = "ngram"
    _entry_kinds = {"indices": "u", "values": "f"}  # noqa: RUF012 - as the base class declares it

    def _rows(self, indptr: I64, entries: list[AnyArray], where: str) -> SparseRows:
        indices, values = entries
        if indices.size and indices.max() >= self.n_columns:
            raise self._damaged(f"{where} have a column too high")
        return SparseRows(indptr, indices, values.astype(np.float32, copy=False), self.n_columns)


class SequenceSplit(RaggedSplit):
    """A split of sequences of word ids."""

    features = "sequence"
    _entry_kinds = {"tokens": "u"}  # noqa: RUF012 - as the base class declares it

    def _rows(self, indptr: I64, entries: list[AnyArray], where: str) -> SequenceRows:
        (tokens,) = entries
        if tokens.size and (tokens.min() == 0 or tokens.max() >= self.n_columns):
            raise self._damaged(f"{where} have the id of no term")
        length = self._sizes.max_length or 1  # models take no rows of length 0
        return SequenceRows(indptr, tokens, self.n_columns, length)


class DenseSplit(Split):
    """A split of dense features."""

    features = "dense"

    def __init__(self, store: "Store", name: str, sizes: Sizes) -> None:
        super().__init__(store, name, sizes)
        self._features = self._open("features", "fi", 2)
        if self._features.shape != (self.n_rows, self.n_columns):
            raise self._damaged(
                f"the array 'features' has the shape {self._features.shape}, not "
                f"{(self.n_rows, self.n_columns)}"
            )

    @property
    def row_bytes(self) -> float:
        """What a row takes in memory."""
        return 8 + 4 * self.n_columns

    def rows_of(self, array: Array, start: int, stop: int) -> tuple[int, int]:  # noqa: ARG002
        """Those themselves."""
        return start, stop - 1

    def _places_of(self, slices: Sequence[tuple[int, int]]) -> Iterator[tuple[Array, int, int]]:
        yield from super()._places_of(slices)
        for start, stop in slices:
            yield self._features, start, stop

    def window(self, slices: Sequence[tuple[int, int]], buffers: Buffers) -> LoadedWindow:
        """The rows of several slices, as they are stored until they are taken."""
        labels = self._read_labels(slices)
        stored = self._read_array(self._features, slices, buffers)
        return _StoredRows(stored, labels, self._unscaled)

    def _read_rows(self, slices: Sequence[tuple[int, int]], buffers: Buffers) -> DenseRows:
        return DenseRows(self._unscaled(self._read_array(self._features, slices, buffers)))

    def _unscaled(self, stored: AnyArray) -> F32:
        """The numbers that are meant, as float32: integers have a scale for each column."""
        values: F32 = stored.astype(np.float32, copy=False)
        if self._sizes.scales is not None:
            values *= self._sizes.scales
        return values


@dataclass(frozen=True)
class _StoredRows:
    """A window of dense rows, of the numbers in the file."""

    stored: AnyArray
    labels: I64
    unscaled: Callable[[AnyArray], F32]

    @property
    def lengths(self) -> I64:
        return np.full(len(self.stored), self.stored.shape[1])

    def take(self, rows: I64) -> Batch:
        return Batch(DenseRows(self.unscaled(self.stored.take(rows, axis=0))), self.labels[rows])


SPLITS: dict[str, type[Split]] = {
    "ngram": SparseSplit,
    "sequence": SequenceSplit,
    "dense": DenseSplit,
    "sparse": SparseSplit,
}
"""For each kind of features, its class of splits."""


def _reopen(store: "Store", name: str) -> Split:
    return store[name]
