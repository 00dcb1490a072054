"""Rows as sources give them: texts or numbers, labels as they are spelled, and their lines."""

import itertools
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np

from ooc_train.conversion.sources.files.rejects import Reject
from ooc_train.dtypes import F32, I32, I64, U8, AnyArray, Bools
from ooc_train.errors import InputError
from ooc_train.jit import kernel

_SHOWN = 20

Some = TypeVar("Some", bound="SourceRows")


class SourceRows(Protocol):
    """Consecutive rows of one source: texts, or numbers."""

    @property
    def lines(self) -> I64:
        """The line of each row, or its number, from 1: (n_rows,) int64."""

    @property
    def labels(self) -> "SpelledLabels":
        """The labels, one for each row."""

    @property
    def carried(self) -> Sequence[dict[str, Any]] | None:
        """Each row's other columns by their names, where these are asked for."""

    @property
    def missing(self) -> Bools | None:
        """The rows without a text, not even an empty one, (n_rows,); ``None`` if there are none."""

    @property
    def size(self) -> int:
        """The bytes of all texts or numbers."""

    @property
    def sizes(self) -> I64:
        """The bytes of each row: (n_rows,) int64."""

    def __len__(self) -> int: ...

    def text_bytes(self, row: int) -> bytes:
        """The text of one row, or the first of its numbers."""

    def take(self, keep: Bools) -> Any:
        """The rows where ``keep`` is true."""


@dataclass(frozen=True)
class TextRows:
    """Consecutive rows of text.

    ``text`` uint8 holds the texts one after another, that of row ``i`` at
    ``text_offsets[i]:text_offsets[i + 1]``.  Row ``i`` begins on line ``lines[i]``, from 1.
    ``carried`` has each row's other columns by their names, where these are asked for.  ``missing``
    are the rows whose text is not there, not even an empty one, (n_rows,) bool, if there are some.
    """

    text: U8
    text_offsets: I64
    labels: "SpelledLabels"
    lines: I64
    carried: Sequence[dict[str, Any]] | None = None
    missing: Bools | None = None

    @classmethod
    def of(cls, texts: Sequence[bytes], first_line: int = 1) -> "TextRows":
        """Texts without labels, one a line."""
        lines = np.arange(first_line, first_line + len(texts))
        return cls(*joined(texts), SpelledLabels.none(len(texts)), lines)

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def size(self) -> int:
        """The bytes of all texts."""
        return len(self.text)

    @property
    def sizes(self) -> I64:
        """The bytes of each text: (n_rows,) int64."""
        return np.diff(self.text_offsets)

    def text_bytes(self, row: int) -> bytes:
        """The text of one row."""
        return self.text[self.text_offsets[row] : self.text_offsets[row + 1]].tobytes()

    def take(self, keep: Bools) -> "TextRows":
        """The rows where ``keep`` is true."""
        lengths = np.diff(self.text_offsets)
        offsets = np.zeros(int(keep.sum()) + 1, np.int64)
        np.cumsum(lengths[keep], out=offsets[1:])
        text = self.text[np.repeat(keep, lengths)]
        carried = self.carried and list(itertools.compress(self.carried, keep.tolist()))
        missing = None if self.missing is None else self.missing[keep]
        return TextRows(text, offsets, self.labels.take(keep), self.lines[keep], carried, missing)


class Block(NamedTuple):
    """Consecutive rows of one source, `SourceRows`.

    ``first_row`` counts over all sources, or within a part where the rows before it are not known.
    ``labels`` (n_rows,) int32 number the classes in the order in which they were met, within a part
    those that are not known, see `NewClasses`.  ``n_bytes`` is the progress in the source since the
    last block.
    """

    split: str
    first_row: int
    rows: Any
    labels: I32
    n_bytes: int

    @property
    def n_rows(self) -> int:
        """How many rows there are."""
        return len(self.rows)

    @property
    def size(self) -> int:
        """The bytes of all rows."""
        return int(self.rows.size)


