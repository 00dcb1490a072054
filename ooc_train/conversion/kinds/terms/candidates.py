"""Candidates: terms that are known by their hashes, and their strings as they are learned.

The first occurrence of a candidate's hash gives its tokens; every later one must have the same, or
two terms share the hash (see ``text.collisions``).  Tokens are compared by their numbers, which
tell strings apart for certain.
"""

import sys
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ooc_train.conversion.kinds.terms.dictionary import Dictionary, WordList
from ooc_train.conversion.kinds.terms.grams import chain_hash
from ooc_train.conversion.options import GUIDE_TOP_K
from ooc_train.conversion.storage.job import DiskArray, once_a_process
from ooc_train.conversion.text.analyzers import ANALYZERS
from ooc_train.conversion.text.collisions import HashCollision
from ooc_train.conversion.text.table import find, index_table
from ooc_train.conversion.text.tokens import Tokens, nonzero
from ooc_train.dtypes import I32, I64, U64, Bools
from ooc_train.errors import BudgetError
from ooc_train.jit import kernel

_CANDIDATE_BYTES = 450  # while its string is learned, rather too high
_PIECE = 10_000


def check_selection(n_terms: int, free_bytes: int) -> None:
    """Raise ``BudgetError`` if so many terms to select take more memory than is free.

    That of the guide's 20,000 is small beside any budget.
    """
    needed_bytes = (n_terms - GUIDE_TOP_K) * _CANDIDATE_BYTES
    if needed_bytes > free_bytes:
        raise BudgetError(
            f"{n_terms:,} terms are to be selected, which takes {needed_bytes / 1e6:,.0f} MB of "
            f"memory more than {GUIDE_TOP_K:,}, and {free_bytes / 1e6:,.0f} MB are left for them; "
            f"give more with --memory, or --top-k {GUIDE_TOP_K}"
        )


def check_ties(
    n_terms: int, k: int, free_bytes: int, *, term_bytes: int = _CANDIDATE_BYTES
) -> None:
    """Raise ``BudgetError`` if the terms that tie with the last of ``k`` take more than is free.

    All of them are candidates, and nothing else bounds their number.  By default ``term_bytes``
    are those of a candidate while its string is learned.
    """
    n_tied = n_terms - k
    if n_tied * term_bytes > free_bytes:
        raise BudgetError(
            f"at least {n_tied:,} terms tie with the last of the {k:,} to keep and take "
            f"{n_tied * term_bytes / 1e6:,.0f} MB of memory, and {free_bytes / 1e6:,.0f} MB are "
            "left for them; give more with --memory, or another --top-k"
        )


@dataclass(frozen=True)
class Candidates:
    """The terms that are looked for: n-grams of ``ngrams[0]`` to ``ngrams[1]`` tokens.

    ``hashes`` (n_terms,) uint64 are the terms' hashes; ``words`` are the listed tokens.  Small when
    pickled.
    """

    hashes: DiskArray
    ngrams: tuple[int, int]
    words: WordList

    def __len__(self) -> int:
        return len(self.hashes)

    @property
    def lookup(self) -> "Lookup":
        """The tables to look candidates up in.  Each process makes them once."""
        return _lookup(self)


class Lookup(NamedTuple):
    """Tables of candidates.

    ``term_of`` (n_words,) int32 is the candidate that a listed word is, -1 for none;
    ``word_terms`` are the candidates that are listed words, ``word_numbers`` these words' numbers.
    """

    table: U64
    filter: U64
    term_of: I32
    word_terms: I32
    word_numbers: I64


@once_a_process
def _lookup(candidates: Candidates) -> Lookup:
    hashes, words = candidates.hashes.read(), candidates.words.listed().hashes
    table = index_table(hashes)
    term_of = np.full(len(words), -1, np.int32)
    if candidates.ngrams[0] == 1:
        _find_listed(words, table, term_of)
    numbers = np.flatnonzero(term_of >= 0)
    return Lookup(table, _hash_filter(hashes), term_of, term_of[numbers], numbers)


class Occurrences(NamedTuple):
    """The candidates that occur in some blocks, with their tokens; none that is a listed word.

    ``tokens`` (n, longest) int32 are the numbers of the tokens of ``terms`` (n,) int32, -1 behind
    the last.  A number from ``n_words`` on is the position in ``strings``, plus ``n_words``.
    """

    terms: I32
    tokens: I32
    strings: list[bytes]


