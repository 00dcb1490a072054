"""A split of a file on disk: what is the same for all layouts of rows."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ooc_train.dtypes import I64, AnyArray
from ooc_train.errors import FormatError, InputError
from ooc_train.file.arrays import Array, DamageError, check_array
from ooc_train.file.header import AGAIN
from ooc_train.file.joined import JoinedArray, open_rows
from ooc_train.file.layouts import FlatArray
from ooc_train.file.shards import DataFile, open_data
from ooc_train.kinds import Layout
from ooc_train.memory import available_bytes
from ooc_train.reading import adapters
from ooc_train.reading.batches import Batches, Seed
from ooc_train.reading.choosing import chosen_rows, slices_of
from ooc_train.reading.descriptions import split_line
from ooc_train.reading.rows import Batch, Buffers, LoadedWindow, Rows
from ooc_train.reading.sampler import WINDOW_BYTES
from ooc_train.reading.share import Share
from ooc_train.reading.stream import Stream
from ooc_train.reading.windows import MappedPlaces, Places
from ooc_train.remote.url import Url
from ooc_train.system_errors import reason

CACHED_WINDOWS = 2.5
"""The windows that the page cache must hold for prefetching: two, with the libraries' pages."""
LABELS_AT_ONCE = 2**20
"""Rows whose labels or lengths are counted at a time."""


