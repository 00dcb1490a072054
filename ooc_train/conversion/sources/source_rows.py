"""Rows as sources give them: what each says, its label as it is spelled, and where it stood."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from ooc_train.dtypes import I32, I64, U8, Bools
from ooc_train.jit import kernel

MAX_ROW_BYTES = 8 * 2**20


class Place(NamedTuple):
    """Where in the sources a row is: a file, and the number of its line, or row, from 1."""

    path: Path
    number: int
    unit: str = "line"

    def __str__(self) -> str:
        return f"{self.path}, {self.unit} {self.number}"


class SourceRows(Protocol):
    """Consecutive rows of one source: text, or numbers."""

    @property
    def lines(self) -> I64:
        """The line that each is on, or its number, from 1."""

    def __len__(self) -> int: ...

    def distinct_labels(self) -> tuple[list[bytes], I32]:
        """The different labels, as they come, and each row's place among them, (n_rows,) int32."""

    def text_bytes(self, row: int) -> bytes:
        """One row's text, or what else it says."""

    def take(self, keep: Bools) -> Any:
        """The rows where ``keep`` is true."""


class Reject(NamedTuple):
    """A piece of a source that could not be read as a row."""

    line: int
    reason: str
    raw: bytes


@dataclass(frozen=True)
class Rows:
    """Consecutive rows of one source in columnar form.

    ``text`` uint8 holds the rows' texts (several columns joined by ``", "``) one after another,
    row ``i`` at ``text_offsets[i]:text_offsets[i + 1]``; labels likewise; ``lines[i]`` is the line
    that row ``i`` starts on, from 1.  ``carried`` has each row's other columns by name, where these
    are asked for.
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
        """The different labels, as they come, and each row's place among them, (n_rows,) int32."""
        return distinct_texts(self.labels, self.label_offsets)

    @classmethod
    def of(cls, texts: Sequence[bytes], labels: Sequence[bytes], lines: Sequence[int]) -> "Rows":
        """Rows of texts and labels that are Python's."""
        return cls(*joined(texts), *joined(labels), np.array(lines, np.int64))

    def text_bytes(self, row: int) -> bytes:
        """One row's text."""
        return self.text[self.text_offsets[row] : self.text_offsets[row + 1]].tobytes()

    def take(self, keep: Bools) -> "Rows":
        """The rows where ``keep`` is true."""
        text, text_offsets = _take_ragged(self.text, self.text_offsets, keep)
        labels, label_offsets = _take_ragged(self.labels, self.label_offsets, keep)
        carried = self.carried and list(itertools.compress(self.carried, keep.tolist()))
        return Rows(text, text_offsets, labels, label_offsets, self.lines[keep], carried)


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
