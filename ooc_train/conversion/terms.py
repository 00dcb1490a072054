"""Selected terms found in text by their hashes, their strings learned on the way (`strings`)."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ooc_train.conversion.grams import MAX_NGRAM, chain_hash, nonzero
from ooc_train.conversion.jit import kernel
from ooc_train.conversion.strings import HashCollision, LearnedStrings, same_string
from ooc_train.conversion.table import Table, find, index_table
from ooc_train.conversion.tokens import JOINTS, Tokens

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

    def __init__(self, hashes: Hashes, ngrams: tuple[int, int], analyzer: str) -> None:
        self.n_terms = len(hashes)
        self._ngrams = ngrams
        self._joint = JOINTS[analyzer]
        self._table = index_table(hashes)
        self._filter = _hash_filter(hashes)
        self._learned = LearnedStrings(len(hashes))

    def match(self, tokens: Tokens) -> Matches:
        """The terms of each row.  Memory: 8 bytes for each match.

        Raises ``HashCollision`` where a term has two strings.
        """
        capacity = len(tokens.hashes) * (self._ngrams[1] - self._ngrams[0] + 1)
        terms, counts = np.empty(capacity, np.int32), np.empty(capacity, np.int32)
        match_offsets = np.zeros(len(tokens.offsets), np.int64)
        new = np.empty((3, self.n_terms), np.int32)
        known = self._learned.known
        n, n_new = _match(
            *tokens[:5], *self._ngrams, len(self._joint), self._table, self._filter,
            known.pool, known.starts, known.lengths, terms, counts, match_offsets, new,
        )  # fmt: skip
        if n < 0:
            raise HashCollision
        self._learned.learn((term, self._string(tokens, *at)) for term, *at in new[:, :n_new].T)
        return Matches(terms[:n], counts[:n], match_offsets)

    def _string(self, tokens: Tokens, first: int, last: int) -> bytes:
        """The string of the n-gram of two tokens and those between them."""
        bounds = zip(tokens.starts[first : last + 1], tokens.stops[first : last + 1], strict=True)
        return self._joint.join(tokens.text[start:stop].tobytes() for start, stop in bounds)

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
    tokens: Hashes,
    starts: Ints,
    stops: Ints,
    token_offsets: Offsets,
    shortest: int,
    longest: int,
    joint: int,
    index: Table,
    bits: npt.NDArray[np.uint64],
    pool: Bytes,
    known_starts: Ints,
    known_lengths: Ints,
    terms: Ints,
    counts: Ints,
    match_offsets: Offsets,
    new: Ints,
) -> tuple[int, int]:
    """Matches found and how many terms were new; -1 for the first where a term has two strings.

    ``joint`` is the length of what joins tokens; ``new`` (3, n_terms) takes the new terms with the
    numbers of their first and last tokens.
    """
    n = n_new = 0
    chain = np.zeros(MAX_NGRAM + 1, np.uint64)
    seen_at = np.full(len(known_lengths), -1, np.int64)
    new_at = np.full(len(known_lengths), -1, np.int64)
    for row in range(len(token_offsets) - 1):
        row_begin = n
        for t in range(token_offsets[row], token_offsets[row + 1]):
            most = min(longest, t - token_offsets[row] + 1)
            for k in range(most, 1, -1):
                chain[k] = chain_hash(chain[k - 1], tokens[t])
            chain[1] = tokens[t]
            for k in range(shortest, most + 1):
                value = nonzero(chain[k])
                if not _passes(bits, value):
                    continue
                entry = find(index, value)
                if index[2 * entry] == 0:
                    continue
                term, first = np.int64(index[2 * entry + 1]), t - k + 1
                if known_lengths[term] > 0:
                    at, length = known_starts[term], known_lengths[term]
                    same = _is_string(text, starts, stops, first, t, joint, pool, at, length)
                elif new_at[term] < 0:
                    new_at[term] = n_new
                    new[0, n_new], new[1, n_new], new[2, n_new] = term, first, t
                    n_new += 1
                    same = True
                else:
                    other, last = new[1, new_at[term]], new[2, new_at[term]]
                    same = last - other == t - first
                    for i in range(min(last - other, t - first) + 1):
                        length = stops[first + i] - starts[first + i]
                        same = same and length == stops[other + i] - starts[other + i]
                        same = same and same_string(
                            text, starts[first + i], text, starts[other + i], length
                        )
                if not same:
                    return -1, 0
                if seen_at[term] < row_begin:
                    terms[n], counts[n] = term, 0
                    seen_at[term] = n
                    n += 1
                counts[seen_at[term]] += 1
        match_offsets[row + 1] = n
    return n, n_new


@kernel
def _is_string(
    text: Bytes,
    starts: Ints,
    stops: Ints,
    first: int,
    last: int,
    joint: int,
    pool: Bytes,
    at: int,
    length: int,
) -> bool:
    """Whether the n-gram of some tokens is the string of ``length`` bytes of ``pool`` at ``at``."""
    end = at + length
    for t in range(first, last + 1):
        if t > first and joint:
            if at >= end or pool[at] != _SPACE:
                return False
            at += joint
        width = stops[t] - starts[t]
        if width > end - at or not same_string(text, starts[t], pool, at, width):
            return False
        at += width
    return at == end
