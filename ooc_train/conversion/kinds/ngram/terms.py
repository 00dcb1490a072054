"""Selected terms found among numbered tokens by their hashes, and their strings.

The first occurrence of a term's hash gives its tokens; every later one must have the same.  Where
it has not, two terms share a hash, and the fit is repeated with another seed: what is selected is
thus exact for certain, not with high probability.
"""

import sys
import threading
from typing import NamedTuple

import numpy as np

from ooc_train.conversion.kinds.ngram.dictionary import Dictionary, Listed
from ooc_train.conversion.kinds.ngram.grams import chain_hash
from ooc_train.conversion.text.analyzers import ANALYZERS
from ooc_train.conversion.text.collisions import HashCollision
from ooc_train.conversion.text.table import find, index_table
from ooc_train.conversion.text.tokens import Tokens, nonzero
from ooc_train.dtypes import I32, I64, U64, Bools
from ooc_train.jit import kernel


class Matches(NamedTuple):
    """The terms of some rows: row ``i`` has ``terms[offsets[i]:offsets[i + 1]]``.

    Each term comes once a row, with its count there.
    """

    terms: I32
    counts: I32
    offsets: I64


class Occurrences(NamedTuple):
    """The terms of some rows, in order, with repetitions.

    Row ``i`` has ``terms[offsets[i]:offsets[i + 1]]``.
    """

    terms: I32
    offsets: I64


class TermMatcher:
    """Finds terms among tokens, and learns their strings on the way.

    Terms are ``ngrams[0]`` to ``ngrams[1]`` tokens, known by their ``hashes``; ``listed`` are the
    tokens with numbers.  Any number of threads may match.  Memory: 4 bytes a listed token, and some
    100 bytes a term.

    Raises ``HashCollision`` where two terms have one hash.
    """

    def __init__(self, hashes: U64, ngrams: tuple[int, int], analyzer: str, listed: Listed) -> None:
        if len(np.unique(hashes)) < len(hashes):
            raise HashCollision
        self.n_terms = len(hashes)
        self._ngrams = ngrams
        self._joint = ANALYZERS[analyzer].joint
        self._listed = listed
        self._unlisted = Dictionary(sys.maxsize, longest=sys.maxsize)  # of those in terms alone
        self._table = index_table(hashes)
        self._filter = _hash_filter(hashes)
        self._lock = threading.Lock()
        # By term, the numbers of its tokens; unlisted ones are numbered behind the listed.
        self._tokens_of = np.full((len(hashes), ngrams[1]), -1, np.int32)
        self._term_of = np.full(len(listed.hashes), -1, np.int32)
        if ngrams[0] == 1:
            _find_listed(listed.hashes, self._table, self._term_of, self._tokens_of)

    def match(self, tokens: Tokens, numbers: I32) -> Matches:
        """The terms of each row, counted.  Memory: 8 bytes for each n-gram.

        Numbers are given to tokens that have none, if they are part of a term.  Raises
        ``HashCollision`` where a term has two strings.
        """
        self._number_unlisted(tokens, numbers)
        n_most = len(numbers) * (self._ngrams[1] - self._ngrams[0] + 1)
        terms, counts = np.empty(n_most, np.int32), np.empty(n_most, np.int32)
        offsets = np.zeros(len(tokens.offsets), np.int64)
        tokens_of = self._known_tokens()
        n = _match(
            tokens.hashes, numbers, tokens.offsets, *self._ngrams, self._term_of, self._filter,
            self._table, tokens_of, terms, counts, offsets,
        )  # fmt: skip
        if n < 0:
            raise HashCollision
        self._learn(tokens_of)
        return Matches(terms[:n], counts[:n], offsets)

    def find(self, tokens: Tokens, numbers: I32) -> Occurrences:
        """All occurrences of terms of one token.  Memory: 4 bytes for each token.

        As ``match``.
        """
        self._number_unlisted(tokens, numbers)
        terms, offsets = np.empty(len(numbers), np.int32), np.zeros(len(tokens.offsets), np.int64)
        tokens_of = self._known_tokens()
        n = _find_occurrences(
            tokens.hashes, numbers, tokens.offsets, self._term_of, self._table, tokens_of, terms,
            offsets,
        )  # fmt: skip
        if n < 0:
            raise HashCollision
        self._learn(tokens_of)
        return Occurrences(terms[:n], offsets)

    def strings(self) -> list[bytes]:
        """The terms' strings as UTF-8."""
        n_listed, unlisted = len(self._listed.hashes), self._unlisted.listed()
        strings = {
            number: self._listed.string(number)
            if number < n_listed
            else unlisted.string(number - n_listed)
            for number in np.unique(self._tokens_of).tolist()
            if number >= 0
        }
        return [
            self._joint.join([strings[number] for number in numbers if number >= 0])
            for numbers in self._tokens_of.tolist()
        ]

    def _number_unlisted(self, tokens: Tokens, numbers: I32) -> None:
        """Number those unlisted tokens that may be part of a term."""
        if not len(numbers) or numbers.min() >= 0:
            return
        in_terms = np.zeros(len(numbers), np.bool_)
        _mark_unlisted(
            tokens.hashes, numbers, tokens.offsets, *self._ngrams, self._filter, self._table,
            in_terms,
        )  # fmt: skip
        which = np.flatnonzero(in_terms)
        some = tokens._replace(
            hashes=tokens.hashes[which], starts=tokens.starts[which], stops=tokens.stops[which]
        )
        numbers[which] = self._unlisted.number(some) + len(self._listed.hashes)

    def _known_tokens(self) -> I32:
        """A copy of the terms' tokens as far as they are known, to learn more into."""
        with self._lock:
            return self._tokens_of.copy()

    def _learn(self, tokens_of: I32) -> None:
        """Add the terms' tokens that a block was the first to have, or compare them."""
        with self._lock:
            known, new = self._tokens_of[:, 0] >= 0, tokens_of[:, 0] >= 0
            if (tokens_of != self._tokens_of)[known & new].any():
                raise HashCollision  # another block was faster
            self._tokens_of[new] = tokens_of[new]


