"""Numbers for tokens, by their strings: equal numbers are equal strings for certain.

Text is an endless list of new words, most of which come once.  So only the words of the first rows
are numbered, as many as memory allows.  All other tokens are *unlisted*, and so are very long ones:
they have no number, and go by their hashes and strings.  Nothing in a result depends on which words
are listed.

The cost is one look-up for each token, about as long as splitting the text took.  The gain: a token
takes 2 bytes on the disk, where its hash took 8; whatever is counted or looked up later is an item
of an array, not of a hash table; and a number stands for a string, so that the strings of listed
words need not be compared again.  See ``token_file`` for the rest.

An entry of the table is four uint64: the token's hash, 0 where free; its number and its length, two
halves; and its first 16 bytes.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ooc_train.conversion.storage.job import DiskArray, forget, once_a_process
from ooc_train.conversion.text.collisions import HashCollision
from ooc_train.conversion.text.tokens import Tokens
from ooc_train.dtypes import I32, I64, U8, U64
from ooc_train.intrinsics import PADDING, copy_bytes, load_word, low_bytes, prefetch
from ooc_train.jit import kernel

UNLISTED = -1
LONGEST = 256
_ENTRY_ITEMS = 4
_AHEAD = 16  # tokens from fetching a table entry to using it
_FIRST_WORDS = 256
_POOL_BYTES_A_WORD = 8
# A table entry is used by half, and there is an array twice as large while it is copied.
_BYTES_A_WORD = 3 * (2 * 8 * _ENTRY_ITEMS + _POOL_BYTES_A_WORD + 16) // 2


class _Entries(NamedTuple):
    """The table; and by number: strings in ``pool`` from one bound to the next, and hashes."""

    table: U64
    pool: U8
    bounds: I64
    hashes: U64


class Listed(NamedTuple):
    """The tokens of a dictionary by their numbers: hashes, and strings ``pool[bounds[i]:...]``."""

    hashes: U64
    pool: U8
    bounds: I64

    def string(self, number: int) -> bytes:
        """The string of a token."""
        return self.pool[self.bounds[number] : self.bounds[number + 1]].tobytes()

    def as_tokens(self, order: I64 | slice = slice(None)) -> Tokens:
        """The tokens, as those of a row, in an order."""
        bounds = self.bounds.astype(np.int32)
        starts, stops, offsets = bounds[:-1], bounds[1:], np.array([0, len(self.hashes)])
        return Tokens(self.pool, self.hashes[order], starts[order], stops[order], offsets, 0)


class Dictionary:
    """Numbers tokens of up to ``longest`` bytes from 0, in up to ``max_bytes`` of memory."""

    def __init__(self, max_bytes: int, longest: int = LONGEST) -> None:
        self._longest = longest
        self._max_words = max_bytes // _BYTES_A_WORD
        self._entries = _empty_entries(min(_FIRST_WORDS, (self._max_words + 1) // 2))
        self._n = 0
        self.is_full = self._max_words == 0

    def number(self, tokens: Tokens) -> I32:
        """Each token's number, (n_tokens,) int32, ``UNLISTED`` for tokens that have none.

        New tokens are numbered while there is memory.  Raises ``HashCollision`` where two tokens
        have one hash.
        """
        numbers = np.full(len(tokens.hashes), UNLISTED, np.int32)
        token = 0
        while token < len(numbers):
            room = 0 if self.is_full else len(self._entries.hashes)
            token, self._n = _numbered(
                tokens, token, numbers, self._entries, self._n, room, self._longest
            )
            if token < len(numbers) and 2 * len(self._entries.hashes) > self._max_words:
                self.is_full = True
            elif token < len(numbers):
                self._entries = self._grown()
        return numbers

    def listed(self) -> Listed:
        """All tokens numbered so far."""
        _, pool, bounds, hashes = self._entries
        return Listed(hashes[: self._n], pool, bounds[: self._n + 1])

    def number_by(self, counts: I64) -> None:
        """Number the tokens anew, those with the highest of ``counts`` (n_tokens,) first."""
        tokens = self.listed().as_tokens(np.argsort(-counts, kind="stable"))
        room = len(self._entries.hashes)
        self._entries = _empty_entries(room)
        numbers = np.full(self._n, UNLISTED, np.int32)
        _, self._n = _numbered(tokens, 0, numbers, self._entries, 0, room, self._longest)

    def frozen(self, folder: Path) -> "WordList":
        """The tokens numbered so far, in files in ``folder``."""
        return WordList(
            DiskArray.of(folder / "words-table", self._entries.table),
            DiskArray.of(folder / "words-pool", self._entries.pool),
            DiskArray.of(folder / "words-bounds", self._entries.bounds[: self._n + 1]),
            DiskArray.of(folder / "words-hashes", self._entries.hashes[: self._n]),
            self._longest,
        )

    def _grown(self) -> _Entries:
        """The entries with room for twice as many."""
        old, n = self._entries, self._n
        new = _empty_entries(2 * len(old.hashes))
        end = old.bounds[n]
        new.pool[:end], new.bounds[: n + 1] = old.pool[:end], old.bounds[: n + 1]
        new.hashes[:n] = old.hashes[:n]
        _copy_entries(old.table, new.table)
        return new


@dataclass(frozen=True)
class WordList:
    """A dictionary that no tokens are added to any more, in files.

    Each process loads it once.  Memory: that of the dictionary, of which the table is most; after
    `forget_table` only the rest.
    """

    table: DiskArray
    pool: DiskArray
    bounds: DiskArray
    hashes: DiskArray
    longest: int

    def __len__(self) -> int:
        return len(self.hashes)

    def number(self, tokens: Tokens) -> I32:
        """Each token's number, (n_tokens,) int32, ``UNLISTED`` for tokens that have none.

        Raises ``HashCollision`` where two tokens have one hash.
        """
        numbers = np.full(len(tokens.hashes), UNLISTED, np.int32)
        hashes, pool, bounds = self.listed()
        entries = _Entries(_table(self), pool, bounds, hashes)
        _numbered(tokens, 0, numbers, entries, len(self), 0, self.longest)
        return numbers

    def listed(self) -> Listed:
        """All tokens."""
        return _listed(self)

    def forget_table(self) -> None:
        """Give back the memory of the table; it is loaded again if more tokens are numbered."""
        forget(_table)


@once_a_process
def _table(words: WordList) -> U64:
    return words.table.read()


@once_a_process
def _listed(words: WordList) -> Listed:
    return Listed(words.hashes.read(), words.pool.read(), words.bounds.read())


def _numbered(
    tokens: Tokens,
    token: int,
    numbers: I32,
    entries: _Entries,
    n: int,
    room: int,
    longest: int,
) -> tuple[int, int]:
    """As ``_number``.  Raises ``HashCollision`` where two tokens have one hash."""
    text, hashes, starts, stops, *_ = tokens
    token, n = _number(text, hashes, starts, stops, token, numbers, *entries, n, room, longest)
    if token < 0:
        raise HashCollision
    return token, n


def _empty_entries(n_words: int) -> _Entries:
    n_entries = 1 << max(1, 2 * n_words - 1).bit_length()
    return _Entries(
        np.zeros(_ENTRY_ITEMS * n_entries, np.uint64),
        np.empty(_POOL_BYTES_A_WORD * n_words + PADDING, np.uint8),
        np.zeros(n_words + 1, np.int64),
        np.empty(n_words, np.uint64),
    )


@kernel
def _number(
    text: U8,
    hashes: U64,
    starts: I32,
    stops: I32,
    token: int,
    numbers: I32,
    table: U64,
    pool: U8,
    bounds: I64,
    listed_hashes: U64,
    n: int,
    room: int,
    longest: int,
) -> tuple[int, int]:
    """Number the tokens from ``token`` on that are ``UNLISTED``, new ones while ``n < room``.

    Without any ``room`` new tokens are passed over.  Returns the token to go on with where there is
    no room, -1 for a collision, and the new ``n``.  One function: a call a token would double its
    time.
    """
    mask = len(table) // _ENTRY_ITEMS - 1
    for t in range(token, len(numbers)):
        if numbers[t] != UNLISTED:
            # Numbered before the dictionary grew.
            continue
        expected = np.int64(hashes[min(t + _AHEAD, len(hashes) - 1)] & np.uint64(mask))
        prefetch(table, _ENTRY_ITEMS * expected)
        prefetch(table, _ENTRY_ITEMS * expected + _ENTRY_ITEMS - 1)
        value = hashes[t]
        entry = np.int64(value & np.uint64(mask))
        found = table[_ENTRY_ITEMS * entry]
        while (found != value) & (found != 0):
            entry = (entry + 1) & mask
            found = table[_ENTRY_ITEMS * entry]
        at = _ENTRY_ITEMS * entry
        start = np.int64(starts[t])
        length = stops[t] - start
        first = low_bytes(load_word(text, start), min(length, 8))
        second = np.uint64(0)
        if length > 8:
            second = low_bytes(load_word(text, start + 8), min(length - 8, 8))
        if found == 0:
            # A new token: it gets a number, unless it is too long or nothing is added any more.
            if room == 0 or length > longest:
                continue
            end = bounds[n]
            if n == room or end + length + PADDING > len(pool):
                return t, n
            copy_bytes(text, start, pool, end, length)
            bounds[n + 1], listed_hashes[n] = end + length, value
            table[at + 1] = (np.uint64(length) << np.uint64(32)) | np.uint64(n)
            table[at + 2], table[at + 3] = first, second
            table[at] = value
            numbers[t] = n
            n += 1
            continue
        # A known hash: most strings are compared by what lies beside it, without another fetch.
        number = np.int64(table[at + 1] & np.uint64(0xFFFFFFFF))
        same = np.int64(table[at + 1] >> np.uint64(32)) == length
        same &= (table[at + 2] == first) & (table[at + 3] == second)
        if length > 16 and same:
            same = _same_string(text, start + 16, pool, bounds[number] + 16, length - 16)
        if not same:
            return -1, n
        numbers[t] = number
    return len(numbers), n


@kernel
def _same_string(one: U8, start: int, other: U8, other_start: int, length: int) -> bool:
    """Whether two texts have the same ``length`` bytes, 1 or more, from their places on.

    Up to seven bytes behind them are read.
    """
    k = 0
    while k + 8 < length and load_word(one, start + k) == load_word(other, other_start + k):
        k += 8
    differing = load_word(one, start + k) ^ load_word(other, other_start + k)
    return k + 8 >= length and low_bytes(differing, length - k) == 0


@kernel
def _copy_entries(table: U64, larger: U64) -> None:
    mask = len(larger) // _ENTRY_ITEMS - 1
    for at in range(0, len(table), _ENTRY_ITEMS):
        if table[at] != 0:
            entry = np.int64(table[at] & np.uint64(mask))
            while larger[_ENTRY_ITEMS * entry] != 0:
                entry = (entry + 1) & mask
            for k in range(_ENTRY_ITEMS):
                larger[_ENTRY_ITEMS * entry + k] = table[at + k]
