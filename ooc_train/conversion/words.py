"""Lowered rows to hashed words.

A word is what stands between two spaces, of any length.  Its 64-bit hash is mixed as those of
n-grams are, see ``grams``, eight bytes at a time.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ooc_train.conversion.grams import nonzero
from ooc_train.conversion.intrinsics import folded_product, load_word, trailing_zeros
from ooc_train.conversion.jit import kernel
from ooc_train.conversion.lowering import Lowered

_SPACE = 32
_ONES = 0x0101010101010101
_SPACES, _HIGH_BITS = _SPACE * _ONES, _ONES << 7
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
    n = 0
    for row in range(len(row_offsets) - 1):
        i, row_stop = row_offsets[row], row_offsets[row + 1]
        while i < row_stop:
            if text[i] == _SPACE:
                i += 1
                continue
            starts[n] = i
            mixed = seed ^ np.uint64(_SECRET_1)
            chunk = np.uint64(0)
            while i < row_stop:
                chunk = load_word(text, i)
                # The first byte that is a space becomes the lowest high bit (Mycroft's test).
                others = chunk ^ np.uint64(_SPACES)
                spaces = (others - np.uint64(_ONES)) & ~others & np.uint64(_HIGH_BITS)
                n_bytes = min(trailing_zeros(spaces) >> 3, row_stop - i)
                i += n_bytes
                if n_bytes < 8:
                    chunk &= (np.uint64(1) << np.uint64(8 * n_bytes)) - np.uint64(1)
                    break
                mixed = folded_product(chunk ^ np.uint64(_SECRET_2), mixed)
                chunk = np.uint64(0)
            mixed = folded_product(chunk ^ np.uint64(_SECRET_2), mixed ^ np.uint64(_SECRET_3))
            length = np.uint64(i - starts[n])
            hashes[n] = nonzero(folded_product(mixed ^ length, seed ^ np.uint64(_SECRET_3)))
            stops[n] = i
            n += 1
        offsets[row + 1] = n
    return n
