r"""Text to folded text, the first step of every analyzer (see ``analyzers``).

Folding is ``str.lower``, then for some analyzers NFKD without combining characters (scikit-learn's
``strip_accents="unicode"``), then a space in place of what belongs to no token.  UTF-8 is decoded
first, with U+FFFD for what is broken.

All of this maps one code point at a time: the order of combining marks does not matter, since they
go.  So a table from code points to folded bytes does it, built by Python's own ``str`` and
``unicodedata``.  The one exception is a rule of ``str.lower``: the capital sigma becomes another
letter at the end of a word.  Rows that have one are lowered by ``str.lower`` first.

ASCII, of which most text consists, takes no table: 64 bytes are folded at a time.
"""

import functools
import itertools
import unicodedata
from typing import Any, NamedTuple

import numpy as np

from ooc_train.conversion.text.analyzers import ANALYZERS, SEPARATOR, Analyzer
from ooc_train.conversion.text.utf8 import decode, has_high_bytes
from ooc_train.dtypes import I32, I64, U8
from ooc_train.intrinsics import (
    PADDING,
    ascii_copy,
    bytes_above,
    load_word,
    store_word,
)
from ooc_train.jit import kernel

N_CODE_POINTS = 0x40000
"""No code point from here on is a letter or a digit, or changes when folded (tested)."""
_COMBINING_BELOW = 0x20000  # no code point from here on is a combining character (tested)
_LENGTH_BITS = 7
_SPACE, _REPLACEMENT = 32, 0xFFFD


class Folded(NamedTuple):
    """Folded rows: row ``i`` is ``text[offsets[i]:offsets[i + 1] - 1]``, a space behind each.

    ``text`` (n_bytes + PADDING,) uint8 ends in spaces; ``n_replaced`` rows had broken UTF-8.
    """

    text: U8
    offsets: I64
    n_replaced: int


class FoldingTable(NamedTuple):
    """Code point ``c`` folds to the ``entries[c] & 127`` bytes of ``pool`` at ``entries[c] >> 7``.

    Nothing grows to more than ``growth`` times its bytes.
    """

    entries: I32
    pool: U8
    growth: int


def fold(text: U8, offsets: I64, analyzer: str) -> Folded:
    """Fold rows of UTF-8, row ``i`` at ``offsets[i]:offsets[i + 1]``, for one of ``ANALYZERS``.

    Memory: as much as the text, up to eleven times that for exotic ligatures.
    """
    table = folding_table(analyzer)
    growth, is_ascii = 1, not has_high_bytes(text)
    if not is_ascii:
        text, offsets = _lower_capital_sigma(text, offsets)
        growth = table.growth
    # Sized for the worst case: only what is written of this array becomes memory.
    folded = np.empty(growth * len(text) + len(offsets) + PADDING, np.uint8)
    folded_offsets = np.zeros(len(offsets), np.int64)
    n_replaced = _fold_rows(
        text, offsets, is_ascii, _RULES[analyzer], table.entries, table.pool, folded,
        folded_offsets,
    )  # fmt: skip
    if ANALYZERS[analyzer].joins_white_space:
        _join_white_space(folded, folded_offsets)
    end = folded_offsets[-1]
    folded[end : end + PADDING] = _SPACE
    return Folded(folded[: end + PADDING], folded_offsets, n_replaced)