class NewClasses(NamedTuple):
    """Classes that were not known yet when some rows were read: ``numbers`` (n,) int32.

    The label ``first + i`` of these rows stands for ``numbers[i]``.
    """

    first: int
    numbers: I32


class SpelledLabels(NamedTuple):
    """The different labels of some rows, as they are spelled, and each row's place among them.

    A row without a label has an empty one.
    """

    distinct: list[bytes]
    numbers: I32

    @classmethod
    def none(cls, n_rows: int) -> "SpelledLabels":
        """The labels of rows that have none."""
        return cls([b""], np.zeros(n_rows, np.int32))

    @classmethod
    def of_array(cls, labels: AnyArray, where: str, first_row: int) -> "SpelledLabels":
        """The labels in an array of strings, whole numbers or booleans, (n_rows,).

        NaN and ``None`` are none; an array of objects may have all of these.

        Raises ``InputError`` for numbers that are not whole, and characters that do not exist.  It
        tells ``where`` they are, and the row, counted from ``first_row``.
        """
        if labels.dtype.kind == "f":
            with np.errstate(invalid="ignore"):
                odd = np.flatnonzero(np.isinf(labels) | (np.floor(labels) < labels))
            if odd.size:
                raise InputError(
                    f"{where}, row {first_row + int(odd[0])}: the label {labels[odd[0]]:g} is not "
                    f"a whole number; labels name classes"
                )
        if labels.dtype.kind == "U":
            points = labels.view(np.dtype(np.uint32).newbyteorder(labels.dtype.byteorder))
            odd = np.flatnonzero(points > sys.maxunicode)
            if odd.size:
                row = first_row + int(odd[0]) * len(labels) // len(points)
                raise InputError(f"{where}, row {row}: the label has a character that is none")
        if labels.dtype.kind == "O":
            spelled = [_spelled(value) for value in labels.tolist()]
            places = {label: k for k, label in enumerate(dict.fromkeys(spelled))}
            return cls(list(places), np.array([places[label] for label in spelled], np.int32))
        distinct, numbers = np.unique(labels, return_inverse=True)
        return cls([_spelled(value) for value in distinct.tolist()], numbers.astype(np.int32))

    def take(self, keep: Bools) -> "SpelledLabels":
        """The labels of the rows where ``keep`` is true."""
        used, numbers = np.unique(self.numbers[keep], return_inverse=True)
        distinct = [self.distinct[i] for i in used.tolist()]
        return SpelledLabels(distinct, numbers.astype(np.int32))


def _spelled(value: object) -> bytes:
    if value is None:
        return b""
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, float):
        return b"%d" % value if value == value else b""  # noqa: PLR0124 - NaN is not itself
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")


@dataclass(frozen=True)
class DenseNumbers:
    """Consecutive rows of ``values`` (n_rows, n_columns) float32, and their ``lines``."""

    values: F32
    labels: SpelledLabels
    lines: I64
    carried = None
    missing = None

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def size(self) -> int:
        """The bytes of all numbers."""
        return self.values.nbytes

    @property
    def sizes(self) -> I64:
        """The bytes of each row: (n_rows,) int64."""
        return np.full(len(self), self.values[:1].nbytes)

    def text_bytes(self, row: int) -> bytes:
        """The first numbers of one row."""
        return ",".join(f"{value:g}" for value in self.values[row, :_SHOWN].tolist()).encode()

    def take(self, keep: Bools) -> "DenseNumbers":
        """The rows where ``keep`` is true."""
        return DenseNumbers(self.values[keep], self.labels.take(keep), self.lines[keep])

    def below(self, limit: float) -> Bools:
        """The rows all of whose numbers are finite and below ``limit`` in size: (n_rows,) bool."""
        found = np.empty(len(self), np.bool_)
        _are_below(self.values, np.float32(limit), found)
        return found


