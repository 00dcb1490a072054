"""Candidates found among tokens: the entries of tf-idf rows, as counts."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ooc_train.conversion.kinds.terms.candidates import (
    Candidates,
    Occurrences,
    SeenTerms,
    passes,
)
from ooc_train.conversion.kinds.terms.grams import chain_hash
from ooc_train.conversion.kinds.terms.token_file import TokenGroup
from ooc_train.conversion.storage.job import DiskArray
from ooc_train.conversion.storage.layouts.counted import pack_counts
from ooc_train.conversion.storage.placement import Destination
from ooc_train.conversion.storage.shuffle import Records
from ooc_train.conversion.text.collisions import HashCollision
from ooc_train.conversion.text.table import find
from ooc_train.conversion.text.tokens import Tokens, nonzero
from ooc_train.conversion.vectorizer import EncodedBlock
from ooc_train.dtypes import I32, I64, U32, U64
from ooc_train.jit import kernel


class Entries(NamedTuple):
    """The occurrences of candidates in some blocks, and the rows with each, uint32, by split."""

    occurrences: Occurrences
    by_split: dict[str, U32]


class Matches(NamedTuple):
    """The candidates of some rows: row ``i`` has ``terms[offsets[i]:offsets[i + 1]]``.

    Each term comes once a row, with its count there.
    """

    terms: I32
    counts: I32
    offsets: I64


def match_terms(seen: SeenTerms, tokens: Tokens, numbers: I32) -> Matches:
    """The candidates of each row.  Memory: 8 bytes for each n-gram.

    ``numbers`` (n_tokens,) are those of listed tokens.  Raises ``HashCollision`` where a candidate
    has two strings.
    """
    lookup, (shortest, longest) = seen.candidates.lookup, seen.candidates.ngrams
    seen.number_unlisted(tokens, numbers)
    n_most = len(numbers) * (longest - shortest + 1)
    terms, counts = np.empty(n_most, np.int32), np.empty(n_most, np.int32)
    offsets = np.zeros(len(tokens.offsets), np.int64)
    n = _match(
        tokens.hashes, numbers, tokens.offsets, shortest, longest, lookup.term_of, lookup.filter,
        lookup.table, seen.tokens_of, terms, counts, offsets,
    )  # fmt: skip
    if n < 0:
        raise HashCollision
    return Matches(terms[:n], counts[:n], offsets)


def encode_tokens(
    candidates: Candidates,
    inverse_norms: DiskArray,
    group: TokenGroup,
    destinations: Sequence[Destination],
) -> EncodedBlock:
    """The candidates' entries in the rows of a group, and the tokens that they consist of.

    ``inverse_norms`` (n_rows,) float64 are one over the norms of all rows.
    """
    seen, hashes = SeenTerms(candidates), candidates.words.listed().hashes
    split_of = np.empty(len(group), np.int32)
    for number, (_, chosen, _) in enumerate(destinations):
        split_of[chosen] = number
    by_split = np.zeros((len(destinations), len(candidates)), np.uint32)
    records = []
    for block in group.blocks:
        found = match_terms(seen, *block.decoded(hashes))
        _count_entries(
            found.terms, found.offsets, split_of[block.first_row - group.first_row :], by_split
        )
        of_rows = inverse_norms.mapped[block.first_row : block.first_row + len(block)]
        records.append(pack_counts(found.terms, found.counts, found.offsets, of_rows))
    entries = {split: by_split[number] for number, (split, *_) in enumerate(destinations)}
    return EncodedBlock(Records.joined(records), found=Entries(seen.occurrences(), entries))


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

    Each row takes two steps.  The first finds the listed tokens that are terms and the n-grams that
    pass the filter, without a branch on whether one does, which would often be mispredicted.  The
    second finds which of these n-grams are terms.  One function: a call a term would double its
    time.
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
                n_passed += np.int64(passes(bits, value))
            for last in range(first + 1, min(first + longest, stop)):
                value = chain_hash(value, hashes[last])
                known = nonzero(value)
                passed[n_passed], bounds[n_passed, 0], bounds[n_passed, 1] = known, first, last
                n_passed += np.int64((last - first + 1 >= shortest) & passes(bits, known))
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


@kernel
def _count_entries(terms: I32, offsets: I64, split_of: I32, entries: U32) -> None:
    """Add each row's entries to those of its split."""
    for row in range(len(offsets) - 1):
        split = split_of[row]
        for i in range(offsets[row], offsets[row + 1]):
            entries[split, terms[i]] += np.uint32(1)
