"""Selected terms found in text by their hashes, their strings learned on the way (`strings`)."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ooc_train.conversion.folding import Folded, byte_tables
from ooc_train.conversion.grams import MAX_NGRAM, chain_hash, next_word, nonzero
from ooc_train.conversion.jit import kernel
from ooc_train.conversion.strings import HashCollision, LearnedStrings, same_string
from ooc_train.conversion.table import Table, find, index_table

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int32]
Offsets = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]

_SPACE = 32


class Matches(NamedTuple):
    """The terms of some rows: row ``i`` has ``terms[offsets[i]:offsets[i + 1]]``.

    Each term comes once a row, with its count there.
    """

    terms: Ints
    counts: Ints
    offsets: Offsets


class TermMatcher:
    """Finds terms in text by their hashes, and learns their strings on the way.

    Any number of threads may match.  Memory: some 100 bytes a term.
    """

    def __init__(self, hashes: Hashes, ngrams: tuple[int, int], seed: int) -> None:
        self.n_terms = len(hashes)
        self._ngrams = ngrams
        self._seed = np.uint64(seed)
        self._table = index_table(hashes)
        self._filter = _hash_filter(hashes)
        self._learned = LearnedStrings(len(hashes))

    def match(self, folded: Folded) -> Matches:
        """The terms of each row.  Memory: 16 bytes for each match and the text again.

        Raises ``HashCollision`` where a term has two strings.
        """
        text, offsets, kinds, _ = folded
        capacity = (len(text) + len(offsets)) // 3 + 1
        capacity *= self._ngrams[1] - self._ngrams[0] + 1
        terms, counts = np.empty(capacity, np.int32), np.empty(capacity, np.int32)
        match_offsets = np.zeros(len(offsets), np.int64)
        words = np.empty(len(text) + len(offsets), np.uint8)
        new = np.empty((3, self.n_terms), np.int32)
        known = self._learned.known
        n, n_new = _match(
            text, offsets, kinds, byte_tables(), *self._ngrams, self._seed, self._table,
            self._filter, known.pool, known.starts, known.lengths, words, terms, counts,
            match_offsets, new,
        )  # fmt: skip
        if n < 0:
            raise HashCollision
        if n_new:
            self._learned.learn(words, new[:, :n_new])
        return Matches(terms[:n], counts[:n], match_offsets)

    def strings(self) -> list[bytes]:
        """The terms' strings as UTF-8; empty for terms that were not seen."""
        return self._learned.strings()


def _hash_filter(hashes: Hashes) -> npt.NDArray[np.uint64]:
    """A bit for every value of some bits of a hash: most n-grams are no term, and end here.

    The bits are not those that address the table.  Size: 16 to 32 bits a term.
    """
    n_bits = 16 * max(64, 1 << (max(1, len(hashes)) - 1).bit_length())
    bits = np.zeros(n_bits // 64, np.uint64)
    places = (hashes >> np.uint64(32)) & np.uint64(n_bits - 1)
    np.bitwise_or.at(bits, places >> np.uint64(6), np.uint64(1) << (places & np.uint64(63)))
    return bits


@kernel
def _passes(bits: npt.NDArray[np.uint64], value: np.uint64) -> bool:
    place = np.int64((value >> np.uint64(32)) & np.uint64(64 * len(bits) - 1))
    return bool((bits[place >> 6] >> np.uint64(place & 63)) & np.uint64(1))


@kernel
def _match(
    text: Bytes,
    offsets: Offsets,
    kinds: Bytes,
    tables: Bytes,
    shortest: int,
    longest: int,
    seed: np.uint64,
    index: Table,
    bits: npt.NDArray[np.uint64],
    pool: Bytes,
    known_starts: Ints,
    known_lengths: Ints,
    words: Bytes,
    terms: Ints,
    counts: Ints,
    match_offsets: Offsets,
    new: Ints,
) -> tuple[int, int]:
    """Matches found and how many terms were new; -1 for the first where a term has two strings.

    ``words`` takes the words of all rows, each followed by one space, so that an n-gram's string is
    a piece of it; ``new`` (3, n_terms) takes the new terms and the pieces that are their strings.
    """
    n = n_new = end = 0
    chain = np.zeros(MAX_NGRAM + 1, np.uint64)
    begin = np.zeros(MAX_NGRAM + 1, np.int64)
    seen_at = np.full(len(known_lengths), -1, np.int64)
    new_at = np.full(len(known_lengths), -1, np.int64)
    for row in range(len(offsets) - 1):
        stop, table = offsets[row + 1], tables[kinds[row]]
        n_words, row_begin = 0, n
        start, i, word = next_word(text, offsets[row], stop, table, seed)
        while i <= stop:
            n_words += 1
            for k in range(min(longest, n_words), 1, -1):
                chain[k], begin[k] = chain_hash(chain[k - 1], word), begin[k - 1]
            chain[1], begin[1] = word, end
            for k in range(start, i):
                words[end] = table[text[k]]
                end += 1
            words[end] = _SPACE
            end += 1
            for k in range(shortest, min(longest, n_words) + 1):
                value = nonzero(chain[k])
                if not _passes(bits, value):
                    continue
                entry = find(index, value)
                if index[2 * entry] == 0:
                    continue
                term = np.int64(index[2 * entry + 1])
                length = end - 1 - begin[k]
                if known_lengths[term] > 0:
                    same = length == known_lengths[term] and same_string(
                        words, begin[k], pool, known_starts[term], length
                    )
                elif new_at[term] < 0:
                    new_at[term] = n_new
                    new[0, n_new], new[1, n_new], new[2, n_new] = term, begin[k], end - 1
                    n_new += 1
                    same = True
                else:
                    first = new_at[term]
                    same = length == new[2, first] - new[1, first] and same_string(
                        words, begin[k], words, new[1, first], length
                    )
                if not same:
                    return -1, 0
                if seen_at[term] < row_begin:
                    terms[n], counts[n] = term, 0
                    seen_at[term] = n
                    n += 1
                counts[seen_at[term]] += 1
            start, i, word = next_word(text, i, stop, table, seed)
        match_offsets[row + 1] = n
    return n, n_new