def _hash_filter(hashes: U64) -> U64:
    """A bit for every value of some bits of a hash: most n-grams are no term, and end here.

    The bits are not those that address the table.  Size: 16 to 32 bits a term.
    """
    n_bits = 16 * max(64, 1 << (max(1, len(hashes)) - 1).bit_length())
    bits = np.zeros(n_bits // 64, np.uint64)
    places = (hashes >> np.uint64(32)) & np.uint64(n_bits - 1)
    np.bitwise_or.at(bits, places >> np.uint64(6), np.uint64(1) << (places & np.uint64(63)))
    return bits


@kernel
def _passes(bits: U64, value: np.uint64) -> bool:
    place = np.int64((value >> np.uint64(32)) & np.uint64(64 * len(bits) - 1))
    return bool((bits[place >> 6] >> np.uint64(place & 63)) & np.uint64(1))


@kernel
def _find_listed(hashes: U64, table: U64, term_of: I32, tokens_of: I32) -> None:
    """The listed tokens that are terms."""
    for number in range(len(hashes)):
        entry = find(table, hashes[number])
        if table[2 * entry] != 0:
            term = np.int64(table[2 * entry + 1])
            term_of[number], tokens_of[term, 0] = term, number


@kernel
def _mark_unlisted(
    hashes: U64,
    numbers: I32,
    offsets: I64,
    shortest: int,
    longest: int,
    bits: U64,
    table: U64,
    in_terms: Bools,
) -> None:
    for row in range(len(offsets) - 1):
        for first in range(offsets[row], offsets[row + 1]):
            value = hashes[first]
            for last in range(first, min(first + longest, offsets[row + 1])):
                if last > first:
                    value = chain_hash(value, hashes[last])
                known = nonzero(value)
                if last - first + 1 < shortest or not _passes(bits, known):
                    continue
                if table[2 * find(table, known)] != 0:
                    for t in range(first, last + 1):
                        in_terms[t] |= numbers[t] < 0


@kernel
def _find_occurrences(
    hashes: U64,
    numbers: I32,
    offsets: I64,
    term_of: I32,
    table: U64,
    tokens_of: I32,
    terms: I32,
    term_offsets: I64,
) -> int:
    """The occurrences found; -1 where a term has two strings."""
    n = 0
    for row in range(len(offsets) - 1):
        for t in range(offsets[row], offsets[row + 1]):
            number, term = np.int64(numbers[t]), np.int64(-1)
            if number >= len(term_of):
                # Unlisted, and numbered since its hash is a term's: is it that term's token?
                term = np.int64(table[2 * find(table, hashes[t]) + 1])
                if tokens_of[term, 0] < 0:
                    tokens_of[term, 0] = number
                if tokens_of[term, 0] != number:
                    return -1
            elif number >= 0:
                term = np.int64(term_of[number])
            terms[n] = term  # without a branch on whether it is one
            n += np.int64(term >= 0)
        term_offsets[row + 1] = n
    return n


@kernel
def _match(
    hashes: U64,
    numbers: I32,
    offsets: I64,
    shortest: int,
    longest: int,
    term_of: I32,
    bits: U64,
    table: U64,
    tokens_of: I32,
    terms: I32,
    counts: I32,
    match_offsets: I64,
) -> int:
    """The matches found; -1 where a term has two strings.

    Of a row first the listed tokens that are terms and the n-grams that pass the filter, without a
    branch on whether one does, which a processor could not foresee; then those of the n-grams that
    are terms.  One function: a call a term would double its time.
    """
    seen_at = np.full(len(tokens_of), -1, np.int64)
    most = 1
    for row in range(len(offsets) - 1):
        most = max(most, (offsets[row + 1] - offsets[row]) * longest)
    passed, bounds = np.empty(most + 1, np.uint64), np.empty((most + 1, 2), np.int32)
    found = np.empty(most + 1, np.int32)
    n = 0
    for row in range(len(offsets) - 1):
        n_found = n_passed = 0
        stop = offsets[row + 1]
        for first in range(offsets[row], stop):
            value, number = hashes[first], np.int64(numbers[first])
            is_listed = 0 <= number < len(term_of)
            if shortest == 1 and is_listed:
                found[n_found] = term_of[number]
                n_found += np.int64(term_of[number] >= 0)
            elif shortest == 1:
                passed[n_passed], bounds[n_passed, 0], bounds[n_passed, 1] = value, first, first
                n_passed += np.int64(_passes(bits, value))
            for last in range(first + 1, min(first + longest, stop)):
                value = chain_hash(value, hashes[last])
                known = nonzero(value)
                passed[n_passed], bounds[n_passed, 0], bounds[n_passed, 1] = known, first, last
                n_passed += np.int64((last - first + 1 >= shortest) & _passes(bits, known))
        for i in range(n_passed):
            entry = find(table, passed[i])
            if table[2 * entry] == 0:
                continue
            term = np.int64(table[2 * entry + 1])
            first, length = np.int64(bounds[i, 0]), np.int64(bounds[i, 1] - bounds[i, 0]) + 1
            is_new = tokens_of[term, 0] < 0
            same = length == longest or tokens_of[term, length] < 0
            for k in range(length):
                if is_new:
                    tokens_of[term, k] = numbers[first + k]
                same &= tokens_of[term, k] == numbers[first + k]
            if not same:
                return -1
            found[n_found] = term
            n_found += 1
        n = _count(found, n_found, n, terms, counts, seen_at)
        match_offsets[row + 1] = n
    return n


@kernel
def _count(found: I32, n_found: int, n: int, terms: I32, counts: I32, seen_at: I64) -> int:
    """Each of a row's terms once, behind the ``n`` that are there already; the new ``n``."""
    begin = n
    for i in range(n_found):
        term = np.int64(found[i])
        terms[n], counts[n] = term, 0  # without a branch on whether it is new
        at = n if seen_at[term] < begin else seen_at[term]
        seen_at[term] = at
        counts[at] += 1
        n += np.int64(at == n)
    return n
