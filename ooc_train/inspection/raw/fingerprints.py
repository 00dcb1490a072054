"""Fingerprints of rows: equal rows have equal ones, and similar texts similar ones.

Two texts are as *similar* as the share of their terms, words and pairs of neighbouring words, that
both have (P. Jaccard 1901).  A signature has 32 numbers, of which two texts share about that share
(MinHash, A. Z. Broder 1997).
"""

import itertools
from typing import Any

import numpy as np
import xxhash

from ooc_train.conversion.kinds.terms.grams import Grams
from ooc_train.conversion.sources.rows import DenseNumbers, SparseNumbers, TextRows
from ooc_train.dtypes import I64, U8, U16, U32, U64
from ooc_train.jit import kernel

N_NUMBERS = 32
"""The numbers of a signature."""
_FACTORS = np.random.default_rng(0x5EED).integers(2**31, size=N_NUMBERS, dtype=np.uint32) * 2 + 1


def hashes_of(rows: Any) -> U64:
    """A hash of each row, text or numbers: ``(n_rows,) uint64``, the XXH3 of its bytes."""
    if isinstance(rows, TextRows):
        return byte_hashes(rows.text, rows.text_offsets)
    if isinstance(rows, SparseNumbers):
        return byte_hashes(rows.columns.view(np.uint8), 4 * rows.offsets) ^ (
            byte_hashes(rows.values.view(np.uint8), 4 * rows.offsets) * np.uint64(3)
        )
    dense: DenseNumbers = rows
    n_bytes = dense.values[:1].nbytes
    offsets = np.arange(len(dense) + 1) * n_bytes
    return byte_hashes(np.ascontiguousarray(dense.values).reshape(-1).view(np.uint8), offsets)


def signatures_of(grams: Grams) -> U16:
    """The signature of each row, given the hashes of its terms: ``(n_rows, 32) uint16``.

    That of a row without terms is all zeros.
    """
    signatures = np.empty((len(grams.offsets) - 1, N_NUMBERS), np.uint16)
    _sign(grams.hashes, grams.offsets, _FACTORS, signatures)
    return signatures


def byte_hashes(data: U8, offsets: I64) -> U64:
    """The XXH3 of each part of some bytes, ``(n,) uint64``, given where each begins and ends."""
    view, bounds = memoryview(data.data), offsets.tolist()
    found = [
        xxhash.xxh3_64_intdigest(view[start:stop]) for start, stop in itertools.pairwise(bounds)
    ]
    return np.array(found, np.uint64)


@kernel
def _sign(hashes: U64, offsets: I64, factors: U32, signatures: U16) -> None:
    least = np.empty(len(factors), np.uint32)
    for row in range(len(offsets) - 1):
        least[:] = 0xFFFFFFFF
        for i in range(offsets[row], offsets[row + 1]):
            value = np.uint32(hashes[i] >> np.uint64(32))
            for k in range(len(factors)):
                # Multiplying by an odd number is a permutation of all numbers of 32 bits.
                least[k] = min(least[k], np.uint32(value * factors[k]))
        for k in range(len(factors)):
            signatures[row, k] = least[k] & np.uint32(0xFFFF)
        if offsets[row] == offsets[row + 1]:
            signatures[row, :] = 0
