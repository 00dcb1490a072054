"""Lowered rows to hashed words.

A word is what stands between two spaces, of any length.  Its 64-bit hash is mixed as those of
n-grams are, see ``grams``, eight bytes at a time.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ooc_train.conversion.grams import nonzero
from ooc_train.conversion.intrinsics import (
    PADDING,
    bytes_equal,
    folded_product,
    load_word,
    trailing_zeros,
)
from ooc_train.conversion.jit import kernel
from ooc_train.conversion.lowering import Lowered

_SPACE = 32
_SECRET_1, _SECRET_2, _SECRET_3 = 0xA0761D6478BD642F, 0xE7037ED1A0B428DB, 0x8EBC6AF09C88C6E3

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int32]
Offsets = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]


class Words(NamedTuple):
    """Words of some rows, row ``i`` at ``offsets[i]:offsets[i + 1]``.

    Their hashes, and where in the lowered text they begin and end.
    """

    hashes: Hashes
    offsets: Offsets
    starts: Ints
    stops: Ints


def find_words(lowered: Lowered, seed: int) -> Words:
    """All words in their order.  Memory: 16 bytes for each."""
    most = (len(lowered.text) + len(lowered.offsets)) // 2  # a word takes a letter and a space
    hashes, offsets = np.empty(most, np.uint64), np.zeros(len(lowered.offsets), np.int64)
    starts, stops = np.empty(most, np.int32), np.empty(most, np.int32)
    n = _find(lowered.text, lowered.offsets, np.uint64(seed), hashes, offsets, starts, stops)
    return Words(hashes[:n], offsets, starts[:n], stops[:n])


@kernel
def _find(
    text: Bytes,
    row_offsets: Offsets,
    seed: np.uint64,
    hashes: Hashes,
    offsets: Offsets,
    starts: Ints,
    stops: Ints,
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
                    hashes[n] = _hash(text, start, base + place, seed)
                    n += 1
        offsets[row + 1] = n
    return n


@kernel
def _hash(text: Bytes, start: int, stop: int, seed: np.uint64) -> np.uint64:
    mixed = seed ^ np.uint64(_SECRET_1)
    i = start
    while i + 8 <= stop:
        mixed = folded_product(load_word(text, i) ^ np.uint64(_SECRET_2), mixed)
        i += 8
    rest = load_word(text, i) & ((np.uint64(1) << np.uint64(8 * (stop - i))) - np.uint64(1))
    mixed = folded_product(rest ^ np.uint64(_SECRET_2), mixed ^ np.uint64(_SECRET_3))
    length = np.uint64(stop - start)
    return nonzero(folded_product(mixed ^ length, seed ^ np.uint64(_SECRET_3)))
