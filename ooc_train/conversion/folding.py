r"""Text to words separated by spaces, exactly as scikit-learn's vectorizers see it.

Folding is what ``TfidfVectorizer(strip_accents="unicode")`` does before it looks for tokens:
decode UTF-8 with U+FFFD for what is broken, ``str.lower``, NFKD, drop combining characters.  All of
this maps one code point at a time (the reordering of combining marks does not matter, they go), but
for one rule of ``str.lower``: the capital sigma, which is another letter at the end of a word.
So a table from code points to folded bytes does it, built by Python's own ``str`` and
``unicodedata``; rows with a capital sigma are lowered by ``str.lower`` first.

Whatever ``\w`` does not match becomes a space in the result.
"""

import functools
import itertools
import re
import unicodedata
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ooc_train.conversion.jit import kernel

# No code point above is a letter or a digit, or changes under lower-casing or NFKD (tested).
N_CODE_POINTS = 0x40000
_SPACE = 32

Bytes = npt.NDArray[np.uint8]
Offsets = npt.NDArray[np.int64]


class FoldingTable(NamedTuple):
    """Code point ``c`` folds to ``pool[starts[c]:starts[c + 1]]``; ``ascii`` is its first part."""

    ascii: Bytes
    starts: Offsets
    pool: Bytes


class Folded(NamedTuple):
    """Folded rows, and how many of them had broken UTF-8."""

    text: Bytes
    offsets: Offsets
    n_replaced: int


def fold(text: Bytes, offsets: Offsets) -> Folded:
    """Fold rows of UTF-8, row ``i`` at ``offsets[i]:offsets[i + 1]``.

    Memory: as much as the text, up to eleven times that for exotic ligatures.
    """
    if not _has_high_bytes(text):
        folded = np.empty(len(text), np.uint8)
        _fold_ascii(text, _ascii_table(), folded)
        return Folded(folded, offsets, 0)
    text, offsets = _lower_capital_sigma(text, offsets)
    table = folding_table()
    size = _fold_unicode(text, offsets, *table, np.empty(0, np.uint8), np.empty(0, np.int64))[0]
    folded, folded_offsets = np.empty(size, np.uint8), np.zeros(len(offsets), np.int64)
    _, n_replaced = _fold_unicode(text, offsets, *table, folded, folded_offsets)
    return Folded(folded, folded_offsets, n_replaced)


@functools.cache
def _ascii_table() -> Bytes:
    return np.array([_fold_string(chr(c))[0] if c else _SPACE for c in range(128)], np.uint8)


@functools.cache
def folding_table() -> FoldingTable:
    """The table for this Python's Unicode version.  5 MB, built in a fraction of a second."""
    points = (c for c in range(1, N_CODE_POINTS) if not 0xD800 <= c < 0xE000)
    pieces = _fold_string("\0".join(map(chr, points))).split(b"\0")
    pieces[0xD800 - 1 : 0xD800 - 1] = [b" "] * 0x800  # surrogates: not in valid UTF-8
    pieces.insert(0, b" ")
    starts = np.zeros(N_CODE_POINTS + 1, np.int64)
    np.cumsum([len(piece) for piece in pieces], out=starts[1:])
    pool = np.frombuffer(bytearray(b"".join(pieces)), np.uint8)
    return FoldingTable(_ascii_table(), starts, pool)


def _fold_string(text: str) -> bytes:
    """Fold by Python's own means, NUL left alone."""
    decomposed = unicodedata.normalize("NFKD", text.lower())
    stripped = decomposed.translate(_combining())
    return re.sub(r"[^\w\0]", " ", stripped).encode("utf-8")


@functools.cache
def _combining() -> dict[int, None]:
    return {c: None for c in range(N_CODE_POINTS) if unicodedata.combining(chr(c))}


def _lower_capital_sigma(text: Bytes, offsets: Offsets) -> tuple[Bytes, Offsets]:
    """The rows, those with a capital sigma (CE A3) lowered by ``str.lower``."""
    sigmas = np.flatnonzero((text[:-1] == 0xCE) & (text[1:] == 0xA3))
    if not sigmas.size:
        return text, offsets
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
def _has_high_bytes(text: Bytes) -> bool:
    seen = np.uint8(0)
    for byte in text:
        seen |= byte
    return bool(seen >= 128)


@kernel
def _fold_ascii(text: Bytes, table: Bytes, out: Bytes) -> None:
    for i in range(len(text)):
        out[i] = table[text[i]]


@kernel
def _fold_unicode(
    text: Bytes,
    offsets: Offsets,
    ascii_table: Bytes,
    starts: Offsets,
    pool: Bytes,
    out: Bytes,
    out_offsets: Offsets,
) -> tuple[int, int]:
    """Bytes needed and rows with broken UTF-8; ``out`` of length 0 only counts."""
    counting = len(out) == 0
    end = 0
    n_replaced = 0
    for row in range(len(offsets) - 1):
        i, stop = offsets[row], offsets[row + 1]
        broken = False
        while i < stop:
            byte = text[i]
            if byte < 128:
                if not counting:
                    out[end] = ascii_table[byte]
                end += 1
                i += 1
                continue
            point, width = _decode(text, i, stop)
            i += width
            if point < 0 or point >= N_CODE_POINTS:
                # U+FFFD, once or more for a broken sequence: a space all the same
                broken = broken or point < 0
                if not counting:
                    out[end] = _SPACE
                end += 1
                continue
            for k in range(starts[point], starts[point + 1]):
                if not counting:
                    out[end] = pool[k]
                end += 1
        n_replaced += broken
        if not counting:
            out_offsets[row + 1] = end
    return end, n_replaced


@kernel
def _decode(text: Bytes, i: int, stop: int) -> tuple[int, int]:
    """The code point at ``i`` and its width in bytes; -1 and 1 where UTF-8 is broken."""
    lead = np.int64(text[i])
    if 0xC2 <= lead < 0xE0:
        width, point, least = 2, lead & 0x1F, 0x80
    elif 0xE0 <= lead < 0xF0:
        width, point, least = 3, lead & 0x0F, 0x800
    elif 0xF0 <= lead < 0xF5:
        width, point, least = 4, lead & 0x07, 0x10000
    else:
        return -1, 1
    if i + width > stop:
        return -1, 1
    for k in range(1, width):
        byte = np.int64(text[i + k])
        if byte & 0xC0 != 0x80:
            return -1, 1
        point = (point << 6) | (byte & 0x3F)
    if point < least or point > 0x10FFFF or 0xD800 <= point < 0xE000:
        return -1, 1
    return point, width
