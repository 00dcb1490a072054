"""The kernels of a fitted n-gram vectorizer: hashes of n-grams to tf-idf rows."""

from typing import NamedTuple

import numpy as np

from ooc_train.conversion.kinds.ngram.statistics import (
    add_occurrence,
    fixed_squared_idf,
    idf_of,
    inverse_norm,
)
from ooc_train.conversion.kinds.terms.candidates import let_pass, passes
from ooc_train.conversion.kinds.terms.grams import Grams
from ooc_train.conversion.storage.sorting import SortingScratch, sort_entries
from ooc_train.conversion.text.table import find
from ooc_train.dtypes import F32, I32, I64, U32, U64
from ooc_train.jit import kernel

_FILTER_BITS = 4096
"""The size of the filter of a row's unknown n-grams, which is emptied for each row."""


class Fitted(NamedTuple):
    """The state of a fitted vectorizer: the kept terms, mapped, and a table of the selected ones.

    ``kept_hashes`` ascend.  ``table`` has the columns of the selected terms by their hashes, see
    `conversion.text.table`.  Terms have ``ngrams[0]`` to ``ngrams[1]`` tokens.
    """

    kept_hashes: U64
    kept_df: U32
    n_documents: int
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
    """
    kept_hashes, kept_df, n_documents, table, (shortest, longest) = fitted
    n = 0
    weighted = np.empty(len(grams.hashes))  # count * idf, to be divided by the row's norm
    may_be_unknown = np.empty(_FILTER_BITS // 64, np.uint64)
    for row in range(len(grams.offsets) - 1):
        own = grams.hashes[grams.offsets[row] : grams.offsets[row + 1]]
        ascending = np.sort(own)
        begin, i = n, 0
        may_be_unknown[:] = 0
        whole = fraction = np.uint64(0)
        while i < len(ascending):
            value = ascending[i]
            count = 0
            while i < len(ascending) and ascending[i] == value:
                i += 1
                count += 1
            kept = _search(kept_hashes, value)
            if kept < 0:
                let_pass(may_be_unknown, value)
                continue
            weight = fixed_squared_idf(kept_df[kept], n_documents)
            for k in range(1, count + 1):
                whole, fraction = add_occurrence(k, weight, whole, fraction)
            entry = find(table, value)
            if table[2 * entry] == value:
                rows.columns[n] = table[2 * entry + 1]
                weighted[n] = count * idf_of(kept_df[kept], n_documents)
                n += 1
        if n > begin:
            inverse = inverse_norm(whole, fraction)
            for k in range(begin, n):
                rows.values[k] = weighted[k] * inverse
            sort_entries(rows.columns, rows.values, begin, n, scratch)
        rows.indptr[row + 1] = n
        n_words = token_offsets[row + 1] - token_offsets[row] - shortest + 1
        rows.unknown_shares[row] = _unknown_share(
            own, n_words, longest - shortest + 1, may_be_unknown, kept_hashes
        )
    return n


@kernel
def _unknown_share(
    grams: U64, n_words: int, n_lengths: int, may_be_unknown: U64, kept_hashes: U64
) -> float:
    """The share of a row's words that are no kept terms.

    ``grams`` has each word, followed by the longer n-grams that begin with it.  There are
    ``n_lengths`` of them with the word itself, or fewer at the end of the row.
    """
    n_unknown = place = 0
    for word in range(n_words):
        value = grams[place]
        # A search among all kept terms is slow: only for words that the filter lets pass.
        if passes(may_be_unknown, value):
            n_unknown += _search(kept_hashes, value) < 0
        place += min(n_lengths, n_words - word)
    return n_unknown / max(n_words, 1)


@kernel
def _search(ascending: U64, value: np.uint64) -> int:
    """The position of ``value``, or -1: interpolation, since hashes are evenly spread."""
    low, high = 0, len(ascending) - 1
    if high < 0:
        return -1
    guess = min(high, int(float(value) / 2.0**64 * len(ascending)))
    step = 16
    if ascending[guess] <= value:
        low = guess
        while guess + step <= high and ascending[guess + step] <= value:
            low = guess + step
            step *= 2
        high = min(high, guess + step)
    else:
        high = guess
        while guess - step >= low and ascending[guess - step] > value:
            high = guess - step
            step *= 2
        low = max(low, guess - step)
    while low < high:
        middle = (low + high + 1) // 2
        if ascending[middle] <= value:
            low = middle
        else:
            high = middle - 1
    return low if ascending[low] == value else -1
