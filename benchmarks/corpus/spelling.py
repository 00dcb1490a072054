"""How words are spelled, lower case ASCII.

Consonants and vowels alternate, so that distinct ids have distinct spellings.
"""

import numpy as np
from numpy.typing import NDArray

from ooc_train.jit import kernel

_ONSETS = "t s w h b m n f d l c p r g k z th wh st sh pr br ch gr tr cl fr pl sp j v".split()
_VOWELS = "e a o i u y ea ou".split()
_CODAS = ["", *"n t s r d l m st nd ng rs ll ck k p".split()]
_TABLE_WORDS = 1 << 14
_TWO_SYLLABLE_STRIDE = 611_953  # prime: spreads the choice over all words of two syllables
_LETTER_WORDS = {2: "a", 6: "i"}  # by id; tokenizers drop words of one letter
_SLOT = 16  # bytes of a table entry: the spelling, and its length in the last byte
_LONG_BITS = 25  # three syllables of four consonant bits and three vowel bits, and the last coda
_LONG_MASK = (1 << _LONG_BITS) - 1
_LONG_SCRAMBLE = 0x1A3C5E7  # odd, so that multiplying is one to one
_NUMBER_MASK, _NUMBER_BITS = 127, 77  # ids with these low bits are spelled as decimal numbers
MAX_WORD_BYTES = 64  # the longest spelling, accented, with everything that may surround it


def _short_candidates() -> list[str]:
    """Spellings of one or two syllables: all of one, and a sample of two."""
    starts = [onset + vowel for onset in ["", *_ONSETS] for vowel in _VOWELS]
    ends = [vowel + coda for vowel in _VOWELS for coda in _CODAS]
    candidates = [onset + end for onset in ["", *_ONSETS] for end in ends]
    n_two = len(starts) * len(_ONSETS) * len(ends)
    for k in range(2 * _TABLE_WORDS):
        rest, end = divmod(k * _TWO_SYLLABLE_STRIDE % n_two, len(ends))
        start, onset = divmod(rest, len(_ONSETS))
        candidates.append(starts[start] + _ONSETS[onset] + ends[end])
    return candidates


def _short_spellings() -> list[str]:
    """The spellings of the most frequent words, by id: as in English, the frequent ones short."""
    rng = np.random.default_rng(0)
    candidates = _short_candidates()
    by_length: list[list[str]] = [[] for _ in range(_SLOT)]
    for k in rng.permutation(len(candidates)):
        by_length[len(candidates[k])].append(candidates[k])
    ids = np.arange(_TABLE_WORDS)
    wanted = 1.6 + 1.45 * np.log10(ids + 4) + 1.4 * rng.standard_normal(_TABLE_WORDS)
    spellings = []
    for length in np.clip(np.rint(wanted), 2, 8).astype(int).tolist():
        available = next(longer for longer in by_length[length:] if longer)
        spellings.append(available.pop())
    for word, letter in _LETTER_WORDS.items():
        spellings[word] = letter
    return spellings


def spelling_table() -> NDArray[np.uint8]:
    """The short spellings for the kernels, (_TABLE_WORDS, _SLOT) uint8."""
    table = np.zeros((_TABLE_WORDS, _SLOT), np.uint8)
    for word, spelling in enumerate(_short_spellings()):
        table[word, : len(spelling)] = np.frombuffer(spelling.encode(), np.uint8)
        table[word, -1] = len(spelling)
    return table


def _padded(pieces: list[str]) -> NDArray[np.uint8]:
    """Short strings as rows of bytes, zeros to the right."""
    width = max(map(len, pieces))
    padded = b"".join(piece.encode().ljust(width, b"\0") for piece in pieces)
    return np.frombuffer(padded, np.uint8).reshape(len(pieces), width)


_LONG_ONSETS = _padded(list("tswhbmnfdlcprgvk"))
_LONG_VOWELS = _padded(_VOWELS)
_LONG_CODAS = _padded(_CODAS)


@kernel
def _put(piece: NDArray[np.uint8], out: NDArray[np.uint8], at: int) -> int:
    for letter in piece:
        out[at] = letter
        at += letter != 0
    return at


@kernel
def _put_syllable(bits: int, out: NDArray[np.uint8], at: int) -> int:
    at = _put(_LONG_ONSETS[bits & 15], out, at)
    return _put(_LONG_VOWELS[bits >> 4 & 7], out, at)


@kernel
def put_number(number: int, out: NDArray[np.uint8], at: int) -> int:
    """Write a number at ``out[at:]`` in decimal; return its end."""
    n_digits = 1
    while 10**n_digits <= number:
        n_digits += 1
    for k in range(n_digits - 1, -1, -1):
        out[at + k] = 48 + number % 10
        number //= 10
    return at + n_digits


@kernel
def _put_long(word: int, out: NDArray[np.uint8], at: int) -> int:
    """A word beyond the table: three syllables, more for ids above 2^25."""
    bits = word - _TABLE_WORDS
    more, low = bits >> _LONG_BITS, (bits * _LONG_SCRAMBLE) & _LONG_MASK
    while more > 0:
        at = _put_syllable(more & 127, out, at)
        more >>= 7
    for _ in range(3):
        at = _put_syllable(low & 127, out, at)
        low >>= 7
    return _put(_LONG_CODAS[low], out, at)


@kernel
def put_spelling(word: int, table: NDArray[np.uint8], out: NDArray[np.uint8], at: int) -> int:
    """Write a word at ``out[at:]``; return its end."""
    if word & _NUMBER_MASK == _NUMBER_BITS:
        return put_number(word, out, at)
    if word >= _TABLE_WORDS:
        return _put_long(word, out, at)
    for k in range(_SLOT):  # the whole slot: a copy of fixed size is a single instruction
        out[at + k] = table[word, k]
    end: int = at + table[word, _SLOT - 1]
    return end