class Split(ABC):
    """The rows of one split, on disk.

    Can be pickled, and used in forked processes and in threads.  What reads rows raises IndexError
    for rows that the split does not have, FormatError where the file is damaged, InputError where
    the disk fails, and ValueError after the file was closed.
    """

    layout: ClassVar[Layout]
    to_numpy = adapters.to_numpy
    to_scipy = adapters.to_scipy
    to_tf_dataset = adapters.to_tf_dataset
    to_keras = adapters.to_keras
    to_torch = adapters.to_torch

    def __init__(self, file: DataFile, name: str) -> None:
        self._file = file
        self._header = file.header
        self.name = name
        self.n_columns = self._header.n_columns
        self.n_classes = self._header.n_classes
        self.where = f"{file.path}: split {name!r}"
        self.arrays: dict[str, Array] = {}
        self._labels = self._open("labels")
        self.n_rows = len(self._labels)
        self._class_counts: I64 | None = None

    def __len__(self) -> int:
        return self.n_rows

    def __getitem__(self, rows: Any) -> Batch:
        """The rows that are chosen as those of an array, with their labels, in the order asked for.

        ``rows`` are a number, a slice, or an array or list of numbers, or of True and False for all
        rows; negative numbers count from the end.  Memory: these rows.
        """
        chosen = chosen_rows(rows, self.n_rows, self.where)
        slices, places = slices_of(chosen)
        found = self.read_slices(slices)
        is_in_order = len(places) == len(found.labels) and (np.diff(places) == 1).all()
        return found if is_in_order else found.take(places)

    def __iter__(self) -> Iterator[Batch]:
        raise TypeError(
            f"{self.where} is read in batches: for rows, labels in split.batches(128), or one row "
            "at a time by its number, split[0]"
        )

    def __repr__(self) -> str:
        return split_line(self, self._header.max_length)

    def __reduce__(self) -> tuple[Any, ...]:
        # Absolute: another process may be in another folder.
        file = self._file
        place = file.path.absolute()
        return _reopen, (type(self), place, file.verify, file.header.fingerprint, self.name)

    @property
    def path(self) -> Path:
        """The file's path."""
        return self._file.path

    @property
    def labels(self) -> I64:
        """The labels of all rows: ``(n_rows,) int64`` class indices, read anew each time."""
        return self.read_labels(0, self.n_rows)

    @property
    def features(self) -> str:
        """The kind of features, as the file says it."""
        return self._header.features

    @property
    def is_shuffled(self) -> bool:
        """Whether the rows lie in random order in the file, and not in that of their source."""
        return self.name == "train" and self._header.is_shuffled

    @property
    def fingerprint(self) -> str:
        """The file's fingerprint: 32 hexadecimal digits that its content determines."""
        return self._header.fingerprint

    def read(self, start: int, stop: int) -> Rows:
        """The rows from ``start`` up to ``stop``, read as contiguous slices."""
        return self._read_rows([(start, stop)], Buffers())

    def read_labels(self, start: int, stop: int) -> I64:
        """The labels of rows ``start`` up to ``stop``: ``(stop - start,) int64`` class indices."""
        return self._read_labels([(start, stop)])

    def class_counts(self) -> I64:
        """The number of rows of each class: ``(n_classes,) int64``.

        Reads all labels, the first time.  Memory: a few megabytes.
        """
        if self._class_counts is not None:
            return self._class_counts
        counts = np.zeros(self.n_classes, np.int64)
        for start in range(0, self.n_rows, LABELS_AT_ONCE):
            labels = self.read_labels(start, min(start + LABELS_AT_ONCE, self.n_rows))
            counts += np.bincount(labels, minlength=self.n_classes)
        counts.flags.writeable = False
        self._class_counts = counts
        return counts

    def batches(
        self, batch_size: int, *, seed: int | None = None, epoch: int = 0, by_length: bool = False
    ) -> Batches:
        """All rows in batches of ``batch_size``; the last is shorter where it does not divide.

        The order depends on ``seed`` and ``epoch`` alone; without a seed, it is the file's.
        With ``by_length``, which needs a seed, the rows of a batch have near lengths.
        ``len`` of the result is the number of batches, the guide's ``steps_per_epoch``.
        Memory: one batch, and with a seed one window, 32 MB for rows of average length: pages of
        the file where these are mapped, see `window`.
        """
        return Batches(self, batch_size, seed, epoch, by_length)

    def shard(self, number: int, n: int) -> Share:
        """Part ``number``, from 0, of ``n`` disjoint parts of each epoch, for ``n`` processes.

        It has `batches` and the adapters.  All parts have the same number of batches: the rows
        that would be left over, fewer than ``n``, come in no part, other ones in each epoch.  The
        parts of a step together are the batch of ``n`` times the size, see `shared_batches`.

        Raises OptionError unless there is such a part, and at least ``n`` rows.
        """
        return Share(self, number, n)

    def stream(self, batch_size: int, *, seed: Seed = "auto", by_length: bool = False) -> Stream:
        """An endless stream of batches, epoch after epoch, for training loops of your own.

        Without a ``seed``, train rows are shuffled, and others come in the file's order.
        ``stream.state()`` is its position, small and fit for JSON; `resume` goes on from it.
        """
        return Stream(self, batch_size, seed=seed, by_length=by_length)

    def resume(self, state: Mapping[str, Any]) -> Stream:
        """The stream that goes on from the position ``state`` of an earlier one.

        Raises OptionError if ``state`` belongs to no stream, or to another split or file.
        """
        return Stream.from_state(self, state)

    def generator(self, batch_size: int, *, seed: Seed = "auto") -> Iterator[tuple[AnyArray, I64]]:
        """An endless stream of dense batches, epoch after epoch, for ``model.fit`` of plain Keras.

        Yields features and ``(n,) int64`` labels; features are ``(n, n_columns) float32``, for
        sequences ``(n, max_length) int32``.  An epoch has ``len(split.batches(batch_size))``
        steps.  Its order is that of `stream`.
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

    @contextmanager
    def window(self, slices: Sequence[tuple[int, int]], buffers: Buffers) -> Iterator[LoadedWindow]:
        """The rows of ascending slices, inside a with block; one at a time with the same buffers.

        Rows stay in the file, mapped, where that is safe, see `file.mapping`.
        """
        yield self.read_slices(slices, buffers)

    def mapped(self) -> dict[str, AnyArray]:
        """The arrays of all rows by name, as read-only views of the file, for loops of your own.

        They are ``labels``; and ``features``, or ``indptr`` with ``indices`` and ``values``, or
        with ``tokens``, of the shapes and dtypes that `file.schema` lists, in the file's order.
        int8 ``features`` are to be multiplied by the ``scales`` of the file's vectorizer.  Numbers
        may lie at any byte: take rows by ``array[rows]``, since ``numpy.take`` may copy all first.

        >>> rows = split.mapped()                                       # doctest: +SKIP
        >>> rows["features"][1000:1128], rows["labels"][1000:1128]      # doctest: +SKIP

        Nothing is copied, and they stay valid when the file is closed.  Your process ends with
        SIGBUS if another one cuts the file short, or the disk fails, when you touch them:
        `batches` makes errors of that.  What was not read before is read, to be compared with its
        checksums, unless the file was opened with ``verify=False``.  Memory: none but the page
        cache.

        Raises InputError for compressed rows and files at URLs, FormatError where they are damaged.
        """
        return {name: self._viewed(array) for name, array in self.arrays.items()}

    def _viewed(self, array: Array) -> AnyArray:
        if isinstance(array, JoinedArray):
            raise InputError(
                f"{self.where} lies in several files, which cannot be mapped as one; use batches, "
                "or open a shard by itself"
            )
        if isinstance(self.path, Url):
            raise InputError(
                f"{self.where} is at a URL, whose files cannot be mapped; use batches, or download "
                "the file"
            )
        if not isinstance(array, FlatArray):
            raise InputError(
                f"{self.where} is compressed, so that its rows cannot be mapped; use batches, or "
                "convert without --compression"
            )
        self._check_open()
        try:
            check_array(array)
            return array.view
        except (DamageError, OSError) as error:
            raise self._error_of(error, array, 0, len(array)) from error

    @cached_property
    def can_prefetch(self) -> bool:
        """Whether the page cache holds the next window beside the one in use, when first asked.

        Where it does not, one drives the other out, and everything is read twice.
        """
        return not self._file.is_too_large or available_bytes() > CACHED_WINDOWS * WINDOW_BYTES

    def expecting(self, slices: Sequence[tuple[int, int]]) -> Iterator[None]:
        """Prefetch several slices that will be read next, a range at each step.

        Errors are left to the reading, which says more about them.
        """
        with suppress(DamageError, OSError):
            for array, start, stop in self._places_of(slices):
                array.expect(start, stop)
                yield

    def forgetting(self, slices: Sequence[tuple[int, int]]) -> Iterator[None]:
        """Let the kernel drop slices that were used, where the file does not fit into its cache.

        A range at each step.
        """
        if self._file.is_too_large:
            with suppress(DamageError, OSError):
                for array, start, stop in self._places_of(slices):
                    array.forget(start, stop)
                    yield

    @property
    def width(self) -> int:
        """The columns of rows made dense: ``n_columns``, or the length sequences are padded to."""
        return self.read(0, 0).width

    @property
    @abstractmethod
    def row_bytes(self) -> float:
        """The memory of an average row."""

    @property
    def n_entries(self) -> int:
        """The numbers that are stored of all rows."""
        return self.n_rows * self.n_columns

    def rows_of(self, array: Array, start: int, stop: int) -> tuple[int, int]:  # noqa: ARG002
        """The first and the last row that an array's entries ``start`` up to ``stop`` belong to."""
        return start, stop - 1

    @abstractmethod
    def _read_rows(self, slices: Sequence[tuple[int, int]], buffers: Buffers) -> Rows:
        """Rows of several slices, each read straight to its place in arrays of the final size."""

    def _places_of(self, slices: Sequence[tuple[int, int]]) -> Iterator[tuple[Array, int, int]]:
        """Each array that holds rows of the slices, with the first entry and the end of a range."""
        for start, stop in slices:
            yield self._labels, start, stop

    def _read_labels(self, slices: Sequence[tuple[int, int]]) -> I64:
        labels: I64 = self._read_array(self._labels, slices, Buffers()).astype(np.int64)
        if labels.size and labels.max() >= self.n_classes:
            raise self._damaged(f"{named(slices)} have a label of no class")
        return labels

    def _read_array(
        self, array: Array, slices: Sequence[tuple[int, int]], buffers: Buffers
    ) -> AnyArray:
        """Some slices of an array that has an entry for each row."""
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
        """Read as many entries of an array as ``target`` holds, from ``start`` on."""
        self._check_open()
        try:
            array.read_into(target, start)
        except (DamageError, OSError) as error:
            raise self._error_of(error, array, start, start + len(target)) from error

    def _check_open(self) -> None:
        if not self._file.is_open:
            raise ValueError(f"{self.where}: the file is closed; read inside its with block")

    def _error_of(self, error: Exception, array: Array, start: int, stop: int) -> Exception:
        """The error for users that says which rows could not be read."""
        self._check_open()
        if isinstance(error, DamageError):
            start, stop = error.start, error.stop
        try:
            rows = "rows {} to {}".format(*self.rows_of(array, start, stop))
        except (DamageError, OSError):  # the offsets cannot be read either
            rows = f"entries {start} to {stop - 1}"
        if isinstance(error, OSError):
            return InputError(
                f"{self.where}: {array.name} cannot be read: {reason(error)}, in {rows}; check the "
                "disk, or copy the file to another"
            )
        return self._damaged(f"{error} in array {array.name!r}, {rows}")

    @contextmanager
    def _mapped_places(self, places: Places) -> Iterator[MappedPlaces]:
        """Ranges of arrays in memory, as they are mapped, inside a with block."""
        self._check_open()
        held = MappedPlaces(places, self._error_of)
        try:
            yield held
        finally:
            held.release()

    def _open(self, name: str) -> Array:
        """The array ``name`` of this split."""
        self.arrays[name] = open_rows(self._file, self.name, name)
        return self.arrays[name]

    def _damaged(self, what: str) -> FormatError:
        return FormatError(f"{self.where} is damaged: {what}; {AGAIN}")


def named(slices: Sequence[tuple[int, int]]) -> str:
    """The rows of some slices, for messages."""
    return f"rows {slices[0][0]} to {slices[-1][1]}"


def _reopen(kind: type[Split], path: Path, verify: bool, fingerprint: str, name: str) -> Split:
    return kind(open_data(path, verify=verify, fingerprint=fingerprint), name)
