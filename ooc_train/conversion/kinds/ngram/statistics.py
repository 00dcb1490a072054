"""Statistics of every n-gram, partition by partition: document frequency, norms, class sums.

Two sweeps over the spilled gram records.  The first counts the train rows that each n-gram occurs
in, keeps the n-grams within the limits, and adds ``(count * idf) ** 2`` of every kept one to its
row's squared norm.  The second, with all norms known, sums the values of each kept n-gram by class,
from which its score follows.  A partition needs nothing but its own records and two arrays with one
element a row, so partitions go in any order and in parallel.

Rounding does not depend on that: squared norms are sums of integers (fixed point), and class sums
are added in the order of the rows.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ooc_train.conversion.kinds.terms.grams import HASH_BITS, low_hash, marks_row, row_of
from ooc_train.conversion.kinds.terms.ranges import HashRange, TableTooLarge
from ooc_train.conversion.storage.spill import Partition
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
_AHEAD = 16  # records from fetching the entry of an n-gram to using it


class Kept(NamedTuple):
    """Terms within the limits: ascending hashes and document frequencies; and how many were seen.

    ``n_distinct`` counts all n-grams of the train rows, kept or not.
    """

    hashes: U64
    df: U32
    n_distinct: int


def kept_terms(
    partition: Partition,
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
    guess = len(partition) >> (where.bits + 3)
    table = empty_table(min(guess, max_table_bytes // (4 * ENTRY_BYTES)))
    n_distinct = 0
    for records in partition.pieces():
        done = row = 0
        while done < len(records):
            done, row, n_distinct = _count_documents(
                records, done, row, fit_classes, where.first_bits, HASH_BITS - where.bits,
                where.part, table, n_distinct,
            )  # fmt: skip
            if 4 * n_distinct >= len(table):
                if table_bytes(2 * n_distinct) > max_table_bytes:
                    raise TableTooLarge
                table = grown_table(table, 2 * n_distinct)
    hashes, df = table[::2], (table[1::2] >> np.uint64(_ROW_BITS)).astype(np.uint32)
    chosen = np.flatnonzero((hashes != 0) & (df >= df_limits[0]) & (df <= df_limits[1]))
    chosen = chosen[np.argsort(hashes[chosen])]
    return Kept(hashes[chosen], df[chosen], n_distinct)


def add_squared_norms(
    partition: Partition, where: HashRange, kept: Kept, n_documents: int, norms: U64
) -> None:
    """Add the kept terms' ``(count * idf) ** 2`` to the squared norms of all rows.

    ``norms`` (n_rows, 2) uint64: row ``i`` has ``norms[i, 0] + norms[i, 1] / 2**40``.
    """
    table = index_table(kept.hashes, first=1)  # 0: no kept term, and adds nothing
    weights = np.concatenate((np.zeros(1, np.uint64), squared_idf(kept.df, n_documents)))
    seen = np.zeros((len(weights), 2), np.int64)
    for records in partition.pieces():
        _add_weights(records, where.first_bits, table, seen, weights, norms)


def class_sums(
    partition: Partition,
    where: HashRange,
    hashes: U64,
    idf: F64,
    inverse_norms: F64,
    fit_classes: I32,
    n_classes: int,
) -> tuple[F64, F64]:
    """Sums by class (n_terms, n_classes) and sums of squares (n_terms,) of the terms' values."""
    table = index_table(hashes, first=1)  # 0: none of the terms, and adds nothing
    idf = np.concatenate((np.zeros(1), idf))
    sums, squares = np.zeros((len(idf), n_classes)), np.zeros(len(idf))
    seen = np.zeros((len(idf), 2), np.int64)
    for records in partition.pieces():
        _add_values(
            records, where.first_bits, table, seen, idf, inverse_norms, fit_classes, sums, squares
        )
    return sums[1:], squares[1:]


def write_inverse_norms(norms: Sequence[U64], out: F64) -> None:
    """One over each row's norm, 0 for rows without a kept term; ``norms`` are added up first."""
    for more in norms[1:]:
        _add_norms(more, norms[0])
    _invert_norms(norms[0], out)


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
def _fetch_ahead(records: U64, i: int, table: U64) -> None:
    """Prefetch the entry of the n-gram that comes ``_AHEAD`` records after record ``i``."""
    expect(table, low_hash(records[min(i + _AHEAD, len(records) - 1)]))