class SeenTerms:
    """The candidates' tokens, as they are seen in some blocks.

    ``tokens_of`` (n_terms, longest) int32 are the numbers of each candidate's tokens, -1 where it
    has not occurred, and behind the last.  Candidates that are listed words are known beforehand.
    """

    def __init__(self, candidates: Candidates) -> None:
        lookup = candidates.lookup
        self.candidates = candidates
        self.tokens_of = np.full((len(candidates), candidates.ngrams[1]), -1, np.int32)
        self.tokens_of[lookup.word_terms, 0] = lookup.word_numbers
        self._unlisted = Dictionary(sys.maxsize, longest=sys.maxsize)

    def number_unlisted(self, tokens: Tokens, numbers: I32) -> None:
        """Number the unlisted tokens that may be part of a candidate.

        These numbers follow those of the words, and hold in these blocks alone.
        """
        if not len(numbers) or numbers.min() >= 0:
            return
        candidates, in_terms = self.candidates, np.zeros(len(numbers), np.bool_)
        _mark_unlisted(
            tokens.hashes, numbers, tokens.offsets, *candidates.ngrams, candidates.lookup.filter,
            candidates.lookup.table, in_terms,
        )  # fmt: skip
        which = np.flatnonzero(in_terms)
        some = tokens._replace(
            hashes=tokens.hashes[which], starts=tokens.starts[which], stops=tokens.stops[which]
        )
        numbers[which] = self._unlisted.number(some) + len(candidates.words)

    def occurrences(self) -> Occurrences:
        """The candidates that have occurred so far."""
        is_new = self.tokens_of[:, 0] >= 0
        is_new[self.candidates.lookup.word_terms] = False
        terms, listed = np.flatnonzero(is_new).astype(np.int32), self._unlisted.listed()
        strings = [listed.string(number) for number in range(len(listed.hashes))]
        return Occurrences(terms, self.tokens_of[terms], strings)


class LearnedTerms:
    """The candidates' tokens, collected from all blocks.

    Memory: some 100 bytes a candidate.  Raises ``HashCollision`` where two have one hash.
    """

    def __init__(self, candidates: Candidates) -> None:
        if len(np.unique(candidates.hashes.read())) < len(candidates):
            raise HashCollision
        self._words = candidates.words
        self._tokens_of = SeenTerms(candidates).tokens_of
        self._unlisted: dict[bytes, int] = {}

    def add(self, found: Occurrences) -> None:
        """Add what was seen in some blocks.  Raises ``HashCollision`` if it contradicts others."""
        tokens = found.tokens
        if found.strings:
            tokens = self._renumbered(tokens, found.strings)
        known = self._tokens_of[found.terms]
        is_known = known[:, 0] >= 0
        if (tokens != known)[is_known].any():
            raise HashCollision
        self._tokens_of[found.terms] = tokens

    def strings(self, analyzer: str) -> list[bytes]:
        """The candidates' strings as UTF-8."""
        n_listed, listed = len(self._words), self._words.listed()
        strings = dict(enumerate(self._unlisted, n_listed))
        for number in np.unique(self._tokens_of).tolist():
            if 0 <= number < n_listed:
                strings[number] = listed.string(number)
        joint = ANALYZERS[analyzer].joint
        return [
            joint.join([strings[number] for number in numbers if number >= 0])
            for start in range(0, len(self._tokens_of), _PIECE)  # lists take much memory
            for numbers in self._tokens_of[start : start + _PIECE].tolist()
        ]

    def _renumbered(self, tokens: I32, strings: list[bytes]) -> I32:
        """The tokens with one number for each string, whatever the block."""
        n_listed = len(self._words)
        numbers = [self._unlisted.setdefault(text, len(self._unlisted)) for text in strings]
        places = np.clip(tokens - n_listed, 0, None)
        return np.where(tokens < n_listed, tokens, n_listed + np.array(numbers, np.int32)[places])


def _hash_filter(hashes: U64) -> U64:
    """A bit for each value of some bits of a hash: it rejects most n-grams that are no candidates.

    The bits of the hash are others than those that address the table.  Size: 16 to 32 bits a term.
    """
    n_bits = 16 * max(64, 1 << (max(1, len(hashes)) - 1).bit_length())
    bits = np.zeros(n_bits // 64, np.uint64)
    places = (hashes >> np.uint64(32)) & np.uint64(n_bits - 1)
    np.bitwise_or.at(bits, places >> np.uint64(6), np.uint64(1) << (places & np.uint64(63)))
    return bits


@kernel
def passes(bits: U64, value: np.uint64) -> bool:
    """Whether a hash may be one of those that the filter was made of."""
    place = np.int64((value >> np.uint64(32)) & np.uint64(64 * len(bits) - 1))
    return bool((bits[place >> 6] >> np.uint64(place & 63)) & np.uint64(1))


@kernel
def let_pass(bits: U64, value: np.uint64) -> None:
    """Add a hash to a filter, whose length is a power of two."""
    place = np.int64((value >> np.uint64(32)) & np.uint64(64 * len(bits) - 1))
    bits[place >> 6] |= np.uint64(1) << np.uint64(place & 63)


@kernel
def _find_listed(hashes: U64, table: U64, term_of: I32) -> None:
    """The listed tokens that are terms."""
    for number in range(len(hashes)):
        entry = find(table, hashes[number])
        if table[2 * entry] != 0:
            term_of[number] = table[2 * entry + 1]


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
    """Mark the unlisted tokens of n-grams that are candidates."""
    for row in range(len(offsets) - 1):
        begin, stop = offsets[row], offsets[row + 1]
        for unlisted in range(begin, stop):
            if numbers[unlisted] >= 0:
                # Most tokens are listed, and n-grams of these alone have nothing to number.
                continue
            for first in range(max(begin, unlisted - longest + 1), unlisted + 1):
                value = hashes[first]
                for last in range(first, min(first + longest, stop)):
                    if last > first:
                        value = chain_hash(value, hashes[last])
                    known = nonzero(value)
                    if last < unlisted or last - first + 1 < shortest or not passes(bits, known):
                        continue
                    in_terms[unlisted] |= table[2 * find(table, known)] != 0
