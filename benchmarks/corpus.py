"""Labelled text like real reviews: any number of rows, seeded, streamed to CSV.

The rows stand in for the review corpora that are too big to ship.  Words follow Zipf's law with an
open vocabulary, neighbouring words depend on each other so that bigrams repeat, words recur within
their row, lengths are log-normal, and the class shows in some words and some pairs of words.

The *language* (spelling, successors, what speaks for a class) is fixed; the seed chooses the
*rows*.  So rows of another seed are a test set.  Row i depends on the seed, i, the number of
classes and the mean length alone, never on how many rows or threads were asked for.

The file is in the Zhang layout: no header, every field quoted, `"class 1..K","title","body"`,
UTF-8, one line a row.

    python -m benchmarks.corpus reviews.csv --rows 400000
    python -m benchmarks.corpus --statistics reviews.csv other.csv.gz [--learn]

The second command describes any files in that layout side by side, as a Markdown table.
"""

from __future__ import annotations

import argparse
import array
import collections
import concurrent.futures
import contextlib
import csv
import dataclasses
import gzip
import math
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

BLOCK_ROWS = 2048
MIN_WORDS = 5
MAX_LENGTH_RATIO = 20  # the longest body, in mean bodies
LENGTH_SIGMA = 0.65  # standard deviation of the logarithm of the words in a body
MAX_TITLE_WORDS = 7
MAX_MEAN_WORDS = 10_000
MAX_CLASSES = 1000
ACCENTED_ROWS = 0.015

# Everything from here to ROW was fitted to IMDb's statistics (see README.md): changing any of it
# changes every row, and with them every figure that was measured on generated rows.

# The words' law: density proportional to 1 / ((x + shift) (x + knee)) over ids x >= 0.  That is
# Zipf's 1 / x below the knee and 1 / x^2 above it, where the vocabulary grows without end.
WORD_SHIFT, WORD_KNEE = 1.5, 9000.0
# The same law for which of a word's successors comes next, and which entry of a class's lexicon.
NEXT_SHIFT, NEXT_KNEE = 0.6, 2000.0
LEXICON_SHIFT, LEXICON_KNEE = 10.0, 1000.0
LEXICON_WORD_SHIFT = 100.0  # lexica are of words that are not among the most frequent
PHRASE_SHIFT, PHRASE_KNEE = 1.0, 30.0
MAX_ID = 2.0**40

# Where the next word comes from: what these leave are the successors of the word before.
SHARE_LEXICON = 0.075  # the class's own words
SHARE_PHRASE = 0.125  # the successors that the class prefers
SHARE_REPEAT = 0.12  # an earlier word of the same row
SHARE_FRESH = 0.045  # any word

# How a class turns down a word that was drawn, once; then the next draw counts.
DISLIKE_POWER = 4  # the higher, the fewer words are disliked strongly
DISLIKE_KNEE = 50.0  # words of lower ids are hardly disliked
LEAST_PURITY = 0.4
MISLEADING_ROWS = 0.04  # rows whose text speaks for any class, not for their label's

ROW = np.dtype(
    [
        ("seed", np.uint64),
        ("label", np.int64),
        ("theme", np.int64),  # the class that the text speaks for
        ("purity", np.float64),  # how strongly it does, in [0, 1)
        ("n_title", np.int64),
        ("n_body", np.int64),
        ("accented", np.bool_),
    ]
)

Compiled = TypeVar("Compiled", bound=Callable[..., Any])


def _compiled(function: Compiled) -> Compiled:
    """Compile a kernel that runs without the interpreter's lock."""
    return cast(Compiled, njit(cache=True, nogil=True)(function))


# ---- Random numbers: splitmix64 (Steele, Lea, Flood 2014), because each row has its own stream.

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_U8, _U11, _U16, _U27, _U30 = (np.uint64(n) for n in (8, 11, 16, 27, 30))
_U31, _U32, _U59 = (np.uint64(n) for n in (31, 32, 59))
_U15, _U63, _U255 = (np.uint64(n) for n in (15, 63, 255))  # masks


@_compiled
def _mix(x: np.uint64) -> np.uint64:
    x = (x ^ (x >> _U30)) * _MIX_1
    x = (x ^ (x >> _U27)) * _MIX_2
    mixed: np.uint64 = x ^ (x >> _U31)
    return mixed


