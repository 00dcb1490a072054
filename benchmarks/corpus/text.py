"""The text of a row: sentences, punctuation, the fields of a line of CSV."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.corpus.language import compose, random
from benchmarks.corpus.spelling import put_number, put_spelling
from ooc_train.jit import kernel

_QUOTE = ord('"')
_U8, _U16, _U32, _U59 = (np.uint64(n) for n in (8, 16, 32, 59))
_U15, _U63, _U255 = (np.uint64(n) for n in (15, 63, 255))  # masks


@kernel
def _accent(letter: int) -> int:
    """The second byte in UTF-8 of a vowel with its accent (the first is 0xC3), or 0."""
    if letter == ord("e"):
        return 0xA9
    if letter == ord("a"):
        return 0xA0
    if letter == ord("o"):
        return 0xB6
    return 0


@kernel
def _put_accents(out: NDArray[np.uint8], start: int, end: int) -> int:
    """Give the vowels of a word in place their accents; return its new end."""
    letters = out[start:end].copy()
    at = start
    for letter in letters:
        second = _accent(letter)
        if second:
            out[at], out[at + 1] = 0xC3, second
            at += 2
        else:
            out[at] = letter
            at += 1
    return at


@kernel
def _put_quotes(out: NDArray[np.uint8], at: int) -> int:
    """A quotation mark inside a quoted field."""
    out[at], out[at + 1] = _QUOTE, _QUOTE
    return at + 2


@kernel
def _put_apostrophe(accented: bool, out: NDArray[np.uint8], at: int) -> int:
    """An apostrophe and "s"; the typographer's apostrophe where there are accents."""
    if accented:
        out[at], out[at + 1], out[at + 2] = 0xE2, 0x80, 0x99
        at += 2
    else:
        out[at] = ord("'")
    out[at + 1] = ord("s")
    return at + 2


@kernel
def _terminal(bits: np.uint64) -> int:
    kind = bits & _U15
    if kind == 0:
        return ord("!")
    return ord("?") if kind == 1 else ord(".")


@kernel
def _put_text(
    words: NDArray[np.int64],
    accented: bool,
    state: NDArray[np.uint64],
    table: NDArray[np.uint8],
    out: NDArray[np.uint8],
    at: int,
) -> int:
    """Write words as sentences: capitals, commas, full stops, here and there a quotation."""
    left = 0  # words left in the sentence
    for i in range(words.size):
        bits = random(state)
        quoted = bits & _U255 == 0
        if quoted:
            at = _put_quotes(out, at)
        start = at
        at = put_spelling(words[i], table, out, at)
        if left == 0:
            left = 4 + int(bits >> _U59)
            if out[start] >= 97:
                out[start] -= 32
        if accented and words[i] & 3 == 0:
            at = _put_accents(out, start, at)
        left -= 1
        if bits >> _U8 & _U63 == 0:
            at = _put_apostrophe(accented, out, at)
        if quoted:
            at = _put_quotes(out, at)
        if i + 1 == words.size or left == 0:
            left = 0
            out[at] = _terminal(bits >> _U32)
            at += 1
        elif bits >> _U16 & _U15 == 0:
            out[at] = ord(",")
            at += 1
        out[at] = ord(" ")
        at += 1
    return at - 1 if words.size else at


@kernel
def _put_separator(out: NDArray[np.uint8], at: int) -> int:
    out[at], out[at + 1], out[at + 2] = _QUOTE, ord(","), _QUOTE
    return at + 3


@kernel
def _put_row(row: Any, table: NDArray[np.uint8], out: NDArray[np.uint8], at: int) -> int:
    state = np.empty(1, np.uint64)
    state[0] = row.seed
    words = np.empty(row.n_title + row.n_body, np.int64)
    compose(row, state, words)
    out[at] = _QUOTE
    at = put_number(row.label + 1, out, at + 1)
    at = _put_separator(out, at)
    at = _put_text(words[: row.n_title], row.accented, state, table, out, at)
    at = _put_separator(out, at)
    at = _put_text(words[row.n_title :], row.accented, state, table, out, at)
    out[at], out[at + 1] = _QUOTE, ord("\n")
    return at + 2


@kernel
def put_rows(rows: NDArray[Any], table: NDArray[np.uint8], out: NDArray[np.uint8]) -> int:
    """Write rows as lines of CSV and return the number of bytes."""
    at = 0
    for i in range(rows.size):
        at = _put_row(rows[i], table, out, at)
    return at
