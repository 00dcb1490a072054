"""Statistics of every n-gram, partition by partition: document frequency, norms, class sums.

Three sweeps over the spilled n-grams.  The first counts the train rows that each n-gram occurs in,
and keeps those within the limits.  The second adds ``(count * idf) ** 2`` of every kept one to its
row's squared norm, for as many rows at once as fit into memory.  The third, with all norms known,
sums the values of each kept n-gram by class, from which its score follows.  In the first and the
third a partition needs nothing but its own records and arrays with one element a row, and in the
second no two tasks share a row, so all go in any order and in parallel.

Rounding does not depend on that: squared norms and class sums are sums of integers (fixed point).
"""

import math
from typing import NamedTuple

import numpy as np

from ooc_train.conversion.kinds.ngram.class_sums import (
    ClassSums,
    add_square,
    fixed_inverse,
    shifted,
    shifts_of,
)
from ooc_train.conversion.kinds.terms.gram_spill import GramPartition
from ooc_train.conversion.kinds.terms.grams import HASH_BITS, low_hash
from ooc_train.conversion.kinds.terms.ranges import HashRange, TableTooLarge
from ooc_train.conversion.text.table import (
    ENTRY_BYTES,
    empty_table,
    expect,
    find,
    grown_table,
    index_table,
    table_bytes,
)
from ooc_train.dtypes import F64, I32, I64, U32, U64
from ooc_train.jit import kernel

FRACTION_BITS = 40
_FRACTION_ONE = 1 << FRACTION_BITS
_ROW_BITS = 32
_AHEAD = 16  # n-grams from fetching the entry of an n-gram to using it


class Kept(NamedTuple):
    """Terms within the limits: ascending hashes and document frequencies; and how many were seen.

    ``n_distinct`` counts all n-grams of the train rows, kept or not.
    """

    hashes: U64
    df: U32
    n_distinct: int


