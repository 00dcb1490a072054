"""Rows as sources give them: texts or numbers, labels as they are spelled, and line numbers."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from ooc_train.dtypes import F32, I32, I64, U8, AnyArray, Bools
from ooc_train.errors import InputError
from ooc_train.jit import kernel

_SHOWN = 20


class SourceRows(Protocol):
    """Consecutive rows of one source: texts, or numbers."""

    @property
    def lines(self) -> I64:
        """The line of each row, or its number, from 1: (n_rows,) int64."""

    def __len__(self) -> int: ...

    def distinct_labels(self) -> tuple[list[bytes], I32]:
        """The different labels, as they are spelled, and each row's among them, (n_rows,) int32."""

    def text_bytes(self, row: int) -> bytes:
        """The text of one row, or the first of its numbers."""

    def take(self, keep: Bools) -> Any:
        """The rows where ``keep`` is true."""


@dataclass(frozen=True)
class TextRows:
    """Consecutive rows of text.

    ``text`` uint8 holds the texts one after another, that of row ``i`` at
    ``text_offsets[i]:text_offsets[i + 1]``; labels likewise.  Row ``i`` begins on line
    ``lines[i]``, from 1.  ``carried`` has each row's other columns by their names, where these are
    asked for.
    """

    text: U8
    text_offsets: I64
    labels: U8
    label_offsets: I64
    lines: I64
    carried: Sequence[dict[str, Any]] | None = None

    def __len__(self) -> int:
        return len(self.lines)

    def distinct_labels(self) -> tuple[list[bytes], I32]:
        """The different labels, as they are spelled, and each row's among them, (n_rows,) int32."""
        return distinct_texts(self.labels, self.label_offsets)

    @classmethod
    def of(
        cls, texts: Sequence[bytes], labels: Sequence[bytes], lines: Sequence[int]
    ) -> "TextRows":
        """Rows of texts and labels that are Python's."""
        return cls(*joined(texts), *joined(labels), np.array(lines, np.int64))

    def text_bytes(self, row: int) -> bytes:
        """The text of one row."""
        return self.text[self.text_offsets[row] : self.text_offsets[row + 1]].tobytes()

    def take(self, keep: Bools) -> "TextRows":
        """The rows where ``keep`` is true."""
        text, text_offsets = _take_ragged(self.text, self.text_offsets, keep)
        labels, label_offsets = _take_ragged(self.labels, self.label_offsets, keep)
        carried = self.carried and list(itertools.compress(self.carried, keep.tolist()))
        return TextRows(text, text_offsets, labels, label_offsets, self.lines[keep], carried)


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
    def of_bytes(cls, labels: U8, offsets: I64) -> "SpelledLabels":
        """Labels that lie one after another."""
        return cls(*distinct_texts(labels, offsets))

    @classmethod
    def of_array(cls, labels: AnyArray, where: str, first_row: int) -> "SpelledLabels":
        """The labels in an array of strings, whole numbers or booleans, (n_rows,); NaN is none.

        Raises ``InputError`` for numbers that are not whole.  It tells ``where`` they are, and the
        row, counted from ``first_row``.
        """
        if labels.dtype.kind == "f":
            odd = np.flatnonzero(np.isinf(labels) | (np.floor(labels) < labels))
            if odd.size:
                raise InputError(
                    f"{where}, row {first_row + int(odd[0])}: the label {labels[odd[0]]:g} is not "
                    f"a whole number; labels name classes"
                )
        distinct, numbers = np.unique(labels, return_inverse=True)
        return cls([_spelled(value) for value in distinct.tolist()], numbers.astype(np.int32))

    def take(self, keep: Bools) -> "SpelledLabels":
        """The labels of the rows where ``keep`` is true."""
        used, numbers = np.unique(self.numbers[keep], return_inverse=True)
        distinct = [self.distinct[i] for i in used.tolist()]
        return SpelledLabels(distinct, numbers.astype(np.int32))


def _spelled(value: object) -> bytes:
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

    def __len__(self) -> int:
        return len(self.lines)

    def distinct_labels(self) -> tuple[list[bytes], I32]:
        """The different labels, and each row's place among them, (n_rows,) int32."""
        return self.labels

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

    ``columns`` int32, ascending within a row, as the source numbers them; ``values`` float32.
    """

    offsets: I64
    columns: I32
    values: F32
    labels: SpelledLabels
    lines: I64

    def __len__(self) -> int:
        return len(self.lines)

    def distinct_labels(self) -> tuple[list[bytes], I32]:
        """The different labels, and each row's place among them, (n_rows,) int32."""
        return self.labels

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


class Texts(NamedTuple):
    """Texts alone, row ``i`` at ``text_offsets[i]:text_offsets[i + 1]`` of ``text``."""

    text: U8
    text_offsets: I64


def joined(texts: Sequence[bytes]) -> tuple[U8, I64]:
    """The bytes of all texts one after another, and where each begins and the last ends."""
    offsets = np.zeros(len(texts) + 1, np.int64)
    np.cumsum([len(text) for text in texts], out=offsets[1:])
    return np.frombuffer(bytearray().join(texts), np.uint8), offsets


def distinct_texts(texts: U8, offsets: I64) -> tuple[list[bytes], I32]:
    """The different texts, as they come, and the place of each among them, int32."""
    numbers, firsts = np.empty((2, len(offsets) - 1), np.int32)
    slots = np.full(1 << (2 * len(numbers)).bit_length(), -1, np.int32)
    n = _number_labels(texts, offsets, slots, numbers, firsts)
    bounds = (offsets[firsts[:n] + k].tolist() for k in (0, 1))
    return [texts[i:j].tobytes() for i, j in zip(*bounds, strict=True)], numbers


def _take_ragged(data: U8, offsets: I64, keep: Bools) -> tuple[U8, I64]:
    lengths = np.diff(offsets)
    taken = np.zeros(int(keep.sum()) + 1, np.int64)
    np.cumsum(lengths[keep], out=taken[1:])
    return data[np.repeat(keep, lengths)], taken


@kernel
def _number_labels(labels: U8, offsets: I64, slots: I32, numbers: I32, firsts: I32) -> int:
    """Number the different labels, and keep the first row of each; how many there are.

    ``slots``, a power of two of them, free where negative, are a table of these numbers.
    """
    n = 0
    for row in range(len(numbers)):
        start, length = offsets[row], offsets[row + 1] - offsets[row]
        slot = length
        for i in range(start, start + length):
            slot = 31 * slot + labels[i]
        slot &= len(slots) - 1
        while slots[slot] >= 0:
            other = offsets[firsts[slots[slot]]]
            same = length == offsets[firsts[slots[slot]] + 1] - other
            for k in range(length if same else 0):
                same = same and labels[start + k] == labels[other + k]
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
