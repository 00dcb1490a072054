"""Text to hashed tokens, the second step of every analyzer (see ``analyzers``).

A token is known by a 64-bit hash of its folded UTF-8.
"""

from typing import NamedTuple

import numpy as np

from ooc_train.conversion.text.analyzers import ANALYZERS
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

    ``analyzer`` is one of ``ANALYZERS``.  Memory: the folded text, and 16 bytes a token.
    """
    folded, rule = fold(text, offsets, analyzer), ANALYZERS[analyzer]
    most = len(folded.text) // rule.least_token_bytes + 1
    hashes, token_offsets = np.empty(most, np.uint64), np.zeros(len(offsets), np.int64)
    starts, stops = np.empty(most, np.int32), np.empty(most, np.int32)
    arrays = hashes, starts, stops, token_offsets
    if rule.min_characters:
        n = _find_runs(folded.text, folded.offsets, rule.min_characters, np.uint64(seed), *arrays)
    else:
        n = _find_characters(folded.text, folded.offsets, np.uint64(seed), *arrays)
    return Tokens(folded.text, hashes[:n], starts[:n], stops[:n], token_offsets, folded.n_replaced)


@kernel
def nonzero(value: np.uint64) -> np.uint64:
    """``value``, but 1 in place of 0, which marks a free entry in tables."""
    return value | np.uint64(value == 0)


@kernel
def hash_token(text: U8, start: int, stop: int, seed: np.uint64) -> np.uint64:
    """The hash of ``text[start:stop]``, which is not empty; it is never 0.

    The method is that of wyhash, which mixes eight bytes at a time.  Up to seven bytes behind
    ``stop`` are read.
    """
    mixed = seed ^ np.uint64(SECRET_1)
    i = start
    while i + 8 < stop:
        mixed = folded_product(load_word(text, i) ^ np.uint64(SECRET_2), mixed)
        i += 8
    last = low_bytes(load_word(text, i), stop - i)
    mixed = folded_product(last ^ np.uint64(SECRET_2), mixed ^ np.uint64(SECRET_3))
    return nonzero(folded_product(mixed ^ np.uint64(stop - start), seed ^ np.uint64(SECRET_3)))


@kernel
def _find_runs(
    text: U8,
    offsets: I64,
    min_characters: int,
    seed: np.uint64,
    hashes: U64,
    starts: I32,
    stops: I32,
    token_offsets: I64,
) -> int:
    """Find runs of ``min_characters`` or more between spaces; how many there are."""
    n = row = start = 0
    inside = np.uint64(0)  # 1 where the last byte seen belongs to a run
    for base in range(0, offsets[-1], PADDING):
        # A bit for each of 64 bytes: edges are where a run begins, or has ended.
        letters = ~bytes_equal(text, base, _SPACE)
        edges = letters ^ ((letters << np.uint64(1)) | inside)
        inside = letters >> np.uint64(63)
        is_start = letters & edges
        while edges != 0:
            place = trailing_zeros(edges)
            edges &= edges - np.uint64(1)
            if (is_start >> np.uint64(place)) & np.uint64(1):
                # A run begins, perhaps to end among later bytes.
                start = base + place
                continue
            stop = base + place
            if min_characters > 1 and not _has_characters(text, start, stop, min_characters):
                continue
            # No run crosses rows, since there is a space between them.
            while start >= offsets[row + 1]:
                row += 1
                token_offsets[row] = n
            hashes[n] = hash_token(text, start, stop, seed)
            starts[n], stops[n] = start, stop
            n += 1
    token_offsets[row + 1 :] = n
    return n


@kernel
def _has_characters(text: U8, start: int, stop: int, least: int) -> bool:
    """Whether ``text[start:stop]`` has ``least`` characters or more."""
    n = 0
    for i in range(start, stop):
        n += text[i] & 0xC0 != 0x80  # not a character's second, third or fourth byte
        if n == least:
            return True
    return False


@kernel
def _find_characters(
    text: U8,
    offsets: I64,
    seed: np.uint64,
    hashes: U64,
    starts: I32,
    stops: I32,
    token_offsets: I64,
) -> int:
    """Find single characters; how many there are."""
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
