"""Rows in memory, sparse, ragged or dense, batches of them with labels, and how they are read.

SciPy is deliberately not used: where it is installed, Keras imports it whole.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np

from ooc_train.dtypes import F32, I32, I64, AnyArray
from ooc_train.kinds import Layout
from ooc_train.reading.descriptions import counted_rows, megabytes

_SPARE = 32  # a buffer is larger by one part in 32, for windows with a few more entries
Entries = slice | I64
"""Which entries of a row's arrays: a range, or their numbers."""


class Rows(ABC):
    """Rows of one layout."""

    __slots__ = ()
    layout: ClassVar[Layout]

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, part: slice) -> "Rows":
        """The rows of a range, as views."""

    @abstractmethod
    def take(self, rows: I64) -> "Rows":
        """The rows with the given numbers, in their order.  A copy."""

    @property
    @abstractmethod
    def lengths(self) -> I64:
        """The number of entries of each row: ``(n_rows,) int64``."""

    @property
    @abstractmethod
    def width(self) -> int:
        """The number of columns of ``to_dense``."""

    @abstractmethod
    def to_dense(self) -> AnyArray:
        """All rows as one matrix, ``(n_rows, width)``."""

    @abstractmethod
    def is_finite(self) -> bool:
        """Whether every value is a finite number."""

    @property
    def n_bytes(self) -> int:
        """The memory of the rows' arrays."""
        arrays = (getattr(self, field.name) for field in fields(self))  # type: ignore[arg-type]
        return sum(array.nbytes for array in arrays if isinstance(array, np.ndarray))

    def __repr__(self) -> str:
        return f"<{counted_rows(self.layout, len(self), self.width)}, {megabytes(self.n_bytes)}>"

    @abstractmethod
    def _joined(self, parts: Sequence[Any]) -> "Rows":
        """The rows of all ``parts``, one after another."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class DenseRows(Rows):
    """Rows with a value for every column."""

    values: F32
    """``(n_rows, n_columns) float32``."""

    layout = "dense"

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, part: slice) -> "DenseRows":
        """The rows of a range, as views."""
        return DenseRows(self.values[part])

    def take(self, rows: I64) -> "DenseRows":
        """The rows with the given numbers, in their order.  A copy."""
        return DenseRows(self.values.take(rows, axis=0))

    @property
    def lengths(self) -> I64:
        """The number of columns, once for each row: ``(n_rows,) int64``."""
        return np.full(len(self), self.width)

    @property
    def width(self) -> int:
        """The number of columns."""
        return self.values.shape[1]

    def to_dense(self) -> F32:
        """The values themselves."""
        return self.values

    def is_finite(self) -> bool:
        """Whether every value is a finite number."""
        return bool(np.isfinite(self.values).all())

    def _joined(self, parts: Sequence[Any]) -> "DenseRows":
        return DenseRows(np.concatenate([part.values for part in parts]))


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class RaggedRows(Rows):
    """Rows of different lengths: row ``i`` owns the entries ``indptr[i]:indptr[i + 1]``."""

    indptr: I64
    """``(n_rows + 1,) int64``, from 0 to ``n_entries``."""

    def __len__(self) -> int:
        return len(self.indptr) - 1

    @property
    def n_entries(self) -> int:
        """The entries of all rows."""
        return int(self.indptr[-1])

    @property
    def lengths(self) -> I64:
        """The number of entries of each row: ``(n_rows,) int64``."""
        return np.diff(self.indptr)

    def __getitem__(self, part: slice) -> "RaggedRows":
        """The rows of a range, as views."""
        start, stop, step = part.indices(len(self))
        if step != 1:
            raise ValueError(f"rows are sliced in steps of 1, not {step}; use take")
        indptr = self.indptr[start : max(start, stop) + 1]
        return self._with(indptr - indptr[0], slice(indptr[0], indptr[-1]))

    def take(self, rows: I64) -> "RaggedRows":
        """The rows with the given numbers, in their order.  A copy."""
        lengths = self.indptr[rows + 1] - self.indptr[rows]
        return self._with(indptr_of(lengths), _ranges(self.indptr[rows], lengths))

    def row_numbers(self) -> I64:
        """The row that each entry belongs to: ``(n_entries,) int64``."""
        return np.repeat(np.arange(len(self)), self.lengths)

    @abstractmethod
    def _with(self, indptr: I64, entries: Entries) -> "RaggedRows":
        """Rows of some of the entries, cut by ``indptr``."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SparseRows(RaggedRows):
    """Rows that keep only their values other than zero.

    Row ``i`` has ``values[indptr[i]:indptr[i + 1]]`` in the columns ``indices[...]`` of the same
    range, each column at most once.

    >>> rows = SparseRows(np.array([0, 1, 3]), np.array([2, 0, 1]), np.float32([5, 6, 7]), 3)
    >>> rows.to_dense().tolist()
    [[0.0, 0.0, 5.0], [6.0, 7.0, 0.0]]
    """

    indices: AnyArray
    """``(n_entries,)`` integers below ``n_columns``, of the file's type."""
    values: F32
    """``(n_entries,) float32``."""
    n_columns: int

    layout = "sparse"

    @property
    def width(self) -> int:
        """The number of columns."""
        return self.n_columns

    def to_dense(self) -> F32:
        """All values, zeros included: ``(n_rows, n_columns) float32``.

        Memory: ``4 * n_rows * n_columns`` bytes.
        """
        dense = np.zeros((len(self), self.n_columns), np.float32)
        dense[self.row_numbers(), self.indices] = self.values
        return dense

    def is_finite(self) -> bool:
        """Whether every value is a finite number."""
        return bool(np.isfinite(self.values).all())

    def _with(self, indptr: I64, entries: Entries) -> "SparseRows":
        return SparseRows(indptr, self.indices[entries], self.values[entries], self.n_columns)

    def _joined(self, parts: Sequence[Any]) -> "SparseRows":
        indices = np.concatenate([part.indices for part in parts])
        values = np.concatenate([part.values for part in parts])
        return SparseRows(_joined_indptr(parts), indices, values, self.n_columns)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SequenceRows(RaggedRows):
    """Rows of tokens in their order: row ``i`` is ``tokens[indptr[i]:indptr[i + 1]]``.

    >>> rows = SequenceRows(np.array([0, 1, 4]), np.array([7, 3, 4, 5]), n_columns=9, length=4)
    >>> rows.to_dense().tolist()
    [[0, 0, 0, 7], [0, 3, 4, 5]]
    >>> rows.to_dense(2).tolist()
    [[0, 7], [4, 5]]
    """

    tokens: AnyArray
    """``(n_entries,)`` ids from 1 to ``n_columns - 1``, of the file's type."""
    n_columns: int
    """One more than the highest id that there can be; 0 stands for padding."""
    length: int
    """The length that rows are padded or truncated to: that of the longest train row."""

    layout = "ragged"

    @property
    def width(self) -> int:
        """The padded length."""
        return self.length

    def to_dense(self, length: int | None = None) -> I32:
        """Padded rows: ``(n_rows, length) int32``.

        Shorter rows get zeros on the left, longer ones lose their beginning, as in Google's guide.
        Memory: ``4 * n_rows * length`` bytes.
        """
        width = self.length if length is None else length
        kept = np.minimum(self.lengths, width)
        entries = _ranges(self.indptr[1:] - kept, kept)
        places = _ranges(np.arange(1, len(self) + 1) * width - kept, kept)
        dense = np.zeros(len(self) * width, np.int32)
        dense[places] = self.tokens[entries]
        return dense.reshape(len(self), width)

    def is_finite(self) -> bool:
        """Whether every value is a finite number: integers are."""
        return True

    def _with(self, indptr: I64, entries: Entries) -> "SequenceRows":
        return SequenceRows(indptr, self.tokens[entries], self.n_columns, self.length)

    def _joined(self, parts: Sequence[Any]) -> "SequenceRows":
        tokens = np.concatenate([part.tokens for part in parts])
        return SequenceRows(_joined_indptr(parts), tokens, self.n_columns, self.length)


