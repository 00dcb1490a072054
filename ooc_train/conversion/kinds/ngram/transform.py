"""The kernels of a fitted n-gram vectorizer: hashes of n-grams to tf-idf rows."""

from typing import NamedTuple

import numpy as np

from ooc_train.conversion.kinds.ngram.near_terms import column_of, document_frequency
from ooc_train.conversion.kinds.ngram.statistics import add_occurrence, inverse_norm
from ooc_train.conversion.kinds.ngram.term_index import (
    TermIndex,
    expect_kept,
    find_kept,
    idf_and_square,
)
from ooc_train.conversion.kinds.terms.grams import Grams
from ooc_train.conversion.storage.sorting import SortingScratch, sort_entries
from ooc_train.conversion.text.table import expect, find
from ooc_train.dtypes import F32, I32, I64, U64
from ooc_train.jit import kernel


class Fitted(NamedTuple):
    """The state of a fitted vectorizer: the kept terms, and a table of those that are near.

    ``near`` is a `near_table`: it has all selected terms.  Terms have ``ngrams[0]`` to
    ``ngrams[1]`` tokens.
    """

    kept: TermIndex
    near: U64
    ngrams: tuple[int, int]


class TfidfRows(NamedTuple):
    """Tf-idf rows: row ``i`` has the entries ``indptr[i]:indptr[i + 1]``.

    ``unknown_shares`` (n_rows,) float32 are the shares of the rows' words that are no kept terms, 0
    for a row without a word.  Of characters, or where words alone are no terms, the shortest
    n-grams count instead.
    """

    indptr: I64
    columns: I32
    values: F32
    unknown_shares: F32

    @classmethod
    def room_for(cls, grams: Grams) -> "TfidfRows":
        """Room for the rows of some n-grams."""
        n_rows, n_entries = len(grams.offsets) - 1, len(grams.hashes)
        return cls(
            np.zeros(n_rows + 1, np.int64),
            np.empty(n_entries, np.int32),
            np.empty(n_entries, np.float32),
            np.empty(n_rows, np.float32),
        )


class _DistinctGrams(NamedTuple):
    """Room for the n-grams of a row, each once.

    ``counts`` says how often each comes, ``word_counts`` how often as a word, see `TfidfRows`.
    ``places`` is a hash table of their positions.
    """

    hashes: U64
    counts: I32
    word_counts: I32
    places: I64


class _SoughtGrams(NamedTuple):
    """Room for the n-grams of a row that are not near: hashes and positions among the distinct.

    ``found`` and ``known`` are what `find_kept` writes.
    """

    hashes: U64
    at: I32
    found: I64
    known: I32


@kernel
def transform(
    grams: Grams, token_offsets: I64, fitted: Fitted, rows: TfidfRows, scratch: SortingScratch
) -> int:
    """Write the rows of some n-grams to ``rows``; the number of entries.

    ``token_offsets`` (n_rows + 1,) are those of the tokens that the n-grams consist of.

    Each row takes three steps: its n-grams are counted, so that each is looked up once; most are
    found in the table of near terms, and become entries if they are selected; the others are sought
    among all kept terms, and add to the norm alone.
    """
    kept, near, (shortest, longest) = fitted
    most = 1
    for row in range(len(grams.offsets) - 1):
        most = max(most, grams.offsets[row + 1] - grams.offsets[row])
    distinct = _DistinctGrams(
        np.empty(most, np.uint64), np.empty(most, np.int32), np.empty(most, np.int32),
        np.zeros(_n_places(most), np.int64),
    )  # fmt: skip
    sought = _SoughtGrams(
        np.empty(most, np.uint64), np.empty(most, np.int32),
        np.empty(most, np.int64), np.empty(most, np.int32),
    )  # fmt: skip
    weighted = np.empty(most)
    n = n_before = 0
    for row in range(len(grams.offsets) - 1):
        own = grams.hashes[grams.offsets[row] : grams.offsets[row + 1]]
        n_words = token_offsets[row + 1] - token_offsets[row] - shortest + 1
        n_distinct = _count(own, n_words, longest - shortest + 1, near, n_before, distinct)
        n_before += n_distinct
        whole = fraction = np.uint64(0)
        begin, n_sought = n, 0
        for i in range(n_distinct):
            value = distinct.hashes[i]
            entry = find(near, value)
            if near[2 * entry] == 0:
                sought.hashes[n_sought], sought.at[n_sought] = value, i
                n_sought += 1
                expect_kept(value, kept)
                continue
            count, column = distinct.counts[i], column_of(near[2 * entry + 1])
            idf, squared = idf_and_square(kept, document_frequency(near[2 * entry + 1]))
            for k in range(1, count + 1):
                whole, fraction = add_occurrence(k, squared, whole, fraction)
            rows.columns[n] = column
            weighted[n - begin] = count * idf
            n += np.int64(column >= 0)
        n_known = find_kept(sought.hashes[:n_sought], kept, sought.found, sought.known)
        for j in range(n_known):
            i = np.int64(sought.known[j])
            _, squared = idf_and_square(kept, np.int64(kept.df[sought.found[i]]))
            for k in range(1, distinct.counts[sought.at[i]] + 1):
                whole, fraction = add_occurrence(k, squared, whole, fraction)
        inverse = inverse_norm(whole, fraction)
        for k in range(begin, n):
            rows.values[k] = weighted[k - begin] * inverse
        sort_entries(rows.columns, rows.values, begin, n, scratch)
        rows.indptr[row + 1] = n
        n_unknown = 0
        for i in range(n_sought):
            if sought.found[i] < 0:
                n_unknown += np.int64(distinct.word_counts[sought.at[i]])
        rows.unknown_shares[row] = n_unknown / max(n_words, 1)
    return n


@kernel
def _n_places(n_terms: int) -> int:
    """The size of the table of places that ``_count`` needs: a power of two."""
    n = 64
    while n < 2 * n_terms:
        n *= 2
    return n


@kernel
def _count(
    own: U64, n_words: int, n_lengths: int, near: U64, n_before: int, distinct: _DistinctGrams
) -> int:
    """Each of a row's n-grams once, with its counts; their number.

    ``own`` has each word, followed by the longer n-grams that begin with it: of ``n_lengths``
    lengths with the word itself, or fewer at the end of the row.

    Places are counted from ``n_before`` + 1.  No row before had one that high, so what those left
    behind counts as free, and nothing is cleared.
    """
    hashes, counts, word_counts, places = distinct
    mask = _n_places(len(own)) - 1
    n = i = 0
    for word in range(n_words):
        for length in range(min(n_lengths, n_words - word)):
            value = own[i]
            i += 1
            place = np.int64(value & np.uint64(mask))
            while places[place] > n_before and hashes[places[place] - n_before - 1] != value:
                place = (place + 1) & mask
            if places[place] <= n_before:
                hashes[n], counts[n], word_counts[n] = value, 0, 0
                n += 1
                places[place] = n_before + n
                expect(near, value)
            at = places[place] - n_before - 1
            counts[at] += 1
            word_counts[at] += np.int32(length == 0)
    return n