@dataclass(frozen=True)
class SparseNumbers:
    """Consecutive rows: row ``i`` has the entries ``offsets[i]:offsets[i + 1]``.

    ``columns`` int32 ascend within a row, as the source numbers them; ``values`` are float32.
    """

    offsets: I64
    columns: I32
    values: F32
    labels: SpelledLabels
    lines: I64
    carried = None
    missing = None

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def size(self) -> int:
        """The bytes of all entries."""
        return self.columns.nbytes + self.values.nbytes

    @property
    def sizes(self) -> I64:
        """The bytes of each row: (n_rows,) int64."""
        return np.diff(self.offsets) * (self.columns.itemsize + self.values.itemsize)

    def text_bytes(self, row: int) -> bytes:
        """The first entries of one row."""
        entries = slice(self.offsets[row], min(self.offsets[row] + _SHOWN, self.offsets[row + 1]))
        pairs = zip(self.columns[entries].tolist(), self.values[entries].tolist(), strict=True)
        return " ".join(f"{column}:{value:g}" for column, value in pairs).encode()

    def take(self, keep: Bools) -> "SparseNumbers":
        """The rows where ``keep`` is true."""
        lengths = np.diff(self.offsets)
        offsets = np.array([0, *itertools.accumulate(lengths[keep].tolist())], np.int64)
        entries = np.repeat(keep, lengths)
        return SparseNumbers(
            offsets,
            self.columns[entries],
            self.values[entries],
            self.labels.take(keep),
            self.lines[keep],
        )


def joined(texts: Sequence[bytes]) -> tuple[U8, I64]:
    """The bytes of all texts one after another, and where each begins and the last ends."""
    offsets = np.zeros(len(texts) + 1, np.int64)
    np.cumsum([len(text) for text in texts], out=offsets[1:])
    return np.frombuffer(bytearray().join(texts), np.uint8), offsets


def distinct_cells(data: U8, starts: I64, stops: I64, column: int) -> tuple[list[bytes], I32]:
    """The different cells of a column, and the place of each row's among them, (n_rows,) int32."""
    numbers, firsts = np.empty((2, len(starts)), np.int32)
    slots = np.full(1 << (2 * len(numbers)).bit_length(), -1, np.int32)
    n = _number_cells(data, starts, stops, column, slots, numbers, firsts)
    bounds = (of_all[firsts[:n], column].tolist() for of_all in (starts, stops))
    return [data[i:j].tobytes() for i, j in zip(*bounds, strict=True)], numbers


def without(
    rows: Some, reasons: Mapping[int, str], raw: Callable[[int], bytes] | None = None
) -> tuple[Some, list[Reject]]:
    """The rows that have no reason against them, and the others as rejects, by their positions."""
    raw = raw or rows.text_bytes
    rejects = [
        Reject(int(rows.lines[row]), reason, raw(row)) for row, reason in sorted(reasons.items())
    ]
    if reasons:
        keep = np.ones(len(rows), np.bool_)
        keep[list(reasons)] = False
        rows = rows.take(keep)
    return rows, rejects


@kernel
def _number_cells(
    data: U8, starts: I64, stops: I64, column: int, slots: I32, numbers: I32, firsts: I32
) -> int:
    """Number the different cells of a column, and keep the first row of each; how many there are.

    ``slots``, a power of two of them, free where negative, are a hash table of these numbers.
    """
    n = 0
    for row in range(len(numbers)):
        start = starts[row, column]
        length = stops[row, column] - start
        slot = np.int64(length)
        for i in range(start, start + length):
            slot = 31 * slot + data[i]
        slot &= len(slots) - 1
        while slots[slot] >= 0:  # taken: by the same label, or go on to the next slot
            first = firsts[slots[slot]]
            other = starts[first, column]
            same = length == stops[first, column] - other
            for k in range(length if same else 0):
                same = same and data[start + k] == data[other + k]
            if same:
                break
            slot = (slot + 1) & (len(slots) - 1)
        if slots[slot] < 0:
            slots[slot], firsts[n] = n, row
            n += 1
        numbers[row] = slots[slot]
    return n


@kernel
def _are_below(values: F32, limit: np.float32, found: Bools) -> None:
    for row in range(len(values)):
        above = 0
        for column in range(values.shape[1]):
            above += not abs(values[row, column]) < limit
        found[row] = above == 0