@_compiled
def _unit(bits: np.uint64) -> float:
    """A number in [0, 1) from 64 random bits."""
    return float(bits >> _U11) * 2.0**-53


@_compiled
def _random(state: NDArray[np.uint64]) -> np.uint64:
    state[0] += _GOLDEN
    return _mix(state[0])


@_compiled
def _uniform(state: NDArray[np.uint64]) -> float:
    return _unit(_random(state))


@_compiled
def _hash(kind: int, a: int, b: int) -> float:
    """A number in [0, 1) that is a fixed function of three integers: a fact of the language."""
    return _unit(_mix(np.uint64(kind) * _MIX_2 + np.uint64(a) * _GOLDEN + np.uint64(b) * _MIX_1))


@_compiled
def _quantile(u: float, shift: float, knee: float) -> int:
    """The inverse of the words' law's distribution function, for u in [0, 1)."""
    y = math.exp((1.0 - u) * math.log(shift / knee))
    return int(min((y * knee - shift) / (1.0 - y), MAX_ID))


# ---- The language.

_SUCCESSOR, _LEXICON, _DISLIKED, _PHRASE = 1, 2, 3, 4  # and above: the phrases of classes


@_compiled
def _word(u: float) -> int:
    return _quantile(u, WORD_SHIFT, WORD_KNEE)


@_compiled
def _successor(word: int, u: float) -> int:
    return _word(_hash(_SUCCESSOR, word, _quantile(u, NEXT_SHIFT, NEXT_KNEE)))


@_compiled
def _dislike(word: int, theme: int) -> float:
    """The probability that a text of a class turns this word down.

    Each class dislikes words of its own, most of them hardly, few strongly, and the most
    frequent ones the least.
    """
    return _hash(_DISLIKED, word, theme) ** DISLIKE_POWER * word / (word + DISLIKE_KNEE)


@_compiled
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


@_compiled
def _compose(row: Any, state: NDArray[np.uint64], words: NDArray[np.int64]) -> None:
    """Fill `words` with a row's word ids, title first."""
    for i in range(words.size):
        source = _uniform(state)
        word = _next_word(source, _uniform(state), row, words, i)
        if _uniform(state) < row.purity * _dislike(word, row.theme):
            word = _next_word(source, _uniform(state), row, words, i)
        words[i] = word


# ---- Spelling: consonants and vowels alternate, so that distinct ids have distinct spellings.

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
_MAX_WORD_BYTES = 64  # the longest spelling, accented, with everything that may surround it


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


def _spelling_table() -> NDArray[np.uint8]:
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


@_compiled
def _put(piece: NDArray[np.uint8], out: NDArray[np.uint8], at: int) -> int:
    for letter in piece:
        out[at] = letter
        at += letter != 0
    return at


@_compiled
def _put_syllable(bits: int, out: NDArray[np.uint8], at: int) -> int:
    at = _put(_LONG_ONSETS[bits & 15], out, at)
    return _put(_LONG_VOWELS[bits >> 4 & 7], out, at)


@_compiled
def _put_number(number: int, out: NDArray[np.uint8], at: int) -> int:
    n_digits = 1
    while 10**n_digits <= number:
        n_digits += 1
    for k in range(n_digits - 1, -1, -1):
        out[at + k] = 48 + number % 10
        number //= 10
    return at + n_digits


@_compiled
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


@_compiled
def _put_spelling(word: int, table: NDArray[np.uint8], out: NDArray[np.uint8], at: int) -> int:
    """Write a word, lower case ASCII."""
    if word & _NUMBER_MASK == _NUMBER_BITS:
        return _put_number(word, out, at)
    if word >= _TABLE_WORDS:
        return _put_long(word, out, at)
    for k in range(_SLOT):  # the whole slot: a copy of fixed size is a single instruction
        out[at + k] = table[word, k]
    end: int = at + table[word, _SLOT - 1]
    return end


_QUOTE = ord('"')

# ---- The text: sentences, punctuation, the fields of a row.


@_compiled
def _accent(letter: int) -> int:
    """The second byte in UTF-8 of a vowel with its accent (the first is 0xC3), or 0."""
    if letter == ord("e"):
        return 0xA9
    if letter == ord("a"):
        return 0xA0
    if letter == ord("o"):
        return 0xB6
    return 0


