"""The kernels of a fitted n-gram vectorizer: hashes of n-grams to tf-idf rows."""

from typing import NamedTuple

import numpy as np

from ooc_train.conversion.kinds.ngram.statistics import add_occurrence, inverse_norm
from ooc_train.conversion.kinds.ngram.term_index import TermIndex, find_kept, idf_and_square
from ooc_train.conversion.kinds.terms.grams import Grams
from ooc_train.conversion.storage.sorting import SortingScratch, sort_entries
from ooc_train.conversion.text.table import expect, find
from ooc_train.dtypes import F32, I32, I64, U64
from ooc_train.jit import kernel


class Fitted(NamedTuple):
    """The state of a fitted vectorizer: the kept terms, and a table of the selected ones.

    ``table`` has the columns of the selected terms by their hashes, see `conversion.text.table`.
    Terms have ``ngrams[0]`` to ``ngrams[1]`` tokens.
    """

    kept: TermIndex
    table: U64
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


@kernel
def transform(
    grams: Grams, token_offsets: I64, fitted: Fitted, rows: TfidfRows, scratch: SortingScratch
) -> int:
    """Write the rows of some n-grams to ``rows``; the number of entries.

    ``token_offsets`` (n_rows + 1,) are those of the tokens that the n-grams consist of.

    Each row takes three steps: its n-grams are sought among the kept terms, each term is counted
    once, and the selected terms become entries.
    """
    kept, table, (shortest, longest) = fitted
    most = 1
    for row in range(len(grams.offsets) - 1):
        most = max(most, grams.offsets[row + 1] - grams.offsets[row])
    found, known = np.empty(most, np.int64), np.empty(most, np.int32)
    terms, counts = np.empty(most, np.int64), np.empty(most, np.int32)
    hashes, weighted = np.empty(most, np.uint64), np.empty(most)
    places = np.zeros(_n_places(most), np.int64)
    n = n_before = 0
    for row in range(len(grams.offsets) - 1):
        own = grams.hashes[grams.offsets[row] : grams.offsets[row + 1]]
        n_known = find_kept(own, kept, found, known)
        n_terms = _count(
            own, found, known[:n_known], table, n_before, places, terms, counts, hashes
        )
        n_before += n_terms
        whole = fraction = np.uint64(0)
        begin = n
        for i in range(n_terms):
            idf, squared = idf_and_square(kept, terms[i])
            for k in range(1, counts[i] + 1):
                whole, fraction = add_occurrence(k, squared, whole, fraction)
            entry = find(table, hashes[i])
            rows.columns[n] = table[2 * entry + 1]
            weighted[n - begin] = counts[i] * idf
            n += np.int64(table[2 * entry] != 0)
        inverse = inverse_norm(whole, fraction)
        for k in range(begin, n):
            rows.values[k] = weighted[k - begin] * inverse
        sort_entries(rows.columns, rows.values, begin, n, scratch)
        rows.indptr[row + 1] = n
        n_words = token_offsets[row + 1] - token_offsets[row] - shortest + 1
        rows.unknown_shares[row] = _unknown_share(found, n_words, longest - shortest + 1)
    return n


@kernel
def _unknown_share(found: I64, n_words: int, n_lengths: int) -> float:
    """The share of a row's words that are no kept terms.

    ``found`` has the term of each word, followed by those of the longer n-grams that begin with it,
    -1 for none.  There are ``n_lengths`` of them with the word itself, or fewer at the end of the
    row.
    """
    n_unknown = place = 0
    for word in range(n_words):
        n_unknown += np.int64(found[place] < 0)
        place += min(n_lengths, n_words - word)
    return n_unknown / max(n_words, 1)


@kernel
def _n_places(n_terms: int) -> int:
    """The size of the table of places that ``_count`` needs: a power of two."""
    n = 64
    while n < 2 * n_terms:
        n *= 2
    return n


@kernel
def _count(
    own: U64,
    found: I64,
    known: I32,
    table: U64,
    n_before: int,
    places: I64,
    terms: I64,
    counts: I32,
    hashes: U64,
) -> int:
    """Each of a row's kept terms once, with its count and hash; their number.

    ``places`` is a hash table of positions in ``terms``, counted from ``n_before`` + 1.  No row
    before had one that high, so what those left behind counts as free, and nothing is cleared.
    """
    mask = _n_places(len(own)) - 1
    n = 0
    for k in range(len(known)):
        i = np.int64(known[k])
        term = found[i]
        place = np.int64(own[i] & np.uint64(mask))
        while places[place] > n_before and terms[places[place] - n_before - 1] != term:
            place = (place + 1) & mask
        if places[place] <= n_before:
            terms[n], counts[n], hashes[n] = term, 0, own[i]
            n += 1
            places[place] = n_before + n
            expect(table, own[i])
        counts[places[place] - n_before - 1] += 1
    return n
