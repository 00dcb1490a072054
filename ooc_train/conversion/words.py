"""Lowered rows to hashed words.

A word is what stands between two spaces, of any length.  Its 64-bit hash is mixed as those of
n-grams are, see ``grams``, eight bytes at a time.
"""

import numpy as np
import numpy.typing as npt

from ooc_train.conversion.grams import Grams, nonzero
from ooc_train.conversion.jit import folded_product, kernel
from ooc_train.conversion.lowering import Lowered

_SPACE = 32
_SECRET_1, _SECRET_2, _SECRET_3 = 0xA0761D6478BD642F, 0xE7037ED1A0B428DB, 0x8EBC6AF09C88C6E3

Bytes = npt.NDArray[np.uint8]
Offsets = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]


def most_words(lowered: Lowered) -> int:
    """How many words the rows can have: a word takes a letter and a space."""
    return (len(lowered.text) + len(lowered.offsets)) // 2


def hash_words(lowered: Lowered, seed: int) -> Grams:
    """The hashes of all words, in their order.  Memory: 8 bytes for each."""
    hashes = np.empty(most_words(lowered), np.uint64)
    word_offsets = np.zeros(len(lowered.offsets), np.int64)
    n = _hash_words(lowered.text, lowered.offsets, np.uint64(seed), hashes, word_offsets)
    return Grams(hashes[:n], word_offsets)


@kernel
def next_word(text: Bytes, i: int, stop: int, seed: np.uint64) -> tuple[int, int, np.uint64]:
    """The next word from ``i`` on: where it begins and ends, and its hash.

    There is none where it begins at ``stop``.
    """
    while i < stop and text[i] == _SPACE:
        i += 1
    start = i
    chunk = shift = np.uint64(0)
    mixed = seed ^ np.uint64(_SECRET_1)
    while i < stop and text[i] != _SPACE:
        chunk |= np.uint64(text[i]) << shift
        shift += np.uint64(8)
        if shift == np.uint64(64):
            mixed = folded_product(chunk ^ np.uint64(_SECRET_2), mixed)
            chunk = shift = np.uint64(0)
        i += 1
    mixed = folded_product(chunk ^ np.uint64(_SECRET_2), mixed ^ np.uint64(_SECRET_3))
    value = folded_product(mixed ^ np.uint64(i - start), seed ^ np.uint64(_SECRET_3))
    return start, i, nonzero(value)


@kernel
def _hash_words(
    text: Bytes, offsets: Offsets, seed: np.uint64, hashes: Hashes, word_offsets: Offsets
) -> int:
    n = 0
    for row in range(len(offsets) - 1):
        stop = offsets[row + 1]
        start, i, value = next_word(text, offsets[row], stop, seed)
        while start < stop:
            hashes[n] = value
            n += 1
            start, i, value = next_word(text, i, stop, seed)
        word_offsets[row + 1] = n
    return n