@_compiled
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


@_compiled
def _put_quotes(out: NDArray[np.uint8], at: int) -> int:
    """A quotation mark inside a quoted field."""
    out[at], out[at + 1] = _QUOTE, _QUOTE
    return at + 2


@_compiled
def _put_apostrophe(accented: bool, out: NDArray[np.uint8], at: int) -> int:
    """An apostrophe and "s"; the typographer's apostrophe where there are accents."""
    if accented:
        out[at], out[at + 1], out[at + 2] = 0xE2, 0x80, 0x99
        at += 2
    else:
        out[at] = ord("'")
    out[at + 1] = ord("s")
    return at + 2


@_compiled
def _terminal(bits: np.uint64) -> int:
    kind = bits & _U15
    if kind == 0:
        return ord("!")
    return ord("?") if kind == 1 else ord(".")


@_compiled
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
        bits = _random(state)
        quoted = bits & _U255 == 0
        if quoted:
            at = _put_quotes(out, at)
        start = at
        at = _put_spelling(words[i], table, out, at)
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


@_compiled
def _put_separator(out: NDArray[np.uint8], at: int) -> int:
    out[at], out[at + 1], out[at + 2] = _QUOTE, ord(","), _QUOTE
    return at + 3


@_compiled
def _put_row(row: Any, table: NDArray[np.uint8], out: NDArray[np.uint8], at: int) -> int:
    state = np.empty(1, np.uint64)
    state[0] = row.seed
    words = np.empty(row.n_title + row.n_body, np.int64)
    _compose(row, state, words)
    out[at] = _QUOTE
    at = _put_number(row.label + 1, out, at + 1)
    at = _put_separator(out, at)
    at = _put_text(words[: row.n_title], row.accented, state, table, out, at)
    at = _put_separator(out, at)
    at = _put_text(words[row.n_title :], row.accented, state, table, out, at)
    out[at], out[at + 1] = _QUOTE, ord("\n")
    return at + 2


@_compiled
def _put_rows(rows: NDArray[Any], table: NDArray[np.uint8], out: NDArray[np.uint8]) -> int:
    """Write rows as lines of CSV and return the number of bytes."""
    at = 0
    for i in range(rows.size):
        at = _put_row(rows[i], table, out, at)
    return at


# ---- Blocks of rows, in order, on several threads.


def _draw_rows(entropy: list[int], n_classes: int, mean_words: float) -> NDArray[Any]:
    """What is drawn once a row, for one block: (BLOCK_ROWS,) ROW."""
    rng = np.random.default_rng(entropy)
    rows = np.empty(BLOCK_ROWS, ROW)
    rows["seed"] = rng.integers(2**64, size=BLOCK_ROWS, dtype=np.uint64)
    rows["label"] = rng.integers(n_classes, size=BLOCK_ROWS)
    other = rng.integers(n_classes, size=BLOCK_ROWS)
    misleading = rng.random(BLOCK_ROWS) < MISLEADING_ROWS
    rows["theme"] = np.where(misleading, other, rows["label"])
    rows["purity"] = rng.uniform(LEAST_PURITY, 1.0, BLOCK_ROWS)
    has_title = rng.random(BLOCK_ROWS) < 0.5
    rows["n_title"] = has_title * rng.integers(1, MAX_TITLE_WORDS + 1, size=BLOCK_ROWS)
    median = mean_words * math.exp(-(LENGTH_SIGMA**2) / 2)
    body = median * np.exp(LENGTH_SIGMA * rng.standard_normal(BLOCK_ROWS))
    rows["n_body"] = np.clip(np.rint(body), MIN_WORDS, mean_words * MAX_LENGTH_RATIO)
    rows["accented"] = rng.random(BLOCK_ROWS) < ACCENTED_ROWS
    return rows


