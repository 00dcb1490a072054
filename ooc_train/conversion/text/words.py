"""Lowered rows to hashed words.

A word is what stands between two spaces, of any length.  Its 64-bit hash is mixed as those of
n-grams are, see ``grams``, eight bytes at a time.
"""

from typing import NamedTuple

import numpy as np

from ooc_train.conversion.text.lowering import Lowered
from ooc_train.conversion.text.tokens import hash_token
from ooc_train.dtypes import I32, I64, U8, U64
from ooc_train.intrinsics import PADDING, bytes_equal, trailing_zeros
from ooc_train.jit import kernel

_SPACE = 32


class Words(NamedTuple):
    """Words of some rows, row ``i`` at ``offsets[i]:offsets[i + 1]``.

    Their hashes, and where in the lowered text they begin and end.
    """

    hashes: U64
    offsets: I64
    starts: I32
    stops: I32


def find_words(lowered: Lowered, seed: int) -> Words:
    """All words in their order.  Memory: 16 bytes for each."""
    most = (len(lowered.text) + len(lowered.offsets)) // 2  # a word takes a letter and a space
    hashes, offsets = np.empty(most, np.uint64), np.zeros(len(lowered.offsets), np.int64)
    starts, stops = np.empty(most, np.int32), np.empty(most, np.int32)
    n = _find(lowered.text, lowered.offsets, np.uint64(seed), hashes, offsets, starts, stops)
    return Words(hashes[:n], offsets, starts[:n], stops[:n])


@kernel
def _find(
    text: U8,
    row_offsets: I64,
    seed: np.uint64,
    hashes: U64,
    offsets: I64,
    starts: I32,
    stops: I32,
) -> int:
    n = start = 0
    one = np.uint64(1)
    for row in range(len(row_offsets) - 1):
        row_stop = row_offsets[row + 1]
        inside = np.uint64(0)  # 1 where the last byte seen belongs to a word
        for base in range(row_offsets[row], row_stop + 1, PADDING):
            letters = ~bytes_equal(text, base, np.uint8(_SPACE))
            if row_stop - base < PADDING:
                letters &= (one << np.uint64(row_stop - base)) - one
            edges = letters ^ ((letters << one) | inside)
            inside = letters >> np.uint64(63)
            while edges != 0:
                place = trailing_zeros(edges)
                edges &= edges - one
                if (letters >> np.uint64(place)) & one:
                    start = base + place
                else:
                    starts[n], stops[n] = start, base + place
                    hashes[n] = hash_token(text, start, base + place, seed)
                    n += 1
        offsets[row + 1] = n
    return n
