"""The reader of the HDF5 files that ``ooc-convert`` writes; what is in them, see `format`.

>>> with open("reviews.h5") as store:                               # doctest: +SKIP
...     for rows, labels in store["train"].batches(128, seed=0, epoch=0):
...         ...
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from ooc_train.errors import FormatError, InputError, OptionError
from ooc_train.format import FORMAT_NAME, FORMAT_VERSION, SPLIT_NAMES, read_strings
from ooc_train.rows import Batch, FloatArray, IntArray, SparseRows, concatenate
from ooc_train.sampler import Order, n_steps, slice_rows_for

FEATURES = ("ngram",)
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_AGAIN = "convert the source again with ooc-convert"


def open(path: str | Path) -> "Store":  # noqa: A001 - it is called as ooc_train.open
    """The file at ``path``, checked and open for reading; to be used as a context manager.

    Checks the header, and that the arrays' shapes and types fit together, but reads no rows.

    Raises InputError if there is no such file or it may not be read, FormatError if it is not a
    complete file of this package in a version that this one reads.
    """
    return Store(path)


class Split:
    """The rows of one split, on disk."""

    def __init__(self, name: str, group: h5py.Group, *, n_columns: int, n_classes: int) -> None:
        self.name = name
        self.n_columns = n_columns
        self.n_classes = n_classes
        self._where = f"{group.file.filename}: split {name!r}"
        self._labels = self._dataset(group, "labels", "u")
        self._indptr = self._dataset(group, "indptr", "i")
        self._indices = self._dataset(group, "indices", "u")
        self._values = self._dataset(group, "values", "f")
        self.n_rows: int = self._labels.shape[0]
        self.n_entries: int = self._indices.shape[0]
        self._check_lengths()

    def __len__(self) -> int:
        return self.n_rows

    def read(self, start: int, stop: int) -> SparseRows:
        """The rows from ``start`` up to ``stop``, read as contiguous slices."""
        return self._read_rows([(start, stop)])

    def read_labels(self, start: int, stop: int) -> IntArray:
        """The labels of rows ``start`` up to ``stop``: ``(stop - start,) int64`` class indices."""
        labels = self._slice(self._labels, start, stop).astype(np.int64)
        if labels.size and labels.max() >= self.n_classes:
            raise self._damaged(f"rows {start} to {stop} have a label of no class")
        return labels

    def batches(self, batch_size: int, *, seed: int | None = None, epoch: int = 0) -> "Batches":
        """All rows in batches of ``batch_size``; the last is shorter where it does not divide.

        The order depends on ``seed`` and ``epoch`` alone; without a seed, it is the file's.
        ``len`` of the result is the number of batches, the guide's ``steps_per_epoch``.
        Memory: one window, 32 MB for rows of average length, and one batch.
        """
        return Batches(self, batch_size, seed, epoch)

    def generator(
        self, batch_size: int, *, seed: int | None = 0
    ) -> Iterator[tuple[FloatArray, IntArray]]:
        """Dense batches for ever, epoch after epoch: what ``model.fit`` of plain Keras takes.

        Yields ``(n, n_columns) float32`` features and ``(n,) int64`` labels; epochs have
        ``len(split.batches(batch_size))`` steps, each in an order of its own.  Without a seed,
        all are in the file's order: the form for validation data.
        """
        batches = self.batches(batch_size, seed=seed)
        return _endless(batches)

    def read_slices(self, slices: Sequence[tuple[int, int]]) -> Batch:
        """The rows and labels of several slices ``(start, stop)``, one after another."""
        labels = [self.read_labels(start, stop) for start, stop in slices]
        return Batch(self._read_rows(slices), np.concatenate(labels))

    @property
    def row_bytes(self) -> float:
        """What an average row takes in memory."""
        entry_bytes: int = self._indices.dtype.itemsize + self._values.dtype.itemsize
        return 16 + entry_bytes * self.n_entries / max(self.n_rows, 1)

    def _read_rows(self, slices: Sequence[tuple[int, int]]) -> SparseRows:
        """Rows of several slices, each read straight to its place in arrays of the final size."""
        bounds = [self._read_indptr(start, stop) for start, stop in slices]
        lengths = np.concatenate([np.diff(bound) for bound in bounds])
        indptr = np.zeros(len(lengths) + 1, np.int64)
        np.cumsum(lengths, out=indptr[1:])
        indices = np.empty(indptr[-1], self._indices.dtype)
        values = np.empty(indptr[-1], np.float32)
        done = 0
        for bound in bounds:
            stop = done + int(bound[-1] - bound[0])
            self._fill(indices[done:stop], self._indices, int(bound[0]))
            self._fill(values[done:stop], self._values, int(bound[0]))
            done = stop
        if indices.size and indices.max() >= self.n_columns:
            raise self._damaged(f"rows {slices[0][0]} to {slices[-1][1]} have a column too high")
        return SparseRows(indptr, indices, values, self.n_columns)

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
        if len(self._indptr) != self.n_rows + 1 or len(self._values) != self.n_entries:
            raise self._damaged(
                f"the lengths disagree: {self.n_rows} labels, {len(self._indptr)} row offsets, "
                f"{self.n_entries} indices, {len(self._values)} values"
            )
        first, last = int(self._indptr[0]), int(self._indptr[-1])
        if (first, last) != (0, self.n_entries):
            raise self._damaged(f"indptr runs from {first} to {last}, not 0 to {self.n_entries}")

    def _damaged(self, what: str) -> FormatError:
        return FormatError(f"{self._where} is damaged: {what}; {_AGAIN}")


@dataclass(frozen=True)
class Batches:
    """One epoch of a split in batches: can be iterated any number of times, always the same."""

    split: Split
    batch_size: int
    seed: int | None
    epoch: int

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise OptionError(f"the batch size must be at least 1, not {self.batch_size}")

    def __len__(self) -> int:
        return n_steps(self.split.n_rows, self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        return self.from_step(0)

    def from_step(self, step: int) -> Iterator[Batch]:
        """The batches from number ``step`` on, without reading those before."""
        first = step * self.batch_size
        return self._in_file_order(first) if self.seed is None else self._shuffled(first, self.seed)

    def _in_file_order(self, first: int) -> Iterator[Batch]:
        for start in range(first, self.split.n_rows, self.batch_size):
            yield self.split.read_slices([(start, min(start + self.batch_size, self.split.n_rows))])

    def _shuffled(self, first: int, seed: int) -> Iterator[Batch]:
        slice_rows = slice_rows_for(self.split.row_bytes)
        order = Order(self.split.n_rows, seed, self.epoch, slice_rows)
        held: list[Batch] = []
        n_held = 0
        for window in order.windows(first):
            loaded = self.split.read_slices(window.slices)
            position = 0
            while position < len(window.rows):
                piece = loaded.take(window.rows[position : position + self.batch_size - n_held])
                position += len(piece.labels)
                n_held += len(piece.labels)
                held.append(piece)
                if n_held == self.batch_size:
                    yield concatenate(held)
                    held, n_held = [], 0
            del loaded  # before the next window is read
        if held:
            yield concatenate(held)


def _endless(batches: Batches) -> Iterator[tuple[FloatArray, IntArray]]:
    epoch = batches.epoch
    while len(batches):
        for rows, labels in Batches(batches.split, batches.batch_size, batches.seed, epoch):
            yield rows.to_dense(), labels
        epoch += 1


class Store:
    """An open file: its splits by name, its classes, and where it came from.

    Memory: the classes' names, and whatever HDF5 caches of the file's index.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.file = _open_hdf5(self.path)
        try:
            self._read_header()
        except BaseException:
            self.file.close()
            raise

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; its splits cannot be read any more."""
        self.file.close()

    def __getitem__(self, name: str) -> Split:
        if name not in self.splits:
            known = ", ".join(self.splits)
            raise InputError(f"{self.path} has no split {name!r}; it has: {known}")
        return self.splits[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.splits)

    def __len__(self) -> int:
        return len(self.splits)

    @property
    def n_classes(self) -> int:
        """How many classes there are."""
        return len(self.class_labels)

    def _read_header(self) -> None:
        check_header(self.path, self.file)
        self.features = str(self.file.attrs["features"])
        try:
            self.provenance: dict[str, Any] = json.loads(self.file.attrs["provenance"])
            self.class_labels = read_strings(self.file, "classes/labels")
            self.class_names = read_strings(self.file, "classes/names")
            self.n_columns: int = self.file["vectorizer/terms/offsets"].shape[0] - 1
        except (KeyError, ValueError, OSError) as error:
            raise FormatError(f"{self.path} is damaged: {error.args[0]}; {_AGAIN}") from error
        self.splits = {
            name: Split(name, self.file[name], n_columns=self.n_columns, n_classes=self.n_classes)
            for name in SPLIT_NAMES
            if name in self.file
        }
        if "train" not in self.splits:
            raise FormatError(f"{self.path} has no split 'train'; {_AGAIN}")


def _open_hdf5(path: Path) -> h5py.File:
    if not path.is_file():
        raise InputError(f"there is no file {path}; make one with ooc-convert")
    try:
        with path.open("rb") as start:
            if start.read(len(_SIGNATURE)) != _SIGNATURE:
                raise FormatError(f"{path} is not an HDF5 file; make one from it with ooc-convert")
        return h5py.File(path, "r")
    except PermissionError as error:
        raise InputError(f"{path} may not be read; check its permissions") from error
    except OSError as error:
        raise FormatError(f"{path} is cut short or damaged ({error}); {_AGAIN}") from error


def check_header(path: Path, file: h5py.File) -> None:
    """Raise FormatError unless ``file`` is a complete one in a version that this reader knows."""
    if file.attrs.get("format") != FORMAT_NAME:
        raise FormatError(f"{path} was not written by ooc-convert; make a file with it first")
    version = file.attrs.get("format_version")
    if version != FORMAT_VERSION:
        raise FormatError(
            f"{path} has format version {version}, and this ooc-train reads {FORMAT_VERSION}; "
            f"use the release that wrote it, or {_AGAIN}"
        )
    if file.attrs.get("complete") != 1:
        raise FormatError(f"{path} was never finished; {_AGAIN}")
    if file.attrs.get("features") not in FEATURES:
        raise FormatError(
            f"{path} has {file.attrs.get('features')!r} features, and this ooc-train reads "
            f"{' or '.join(FEATURES)}; use a newer release"
        )
