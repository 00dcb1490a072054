"""Selected terms found in text by their hashes, their strings learned on the way (`strings`)."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ooc_train.conversion.grams import chain_hash, nonzero
from ooc_train.conversion.intrinsics import load_word, low_bytes
from ooc_train.conversion.strings import HashCollision, LearnedStrings, same_string
from ooc_train.conversion.table import Table, find, index_table
from ooc_train.conversion.tokens import JOINTS, Tokens
from ooc_train.jit import kernel

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
        """The terms of each row.  Memory: 16 bytes for each n-gram.

        Raises ``HashCollision`` where a term has two strings.
        """
        n_most = len(tokens.hashes) * (self._ngrams[1] - self._ngrams[0] + 1) + 1
        hashes, bounds = np.empty(n_most, np.uint64), np.empty((n_most, 2), np.int32)
        hit_offsets = np.zeros(len(tokens.offsets), np.int64)
        n_hits = _find_hits(
            tokens.hashes, tokens.offsets, *self._ngrams, self._filter, hashes, bounds, hit_offsets
        )
        terms, counts = np.empty(n_hits, np.int32), np.empty(n_hits, np.int32)
        match_offsets = np.zeros(len(tokens.offsets), np.int64)
        new = np.empty((3, self.n_terms), np.int32)
        known = self._learned.known
        n, n_new = _match(
            tokens.text, tokens.starts, tokens.stops, hashes, bounds, hit_offsets,
            len(self._joint), self._table, known.pool, known.starts, known.lengths, terms, counts,
            match_offsets, new,
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
def _find_hits(
    tokens: Hashes,
    token_offsets: Offsets,
    shortest: int,
    longest: int,
    bits: npt.NDArray[np.uint64],
    hashes: Hashes,
    bounds: Ints,
    hit_offsets: Offsets,
) -> int:
    """The n-grams that pass the filter: hashes, first and last tokens; how many there are.

    Without a branch on whether one passes, which a processor could not foresee: hence the arrays
    have room for one more than all.
    """
    n = 0
    for row in range(len(token_offsets) - 1):
        stop = token_offsets[row + 1]
        for first in range(token_offsets[row], stop):
            value = tokens[first]
            for last in range(first, min(first + longest, stop)):
                if last > first:
                    value = chain_hash(value, tokens[last])
                if last - first + 1 >= shortest:
                    hashes[n], bounds[n, 0], bounds[n, 1] = nonzero(value), first, last
                    n += np.int64(_passes(bits, hashes[n]))
        hit_offsets[row + 1] = n
    return n


@kernel
def _match(
    text: Bytes,
    starts: Ints,
    stops: Ints,
    hashes: Hashes,
    bounds: Ints,
    hit_offsets: Offsets,
    joint: int,
    index: Table,
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
    seen_at = np.full(len(known_lengths), -1, np.int64)
    new_at = np.full(len(known_lengths), -1, np.int64)
    for row in range(len(hit_offsets) - 1):
        row_begin = n
        for i in range(hit_offsets[row], hit_offsets[row + 1]):
            entry = find(index, hashes[i])
            if index[2 * entry] == 0:
                continue
            term = np.int64(index[2 * entry + 1])
            first, last = np.int64(bounds[i, 0]), np.int64(bounds[i, 1])
            if known_lengths[term] > 0:
                at, length = np.int64(known_starts[term]), np.int64(known_lengths[term])
                same = _is_string(text, starts, stops, first, last, joint, pool, at, length)
            elif new_at[term] < 0:
                new_at[term] = n_new
                new[0, n_new], new[1, n_new], new[2, n_new] = term, first, last
                n_new += 1
                same = True
            else:
                other_first, other_last = new[1, new_at[term]], new[2, new_at[term]]
                same = _are_same(text, starts, stops, first, last, other_first, other_last)
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
        start = np.int64(starts[t])
        width = np.int64(stops[t]) - start
        if width > end - at:
            return False
        k = 0  # eight bytes at a time, and not by same_string: here a call shows
        while k + 8 < width:
            if load_word(text, start + k) != load_word(pool, at + k):
                return False
            k += 8
        differing = load_word(text, start + k) ^ load_word(pool, at + k)
        if low_bytes(differing, width - k) != 0:
            return False
        at += width
        if t < last:
            if joint and pool[at] != _SPACE:
                return False
            at += joint
    return at == end


@kernel
def _are_same(
    text: Bytes, starts: Ints, stops: Ints, first: int, last: int, other_first: int, other_last: int
) -> bool:
    """Whether two n-grams of one text have the same tokens."""
    if last - first != other_last - other_first:
        return False
    for i in range(last - first + 1):
        t, other = first + i, other_first + i
        length = stops[t] - starts[t]
        if length != stops[other] - starts[other]:
            return False
        if not same_string(text, starts[t], text, starts[other], length):
            return False
    return True
