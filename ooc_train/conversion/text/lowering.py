"""Text to lower-case words separated by spaces, exactly as Keras' ``Tokenizer`` splits it.

The method is ``text_to_word_sequence`` of Keras 2's ``preprocessing.text``, which Google's
text-classification guide uses for sequences: ``str.lower``, each of the characters ``FILTERS``
becomes a space, and the space alone separates words.  Broken UTF-8 is read as U+FFFD, which can be
part of a word.

``str.lower`` maps one code point at a time but for the capital sigma, see ``folding``; so a table
does it, built by Python's own ``str``.
"""

import functools
from typing import NamedTuple

import numpy as np

from ooc_train.conversion.text.folding import lower_capital_sigma
from ooc_train.conversion.text.utf8 import decode, has_high_bytes
from ooc_train.dtypes import I32, I64, U8
from ooc_train.intrinsics import PADDING
from ooc_train.jit import kernel

FILTERS = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'
# No code point above changes under lower-casing (tested).
N_CODE_POINTS = 0x20000
_MOST_GROWTH = 3  # U+FFFD for a single byte
_REPLACEMENT = 0xFFFD


class Lowered(NamedTuple):
    """Rows of UTF-8 words between spaces; ``n_replaced`` rows were broken UTF-8 before.

    Behind ``text`` there are ``PADDING`` bytes of memory more, so that kernels may read so many at
    once.
    """

    text: U8
    offsets: I64
    n_replaced: int


class LoweringTable(NamedTuple):
    """Code point ``c`` becomes ``pool[starts[c]:stops[c]]``, or stays where that is empty."""

    starts: I32
    stops: I32
    pool: U8


def lower(text: U8, offsets: I64) -> Lowered:
    """Lower-case rows of UTF-8, row ``i`` at ``offsets[i]:offsets[i + 1]``, and filter them.

    Memory: as much as the text, up to three times that for broken UTF-8.
    """
    if not has_high_bytes(text):
        lowered = np.empty(len(text) + PADDING, np.uint8)[: len(text)]
        _lower_ascii(text, lowered)
        return Lowered(lowered, offsets, 0)
    text, offsets = lower_capital_sigma(text, offsets)
    # Sized for the worst: of this array only what is written becomes memory.
    lowered = np.empty(_MOST_GROWTH * len(text) + PADDING, np.uint8)
    lowered_offsets = np.zeros(len(offsets), np.int64)
    n_replaced = _lower_rows(text, offsets, *_lowering_table(), lowered, lowered_offsets)
    return Lowered(lowered[: lowered_offsets[-1]], lowered_offsets, n_replaced)


@functools.cache
def _lowering_table() -> LoweringTable:
    """The table for this Python's Unicode version.  1 MB, built in 20 milliseconds."""
    filters = str.maketrans(dict.fromkeys(FILTERS, " "))
    lowered = {c: chr(c).lower().translate(filters) for c in range(N_CODE_POINTS)}
    changed = {c: text.encode() for c, text in lowered.items() if text != chr(c)}
    changed[_REPLACEMENT] = chr(_REPLACEMENT).encode()  # its source may be anything
    starts, stops = np.zeros((2, N_CODE_POINTS), np.int32)
    places = np.fromiter(changed, np.int64)
    ends = np.cumsum([len(text) for text in changed.values()])
    starts[places[1:]], stops[places] = ends[:-1], ends
    return LoweringTable(
        starts, stops, np.frombuffer(bytearray(b"".join(changed.values())), np.uint8)
    )


@kernel
def _lower_ascii(text: U8, lowered: U8) -> None:
    """Lower ``text`` into ``lowered``, which is as long.

    Computed, not looked up, without a branch or a call: so the compiler does many bytes at once.
    """
    for i in range(len(text)):
        byte = text[i]
        filtered = (  # the ranges of FILTERS
            (np.uint8(byte - np.uint8(33)) < np.uint8(6))
            | (np.uint8(byte - np.uint8(40)) < np.uint8(8))
            | (np.uint8(byte - np.uint8(58)) < np.uint8(7))
            | (np.uint8(byte - np.uint8(91)) < np.uint8(6))
            | (np.uint8(byte - np.uint8(123)) < np.uint8(4))
            | (np.uint8(byte - np.uint8(9)) < np.uint8(2))
        )
        capital = np.uint8(byte - np.uint8(65)) < np.uint8(26)
        lowered[i] = np.uint8(32) if filtered else np.uint8(byte | np.uint8(32 * capital))


@kernel
def _lower_rows(
    text: U8,
    offsets: I64,
    starts: I32,
    stops: I32,
    pool: U8,
    lowered: U8,
    lowered_offsets: I64,
) -> int:
    """Fill ``lowered``; the number of rows with broken UTF-8."""
    n_replaced = end = 0
    for row in range(len(offsets) - 1):
        i, stop = offsets[row], offsets[row + 1]
        if not has_high_bytes(text[i:stop]):
            _lower_ascii(text[i:stop], lowered[end : end + stop - i])
            end += stop - i
            lowered_offsets[row + 1] = end
            continue
        broken = False
        while i < stop:
            point, width = np.int64(text[i]), 1  # most are ASCII, and a call costs
            if point >= 128:
                point, width = decode(text, i, stop)
            if point < 0:
                broken, point = True, _REPLACEMENT
            if point < N_CODE_POINTS and starts[point] < stops[point]:
                for k in range(starts[point], stops[point]):
                    lowered[end] = pool[k]
                    end += 1
            else:
                for k in range(i, i + width):
                    lowered[end] = text[k]
                    end += 1
            i += width
        n_replaced += broken
        lowered_offsets[row + 1] = end
    return n_replaced