@kernel
def _term_of(record: np.uint64, first_bits: np.uint64, table: U64) -> int:
    """The number of a record's n-gram in an `index_table`, 0 where that does not have it."""
    return np.int64(table[2 * find(table, low_hash(record) | first_bits) + 1])


@kernel
def _count_documents(
    records: U64,
    start: int,
    row: int,
    fit_classes: I32,
    first_bits: np.uint64,
    part_shift: int,
    part: int,
    table: U64,
    n_distinct: int,
) -> tuple[int, int, int]:
    """Count documents from record ``start`` on, as far as the table has room.

    A table's values are document frequencies in the upper half, and in the lower half the number
    of the last row, plus one.  Returns where to go on, the row there, and the new ``n_distinct``.
    """
    low_half = np.uint64((1 << _ROW_BITS) - 1)
    for i in range(start, len(records)):
        before, row = row, row_of(records[i], row)
        if marks_row(records[i]):
            continue
        low = low_hash(records[i])
        _fetch_ahead(records, i, table)
        if fit_classes[row] < 0 or np.int64(low >> np.uint64(part_shift)) != part:
            continue
        entry = find(table, low | first_bits)
        if table[2 * entry] == 0:
            if 4 * n_distinct >= len(table):
                return i, before, n_distinct
            table[2 * entry] = low | first_bits
            n_distinct += 1
        state = table[2 * entry + 1]
        if (state & low_half) != np.uint64(row + 1):
            documents = (state >> np.uint64(_ROW_BITS)) + np.uint64(1)
            table[2 * entry + 1] = (documents << np.uint64(_ROW_BITS)) | np.uint64(row + 1)
    return len(records), row, n_distinct


@kernel
def _count_again(seen: I64, term: int, row: int) -> int:
    """How often a term has occurred in a row up to now; ``seen`` are rows, plus one, and counts."""
    if seen[term, 0] != row + 1:
        seen[term, 0], seen[term, 1] = row + 1, 0
    seen[term, 1] += 1
    return np.int64(seen[term, 1])


@kernel
def _add_weights(
    records: U64,
    first_bits: np.uint64,
    table: U64,
    seen: I64,
    weights: U64,
    norms: U64,
) -> None:
    row = 0
    for i in range(len(records)):
        row = row_of(records[i], row)
        if marks_row(records[i]):
            continue
        _fetch_ahead(records, i, table)
        term = _term_of(records[i], first_bits, table)
        norms[row, 0], norms[row, 1] = add_occurrence(
            _count_again(seen, term, row), weights[term], norms[row, 0], norms[row, 1]
        )


@kernel
def _add_values(
    records: U64,
    first_bits: np.uint64,
    table: U64,
    seen: I64,
    idf: F64,
    inverse_norms: F64,
    fit_classes: I32,
    sums: F64,
    squares: F64,
) -> None:
    row = 0
    for i in range(len(records)):
        row = row_of(records[i], row)
        if marks_row(records[i]):
            continue
        _fetch_ahead(records, i, table)
        if fit_classes[row] < 0:
            continue
        term = _term_of(records[i], first_bits, table)
        value = idf[term] * inverse_norms[row]
        sums[term, fit_classes[row]] += value
        # n occurrences make n times the value, and n ** 2 times its square: 1 + 3 + 5 + ...
        squares[term] += (2 * _count_again(seen, term, row) - 1) * (value * value)


@kernel
def _add_norms(more: U64, norms: U64) -> None:
    bits, mask = np.uint64(FRACTION_BITS), np.uint64(_FRACTION_ONE - 1)
    for row in range(len(norms)):
        total = norms[row, 1] + more[row, 1]
        norms[row, 0] += more[row, 0] + (total >> bits)
        norms[row, 1] = total & mask


@kernel
def _invert_norms(norms: U64, out: F64) -> None:
    for row in range(len(out)):
        out[row] = inverse_norm(norms[row, 0], norms[row, 1])
