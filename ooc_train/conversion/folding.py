r"""Text to words separated by spaces, exactly as scikit-learn's vectorizers see it.

Folding is what ``TfidfVectorizer(strip_accents="unicode")`` does before it looks for tokens:
decode UTF-8 with U+FFFD for what is broken, ``str.lower``, NFKD, drop combining characters.  All of
this maps one code point at a time (the reordering of combining marks does not matter, they go), but
for one rule of ``str.lower``: the capital sigma, which is another letter at the end of a word.
So a table from code points to folded bytes does it, built by Python's own ``str`` and
``unicodedata``; rows with a capital sigma are lowered by ``str.lower`` first.

Rows of ASCII, the most by far, need no more than a table of 128 bytes: they stay as they are, and
whoever reads a row applies the table that goes with it, see ``Folded``.  Whatever ``\w`` does not
match becomes a space.
"""

import functools
import itertools
import re
import unicodedata
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ooc_train.conversion.jit import kernel
from ooc_train.conversion.utf8 import decode, has_high_bytes

# No code point above is a letter or a digit, or changes under lower-casing or NFKD (tested).
N_CODE_POINTS = 0x40000
# All that change under folding are here: the rest of planes 2 and 3 is ideographs (tested).
_CHANGING = (*range(0x20000), *range(0x2F800, 0x2FA20))
_SPACE = 32

Bytes = npt.NDArray[np.uint8]
Offsets = npt.NDArray[np.int64]


class FoldingTable(NamedTuple):
    """Code point ``c`` folds to ``pool[starts[c]:stops[c]]``."""

    starts: Offsets
    stops: Offsets
    pool: Bytes


class Folded(NamedTuple):
    """Rows that become words and spaces byte by byte: row ``i`` by ``byte_tables()[kinds[i]]``.

    ``kinds`` (n_rows,) uint8 is 0 for rows of ASCII and 1 for folded ones.  (One table for both
    will not do: NFKD makes capitals, of the sign for "No" for example, and those stay.)
    ``n_replaced`` rows had broken UTF-8.
    """

    text: Bytes
    offsets: Offsets
    kinds: Bytes
    n_replaced: int


def fold(text: Bytes, offsets: Offsets) -> Folded:
    """Fold rows of UTF-8, row ``i`` at ``offsets[i]:offsets[i + 1]``, but for those of ASCII.

    Memory: nothing, or as much as the text, up to eleven times that for exotic ligatures.
    """
    if not has_high_bytes(text):
        return Folded(text, offsets, np.zeros(len(offsets) - 1, np.uint8), 0)
    text, offsets = lower_capital_sigma(text, offsets)
    table = folding_table()
    kinds, folded_offsets = np.zeros(len(offsets) - 1, np.uint8), np.zeros(len(offsets), np.int64)
    _measure(text, offsets, table.starts, table.stops, kinds, folded_offsets)
    folded = np.empty(folded_offsets[-1], np.uint8)
    n_replaced = _fold_rows(text, offsets, kinds, *table, folded_offsets, folded)
    return Folded(folded, folded_offsets, kinds, n_replaced)


@functools.cache
def byte_tables() -> Bytes:
    """What each byte becomes, (2, 256) uint8: in rows of ASCII, and, itself, in folded ones."""
    folded = [_fold_character(chr(c))[0] for c in range(128)]
    return np.array([[*folded, *range(128, 256)], range(256)], np.uint8)


@functools.cache
def folding_table() -> FoldingTable:
    """The table for this Python's Unicode version.  5 MB, built in a tenth of a second."""
    surrogates = " " * (0xE000 - 0xD800)  # not in valid UTF-8
    characters = "".join(map(chr, range(0xD800))) + surrogates
    characters += "".join(map(chr, range(0xE000, N_CODE_POINTS)))
    words = re.sub(r"\W", " ", characters)
    points = np.frombuffer(words.encode("utf-32-le"), np.uint32)
    stops = np.cumsum(1 + (points >= 0x80) + (points >= 0x800) + (points >= 0x10000))
    starts = np.concatenate(([0], stops[:-1]))
    changed = {c: _fold_character(characters[c]) for c in _CHANGING if _changes(characters[c])}
    places = np.fromiter(changed, np.int64)
    ends = stops[-1] + np.cumsum([len(folded) for folded in changed.values()])
    starts[places] = np.concatenate((stops[-1:], ends[:-1]))
    stops[places] = ends
    pool = np.frombuffer(bytearray(words.encode() + b"".join(changed.values())), np.uint8)
    return FoldingTable(starts, stops, pool)


def _changes(character: str) -> bool:
    return (
        character.lower() != character
        or not unicodedata.is_normalized("NFKD", character)
        or unicodedata.combining(character) > 0
    )


def _fold_character(character: str) -> bytes:
    """Fold by Python's own means."""
    decomposed = unicodedata.normalize("NFKD", character.lower())
    kept = (c for c in decomposed if not unicodedata.combining(c))
    return re.sub(r"\W", " ", "".join(kept)).encode()


def lower_capital_sigma(text: Bytes, offsets: Offsets) -> tuple[Bytes, Offsets]:
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
def _measure(
    text: Bytes,
    offsets: Offsets,
    starts: Offsets,
    stops: Offsets,
    kinds: Bytes,
    folded_offsets: Offsets,
) -> None:
    end = 0
    for row in range(len(offsets) - 1):
        i, stop = offsets[row], offsets[row + 1]
        if not has_high_bytes(text[i:stop]):
            end += stop - i
        else:
            kinds[row] = 1
            while i < stop:
                point, width = decode(text, i, stop)
                i += width
                known = 0 <= point < N_CODE_POINTS
                end += stops[point] - starts[point] if known else 1
        folded_offsets[row + 1] = end


@kernel
def _fold_rows(
    text: Bytes,
    offsets: Offsets,
    kinds: Bytes,
    starts: Offsets,
    stops: Offsets,
    pool: Bytes,
    folded_offsets: Offsets,
    folded: Bytes,
) -> int:
    """Fill ``folded``; the number of rows with broken UTF-8."""
    n_replaced = 0
    for row in range(len(offsets) - 1):
        i, stop, end = offsets[row], offsets[row + 1], folded_offsets[row]
        if kinds[row] == 0:
            folded[end : end + stop - i] = text[i:stop]
            continue
        broken = False
        while i < stop:
            point, width = decode(text, i, stop)
            i += width
            broken = broken or point < 0
            if point < 0 or point >= N_CODE_POINTS:
                # U+FFFD, once or more for a broken sequence: a space all the same
                folded[end] = _SPACE
                end += 1
                continue
            for k in range(starts[point], stops[point]):
                folded[end] = pool[k]
                end += 1
        n_replaced += broken
    return n_replaced
