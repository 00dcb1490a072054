"""The splits of a file on disk: one class for each kind of rows, all read in the same way."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import h5py
import numpy as np
import numpy.typing as npt

from ooc_train.batches import Batches
from ooc_train.errors import FormatError, InputError
from ooc_train.rows import Batch, IntArray, Rows, SequenceRows, SparseRows

AGAIN = "convert the source again with ooc-convert"


@dataclass(frozen=True)
class Sizes:
    """What the rows of all splits of a file have in common.

    ``max_length`` is what sequences are padded or cut to; n-grams have none.
    """

    n_columns: int
    n_classes: int
    max_length: int | None


class Split(ABC):
    """The rows of one split, on disk."""

    features: ClassVar[str]
    """The kind of rows, as the file's attribute says it."""
    _arrays: ClassVar[dict[str, str]]
    """The arrays that have a value for each entry, with the kind of their numbers."""

    def __init__(self, name: str, group: h5py.Group, sizes: Sizes) -> None:
        self.name = name
        self.n_columns = sizes.n_columns
        self.n_classes = sizes.n_classes
        self._sizes = sizes
        self._where = f"{group.file.filename}: split {name!r}"
        self._labels = self._dataset(group, "labels", "u")
        self._indptr = self._dataset(group, "indptr", "i")
        self._entries = [self._dataset(group, *array) for array in self._arrays.items()]
        self.n_rows: int = self._labels.shape[0]
        self.n_entries: int = self._entries[0].shape[0]
        self._check_lengths()

    def __len__(self) -> int:
        return self.n_rows

    def read(self, start: int, stop: int) -> Rows:
        """The rows from ``start`` up to ``stop``, read as contiguous slices."""
        return self._read_rows([(start, stop)])

    def read_labels(self, start: int, stop: int) -> IntArray:
        """The labels of rows ``start`` up to ``stop``: ``(stop - start,) int64`` class indices."""
        labels = self._slice(self._labels, start, stop).astype(np.int64)
        if labels.size and labels.max() >= self.n_classes:
            raise self._damaged(f"rows {start} to {stop} have a label of no class")
        return labels

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

    def generator(
        self, batch_size: int, *, seed: int | None = 0
    ) -> Iterator[tuple[npt.NDArray[Any], IntArray]]:
        """Dense batches for ever, epoch after epoch: what ``model.fit`` of plain Keras takes.

        Yields features, ``(n, n_columns) float32`` of n-grams and ``(n, max_length) int32`` of
        sequences, and ``(n,) int64`` labels; epochs have ``len(split.batches(batch_size))``
        steps, each in an order of its own.  Without a seed, all are in the file's order: the
        form for validation data.
        """
        batches = self.batches(batch_size, seed=seed)
        return _endless(batches)

    def read_slices(self, slices: Sequence[tuple[int, int]]) -> Batch:
        """The rows and labels of several slices ``(start, stop)``, one after another."""
        labels = [self.read_labels(start, stop) for start, stop in slices]
        return Batch(self._read_rows(slices), np.concatenate(labels))

    @property
    def width(self) -> int:
        """Columns of rows made dense: those of n-grams, or the length sequences are padded to."""
        return self.read(0, 0).width

    @property
    def row_bytes(self) -> float:
        """What an average row takes in memory."""
        entry_bytes: int = sum(array.dtype.itemsize for array in self._entries)
        return 16 + entry_bytes * self.n_entries / max(self.n_rows, 1)

    @abstractmethod
    def _rows(self, indptr: IntArray, entries: list[npt.NDArray[Any]], where: str) -> Rows:
        """Rows of the entries read; FormatError if they are not what they may be."""

    def _read_rows(self, slices: Sequence[tuple[int, int]]) -> Rows:
        """Rows of several slices, each read straight to its place in arrays of the final size."""
        bounds = [self._read_indptr(start, stop) for start, stop in slices]
        lengths = np.concatenate([np.diff(bound) for bound in bounds])
        indptr = np.zeros(len(lengths) + 1, np.int64)
        np.cumsum(lengths, out=indptr[1:])
        entries = [np.empty(indptr[-1], array.dtype) for array in self._entries]
        done = 0
        for bound in bounds:
            stop = done + int(bound[-1] - bound[0])
            for target, array in zip(entries, self._entries, strict=True):
                self._fill(target[done:stop], array, int(bound[0]))
            done = stop
        return self._rows(indptr, entries, f"rows {slices[0][0]} to {slices[-1][1]}")

    def _read_indptr(self, start: int, stop: int) -> IntArray:
        if not 0 <= start <= stop <= self.n_rows:
            raise IndexError(f"{self._where} has rows 0 to {self.n_rows}, not {start} to {stop}")
        indptr: IntArray = self._slice(self._indptr, start, stop + 1)
        if indptr[0] < 0 or indptr[-1] > self.n_entries or (np.diff(indptr) < 0).any():
            raise self._damaged(f"indptr does not ascend in rows {start} to {stop}")
        return indptr

    def _slice(self, dataset: h5py.Dataset, start: int, stop: int) -> npt.NDArray[Any]:
        array = np.empty(stop - start, dataset.dtype)
        self._fill(array, dataset, start)
        return array

    def _fill(self, target: npt.NDArray[Any], dataset: h5py.Dataset, start: int) -> None:
        """Read as many entries as ``target`` holds, from ``start`` on."""
        if not target.size:
            return
        try:
            dataset.read_direct(target, np.s_[start : start + len(target)])
        except OSError as error:
            raise InputError(f"{self._where}: {dataset.name} cannot be read: {error}") from error

    def _dataset(self, group: h5py.Group, name: str, kind: str) -> h5py.Dataset:
        dataset = group.get(name)
        if not isinstance(dataset, h5py.Dataset) or dataset.ndim != 1:
            raise self._damaged(f"the array {name!r} is missing or not one-dimensional")
        if dataset.dtype.kind != kind:
            raise self._damaged(f"the array {name!r} has the type {dataset.dtype}")
        return dataset

    def _check_lengths(self) -> None:
        entry_counts = [len(array) for array in self._entries]
        if len(self._indptr) != self.n_rows + 1 or len(set(entry_counts)) > 1:
            counts = zip(entry_counts, self._arrays, strict=True)
            raise self._damaged(
                f"the lengths disagree: {self.n_rows} labels, {len(self._indptr)} row offsets, "
                + ", ".join(f"{count} {name}" for count, name in counts)
            )
        first, last = int(self._indptr[0]), int(self._indptr[-1])
        if (first, last) != (0, self.n_entries):
            raise self._damaged(f"indptr runs from {first} to {last}, not 0 to {self.n_entries}")

    def _damaged(self, what: str) -> FormatError:
        return FormatError(f"{self._where} is damaged: {what}; {AGAIN}")


