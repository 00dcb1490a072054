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

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ooc_train.conversion.jit import folded_product, kernel

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


class Places(NamedTuple):
    """Where the n-grams' texts are: n-gram ``i`` is ``words[starts[i]:stops[i]]``.

    ``words`` are the rows' words, each followed by one space.
    """

    words: Bytes
    starts: npt.NDArray[np.int32]
    stops: npt.NDArray[np.int32]


def extract_grams(text: Bytes, offsets: Offsets, ngrams: tuple[int, int], seed: int) -> Grams:
    """All n-grams of ``ngrams[0]`` to ``ngrams[1]`` words.  Memory: 8 bytes for each."""
    return _extract_into(text, offsets, ngrams, seed, _no_places())


def locate_grams(
    text: Bytes, offsets: Offsets, ngrams: tuple[int, int], seed: int
) -> tuple[Grams, Places]:
    """``extract_grams``, and where each lies.  Memory: 16 bytes for each and the text again."""
    capacity = _capacity(text, offsets, ngrams)
    places = Places(
        np.empty(len(text) + len(offsets), np.uint8),
        np.empty(capacity, np.int32),
        np.empty(capacity, np.int32),
    )
    return _extract_into(text, offsets, ngrams, seed, places), places


def _extract_into(
    text: Bytes, offsets: Offsets, ngrams: tuple[int, int], seed: int, places: Places
) -> Grams:
    hashes = np.empty(_capacity(text, offsets, ngrams), np.uint64)
    gram_offsets = np.zeros(len(offsets), np.int64)
    arrays: tuple[Any, ...] = (hashes, gram_offsets, *places)
    n_grams = _extract(text, offsets, *ngrams, np.uint64(seed), *arrays)
    return Grams(hashes[:n_grams], gram_offsets)


def _capacity(text: Bytes, offsets: Offsets, ngrams: tuple[int, int]) -> int:
    n_words = (len(text) + len(offsets)) // 3 + 1  # a word takes two letters and a space
    return n_words * (ngrams[1] - ngrams[0] + 1)


def _no_places() -> Places:
    return Places(np.empty(0, np.uint8), np.empty(0, np.int32), np.empty(0, np.int32))


def hash_terms(terms: list[str], seed: int) -> Hashes:
    """The hashes of terms, each one or more words separated by one space."""
    encoded = [term.encode("utf-8") for term in terms]
    offsets = np.zeros(len(encoded) + 1, np.int64)
    np.cumsum([len(term) for term in encoded], out=offsets[1:])
    text = np.frombuffer(bytearray(b"".join(encoded)), np.uint8)
    grams = extract_grams(text, offsets, (1, MAX_NGRAM), seed)
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
def _extract(
    text: Bytes,
    offsets: Offsets,
    shortest: int,
    longest: int,
    seed: np.uint64,
    hashes: Hashes,
    gram_offsets: Offsets,
    words: Bytes,
    starts: npt.NDArray[np.int32],
    stops: npt.NDArray[np.int32],
) -> int:
    n = end = 0
    locating = len(words) > 0
    chain = np.zeros(MAX_NGRAM + 1, np.uint64)  # chain[k]: the k-gram that ends at this word
    begin = np.zeros(MAX_NGRAM + 1, np.int32)
    for row in range(len(offsets) - 1):
        i, stop = offsets[row], offsets[row + 1]
        n_words = 0
        while i < stop:
            if text[i] == _SPACE:
                i += 1
                continue
            start = i
            n_continuation = 0
            word = np.uint64(0)
            shift = np.uint64(0)
            mixed = seed ^ np.uint64(_SECRET_1)
            while i < stop and text[i] != _SPACE:
                byte = np.uint64(text[i])
                n_continuation += (byte & np.uint64(0xC0)) == np.uint64(0x80)
                word |= byte << shift
                shift += np.uint64(8)
                if shift == np.uint64(64):
                    mixed = folded_product(word ^ np.uint64(_SECRET_2), mixed)
                    word = shift = np.uint64(0)
                i += 1
            if i - start - n_continuation < 2:
                continue
            mixed = folded_product(word ^ np.uint64(_SECRET_2), mixed ^ np.uint64(_SECRET_3))
            mixed = folded_product(mixed ^ np.uint64(i - start), seed ^ np.uint64(_SECRET_3))
            n_words += 1
            word_begin = end
            if locating:
                words[end : end + i - start] = text[start:i]
                end += i - start + 1
                words[end - 1] = _SPACE
            for k in range(min(longest, n_words), 1, -1):
                chain[k] = folded_product(
                    chain[k - 1] ^ np.uint64(_SECRET_1), mixed ^ np.uint64(_SECRET_2)
                )
                begin[k] = begin[k - 1]
            chain[1], begin[1] = mixed, word_begin
            for k in range(shortest, min(longest, n_words) + 1):
                # 0 marks a free slot in the tables
                hashes[n] = chain[k] | np.uint64(chain[k] == 0)
                if locating:
                    starts[n], stops[n] = begin[k], end - 1
                n += 1
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