@dataclasses.dataclass(frozen=True)
class Corpus:
    """A corpus without its number of rows: rows i of equal corpora are the same bytes."""

    seed: int = 0
    n_classes: int = 2
    mean_words: float = 75.0

    def __post_init__(self) -> None:
        if not 2 <= self.n_classes <= MAX_CLASSES:
            raise ValueError(
                f"the number of classes is {self.n_classes}, expected 2 to {MAX_CLASSES}"
            )
        if not MIN_WORDS <= self.mean_words <= MAX_MEAN_WORDS:
            raise ValueError(
                f"the mean words a row are {self.mean_words}, "
                f"expected {MIN_WORDS} to {MAX_MEAN_WORDS}"
            )
        if self.seed < 0:
            raise ValueError(f"the seed is {self.seed}, expected 0 or more")

    def blocks(self, n_rows: int, *, n_threads: int | None = None) -> Iterator[memoryview]:
        """Yield the first `n_rows` rows as lines of CSV, BLOCK_ROWS at a time, in order.

        Memory: a few blocks a thread, whatever the number of rows.
        """
        if n_rows < 0:
            raise ValueError(f"the number of rows is {n_rows}, expected 0 or more")
        if n_threads is None:
            n_threads = os.cpu_count() or 1
        if n_threads < 1:
            raise ValueError(f"the number of threads is {n_threads}, expected 1 or more")
        table = _spelling_table()
        sizes = (min(BLOCK_ROWS, n_rows - start) for start in range(0, n_rows, BLOCK_ROWS))
        pending: collections.deque[concurrent.futures.Future[memoryview]] = collections.deque()
        with concurrent.futures.ThreadPoolExecutor(n_threads) as pool:
            for block, size in enumerate(sizes):
                pending.append(pool.submit(self._block, block, size, table))
                if len(pending) > n_threads + 1:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()

    def _block(self, block: int, n_rows: int, table: NDArray[np.uint8]) -> memoryview:
        rows = _draw_rows([self.seed, block], self.n_classes, self.mean_words)[:n_rows]
        n_words = int(rows["n_title"].sum() + rows["n_body"].sum())
        out = np.empty((n_words + n_rows) * _MAX_WORD_BYTES, np.uint8)
        return out.data[: _put_rows(rows, table, out)]


def write_corpus(
    path: str | os.PathLike[str],
    n_rows: int,
    *,
    seed: int = 0,
    n_classes: int = 2,
    mean_words: float = 75.0,
    n_threads: int | None = None,
) -> int:
    """Write `n_rows` rows to the file at `path`, "-" for standard output; return the bytes."""
    corpus = Corpus(seed, n_classes, mean_words)
    n_bytes = 0
    with _output(path) as file:
        for block in corpus.blocks(n_rows, n_threads=n_threads):
            n_bytes += file.write(block)
        file.flush()
    return n_bytes


