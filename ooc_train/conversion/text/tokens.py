r"""Text to hashed tokens: words, or characters.

A word is a run of two or more ``\w`` characters (scikit-learn's ``(?u)\b\w\w+\b``); characters are
code points.  Either way a token is known by a 64-bit hash of its folded UTF-8.
"""

from typing import NamedTuple

import numpy as np

from ooc_train.conversion.text.folding import fold
from ooc_train.dtypes import I32, I64, U8, U64
from ooc_train.intrinsics import (
    PADDING,
    bytes_equal,
    folded_product,
    load_word,
    low_bytes,
    trailing_zeros,
)
from ooc_train.jit import kernel

JOINTS = {"word": b" ", "char": b""}
"""For each analyzer, what is between the tokens of an n-gram's string."""

_SPACE = np.uint8(32)
# The secrets of wyhash: odd, and with as many ones as zeros in every byte.
SECRET_1, SECRET_2, SECRET_3 = 0xA0761D6478BD642F, 0xE7037ED1A0B428DB, 0x8EBC6AF09C88C6E3


class Tokens(NamedTuple):
    """The tokens of some rows, those of row ``i`` at ``offsets[i]:offsets[i + 1]``.

    Token ``t`` is ``text[starts[t]:stops[t]]``, folded UTF-8 padded with ``PADDING`` bytes, and has
    ``hashes[t]``.  ``n_replaced`` rows had broken UTF-8.
    """

    text: U8
    hashes: U64
    starts: I32
    stops: I32
    offsets: I64
    n_replaced: int


def tokenize(text: U8, offsets: I64, analyzer: str, seed: int) -> Tokens:
    """The tokens of rows of UTF-8, row ``i`` at ``offsets[i]:offsets[i + 1]``.

    Memory: the folded text, and 16 bytes a token.
    """
    folded = fold(text, offsets, analyzer)
    split, least_bytes = (_split_words, 3) if analyzer == "word" else (_split_characters, 1)
    most = len(folded.text) // least_bytes + 1  # a word takes two letters and a space
    hashes, token_offsets = np.empty(most, np.uint64), np.zeros(len(offsets), np.int64)
    starts, stops = np.empty(most, np.int32), np.empty(most, np.int32)
    n = split(folded.text, folded.offsets, np.uint64(seed), hashes, starts, stops, token_offsets)
    return Tokens(folded.text, hashes[:n], starts[:n], stops[:n], token_offsets, folded.n_replaced)


@kernel
def nonzero(value: np.uint64) -> np.uint64:
    """``value``, or 1 for 0, which marks a free slot in the tables."""
    return value | np.uint64(value == 0)


@kernel
def hash_token(text: U8, start: int, stop: int, seed: np.uint64) -> np.uint64:
    """The hash, not 0, of ``text[start:stop]``, which is not empty; seven more bytes are read."""
    mixed = seed ^ np.uint64(SECRET_1)
    i = start
    while i + 8 < stop:
        mixed = folded_product(load_word(text, i) ^ np.uint64(SECRET_2), mixed)
        i += 8
    last = low_bytes(load_word(text, i), stop - i)
    mixed = folded_product(last ^ np.uint64(SECRET_2), mixed ^ np.uint64(SECRET_3))
    return nonzero(folded_product(mixed ^ np.uint64(stop - start), seed ^ np.uint64(SECRET_3)))


@kernel
def _split_words(
    text: U8,
    offsets: I64,
    seed: np.uint64,
    hashes: U64,
    starts: I32,
    stops: I32,
    token_offsets: I64,
) -> int:
    n = row = start = 0
    inside = np.uint64(0)  # 1 where the last byte seen belongs to a word
    for base in range(0, offsets[-1], PADDING):
        letters = ~bytes_equal(text, base, _SPACE)
        edges = letters ^ ((letters << np.uint64(1)) | inside)
        inside = letters >> np.uint64(63)
        is_start = letters & edges
        while edges != 0:
            place = trailing_zeros(edges)
            edges &= edges - np.uint64(1)
            if (is_start >> np.uint64(place)) & np.uint64(1):
                start = base + place
                continue
            stop = base + place
            if stop - start < 2 or (text[start] >= 128 and _is_one_character(text, start, stop)):
                continue
            while start >= offsets[row + 1]:
                row += 1
                token_offsets[row] = n
            hashes[n] = hash_token(text, start, stop, seed)
            starts[n], stops[n] = start, stop
            n += 1
    token_offsets[row + 1 :] = n
    return n


@kernel
def _is_one_character(text: U8, start: int, stop: int) -> bool:
    n_continuation = 0
    for i in range(start, stop):
        n_continuation += text[i] & 0xC0 == 0x80
    return stop - start - n_continuation == 1


@kernel
def _split_characters(
    text: U8,
    offsets: I64,
    seed: np.uint64,
    hashes: U64,
    starts: I32,
    stops: I32,
    token_offsets: I64,
) -> int:
    n = 0
    for row in range(len(offsets) - 1):
        i, stop = offsets[row], offsets[row + 1] - 1
        while i < stop:
            start = i
            i += 1
            while i < stop and text[i] & 0xC0 == 0x80:
                i += 1
            hashes[n] = hash_token(text, start, i, seed)
            starts[n], stops[n] = start, i
            n += 1
        token_offsets[row + 1] = n
    return n
