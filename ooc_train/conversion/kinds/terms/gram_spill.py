"""n-grams on their way to be counted: records of some bytes, by the partition of their hashes.

A *record* is an n-gram that occurs in a row; one that occurs twice has two.  Most n-grams are pairs
of listed tokens, whose numbers take half the bytes of a hash, and tell it.  A record is

- a byte: in its low 4 bits how many rows lie between it and the record before of the same
  partition, and in its high 4 bits how many bytes the numbers of the first and the second token
  take, two bits each;
- where more than 13 rows lie between, 14 there, and a byte for what is above 14;
- the two numbers, 1 to 3 bytes each; or, for all other n-grams, whose lengths are 0, the 7 low
  bytes of the hash.  The partition tells the highest.

15 for the rows marks what is no n-gram: its 7 bytes are the number of the next record's row.  Such
a mark begins the records of a block, and bridges gaps of 270 rows and more.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ooc_train.conversion.kinds.terms.dictionary import WordList
from ooc_train.conversion.kinds.terms.grams import (
    HASH_BITS,
    N_PARTITIONS,
    chain_hash,
    low_hash,
    n_grams,
)
from ooc_train.conversion.storage.spill import (
    HeldPartition,
    Partition,
    PartitionGroup,
    Spill,
)
from ooc_train.conversion.text.tokens import Tokens, nonzero
from ooc_train.dtypes import I32, I64, U8, U32, U64
from ooc_train.intrinsics import PADDING, load_word, low_bytes, store_word
from ooc_train.jit import inner_kernel, kernel

_ROW_MARK, _LONG_GAP = 15, 14
_MOST_GAP = _LONG_GAP + 255
_HASH_BYTES, _MARK_BYTES = 7, 8
_LEAST_BYTES = 3  # of a record
_MOST_PARTS = 2  # of a record
_MOST_NUMBERED = 1 << 24
_GROUPS_A_WORKER = 8  # so that all end at about the same time


class SpilledGrams(NamedTuple):
    """Some n-grams in the order of their rows: hashes uint64, and rows uint32."""

    hashes: U64
    rows: U32


@dataclass(frozen=True)
class GramPartition:
    """The records of a partition.  ``words`` are the tokens whose numbers are in them."""

    number: int
    records: Partition | HeldPartition
    words: WordList

    @property
    def n_most(self) -> int:
        """At most so many n-grams are there."""
        return self.records.n_bytes // _LEAST_BYTES

    def pieces(self) -> Iterator[SpilledGrams]:
        """The n-grams in the order of their rows.  Memory: a piece."""
        listed = self.words.listed().hashes
        for piece in self.records.pieces():
            hashes = np.empty(piece.n_bytes // _LEAST_BYTES + 1, np.uint64)
            rows = np.empty(len(hashes), np.uint32)
            n = _decode(piece.records, piece.segments, self.number, listed, hashes, rows)
            yield SpilledGrams(hashes[:n], rows[:n])


@dataclass(frozen=True)
class GramGroup:
    """Adjacent partitions, which are read together."""

    group: PartitionGroup
    words: WordList

    def partitions(self) -> Iterator[GramPartition]:
        """The partitions of which there is anything.  Memory: see `PartitionGroup.opened`."""
        for number, records in self.group.opened():
            yield GramPartition(number, records, self.words)


@dataclass(frozen=True)
class GramSpill:
    """All n-grams that are counted by their hashes."""

    spill: Spill
    words: WordList

    def groups(
        self, most_bytes: int, n_workers: int, blocks: slice = slice(None)
    ) -> list[GramGroup]:
        """The partitions in groups of ``most_bytes``, some for each worker.

        They may be of some ``blocks`` alone.
        """
        most = max(1, N_PARTITIONS // (_GROUPS_A_WORKER * n_workers))
        return [
            GramGroup(group, self.words) for group in self.spill.groups(most_bytes, most, blocks)
        ]

    def remove(self) -> None:
        """Delete the temporary files."""
        self.spill.remove()


class _Parts(NamedTuple):
    """Records as they come, in parts of at most 8 bytes.

    Of each part the bytes, from the lowest of a word on, the partition, and how many bytes it has.
    """

    words: U64
    partitions: U8
    sizes: U8

    @classmethod
    def room_for(cls, n_grams: int) -> "_Parts":
        """Room for the records of so many n-grams: 10 bytes for each part that is written."""
        n = _MOST_PARTS * n_grams
        return cls(np.empty(n, np.uint64), np.empty(n, np.uint8), np.empty(n, np.uint8))


def gram_records(
    tokens: Tokens, numbers: I32, ngrams: tuple[int, int], first_row: int
) -> tuple[U8, I64]:
    """The records of rows from ``first_row`` on, partition by partition, without listed tokens.

    ``numbers`` (n_tokens,) are those of listed tokens, negative for others.

    Returns uint8 records, and int64 bounds (N_PARTITIONS + 1,): those of partition ``p`` are
    ``records[bounds[p]:bounds[p + 1]]``.
    """
    parts = _Parts.room_for(n_grams(np.diff(tokens.offsets), ngrams))
    bounds, marks = np.zeros(N_PARTITIONS + 1, np.int64), np.zeros(N_PARTITIONS, np.uint64)
    n = _make_parts(
        tokens.hashes, numbers, tokens.offsets, *ngrams, first_row, parts, bounds[1:], marks
    )
    np.cumsum(bounds, out=bounds)
    records = np.empty(bounds[-1] + PADDING, np.uint8)
    _scatter(parts, n, marks, bounds, records)
    return records[: bounds[-1]], bounds


@kernel
def _make_parts(
    hashes: U64,
    numbers: I32,
    offsets: I64,
    shortest: int,
    longest: int,
    first_row: int,
    parts: _Parts,
    n_bytes: I64,
    marks: U64,
) -> int:
    """Make the parts of all records but the mark that each partition begins with; their number.

    ``n_bytes`` (N_PARTITIONS,) are zeros, and become the sizes of the partitions.
    """
    last = np.full(N_PARTITIONS, -_MOST_GAP - 1, np.int64)
    n = 0
    for row in range(len(offsets) - 1):
        stop = offsets[row + 1]
        for first in range(offsets[row], stop):
            value, number = hashes[first], np.int64(numbers[first])
            if shortest == 1 and number < 0:
                n = _add(
                    value, low_hash(value), _HASH_BYTES, 0, row, first_row, last, parts, n,
                    n_bytes, marks,
                )  # fmt: skip
            for end in range(first + 1, min(first + longest, stop)):
                value = chain_hash(value, hashes[end])
                if end - first + 1 < shortest:
                    continue
                known, second = nonzero(value), np.int64(numbers[end])
                payload, size, lengths = low_hash(known), _HASH_BYTES, 0
                is_pair = (end == first + 1) & (number >= 0) & (second >= 0)
                if is_pair and max(number, second) < _MOST_NUMBERED:
                    n_first, n_second = _n_bytes(number), _n_bytes(second)
                    payload = np.uint64(number) | (np.uint64(second) << np.uint64(8 * n_first))
                    size, lengths = n_first + n_second, (n_first << 4) | (n_second << 6)
                n = _add(
                    known, payload, size, lengths, row, first_row, last, parts, n, n_bytes, marks
                )
    return n


@inner_kernel
def _n_bytes(number: int) -> int:
    """How many bytes a number below 2 ** 24 takes."""
    return 1 + np.int64(number > 0xFF) + np.int64(number > 0xFFFF)


@inner_kernel
def _add(
    value: np.uint64,
    payload: np.uint64,
    size: int,
    lengths: int,
    row: int,
    first_row: int,
    last: I64,
    parts: _Parts,
    n: int,
    n_bytes: I64,
    marks: U64,
) -> int:
    """Add the parts of a record with ``size`` bytes of payload behind the ``n``; the new ``n``."""
    partition = np.int64(value >> np.uint64(HASH_BITS))
    gap = row - last[partition]
    last[partition] = row
    if gap > _MOST_GAP:
        # The first record of a block, or one too far from the record before.
        mark = (np.uint64(first_row + row) << np.uint64(8)) | np.uint64(_ROW_MARK)
        if n_bytes[partition] == 0:
            marks[partition] = mark
        else:
            parts.words[n], parts.partitions[n], parts.sizes[n] = mark, partition, _MARK_BYTES
            n += 1
        n_bytes[partition] += _MARK_BYTES
        gap = 0
    if gap < _LONG_GAP:
        parts.words[n] = (payload << np.uint64(8)) | np.uint64(lengths | gap)
        parts.partitions[n], parts.sizes[n] = partition, 1 + size
        n_bytes[partition] += 1 + size
        return n + 1
    head = ((gap - _LONG_GAP) << 8) | lengths | _LONG_GAP
    parts.words[n], parts.partitions[n], parts.sizes[n] = np.uint64(head), partition, 2
    parts.words[n + 1], parts.partitions[n + 1], parts.sizes[n + 1] = payload, partition, size
    n_bytes[partition] += 2 + size
    return n + 2


@kernel
def _scatter(parts: _Parts, n: int, marks: U64, bounds: I64, records: U8) -> None:
    """Write each part to the end of its partition."""
    ends = bounds[:-1] + _MARK_BYTES
    for k in range(n):
        partition = np.int64(parts.partitions[k])
        end = ends[partition]
        # Whole words, so also some bytes behind: those of parts to come, or a mark.
        store_word(records, end, parts.words[k])
        ends[partition] = end + np.int64(parts.sizes[k])
    for partition in range(len(marks)):
        if bounds[partition] < bounds[partition + 1]:
            store_word(records, bounds[partition], marks[partition])


@kernel
def _decode(records: U8, segments: I64, partition: int, listed: U64, hashes: U64, rows: U32) -> int:
    """The n-grams of some segments of records; how many there are.

    Numbers are unsigned, since an index that may be negative takes longer.
    """
    first_bits = np.uint64(partition) << np.uint64(HASH_BITS)
    n = row = np.uint64(0)
    for segment in range(len(segments)):
        i, stop = segments[segment]
        while i < stop:
            word = load_word(records, i)
            gap, payload = word & np.uint64(15), word >> np.uint64(8)
            if gap == np.uint64(_ROW_MARK):
                row = payload
                i += _MARK_BYTES
                continue
            i += 1
            if gap == np.uint64(_LONG_GAP):
                gap += payload & np.uint64(0xFF)
                i += 1
                payload = load_word(records, i)
            row += gap
            n_first = np.int64((word >> np.uint64(4)) & np.uint64(3))
            n_second = np.int64((word >> np.uint64(6)) & np.uint64(3))
            if n_first == 0:
                hashes[n] = low_hash(payload) | first_bits
                i += _HASH_BYTES
            else:
                first = low_bytes(payload, n_first)
                second = low_bytes(payload >> np.uint64(8 * n_first), n_second)
                hashes[n] = nonzero(chain_hash(listed[first], listed[second]))
                i += n_first + n_second
            rows[n] = row
            n += np.uint64(1)
    return np.int64(n)