@contextlib.contextmanager
def _output(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A file that is complete or absent; standard output, a device or a pipe as it is."""
    target = Path(path)
    if str(path) == "-":
        yield sys.stdout.buffer
    elif target.exists() and not target.is_file():
        with target.open("wb") as file:
            yield file
    else:
        partial = target.with_name(f"{target.name}.partial")
        try:
            with partial.open("wb") as file:
                yield file
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)


# ---- Statistics of any corpus in this layout.

_TOKEN = re.compile(r"(?u)\b\w\w+\b")  # scikit-learn's
_CURVE = (10**5, 10**6, 5 * 10**6, 2 * 10**7, 10**8)  # tokens at which types are counted
_RANKS = (1, 10, 100, 1000, 10_000)
_TRAIN_ROWS = (1000, 5000, 15_000, 50_000)
_N_HELD_OUT = 10_000
_N_SELECTED = 20_000


def _read_rows(path: str) -> Iterator[tuple[str, str]]:
    """Yield label and text, the text columns joined by ", " as the converter does."""
    csv.field_size_limit(2**31 - 1)  # the module's own limit is 128 KiB, which long rows exceed
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8", newline="") as file:
        for label, *texts in csv.reader(file):
            yield label, ", ".join(filter(None, texts))


@dataclasses.dataclass(frozen=True)
class Tokens:
    """A corpus as numbers.

    words: (n_tokens,) int32, ids in order of first appearance; rows: (n_tokens,) int32.
    """

    words: NDArray[np.int32]
    rows: NDArray[np.int32]
    n_letters: int
    n_characters: int

    def bigrams(self, n_tokens: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """The pairs of neighbours in the same row among the first tokens, and their rows."""
        words = self.words[:n_tokens].astype(np.int64)
        rows = self.rows[:n_tokens]
        same_row = rows[1:] == rows[:-1]
        return (words[:-1] << 32 | words[1:])[same_row], rows[1:][same_row]


def read_tokens(path: str, max_tokens: int) -> Tokens:
    """The tokens of whole rows until there are `max_tokens`; memory: 8 bytes a token."""
    ids: dict[str, int] = {}
    words, lengths = array.array("i"), array.array("i")
    n_letters = n_characters = 0
    for _, text in _read_rows(path):
        tokens = _TOKEN.findall(text.lower())
        words.extend(ids.setdefault(token, len(ids)) for token in tokens)
        lengths.append(len(tokens))
        n_letters += sum(map(len, tokens))
        n_characters += len(text)
        if len(words) >= max_tokens:
            break
    rows = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    return Tokens(np.array(words, np.int32), rows, n_letters, n_characters)


def _kept_and_pairs(grams: NDArray[Any], rows: NDArray[np.int32]) -> tuple[int, int]:
    """The grams found in two rows or more, and the distinct (row, gram) pairs."""
    order = np.lexsort((rows, grams))
    grams, rows = grams[order], rows[order]
    new_gram = np.append(True, grams[1:] != grams[:-1])
    new_pair = new_gram | np.append(True, rows[1:] != rows[:-1])
    frequencies = np.add.reduceat(new_pair, np.flatnonzero(new_gram), dtype=np.int64)
    return int((frequencies >= 2).sum()), int(new_pair.sum())


def statistics(tokens: Tokens) -> dict[str, str]:
    """What describes a corpus, by name.  Memory: some 40 bytes a token."""
    lengths = np.bincount(tokens.rows)
    n_tokens, n_rows = tokens.words.size, lengths.size
    table = {
        "rows read": f"{n_rows:,}",
        "tokens read": f"{n_tokens:,}",
        "characters a row": f"{tokens.n_characters / n_rows:,.0f}",
        "letters a token": f"{tokens.n_letters / n_tokens:.2f}",
        "tokens a row, mean": f"{lengths.mean():.1f}",
        "tokens a row, percentiles 5, 50, 95": ", ".join(
            f"{q:.0f}" for q in np.percentile(lengths, [5, 50, 95])
        ),
    }
    for n in _CURVE:
        if n <= n_tokens:
            table |= _types(f"{n:,} tokens", tokens.words[:n], tokens.bigrams(n)[0])
    bigrams, bigram_rows = tokens.bigrams(n_tokens)
    table |= _types("all tokens", tokens.words, bigrams)
    counts = np.sort(np.bincount(tokens.words))[::-1]
    for rank in _RANKS:
        if rank <= counts.size:
            table[f"the word of rank {rank:,}, a million tokens"] = (
                f"{counts[rank - 1] / n_tokens * 1e6:,.1f}"
            )
    kept_words, word_pairs = _kept_and_pairs(tokens.words, tokens.rows)
    kept_bigrams, bigram_pairs = _kept_and_pairs(bigrams, bigram_rows)
    table["distinct words a row"] = f"{word_pairs / n_rows:.1f}"
    table["distinct words and bigrams a row"] = f"{(word_pairs + bigram_pairs) / n_rows:.1f}"
    table["words in two rows or more"] = f"{kept_words:,}"
    table["bigrams in two rows or more"] = f"{kept_bigrams:,}"
    return table


def _types(name: str, words: NDArray[np.int32], bigrams: NDArray[np.int64]) -> dict[str, str]:
    """Distinct words and bigrams, and the share of each that occurs once."""
    table: dict[str, str] = {}
    for kind, grams in (("words", words), ("bigrams", bigrams)):
        counts = np.unique(grams, return_counts=True)[1]
        table[f"distinct {kind} in {name}"] = f"{counts.size:,}"
        table[f"of these found once, {name}, {kind}"] = f"{(counts == 1).mean():.3f}"
    return table


def learnability(path: str) -> dict[str, str]:
    """How well a linear model does on n-grams, by train rows.  Needs scikit-learn.

    The first rows of a seeded shuffle are held out.  Memory: the whole corpus.
    """
    labels, texts = (np.array(column) for column in zip(*_read_rows(path), strict=True))
    order = np.random.default_rng(0).permutation(labels.size)[: _N_HELD_OUT + max(_TRAIN_ROWS)]
    test, train = order[:_N_HELD_OUT], order[_N_HELD_OUT:]
    table: dict[str, str] = {}
    for n in _TRAIN_ROWS:
        if n <= train.size:
            rows = train[:n]
            scores = _accuracies(texts[rows], labels[rows], texts[test], labels[test])
            table |= {f"{name}, {n:,} train rows": score for name, score in scores.items()}
    return table


def _accuracies(
    train_texts: NDArray[Any],
    train_labels: NDArray[Any],
    test_texts: NDArray[Any],
    test_labels: NDArray[Any],
) -> dict[str, str]:
    # Here, because neither the generator nor the counts should need scikit-learn.
    from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: PLC0415
    from sklearn.feature_selection import f_classif  # noqa: PLC0415
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415

    vectorizer = TfidfVectorizer(ngram_range=(1, 2), min_df=2)
    train, test = vectorizer.fit_transform(train_texts), vectorizer.transform(test_texts)
    selected = np.argsort(-np.nan_to_num(f_classif(train, train_labels)[0]))[:_N_SELECTED]
    is_word = np.array([" " not in term for term in vectorizer.get_feature_names_out()])

    def accuracy(columns: NDArray[Any]) -> str:
        model = LogisticRegression(C=2.0, max_iter=200)
        model.fit(train[:, columns], train_labels)
        return f"{model.score(test[:, columns], test_labels):.3f}"

    return {
        "accuracy on words": accuracy(np.flatnonzero(is_word)),
        "accuracy on words and bigrams": accuracy(np.arange(is_word.size)),
        f"accuracy on the best {_N_SELECTED:,}": accuracy(selected),
        "values a test row in these": f"{test[:, selected].nnz / test.shape[0]:.1f}",
    }


def _markdown(tables: dict[str, dict[str, str]]) -> str:
    """One row a statistic, one column a file."""
    names = dict.fromkeys(name for table in tables.values() for name in table)
    lines = [["", *tables], ["---", *("---:" for _ in tables)]]
    lines += [[name, *(table.get(name, "–") for table in tables.values())] for name in names]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


# ---- The command.


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.corpus",
        description="Write labelled text like real reviews, or describe files of such text.",
        epilog="example: python -m benchmarks.corpus reviews.csv --rows 400000",
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="the output, - for standard")
    parser.add_argument("--rows", type=int, metavar="N", help="rows to write")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="which rows (0)")
    parser.add_argument("--classes", type=int, default=2, metavar="K", help="classes (2)")
    parser.add_argument("--words", type=float, default=75.0, metavar="N", help="mean body (75)")
    parser.add_argument("--threads", type=int, metavar="N", help="threads (one a core)")
    parser.add_argument("--statistics", action="store_true", help="describe the FILEs instead")
    parser.add_argument("--learn", action="store_true", help="with accuracies (scikit-learn)")
    parser.add_argument(
        "--tokens", type=int, default=10**7, metavar="N", help="describe so many (10,000,000)"
    )
    return parser


def _describe(options: argparse.Namespace) -> None:
    tables = {}
    for path in options.files:
        tables[Path(path).name] = statistics(read_tokens(path, options.tokens))
        if options.learn:
            tables[Path(path).name] |= learnability(path)
    print(_markdown(tables))


def _generate(options: argparse.Namespace) -> None:
    start = time.perf_counter()
    n_bytes = write_corpus(
        options.files[0],
        options.rows,
        seed=options.seed,
        n_classes=options.classes,
        mean_words=options.words,
        n_threads=options.threads,
    )
    seconds = time.perf_counter() - start
    print(
        f"{options.rows:,} rows, {n_bytes / 1e6:,.1f} MB in {seconds:.2f} s "
        f"({n_bytes / 1e6 / seconds:,.0f} MB/s)",
        file=sys.stderr,
    )


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if not options.statistics and (options.rows is None or len(options.files) != 1):
        parser.error("writing takes one FILE and --rows N; to describe files add --statistics")
    try:
        _describe(options) if options.statistics else _generate(options)
    except (OSError, ValueError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