class Batch(NamedTuple):
    """The rows of one step, and ``(n_rows,) int64`` labels: indices of their classes."""

    rows: Rows
    labels: I64

    def __repr__(self) -> str:
        what = counted_rows(self.rows.layout, len(self.rows), self.rows.width)
        size = megabytes(self.rows.n_bytes + self.labels.nbytes)
        return f"<batch of {what}, with labels, {size}>"

    @property
    def lengths(self) -> I64:
        """The number of entries of each row: ``(n_rows,) int64``."""
        return self.rows.lengths

    def take(self, rows: I64) -> "Batch":
        """The rows with the given numbers, in their order.  A copy."""
        return Batch(self.rows.take(rows), self.labels[rows])


class LoadedWindow(Protocol):
    """Rows from which batches are taken: a `Batch`, or the rows as the file has them."""

    @property
    def lengths(self) -> I64:
        """The number of entries of each row: ``(n_rows,) int64``."""

    def take(self, rows: I64) -> Batch:
        """The rows with the given numbers, in their order.  A copy."""


class Buffers:
    """Memory for arrays that are filled again and again, as windows are.

    The memory is allocated once: the kernel fills new memory with zeros, at half the speed of
    reading, and freed memory leaves gaps that the next array of nearly the same size does not fit.
    """

    def __init__(self) -> None:
        self._kept: dict[str, AnyArray] = {}

    def empty(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> AnyArray:
        """An array of any content, in the memory of the last array of that name and dtype."""
        size = math.prod(shape)
        if name not in self._kept or self._kept[name].size < size:
            self._kept.pop(name, None)  # before the new one is made
            self._kept[name] = np.empty(size + size // _SPARE, dtype)
        return self._kept[name][:size].reshape(shape)


class Readable(Protocol):
    """Rows that are read by their numbers: all that batches, streams and adapters know of a split.

    Errors are those of `splits.Split`, which is the one that reads a file.
    """

    @property
    def name(self) -> str:
        """The split's name."""

    @property
    def where(self) -> str:
        """The file and the split, as error messages name them."""

    @property
    def fingerprint(self) -> str:
        """32 hexadecimal digits that two files share only if their content is the same."""

    @property
    def layout(self) -> Layout:
        """How the rows are laid out."""

    @property
    def n_rows(self) -> int:
        """The number of rows."""

    @property
    def row_bytes(self) -> float:
        """The memory of an average row."""

    @property
    def is_shuffled(self) -> bool:
        """Whether the rows lie in random order already."""

    def read(self, start: int, stop: int) -> Rows:
        """The rows from ``start`` up to ``stop``."""

    def read_labels(self, start: int, stop: int) -> I64:
        """The labels of rows ``start`` up to ``stop``: ``(stop - start,) int64``."""

    def read_slices(
        self, slices: Sequence[tuple[int, int]], buffers: Buffers | None = None
    ) -> Batch:
        """The rows and labels of several slices ``(start, stop)``, one after another."""

    def window(
        self, slices: Sequence[tuple[int, int]], buffers: Buffers
    ) -> AbstractContextManager[LoadedWindow]:
        """The rows of several slices, inside a with block; one at a time with the same buffers."""

    @property
    def can_prefetch(self) -> bool:
        """Whether there is memory for a window that is prefetched while another is used."""

    def expecting(self, slices: Sequence[tuple[int, int]]) -> Iterator[None]:
        """Prefetch several slices that will be read next, a part at each step."""

    def forgetting(self, slices: Sequence[tuple[int, int]]) -> Iterator[None]:
        """Let the system drop slices that were used, where it cannot keep all rows.

        A part at each step.
        """


def concatenate(batches: Sequence[Batch]) -> Batch:
    """The rows of all ``batches`` (at least one, of one kind), one batch after another."""
    if len(batches) == 1:
        return batches[0]
    parts = [batch.rows for batch in batches]
    rows = parts[0]._joined(parts)
    return Batch(rows, np.concatenate([batch.labels for batch in batches]))


def _joined_indptr(parts: Sequence[RaggedRows]) -> I64:
    return indptr_of(np.concatenate([part.lengths for part in parts]))


def indptr_of(lengths: I64) -> I64:
    """The first entry of each row of some lengths, and the end of the last: from 0."""
    indptr = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=indptr[1:])
    return indptr


def _ranges(starts: I64, lengths: I64) -> I64:
    """The integers of many ranges, one after another.

    >>> _ranges(np.array([5, 0]), np.array([2, 3])).tolist()
    [5, 6, 0, 1, 2]
    """
    ends = np.cumsum(lengths)
    return np.repeat(starts - ends + lengths, lengths) + np.arange(ends[-1] if len(ends) else 0)


def numbers_of(slices: Sequence[tuple[int, int]]) -> I64:
    """The numbers of the rows of some slices ``(start, stop)``, one after another.

    >>> numbers_of([(5, 7), (0, 3)]).tolist()
    [5, 6, 0, 1, 2]
    """
    starts, stops = np.array(slices, np.int64).reshape(-1, 2).T
    return _ranges(starts, stops - starts)
