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
from ooc_train.conversion.kinds.terms.grams import HASH_BITS, N_PARTITIONS, chain_hash, low_hash
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
        for records in self.records.pieces():
            hashes = np.empty(len(records) // _LEAST_BYTES + 1, np.uint64)
            rows = np.empty(len(hashes), np.uint32)
            n = _decode(records, self.number, listed, hashes, rows)
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


def gram_records(
    tokens: Tokens, numbers: I32, ngrams: tuple[int, int], first_row: int
) -> tuple[U8, I64]:
    """The records of rows from ``first_row`` on, partition by partition, without listed tokens.

    ``numbers`` (n_tokens,) are those of listed tokens, negative for others.

    Returns uint8 records, and int64 bounds (N_PARTITIONS + 1,): those of partition ``p`` are
    ``records[bounds[p]:bounds[p + 1]]``.
    """
    bounds = np.zeros(N_PARTITIONS + 1, np.int64)
    rows = tokens.hashes, numbers, tokens.offsets, *ngrams, first_row
    _lay_out(*rows, bounds[1:], np.empty(0, np.uint8))
    np.cumsum(bounds, out=bounds)
    records = np.empty(bounds[-1] + PADDING, np.uint8)
    _lay_out(*rows, bounds[:-1].copy(), records)
    return records[: bounds[-1]], bounds


@kernel
def _lay_out(
    hashes: U64,
    numbers: I32,
    offsets: I64,
    shortest: int,
    longest: int,
    first_row: int,
    ends: I64,
    records: U8,
) -> None:
    """Write each record at the end of its partition, or only move the ends if there is no room."""
    last = np.full(N_PARTITIONS, -_MOST_GAP - 1, np.int64)
    for row in range(len(offsets) - 1):
        stop = offsets[row + 1]
        for first in range(offsets[row], stop):
            value, number = hashes[first], np.int64(numbers[first])
            if shortest == 1 and number < 0:
                _put(value, low_hash(value), _HASH_BYTES, 0, row, first_row, last, ends, records)
            for end in range(first + 1, min(first + longest, stop)):
                value = chain_hash(value, hashes[end])
                if end - first + 1 < shortest:
                    continue
                known, second = nonzero(value), np.int64(numbers[end])
                is_pair = (end == first + 1) & (number >= 0) & (second >= 0)
                if is_pair and max(number, second) < _MOST_NUMBERED:
                    n_first, n_second = _n_bytes(number), _n_bytes(second)
                    pair = np.uint64(number) | (np.uint64(second) << np.uint64(8 * n_first))
                    lengths = (n_first << 4) | (n_second << 6)
                    _put(
                        known, pair, n_first + n_second, lengths, row, first_row, last, ends,
                        records,
                    )  # fmt: skip
                else:
                    _put(
                        known, low_hash(known), _HASH_BYTES, 0, row, first_row, last, ends, records
                    )


@inner_kernel
def _n_bytes(number: int) -> int:
    """How many bytes a number below 2 ** 24 takes."""
    return 1 + np.int64(number > 0xFF) + np.int64(number > 0xFFFF)


@inner_kernel
def _put(
    value: np.uint64,
    payload: np.uint64,
    n_bytes: int,
    lengths: int,
    row: int,
    first_row: int,
    last: I64,
    ends: I64,
    records: U8,
) -> None:
    """Write a record of ``n_bytes`` of payload."""
    partition = np.int64(value >> np.uint64(HASH_BITS))
    gap, end = row - last[partition], ends[partition]
    last[partition] = row
    is_written = len(records) > 0
    if gap > _MOST_GAP:
        # The first record of a block, or one too far from the record before.
        if is_written:
            number = np.uint64(first_row + row)
            store_word(records, end, (number << np.uint64(8)) | np.uint64(_ROW_MARK))
        gap = 0
        end += _MARK_BYTES
    is_long = np.int64(gap >= _LONG_GAP)
    if is_written:
        records[end] = lengths | min(gap, _LONG_GAP)
        if is_long:
            records[end + 1] = gap - _LONG_GAP
        end += 1 + is_long
        # The bytes behind are those of another partition, and may be there already.
        mask = low_bytes(np.uint64(0xFFFFFFFFFFFFFFFF), n_bytes)
        others = load_word(records, end) & ~mask
        store_word(records, end, payload | others)
    else:
        end += 1 + is_long
    ends[partition] = end + n_bytes


@kernel
def _decode(records: U8, partition: int, listed: U64, hashes: U64, rows: U32) -> int:
    """The n-grams of some records; how many there are."""
    first_bits = np.uint64(partition) << np.uint64(HASH_BITS)
    n = i = row = 0
    while i < len(records):
        head = np.int64(records[i])
        gap = head & 15
        if gap == _ROW_MARK:
            row = np.int64(load_word(records, i) >> np.uint64(8))
            i += _MARK_BYTES
            continue
        i += 1
        if gap == _LONG_GAP:
            gap += np.int64(records[i])
            i += 1
        row += gap
        payload = load_word(records, i)
        n_first, n_second = (head >> 4) & 3, head >> 6
        if n_first == 0:
            hashes[n] = low_hash(payload) | first_bits
            i += _HASH_BYTES
        else:
            first = low_bytes(payload, n_first)
            second = low_bytes(payload >> np.uint64(8 * n_first), n_second)
            pair = chain_hash(listed[np.int64(first)], listed[np.int64(second)])
            hashes[n] = nonzero(pair)
            i += n_first + n_second
        rows[n] = row
        n += 1
    return n
