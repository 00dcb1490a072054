"""The kept terms of a fitted vectorizer: found by their hashes, and weighted by their idf.

There may be a hundred million of them, of which a row has a few hundred.  So hashes and document
frequencies stay in their file, mapped, and what is held in memory beside them is small.
"""

from typing import NamedTuple

import numpy as np

from ooc_train.conversion.kinds.ngram.statistics import (
    fixed_square,
    idf_of,
    inverse_document_frequency,
    squared_idf,
)
from ooc_train.dtypes import F64, I32, I64, U32, U64
from ooc_train.intrinsics import prefetch, trailing_zeros
from ooc_train.jit import kernel

_AHEAD = 12
"""How many hashes before its search memory is prefetched."""
_COMPARED = 8
"""How many hashes a search compares without a branch."""
_TABLED = 1 << 14
"""Document frequencies below it, those of most terms, have their idf in a table."""
_MOST_RANGES = 1 << 22
"""So many ranges at most: 16 MB, for 33 million terms; of more terms a range has more."""


class TermIndex(NamedTuple):
    """The hashes of the kept terms, ascending, and their document frequencies.

    ``ranges`` are the `hash_ranges` of ``hashes``.  ``idfs`` and ``squared_idfs`` are those of
    small document frequencies.
    """

    hashes: U64
    df: U32
    n_documents: int
    ranges: U32
    idfs: F64
    squared_idfs: U64

    @classmethod
    def of(cls, hashes: U64, df: U32, n_documents: int) -> "TermIndex":
        """The terms of a file.  Memory: 0.5 to 1 byte for each, 16 MB at most, and the arrays."""
        tabled = np.arange(min(n_documents + 1, _TABLED), dtype=np.uint32)
        pairs = np.empty((len(tabled), 2), np.uint64)  # side by side: one cache line
        idfs, squared = pairs.view(np.float64)[:, 0], pairs[:, 1]
        idfs[:], squared[:] = (
            inverse_document_frequency(tabled, n_documents),
            squared_idf(tabled, n_documents),
        )
        return cls(hashes, df, n_documents, hash_ranges(hashes), idfs, squared)


@kernel
def find_kept(hashes: U64, terms: TermIndex, found: I64, known: I32) -> int:
    """Write the term of each hash to ``found``, -1 for none, and which have one to ``known``.

    Returns the number of those.

    Nearly each search is two cache misses: the range and its hashes are prefetched.  The first
    hashes of a range are compared without a branch, which would often be mispredicted.
    """
    ascending, begins = terms.hashes, terms.ranges
    shift, n, last = _range_bits(begins), len(hashes), len(ascending) - _COMPARED
    n_known = 0
    for i in range(min(2 * _AHEAD, n)):
        prefetch(begins, np.int64(hashes[i] >> shift))
    for i in range(n):
        prefetch(begins, np.int64(hashes[min(i + 2 * _AHEAD, n - 1)] >> shift))
        prefetch(ascending, np.int64(begins[np.int64(hashes[min(i + _AHEAD, n - 1)] >> shift)]))
        value = hashes[i]
        number = np.int64(value >> shift)
        at, n_smaller = np.int64(begins[number]), _COMPARED
        if at <= last:
            n_smaller = 0
            for k in range(_COMPARED):
                n_smaller += np.int64(ascending[at + k] < value)
            at += n_smaller
        if n_smaller == _COMPARED:  # a full range, or the last one
            at = _bisect(ascending, at, np.int64(begins[number + 1]), value)
        is_known = at < len(ascending) and ascending[at] == value
        prefetch(terms.df, at)
        found[i] = at if is_known else -1
        known[n_known] = i
        n_known += np.int64(is_known)
    return n_known


@kernel
def expect_kept(value: np.uint64, terms: TermIndex) -> None:
    """Prefetch the range of a hash that is sought soon."""
    prefetch(terms.ranges, np.int64(value >> _range_bits(terms.ranges)))


@kernel
def idf_and_square(terms: TermIndex, df: int) -> tuple[float, np.uint64]:
    """The idf of a term in ``df`` documents, and its square as a fixed-point number."""
    if df < len(terms.idfs):
        return terms.idfs[df], terms.squared_idfs[df]
    idf = idf_of(df, terms.n_documents)
    return idf, fixed_square(idf)


def hash_ranges(ascending: U64) -> U32:
    """Where the hashes of each range begin: ``(n_ranges + 1,)``.

    All 64-bit numbers are divided into ranges of equal size, a power of two of them, so that a
    range has 4 to 8 hashes on average, or more where there would be more than `_MOST_RANGES`.
    Memory: 0.5 to 1 byte a hash, 16 MB at most.  Raises ValueError for more hashes than 32 bits
    count.
    """
    if len(ascending) > np.iinfo(np.uint32).max:
        raise ValueError(f"{len(ascending):,} kept terms are too many")
    n_ranges = min(1 << max(1, (len(ascending) // 8).bit_length()), _MOST_RANGES)
    begins = np.zeros(n_ranges + 1, np.uint32)
    _find_ranges(ascending, begins)
    return begins


@kernel
def _range_bits(begins: U32) -> np.uint64:
    """By how many bits a hash is shifted to the right to be the number of its range."""
    return np.uint64(64 - trailing_zeros(np.uint64(len(begins) - 1)))


@kernel
def _find_ranges(ascending: U64, begins: U32) -> None:
    shift, i = _range_bits(begins), 0
    for number in range(len(begins) - 1):
        while i < len(ascending) and np.int64(ascending[i] >> shift) < number:
            i += 1
        begins[number] = i
    begins[-1] = len(ascending)


@kernel
def _bisect(ascending: U64, low: int, high: int, value: np.uint64) -> int:
    """The first position from ``low`` on, below ``high`` if there is one, that is not smaller."""
    while low < high:
        middle = (low + high) // 2
        if ascending[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low
