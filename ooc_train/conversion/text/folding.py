r"""Text to folded text, exactly as scikit-learn's vectorizers see it before they look for tokens.

Folding is what ``TfidfVectorizer(strip_accents="unicode")`` does: decode UTF-8 with U+FFFD for what
is broken, ``str.lower``, NFKD, drop combining characters.  All of this maps one code point at a
time (the reordering of combining marks does not matter, they go), but for one rule of
``str.lower``: the capital sigma, which is another letter at the end of a word.  So a table from
code points to folded bytes does it, built by Python's own ``str`` and ``unicodedata``; rows with a
capital sigma are lowered by ``str.lower`` first.

For words, whatever ``\w`` does not match becomes a space as well, so that words are what is between
spaces.  For characters all is kept, but each run of white space becomes one space, as
``TfidfVectorizer(analyzer="char")`` has it.
"""

import functools
import itertools
import re
import unicodedata
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ooc_train.conversion.text.utf8 import decode, has_high_bytes
from ooc_train.dtypes import I32, I64, U8
from ooc_train.intrinsics import (
    PADDING,
    bytes_above,
    fold_ascii,
    load_word,
    store_word,
)
from ooc_train.jit import kernel

# No code point above is a letter or a digit, or changes under lower-casing or NFKD (tested).
N_CODE_POINTS = 0x40000
_COMBINING_BELOW = 0x20000  # no code point above is a combining character (tested)
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
    """Fold rows of UTF-8, row ``i`` at ``offsets[i]:offsets[i + 1]``.

    Memory: as much as the text, up to eleven times that for exotic ligatures.
    """
    table = folding_table(analyzer)
    growth = 1
    if has_high_bytes(text):
        text, offsets = lower_capital_sigma(text, offsets)
        growth = table.growth
    # Sized for the worst: of this array only what is written becomes memory.
    folded = np.empty(growth * len(text) + len(offsets) + PADDING, np.uint8)
    folded_offsets = np.zeros(len(offsets), np.int64)
    n_replaced = _fold_rows(
        text, offsets, analyzer == "word", table.entries, table.pool, folded, folded_offsets
    )
    if analyzer == "char":
        _collapse_white_space(folded, folded_offsets)
    end = folded_offsets[-1]
    folded[end : end + PADDING] = _SPACE
    return Folded(folded[: end + PADDING], folded_offsets, n_replaced)


@functools.cache
def folding_table(analyzer: str) -> FoldingTable:
    """The table for this Python's Unicode version.  3 MB, built in a twentieth of a second."""
    points = np.zeros((N_CODE_POINTS, 2), np.uint32)  # a NUL behind each, which nothing folds to
    points[:, 0] = np.arange(N_CODE_POINTS)
    points[0, 0] = points[0xD800:0xE000, 0] = _SPACE  # no NUL comes, nor a surrogate
    text = points.tobytes().decode("utf-32-le").lower()
    decomposed = np.frombuffer(unicodedata.normalize("NFKD", text).encode("utf-32-le"), np.uint32)
    combining = [c for c in range(_COMBINING_BELOW) if unicodedata.combining(chr(c))]
    kept = decomposed[~np.isin(decomposed, combining)]
    pool = FOLDINGS[analyzer](kept.tobytes().decode("utf-32-le")).encode()
    ends = np.flatnonzero(np.frombuffer(pool, np.uint8) == 0)
    starts = np.concatenate(([0], ends[:-1] + 1))
    lengths = ends - starts
    # of a character, and of a single broken byte
    widths = 1 + np.searchsorted([0x80, 0x800, 0x10000], np.arange(N_CODE_POINTS), "right")
    growth = max(np.ceil(lengths / widths).max(), lengths[_REPLACEMENT])
    return FoldingTable(
        (starts << _LENGTH_BITS | lengths).astype(np.int32),
        np.frombuffer(bytearray(pool + bytes(PADDING)), np.uint8),
        int(growth),
    )


def _words_alone(text: str) -> str:
    r"""``re.sub(r"[^\w\0]", " ", text)``, ten times as fast where few runs hold most letters."""
    points = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    distinct = np.flatnonzero(np.bincount(points)).astype(np.uint32)
    is_kept = np.zeros(distinct[-1] + 1, np.bool_)
    for run in re.finditer(r"[\w\0]+", distinct.tobytes().decode("utf-32-le")):
        is_kept[distinct[run.start() : run.end()]] = True
    marked = np.where(is_kept[points], points, np.uint32(_SPACE))
    return marked.tobytes().decode("utf-32-le")


def _unchanged(text: str) -> str:
    return text


FOLDINGS: dict[str, Callable[[str], str]] = {"word": _words_alone, "char": _unchanged}
"""What is done for each analyzer to text without accents, character by character; NULs stay."""


def lower_capital_sigma(text: U8, offsets: I64) -> tuple[U8, I64]:
    """The rows, those with a capital sigma (CE A3) lowered by ``str.lower``."""
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
    words: bool,
    entries: I32,
    pool: U8,
    folded: U8,
    folded_offsets: I64,
) -> int:
    """Fill ``folded``; the number of rows with broken UTF-8."""
    length_mask = (1 << _LENGTH_BITS) - 1
    n_replaced = end = 0
    for row in range(len(offsets) - 1):
        i, stop = offsets[row], offsets[row + 1]
        if _is_ascii(text, i, stop):
            _fold_ascii_row(text, i, stop, words, entries, pool, folded, end)
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
                source, length = entries[point] >> _LENGTH_BITS, entries[point] & length_mask
                for k in range(0, length, 8):
                    store_word(folded, end + k, load_word(pool, source + k))
                end += length
            elif words:
                folded[end] = _SPACE
                end += 1
            else:
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
    words: bool,
    entries: I32,
    pool: U8,
    folded: U8,
    end: int,
) -> None:
    if stop - i < PADDING:
        for k in range(stop - i):
            folded[end + k] = pool[entries[text[i + k]] >> _LENGTH_BITS]
        return
    shift = end - i
    while i + PADDING <= stop:
        fold_ascii(text, i, folded, i + shift, words)
        i += PADDING
    # The rest together with what is done already, which comes out the same.
    fold_ascii(text, stop - PADDING, folded, stop - PADDING + shift, words)


@kernel
def _collapse_white_space(text: U8, offsets: I64) -> None:
    r"""Make each run of two or more white characters one space, in place: ``\s\s+`` to " "."""
    end = 0
    for row in range(len(offsets) - 1):
        i, stop = offsets[row], offsets[row + 1] - 1
        offsets[row] = end
        while i < stop:
            width = _white_width(text, i, stop)
            following = _white_width(text, i + width, stop) if width else 0
            if following:
                i += width
                while following:
                    i += following
                    following = _white_width(text, i, stop)
                text[end] = _SPACE
                end += 1
            else:
                for _ in range(max(1, width)):
                    text[end] = text[i]
                    i += 1
                    end += 1
        text[end] = _SPACE
        end += 1
    offsets[-1] = end


@kernel
def _white_width(text: U8, i: int, stop: int) -> int:
    r"""The bytes of the white character at ``i``, 0 if there is none: ``\s`` of Python's ``re``.

    Of those beyond ASCII these four are all that NFKD leaves (tested).
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
