"""Tokens to hashed n-grams.

An n-gram is hashed from the hashes of its tokens, so it costs one multiplication and its text is
never built.  A hash's highest 8 bits name its *partition*.
"""

from typing import NamedTuple

import numpy as np

from ooc_train.conversion.text.tokens import SECRET_1, SECRET_2, Tokens, nonzero
from ooc_train.dtypes import I64, U64
from ooc_train.intrinsics import folded_product
from ooc_train.jit import kernel

N_PARTITIONS = 256
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


def n_grams(lengths: I64, ngrams: tuple[int, int]) -> int:
    """How many n-grams rows of ``lengths`` (n_rows,) tokens have together."""
    return sum(int(np.maximum(lengths - n + 1, 0).sum()) for n in range(ngrams[0], ngrams[1] + 1))


@kernel
def low_hash(value: np.uint64) -> np.uint64:
    """The part of an n-gram's hash that its partition does not tell."""
    return value & np.uint64(HASH_MASK)


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