@functools.cache
def folding_table(analyzer: str) -> FoldingTable:
    """The table for this Python's Unicode version: 2 MB, built in a twentieth of a second."""
    points = np.full((N_CODE_POINTS, 2), ord(SEPARATOR), np.uint32)
    points[:, 0] = np.arange(N_CODE_POINTS)
    points[0xD800:0xE000, 0] = _SPACE  # surrogates, which no UTF-8 has
    folded = _folded(points.tobytes().decode("utf-32-le"), ANALYZERS[analyzer])
    pool = folded.encode()
    ends = np.flatnonzero(np.frombuffer(pool, np.uint8) == SEPARATOR.encode()[0])
    lengths = np.diff(ends, prepend=-len(SEPARATOR.encode())) - len(SEPARATOR.encode())
    # of a character, and of a single broken byte
    widths = 1 + np.searchsorted([0x80, 0x800, 0x10000], np.arange(N_CODE_POINTS), "right")
    growth = max(np.ceil(lengths / widths).max(), lengths[_REPLACEMENT])
    starts = np.cumsum(lengths) - lengths
    pool = pool.replace(SEPARATOR.encode(), b"")
    return FoldingTable(
        (starts << _LENGTH_BITS | lengths).astype(np.int32),
        np.frombuffer(bytearray(pool + bytes(PADDING)), np.uint8),
        int(growth),
    )


def _folded(text: str, analyzer: Analyzer) -> str:
    """Text without a capital sigma as ``analyzer`` folds it; separators stay."""
    text = text.lower()
    if analyzer.strips_accents:
        decomposed = unicodedata.normalize("NFKD", text).encode("utf-32-le")
        points = np.frombuffer(decomposed, np.uint32)
        combining = [c for c in range(_COMBINING_BELOW) if unicodedata.combining(chr(c))]
        text = points[~np.isin(points, combining)].tobytes().decode("utf-32-le")
    return analyzer.mark(text)


def _ascii_copy(analyzer: str) -> Any:
    """The instruction that folds 64 bytes of ASCII, which has no accents."""
    marked = ANALYZERS[analyzer].mark("".join(map(chr, range(128))).lower())
    return ascii_copy(spaces=bytes(i for i in range(128) if marked[i] == " "))


_WORD, _CHAR, _KERAS = 0, 1, 2
_RULES = {"word": _WORD, "char": _CHAR, "keras": _KERAS}
_copy_words, _copy_characters, _copy_keras = map(_ascii_copy, _RULES)


def _lower_capital_sigma(text: U8, offsets: I64) -> tuple[U8, I64]:
    """The rows; those with a capital sigma (CE A3) are lowered by ``str.lower``."""
    if not _has_capital_sigma(text):
        return text, offsets
    sigmas = np.flatnonzero((text[:-1] == 0xCE) & (text[1:] == 0xA3))
    blob, bounds = text.tobytes(), offsets.tolist()
    rows = [blob[i:j] for i, j in itertools.pairwise(bounds)]
    for row in np.unique(np.searchsorted(offsets, sigmas, "right") - 1).tolist():
        # surrogateescape: broken bytes come out as they went in, to be counted later
        lowered = rows[row].decode("utf-8", "surrogateescape").lower()
        rows[row] = lowered.encode("utf-8", "surrogateescape")
    moved = np.zeros(len(offsets), np.int64)
    np.cumsum([len(row) for row in rows], out=moved[1:])
    return np.frombuffer(bytearray(b"".join(rows)), np.uint8), moved


@kernel
def _has_capital_sigma(text: U8) -> bool:
    found = False
    for i in range(len(text) - 1):
        found |= (text[i] == 0xCE) & (text[i + 1] == 0xA3)
    return found