def kept_terms(
    partition: GramPartition,
    where: HashRange,
    fit_classes: I32,
    df_limits: tuple[int, int],
    max_table_bytes: int,
) -> Kept:
    """The n-grams of a range that occur in enough and not too many rows.

    ``fit_classes`` (n_rows,) is negative for rows that do not count.
    Raises ``TableTooLarge`` where the range must be divided.
    """
    # A first guess: of English text about a tenth of the n-grams are distinct.
    guess = partition.n_most >> (where.bits + 3)
    table = empty_table(min(guess, max_table_bytes // (4 * ENTRY_BYTES)))
    n_distinct = 0
    for hashes, rows in partition.pieces():
        done = 0
        while done < len(hashes):
            done, n_distinct = _count_documents(
                hashes, rows, done, fit_classes, HASH_BITS - where.bits, where.part, table,
                n_distinct,
            )  # fmt: skip
            if 4 * n_distinct >= len(table):
                if table_bytes(2 * n_distinct) > max_table_bytes:
                    raise TableTooLarge
                table = grown_table(table, 2 * n_distinct)
    found, df = table[::2], (table[1::2] >> np.uint64(_ROW_BITS)).astype(np.uint32)
    chosen = np.flatnonzero((found != 0) & (df >= df_limits[0]) & (df <= df_limits[1]))
    chosen = chosen[np.argsort(found[chosen])]
    return Kept(found[chosen], df[chosen], n_distinct)


def add_squared_norms(
    partition: GramPartition, hashes: U64, weights: U64, first_row: int, norms: U64
) -> None:
    """Add the terms' ``(count * idf) ** 2`` to the squared norms of rows from ``first_row`` on.

    ``weights`` (n_terms,) are the squared idf.  ``norms`` (n_rows, 2) uint64: a row has
    ``norms[i, 0] + norms[i, 1] / 2**40``.
    """
    table = index_table(hashes, first=1)  # 0: no kept term, and adds nothing
    weights = np.concatenate((np.zeros(1, np.uint64), weights))
    seen = np.zeros((len(weights), 2), np.int64)
    for found, rows in partition.pieces():
        _add_weights(found, rows, table, seen, weights, first_row, norms)


def class_sums(
    partition: GramPartition,
    hashes: U64,
    df: U32,
    inverse_norms: F64,
    fit_classes: I32,
    n_classes: int,
) -> ClassSums:
    """The sums of the terms' values by class."""
    table = index_table(hashes, first=1)  # 0: none of the terms, and adds nothing
    shifts = np.concatenate((np.zeros(1, np.uint64), shifts_of(df)))
    by_class = np.zeros((len(shifts), n_classes), np.uint64)
    squares = np.zeros(2 * len(shifts), np.uint64)
    seen = np.zeros((len(shifts), 2), np.int64)
    for found, rows in partition.pieces():
        _add_values(found, rows, table, seen, shifts, inverse_norms, fit_classes, by_class, squares)
    return ClassSums(by_class[1:], squares.reshape(-1, 2)[1:])


@kernel
def idf_of(df: int, n_documents: int) -> float:
    """Smooth inverse document frequency, as scikit-learn's ``TfidfTransformer`` computes it."""
    return math.log((n_documents + 1) / (df + 1)) + 1.0


@kernel
def fixed_squared_idf(df: int, n_documents: int) -> np.uint64:
    """The squared idf as a fixed-point number with ``FRACTION_BITS`` bits of fraction."""
    return fixed_square(idf_of(df, n_documents))


@kernel
def fixed_square(idf: float) -> np.uint64:
    """The square of an idf as a fixed-point number with ``FRACTION_BITS`` bits of fraction."""
    return np.uint64(round(idf**2 * _FRACTION_ONE))


@kernel
def inverse_document_frequency(df: U32, n_documents: int) -> F64:
    """``idf_of`` for an array of document frequencies."""
    out = np.empty(len(df))
    for i in range(len(df)):
        out[i] = idf_of(df[i], n_documents)
    return out


@kernel
def squared_idf(df: U32, n_documents: int) -> U64:
    """``fixed_squared_idf`` for an array of document frequencies."""
    out = np.empty(len(df), np.uint64)
    for i in range(len(df)):
        out[i] = fixed_squared_idf(df[i], n_documents)
    return out


@kernel
def add_occurrence(
    count: int, weight: np.uint64, whole: np.uint64, fraction: np.uint64
) -> tuple[np.uint64, np.uint64]:
    """``whole + fraction / 2**40`` plus what a term's ``count``-th occurrence adds to a square.

    That is ``count ** 2 - (count - 1) ** 2`` times ``weight``, without a rounding or an overflow.
    """
    bits, mask = np.uint64(FRACTION_BITS), np.uint64(_FRACTION_ONE - 1)
    if count == 1:  # most by far
        fraction += weight & mask
        return whole + (weight >> bits) + (fraction >> bits), fraction & mask
    times = np.uint64(2 * count - 1)
    # in two parts: each product with 40 bits of fraction stays below 2 ** 64
    low, high = times & np.uint64(0xFFFFF), times >> np.uint64(20)
    carried = high * (weight & mask)
    whole += times * (weight >> bits) + (carried >> np.uint64(FRACTION_BITS - 20))
    fraction += (carried & np.uint64((1 << (FRACTION_BITS - 20)) - 1)) << np.uint64(20)
    fraction += low * (weight & mask)
    return whole + (fraction >> bits), fraction & mask


@kernel
def inverse_norm(whole: np.uint64, fraction: np.uint64) -> float:
    """One over the norm whose square is ``whole + fraction / 2**40``; 0 for 0."""
    squared = float(whole) + float(fraction) / _FRACTION_ONE
    return 1.0 / math.sqrt(squared) if squared > 0 else 0.0


@kernel
def write_inverse_norms(norms: U64, out: F64) -> None:
    """One over each row's norm, 0 for rows without a kept term."""
    for row in range(len(out)):
        out[row] = inverse_norm(norms[row, 0], norms[row, 1])


@kernel
def _fetch_ahead(hashes: U64, i: int, table: U64) -> None:
    """Prefetch the entry of the n-gram that comes ``_AHEAD`` after n-gram ``i``."""
    expect(table, hashes[min(i + _AHEAD, len(hashes) - 1)])


@kernel
def _term_of(value: np.uint64, table: U64) -> int:
    """The number of an n-gram in an `index_table`, 0 where that does not have it."""
    return np.int64(table[2 * find(table, value) + 1])


@kernel
def _count_documents(
    hashes: U64,
    rows: U32,
    start: int,
    fit_classes: I32,
    part_shift: int,
    part: int,
    table: U64,
    n_distinct: int,
) -> tuple[int, int]:
    """Count documents from n-gram ``start`` on, as far as the table has room.

    A table's values are document frequencies in the upper half, and in the lower half the number
    of the last row, plus one.  Returns where to go on, and the new ``n_distinct``.
    """
    low_half = np.uint64((1 << _ROW_BITS) - 1)
    for i in range(start, len(hashes)):
        value, row = hashes[i], np.int64(rows[i])
        _fetch_ahead(hashes, i, table)
        if fit_classes[row] < 0 or np.int64(low_hash(value) >> np.uint64(part_shift)) != part:
            continue
        entry = find(table, value)
        if table[2 * entry] == 0:
            if 4 * n_distinct >= len(table):
                return i, n_distinct
            table[2 * entry] = value
            n_distinct += 1
        state = table[2 * entry + 1]
        if (state & low_half) != np.uint64(row + 1):
            documents = (state >> np.uint64(_ROW_BITS)) + np.uint64(1)
            table[2 * entry + 1] = (documents << np.uint64(_ROW_BITS)) | np.uint64(row + 1)
    return len(hashes), n_distinct


@kernel
def _count_again(seen: I64, term: int, row: int) -> int:
    """How often a term has occurred in a row up to now; ``seen`` are rows, plus one, and counts."""
    if seen[term, 0] != row + 1:
        seen[term, 0], seen[term, 1] = row + 1, 0
    seen[term, 1] += 1
    return np.int64(seen[term, 1])


@kernel
def _add_weights(
    hashes: U64,
    rows: U32,
    table: U64,
    seen: I64,
    weights: U64,
    first_row: int,
    norms: U64,
) -> None:
    for i in range(len(hashes)):
        row = np.int64(rows[i])
        at = row - first_row
        _fetch_ahead(hashes, i, table)
        term = _term_of(hashes[i], table)
        norms[at, 0], norms[at, 1] = add_occurrence(
            _count_again(seen, term, row), weights[term], norms[at, 0], norms[at, 1]
        )


@kernel
def _add_values(
    hashes: U64,
    rows: U32,
    table: U64,
    seen: I64,
    shifts: U64,
    inverse_norms: F64,
    fit_classes: I32,
    by_class: U64,
    squares: U64,
) -> None:
    for i in range(len(hashes)):
        row = np.int64(rows[i])
        _fetch_ahead(hashes, i, table)
        if fit_classes[row] < 0:
            continue
        term = _term_of(hashes[i], table)
        inverse = shifted(fixed_inverse(inverse_norms[row]), shifts[term])
        by_class[term, fit_classes[row]] += inverse
        add_square(squares, 2 * term, _count_again(seen, term, row), inverse)