class SparseSplit(Split):
    """A split of n-gram features."""

    features = "ngram"
    _arrays = {"indices": "u", "values": "f"}  # noqa: RUF012 - as the base class declares it

    def _rows(self, indptr: IntArray, entries: list[npt.NDArray[Any]], where: str) -> SparseRows:
        indices, values = entries
        if indices.size and indices.max() >= self.n_columns:
            raise self._damaged(f"{where} have a column too high")
        return SparseRows(indptr, indices, values.astype(np.float32, copy=False), self.n_columns)


class SequenceSplit(Split):
    """A split of sequences of word ids."""

    features = "sequence"
    _arrays = {"tokens": "u"}  # noqa: RUF012 - as the base class declares it

    def _rows(self, indptr: IntArray, entries: list[npt.NDArray[Any]], where: str) -> SequenceRows:
        (tokens,) = entries
        if tokens.size and (tokens.min() == 0 or tokens.max() >= self.n_columns):
            raise self._damaged(f"{where} have the id of no term")
        length = self._sizes.max_length or 1  # models take no rows of length 0
        return SequenceRows(indptr, tokens, self.n_columns, length)


SPLITS: dict[str, type[Split]] = {kind.features: kind for kind in (SparseSplit, SequenceSplit)}
"""For each kind of features, its class of splits."""


def _endless(batches: Batches) -> Iterator[tuple[npt.NDArray[Any], IntArray]]:
    epoch = batches.epoch
    while len(batches):
        for rows, labels in Batches(batches.split, batches.batch_size, batches.seed, epoch):
            yield rows.to_dense(), labels
        epoch += 1
