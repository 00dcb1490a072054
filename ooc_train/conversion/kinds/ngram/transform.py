"""The kernels of a fitted n-gram vectorizer: hashes of n-grams to tf-idf rows."""

import numpy as np

from ooc_train.conversion.kinds.ngram.statistics import (
    add_occurrence,
    fixed_squared_idf,
    idf_of,
    inverse_norm,
)
from ooc_train.conversion.storage.sorting import SortingScratch, sort_entries
from ooc_train.conversion.text.table import find
from ooc_train.dtypes import F32, I32, I64, U32, U64
from ooc_train.jit import kernel


@kernel
def transform(
    hashes: U64,
    offsets: I64,
    kept_hashes: U64,
    kept_df: U32,
    n_documents: int,
    table: U64,
    indptr: I64,
    columns: I32,
    values: F32,
    scratch: SortingScratch,
) -> int:
    """Tf-idf rows of n-grams, row ``i`` at ``offsets[i]:offsets[i + 1]``; the number of entries."""
    n = 0
    weighted = np.empty(len(hashes))  # count * idf, to be divided by the row's norm
    for row in range(len(offsets) - 1):
        grams = np.sort(hashes[offsets[row] : offsets[row + 1]])
        begin, i = n, 0
        whole = fraction = np.uint64(0)
        while i < len(grams):
            value = grams[i]
            count = 0
            while i < len(grams) and grams[i] == value:
                i += 1
                count += 1
            kept = _search(kept_hashes, value)
            if kept < 0:
                continue
            weight = fixed_squared_idf(kept_df[kept], n_documents)
            for k in range(1, count + 1):
                whole, fraction = add_occurrence(k, weight, whole, fraction)
            entry = find(table, value)
            if table[2 * entry] == value:
                columns[n] = table[2 * entry + 1]
                weighted[n] = count * idf_of(kept_df[kept], n_documents)
                n += 1
        if n > begin:
            inverse = inverse_norm(whole, fraction)
            for k in range(begin, n):
                values[k] = weighted[k] * inverse
            sort_entries(columns, values, begin, n, scratch)
        indptr[row + 1] = n
    return n


@kernel
def share_unknown(hashes: U64, offsets: I64, kept_hashes: U64, shares: F32) -> None:
    """The share of each row's n-grams that are no kept terms; 0 for a row without any."""
    for row in range(len(offsets) - 1):
        begin, end = offsets[row], offsets[row + 1]
        n_unknown = 0
        for i in range(begin, end):
            n_unknown += _search(kept_hashes, hashes[i]) < 0
        if end > begin:
            shares[row] = n_unknown / (end - begin)


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
