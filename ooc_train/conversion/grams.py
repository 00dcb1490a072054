r"""Folded rows to hashed word n-grams, laid out by partition.

A word is a run of two or more ``\w`` characters (scikit-learn's ``(?u)\b\w\w+\b``).  Words are
hashed to 64 bits, n-grams from the hashes of their words, so an n-gram costs one multiplication and
its text is never built.  A hash's highest 8 bits name its *partition*.

A *gram record* is one uint64: the low 56 bits are the hash's, and the highest 8, which the
partition already tells, say how many rows after the previous record of the same partition this one
belongs to.  255 there announces a record that is no gram but a row number, for gaps of 255 and
more.  A term that occurs twice in a row has two records, one behind the other: repetition is the
count.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ooc_train.conversion.folding import Folded, byte_tables
from ooc_train.conversion.intrinsics import folded_product
from ooc_train.conversion.jit import kernel

N_PARTITIONS = 256
ROW_MARK = 255
HASH_BITS = 56
HASH_MASK = (1 << HASH_BITS) - 1
MAX_NGRAM = 8
_SPACE = 32
# The secrets of wyhash: odd, and with as many ones as zeros in every byte.
_SECRET_1, _SECRET_2, _SECRET_3 = 0xA0761D6478BD642F, 0xE7037ED1A0B428DB, 0x8EBC6AF09C88C6E3

Bytes = npt.NDArray[np.uint8]
Offsets = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]


class Grams(NamedTuple):
    """Hashes of all n-grams of some rows, row ``i`` at ``offsets[i]:offsets[i + 1]``."""

    hashes: Hashes
    offsets: Offsets


def extract_grams(folded: Folded, ngrams: tuple[int, int], seed: int) -> Grams:
    """All n-grams of ``ngrams[0]`` to ``ngrams[1]`` words.  Memory: 8 bytes for each."""
    text, offsets, kinds, _ = folded
    n_words = (len(text) + len(offsets)) // 3 + 1  # a word takes two letters and a space
    hashes = np.empty(n_words * (ngrams[1] - ngrams[0] + 1), np.uint64)
    gram_offsets = np.zeros(len(offsets), np.int64)
    n_grams = _extract(
        text, offsets, kinds, byte_tables(), *ngrams, np.uint64(seed), hashes, gram_offsets
    )
    return Grams(hashes[:n_grams], gram_offsets)


def hash_terms(terms: list[str], seed: int) -> Hashes:
    """The hashes of terms, each one or more words separated by one space."""
    encoded = [term.encode("utf-8") for term in terms]
    offsets = np.zeros(len(encoded) + 1, np.int64)
    np.cumsum([len(term) for term in encoded], out=offsets[1:])
    text = np.frombuffer(bytearray(b"".join(encoded)), np.uint8)
    folded = Folded(text, offsets, np.ones(len(encoded), np.uint8), 0)
    grams = extract_grams(folded, (1, MAX_NGRAM), seed)
    return grams.hashes[grams.offsets[1:] - 1]


def partition_records(hashes: Hashes, offsets: Offsets) -> tuple[Hashes, Offsets]:
    """Gram records grouped by partition, and where each partition's begin.

    Returns uint64 records and int64 bounds of shape (N_PARTITIONS + 1,).
    """
    bounds = np.zeros(N_PARTITIONS + 1, np.int64)
    _count_records(hashes, offsets, bounds[1:])
    np.cumsum(bounds, out=bounds)
    records = np.empty(bounds[-1], np.uint64)
    _scatter_records(hashes, offsets, bounds[:-1].copy(), records)
    return records, bounds


@kernel
def next_word(
    text: Bytes, i: int, stop: int, table: Bytes, seed: np.uint64
) -> tuple[int, int, np.uint64]:
    """The next word of a row from ``i`` on: where it begins and ends, and its hash.

    There is none where the end is beyond ``stop``.
    """
    while i < stop:
        if table[text[i]] == _SPACE:
            i += 1
            continue
        start = i
        n_continuation = 0
        chunk = shift = np.uint64(0)
        mixed = seed ^ np.uint64(_SECRET_1)
        while i < stop:
            byte = np.uint64(table[text[i]])
            if byte == np.uint64(_SPACE):
                break
            n_continuation += (byte & np.uint64(0xC0)) == np.uint64(0x80)
            chunk |= byte << shift
            shift += np.uint64(8)
            if shift == np.uint64(64):
                mixed = folded_product(chunk ^ np.uint64(_SECRET_2), mixed)
                chunk = shift = np.uint64(0)
            i += 1
        if i - start - n_continuation > 1:
            mixed = folded_product(chunk ^ np.uint64(_SECRET_2), mixed ^ np.uint64(_SECRET_3))
            return (
                start,
                i,
                folded_product(mixed ^ np.uint64(i - start), seed ^ np.uint64(_SECRET_3)),
            )
    return stop, stop + 1, seed


@kernel
def chain_hash(before: np.uint64, word: np.uint64) -> np.uint64:
    """The hash of an n-gram from that of all its words but the last, and the last's."""
    return folded_product(before ^ np.uint64(_SECRET_1), word ^ np.uint64(_SECRET_2))


@kernel
def nonzero(value: np.uint64) -> np.uint64:
    """``value``, or 1 for 0, which marks a free slot in the tables."""
    return value | np.uint64(value == 0)


@kernel
def _extract(
    text: Bytes,
    offsets: Offsets,
    kinds: Bytes,
    tables: Bytes,
    shortest: int,
    longest: int,
    seed: np.uint64,
    hashes: Hashes,
    gram_offsets: Offsets,
) -> int:
    n = 0
    chain = np.zeros(MAX_NGRAM + 1, np.uint64)  # chain[k]: the k-gram that ends at this word
    for row in range(len(offsets) - 1):
        stop, table = offsets[row + 1], tables[kinds[row]]
        n_words = 0
        _, i, word = next_word(text, offsets[row], stop, table, seed)
        while i <= stop:
            n_words += 1
            for k in range(min(longest, n_words), 1, -1):
                chain[k] = chain_hash(chain[k - 1], word)
            chain[1] = word
            for k in range(shortest, min(longest, n_words) + 1):
                hashes[n] = nonzero(chain[k])
                n += 1
            _, i, word = next_word(text, i, stop, table, seed)
        gram_offsets[row + 1] = n
    return n


@kernel
def _count_records(hashes: Hashes, offsets: Offsets, counts: Offsets) -> None:
    last = np.zeros(N_PARTITIONS, np.int64)
    for row in range(len(offsets) - 1):
        for i in range(offsets[row], offsets[row + 1]):
            partition = np.int64(hashes[i] >> np.uint64(HASH_BITS))
            counts[partition] += 2 if row - last[partition] >= ROW_MARK else 1
            last[partition] = row


@kernel
def _scatter_records(hashes: Hashes, offsets: Offsets, ends: Offsets, records: Hashes) -> None:
    last = np.zeros(N_PARTITIONS, np.int64)
    shift, mask = np.uint64(HASH_BITS), np.uint64(HASH_MASK)
    for row in range(len(offsets) - 1):
        for i in range(offsets[row], offsets[row + 1]):
            value = hashes[i]
            partition = np.int64(value >> shift)
            gap = row - last[partition]
            if gap >= ROW_MARK:
                records[ends[partition]] = (np.uint64(ROW_MARK) << shift) | np.uint64(row)
                ends[partition] += 1
                gap = 0
            records[ends[partition]] = (np.uint64(gap) << shift) | (value & mask)
            ends[partition] += 1
            last[partition] = row
