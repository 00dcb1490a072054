"""Tokens to hashed n-grams, laid out by partition.

An n-gram is hashed from the hashes of its tokens, so it costs one multiplication and its text is
never built.  A hash's highest 8 bits name its *partition*.

A *record* of an n-gram is one uint64.  Its low 56 bits are those of the hash.  The partition tells
the other 8, so in their place a record says how many rows lie between it and the record before of
the same partition.  255 there marks a record that is no n-gram: its low bits are the number of the
next record's row.  Such a mark begins the records of a block, and bridges gaps of 255 rows and
more.  An n-gram that occurs twice in a row has two records: repetition is the count.
"""

from typing import NamedTuple

import numpy as np

from ooc_train.conversion.text.tokens import SECRET_1, SECRET_2, Tokens, nonzero
from ooc_train.dtypes import I32, I64, U64
from ooc_train.intrinsics import folded_product
from ooc_train.jit import kernel

N_PARTITIONS = 256
ROW_MARK = 255
HASH_BITS = 56
HASH_MASK = (1 << HASH_BITS) - 1


class Grams(NamedTuple):
    """Hashes of all n-grams of some rows, row ``i`` at ``offsets[i]:offsets[i + 1]``."""

    hashes: U64
    offsets: I64


def extract_grams(tokens: Tokens, ngrams: tuple[int, int]) -> Grams:
    """All n-grams of ``ngrams[0]`` to ``ngrams[1]`` tokens.  Memory: 8 bytes for each."""
    hashes = np.empty(len(tokens.hashes) * (ngrams[1] - ngrams[0] + 1), np.uint64)
    gram_offsets = np.zeros(len(tokens.offsets), np.int64)
    n_grams = _extract(tokens.hashes, tokens.offsets, *ngrams, hashes, gram_offsets)
    return Grams(hashes[:n_grams], gram_offsets)


def unlisted_grams(tokens: Tokens, numbers: I32, ngrams: tuple[int, int]) -> Grams:
    """As ``extract_grams``, without listed tokens: those whose ``numbers`` are not negative."""
    hashes = np.empty(len(tokens.hashes) * (ngrams[1] - ngrams[0] + 1) + 1, np.uint64)
    gram_offsets = np.zeros(len(tokens.offsets), np.int64)
    n_grams = _extract_unlisted(
        tokens.hashes, numbers, tokens.offsets, *ngrams, hashes, gram_offsets
    )
    return Grams(hashes[:n_grams], gram_offsets)


def n_grams(lengths: I64, ngrams: tuple[int, int]) -> int:
    """How many n-grams rows of ``lengths`` (n_rows,) tokens have together."""
    return sum(int(np.maximum(lengths - n + 1, 0).sum()) for n in range(ngrams[0], ngrams[1] + 1))


def partition_records(hashes: U64, offsets: I64, first_row: int) -> tuple[U64, I64]:
    """The records of rows from ``first_row`` on, partition by partition.

    Returns uint64 records, and int64 bounds (N_PARTITIONS + 1,): those of partition ``p`` are
    ``records[bounds[p]:bounds[p + 1]]``.
    """
    bounds = np.zeros(N_PARTITIONS + 1, np.int64)
    _count_records(hashes, offsets, bounds[1:])
    np.cumsum(bounds, out=bounds)
    records = np.empty(bounds[-1], np.uint64)
    _scatter_records(hashes, offsets, first_row, bounds[:-1].copy(), records)
    return records, bounds


@kernel
def marks_row(record: np.uint64) -> bool:
    """Whether a record is no n-gram, but the number of the row that comes next."""
    return record >> np.uint64(HASH_BITS) == ROW_MARK


@kernel
def row_of(record: np.uint64, before: int) -> int:
    """The row of a record, given that of the record before."""
    if marks_row(record):
        return np.int64(low_hash(record))
    return before + np.int64(record >> np.uint64(HASH_BITS))


@kernel
def low_hash(record: np.uint64) -> np.uint64:
    """The part of its n-gram's hash that a record holds."""
    return record & np.uint64(HASH_MASK)


@kernel
def chain_hash(before: np.uint64, token: np.uint64) -> np.uint64:
    """The hash of an n-gram: ``before`` is that of all its tokens but the last, ``token``."""
    return folded_product(before ^ np.uint64(SECRET_1), token ^ np.uint64(SECRET_2))


@kernel
def _extract(
    tokens: U64,
    token_offsets: I64,
    shortest: int,
    longest: int,
    hashes: U64,
    gram_offsets: I64,
) -> int:
    n = 0
    for row in range(len(token_offsets) - 1):
        stop = token_offsets[row + 1]
        for first in range(token_offsets[row], stop):
            value = tokens[first]
            for last in range(first, min(first + longest, stop)):
                if last > first:
                    value = chain_hash(value, tokens[last])
                if last - first + 1 >= shortest:
                    hashes[n] = nonzero(value)
                    n += 1
        gram_offsets[row + 1] = n
    return n


@kernel
def _extract_unlisted(
    tokens: U64,
    numbers: I32,
    token_offsets: I64,
    shortest: int,
    longest: int,
    hashes: U64,
    gram_offsets: I64,
) -> int:
    """As ``_extract``.  ``hashes`` has room for one more than all.

    Every token is written, and kept by counting it: a branch would often be mispredicted.
    """
    n = 0
    for row in range(len(token_offsets) - 1):
        stop = token_offsets[row + 1]
        for first in range(token_offsets[row], stop):
            value = tokens[first]
            hashes[n] = value
            n += np.int64((shortest == 1) & (numbers[first] < 0))
            for last in range(first + 1, min(first + longest, stop)):
                value = chain_hash(value, tokens[last])
                if last - first + 1 >= shortest:
                    hashes[n] = nonzero(value)
                    n += 1
        gram_offsets[row + 1] = n
    return n


@kernel
def _count_records(hashes: U64, offsets: I64, counts: I64) -> None:
    last = np.full(N_PARTITIONS, -ROW_MARK, np.int64)
    for row in range(len(offsets) - 1):
        for i in range(offsets[row], offsets[row + 1]):
            partition = np.int64(hashes[i] >> np.uint64(HASH_BITS))
            counts[partition] += 2 if row - last[partition] >= ROW_MARK else 1
            last[partition] = row


@kernel
def _scatter_records(hashes: U64, offsets: I64, first_row: int, ends: I64, records: U64) -> None:
    last = np.full(N_PARTITIONS, -ROW_MARK, np.int64)
    shift, mask = np.uint64(HASH_BITS), np.uint64(HASH_MASK)
    for row in range(len(offsets) - 1):
        for i in range(offsets[row], offsets[row + 1]):
            value = hashes[i]
            partition = np.int64(value >> shift)
            gap = row - last[partition]
            if gap >= ROW_MARK:
                # The first record of a block, or one too far from the record before.
                number = np.uint64(first_row + row)
                records[ends[partition]] = (np.uint64(ROW_MARK) << shift) | number
                ends[partition] += 1
                gap = 0
            records[ends[partition]] = (np.uint64(gap) << shift) | (value & mask)
            ends[partition] += 1
            last[partition] = row