@kernel
def _fold_rows(
    text: U8,
    offsets: I64,
    is_ascii: bool,
    rule: int,
    entries: I32,
    pool: U8,
    folded: U8,
    folded_offsets: I64,
) -> int:
    """Fill ``folded``; the number of rows with broken UTF-8.

    ``is_ascii`` says that all rows are ASCII; ``rule`` is one of ``_RULES``.
    """
    length_mask = (1 << _LENGTH_BITS) - 1
    n_replaced = end = 0
    for row in range(len(offsets) - 1):
        i, stop = offsets[row], offsets[row + 1]
        if is_ascii or _is_ascii(text, i, stop):
            # Most rows: no byte changes its place.
            _fold_ascii_row(text, i, stop, rule, entries, pool, folded, end)
            end += stop - i
            i = stop
        broken = False
        while i < stop:
            point, width = np.int64(text[i]), 1  # many are ASCII, and a call costs
            if point >= 128:
                point, width = decode(text, i, stop)
            if point < 0:
                broken, point = True, _REPLACEMENT
            if point < N_CODE_POINTS:
                # Eight bytes at once: what is too many, the next character overwrites.
                source, length = entries[point] >> _LENGTH_BITS, entries[point] & length_mask
                for k in range(0, length, 8):
                    store_word(folded, end + k, load_word(pool, source + k))
                end += length
            elif rule == _WORD:
                # Beyond the table there is no letter, and nothing else is kept.
                folded[end] = _SPACE
                end += 1
            else:
                # Beyond the table nothing changes.
                for k in range(width):
                    folded[end + k] = text[i + k]
                end += width
            i += width
        n_replaced += broken
        folded[end] = _SPACE
        end += 1
        folded_offsets[row + 1] = end
    return n_replaced


@kernel
def _is_ascii(text: U8, i: int, stop: int) -> bool:
    high = np.uint64(0)
    while i + PADDING <= stop:
        high |= bytes_above(text, i)
        i += PADDING
    rest = np.uint8(0)
    while i < stop:
        rest |= text[i]
        i += 1
    return high == 0 and rest < 128


@kernel
def _fold_ascii_row(
    text: U8,
    i: int,
    stop: int,
    rule: int,
    entries: I32,
    pool: U8,
    folded: U8,
    end: int,
) -> None:
    # Up to 63 bytes beyond the row are folded, too: the next row overwrites them.
    last = min(stop - 1, len(text) - PADDING)
    if rule == _WORD:
        while i <= last:
            _copy_words(text, i, folded, end)
            i, end = i + PADDING, end + PADDING
    elif rule == _KERAS:
        while i <= last:
            _copy_keras(text, i, folded, end)
            i, end = i + PADDING, end + PADDING
    else:
        while i <= last:
            _copy_characters(text, i, folded, end)
            i, end = i + PADDING, end + PADDING
    # The last bytes of the text, behind which there may be no memory to read.
    while i < stop:
        folded[end] = pool[entries[text[i]] >> _LENGTH_BITS]
        i, end = i + 1, end + 1


@kernel
def _join_white_space(text: U8, offsets: I64) -> None:
    r"""Make each run of two or more white characters one space, in place: ``\s\s+`` to " "."""
    end = 0
    for row in range(len(offsets) - 1):
        i, stop = offsets[row], offsets[row + 1] - 1
        offsets[row] = end
        while i < stop:
            width = _white_width(text, i, stop)
            following = _white_width(text, i + width, stop) if width else 0
            if following:
                # A run: all of it becomes a space.
                i += width
                while following:
                    i += following
                    following = _white_width(text, i, stop)
                text[end] = _SPACE
                end += 1
            else:
                # A single white character stays as it is, and any other byte.
                for _ in range(max(1, width)):
                    text[end] = text[i]
                    i += 1
                    end += 1
        text[end] = _SPACE
        end += 1
    offsets[-1] = end


@kernel
def _white_width(text: U8, i: int, stop: int) -> int:
    r"""The width in bytes of the white character at ``i``, 0 if there is none.

    White is what ``\s`` of Python's ``re`` matches.  NFKD leaves four such characters beyond ASCII
    (tested).
    """
    if i >= stop:
        return 0
    byte = text[i]
    if byte == _SPACE or 9 <= byte <= 13 or 28 <= byte <= 31:
        return 1
    if byte == 0xC2 and i + 1 < stop and text[i + 1] == 0x85:
        return 2
    if byte == 0xE1 and i + 2 < stop and text[i + 1] == 0x9A and text[i + 2] == 0x80:
        return 3
    if byte == 0xE2 and i + 2 < stop and text[i + 1] == 0x80 and text[i + 2] in (0xA8, 0xA9):
        return 3
    return 0
