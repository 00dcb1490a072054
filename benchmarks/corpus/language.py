"""The language of the generated rows: which word comes next, and what speaks for a class.

The constants were fitted to IMDb's statistics (see benchmarks/README.md).  Changing any of them
changes every row, and with them every figure that was measured on generated rows.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ooc_train.jit import kernel

# The law of words: density proportional to 1 / ((x + shift) (x + knee)) over ids x >= 0.  That is
# Zipf's 1 / x below the knee and 1 / x^2 above it, where the vocabulary grows without end.
WORD_SHIFT, WORD_KNEE = 1.5, 9000.0
# The same law chooses among a word's successors and among the entries of a class's lexicon.
NEXT_SHIFT, NEXT_KNEE = 0.6, 2000.0
LEXICON_SHIFT, LEXICON_KNEE = 10.0, 1000.0
LEXICON_WORD_SHIFT = 100.0  # lexica are of words that are not among the most frequent
PHRASE_SHIFT, PHRASE_KNEE = 1.0, 30.0
MAX_ID = 2.0**40

# Where the next word comes from.  The remaining share are successors of the word before.
SHARE_LEXICON = 0.075  # the class's own words
SHARE_PHRASE = 0.125  # the successors that the class prefers
SHARE_REPEAT = 0.12  # an earlier word of the same row
SHARE_FRESH = 0.045  # any word

# How a class rejects a word that was drawn: once, then the next draw counts.
DISLIKE_POWER = 4  # the higher, the fewer words are disliked strongly
DISLIKE_KNEE = 50.0  # words of lower ids are hardly disliked
LEAST_PURITY = 0.4
MISLEADING_ROWS = 0.04  # rows whose text argues for a random class instead of their label's

ROW = np.dtype(
    [
        ("seed", np.uint64),
        ("label", np.int64),
        ("theme", np.int64),  # the class that the text argues for
        ("purity", np.float64),  # how strongly it does, in [0, 1)
        ("n_title", np.int64),
        ("n_body", np.int64),
        ("accented", np.bool_),
    ]
)


# ---- Random numbers: splitmix64 (Steele, Lea, Flood 2014), because each row has its own stream.

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_U11, _U27, _U30, _U31 = (np.uint64(n) for n in (11, 27, 30, 31))


@kernel
def _mix(x: np.uint64) -> np.uint64:
    x = (x ^ (x >> _U30)) * _MIX_1
    x = (x ^ (x >> _U27)) * _MIX_2
    mixed: np.uint64 = x ^ (x >> _U31)
    return mixed


@kernel
def _unit(bits: np.uint64) -> float:
    """A number in [0, 1) from 64 random bits."""
    return float(bits >> _U11) * 2.0**-53


@kernel
def random(state: NDArray[np.uint64]) -> np.uint64:
    """The next 64 random bits of a stream; ``state`` is (1,) and advances."""
    state[0] += _GOLDEN
    return _mix(state[0])


@kernel
def uniform(state: NDArray[np.uint64]) -> float:
    """The next number of a stream, in [0, 1)."""
    return _unit(random(state))


@kernel
def _hash(kind: int, a: int, b: int) -> float:
    """A fact of the language: a number in [0, 1) that is a fixed function of three integers."""
    return _unit(_mix(np.uint64(kind) * _MIX_2 + np.uint64(a) * _GOLDEN + np.uint64(b) * _MIX_1))


@kernel
def _quantile(u: float, shift: float, knee: float) -> int:
    """The inverse of the words' law's distribution function, for u in [0, 1)."""
    y = math.exp((1.0 - u) * math.log(shift / knee))
    return int(min((y * knee - shift) / (1.0 - y), MAX_ID))


# ---- The language.

# Kinds of facts, for `_hash`; those from _PHRASE on are the phrases of the classes.
_SUCCESSOR, _LEXICON, _DISLIKED, _PHRASE = 1, 2, 3, 4


@kernel
def _word(u: float) -> int:
    return _quantile(u, WORD_SHIFT, WORD_KNEE)


@kernel
def _successor(word: int, u: float) -> int:
    return _word(_hash(_SUCCESSOR, word, _quantile(u, NEXT_SHIFT, NEXT_KNEE)))


@kernel
def _dislike(word: int, theme: int) -> float:
    """The probability that a text of a class rejects this word.

    Each class dislikes words of its own, most of them hardly, few strongly, and the most
    frequent ones the least.
    """
    return _hash(_DISLIKED, word, theme) ** DISLIKE_POWER * word / (word + DISLIKE_KNEE)


@kernel
def _next_word(source: float, u: float, row: Any, words: NDArray[np.int64], i: int) -> int:
    """One draw of the word after `words[:i]`; `source` in [0, 1) decides where from."""
    if i == 0 or source >= 1.0 - SHARE_FRESH:
        return _word(u)
    if source >= 1.0 - SHARE_FRESH - SHARE_REPEAT:
        earlier: int = words[int(u * i)]
        return earlier
    if source < SHARE_LEXICON * row.purity:
        entry = _quantile(u, LEXICON_SHIFT, LEXICON_KNEE)
        return _quantile(_hash(_LEXICON, row.theme, entry), LEXICON_WORD_SHIFT, WORD_KNEE)
    if source < (SHARE_LEXICON + SHARE_PHRASE) * row.purity:
        entry = _quantile(u, PHRASE_SHIFT, PHRASE_KNEE)
        return _word(_hash(_PHRASE + row.theme, words[i - 1], entry))
    return _successor(words[i - 1], u)


@kernel
def compose(row: Any, state: NDArray[np.uint64], words: NDArray[np.int64]) -> None:
    """Fill `words` with a row's word ids, title first."""
    for i in range(words.size):
        source = uniform(state)
        word = _next_word(source, uniform(state), row, words, i)
        if uniform(state) < row.purity * _dislike(word, row.theme):
            word = _next_word(source, uniform(state), row, words, i)
        words[i] = word
