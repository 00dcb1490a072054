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
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ooc_train.conversion.grams import HASH_BITS, HASH_MASK, ROW_MARK
from ooc_train.conversion.jit import kernel
from ooc_train.conversion.spill import Segment, Spill
from ooc_train.conversion.table import (
    Table,
    empty_table,
    find,
    grown_table,
    index_table,
    table_bytes,
)

FRACTION_BITS = 40
_FRACTION_ONE = 1 << FRACTION_BITS
_ROW_BITS = 32

Hashes = npt.NDArray[np.uint64]
Counts = npt.NDArray[np.uint32]
Classes = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]


class Kept(NamedTuple):
    """Terms within the limits: ascending hashes and document frequencies; and how many were seen.

    ``n_distinct`` counts all n-grams of the train rows, kept or not.
    """

    hashes: Hashes
    df: Counts
    n_distinct: int


class SquaredNorms(NamedTuple):
    """Squared norms of all rows as ``whole + fraction / 2**40``, both uint64 (n_rows,)."""

    whole: Hashes
    fraction: Hashes


class HashRange(NamedTuple):
    """The n-grams of a partition whose next ``bits`` bits are ``part``: a table's worth of them."""

    partition: int
    bits: int
    part: int

    @property
    def first_bits(self) -> np.uint64:
        """What the records of the partition leave out of a hash."""
        return np.uint64(self.partition) << np.uint64(HASH_BITS)


class TableTooLarge(Exception):  # noqa: N818 - control flow, never seen by a user
    """The n-grams of a range do not fit into the memory for its table."""


def kept_terms(
    spill: Spill,
    where: HashRange,
    fit_classes: Classes,
    df_limits: tuple[int, int],
    max_table_bytes: int,
) -> Kept:
    """The n-grams of a range that occur in enough and not too many rows.

    ``fit_classes`` (n_rows,) is negative for rows that do not count.
    Raises ``TableTooLarge`` where the range must be divided.
    """
    table = empty_table(0)
    n_distinct = 0
    for segment in spill.segments(where.partition):
        done, row = 0, segment.first_row
        while done < len(segment.records):
            done, row, n_distinct = _count_documents(
                segment.records, done, segment.first_row, row, fit_classes,
                where.first_bits, HASH_BITS - where.bits, where.part, table, n_distinct,
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
    spill: Spill, where: HashRange, kept: Kept, n_documents: int, norms: SquaredNorms
) -> None:
    """Add the kept terms' ``(count * idf) ** 2`` to the squared norms of all rows."""
    table = index_table(kept.hashes)
    weights = squared_idf(kept.df, n_documents)
    for segment in spill.segments(where.partition):
        _add_weights(*_occurrences(segment, where, table), weights, *norms)


def class_sums(
    spill: Spill,
    where: HashRange,
    hashes: Hashes,
    idf: Floats,
    inverse_norms: Floats,
    fit_classes: Classes,
    n_classes: int,
) -> tuple[Floats, Floats]:
    """Sums by class (n_terms, n_classes) and sums of squares (n_terms,) of the terms' values."""
    sums = np.zeros((len(hashes), n_classes))
    squares = np.zeros(len(hashes))
    table = index_table(hashes)
    for segment in spill.segments(where.partition):
        occurrences = _occurrences(segment, where, table)
        _add_values(*occurrences, idf, inverse_norms, fit_classes, sums, squares)
    return sums, squares


def write_inverse_norms(norms: list[SquaredNorms], out: Floats) -> None:
    """One over each row's norm, 0 for rows without a kept term; ``norms`` are added up first."""
    total = norms[0]
    for more in norms[1:]:
        _add_norms(*more, *total)
    _invert_norms(*total, out)


@kernel
def idf_of(df: int, n_documents: int) -> float:
    """Smooth inverse document frequency, as scikit-learn's ``TfidfTransformer`` computes it."""
    return math.log((n_documents + 1) / (df + 1)) + 1.0


@kernel
def fixed_squared_idf(df: int, n_documents: int) -> np.uint64:
    """The squared idf as a fixed-point number with ``FRACTION_BITS`` bits of fraction."""
    return np.uint64(round(idf_of(df, n_documents) ** 2 * _FRACTION_ONE))


@kernel
def inverse_document_frequency(df: Counts, n_documents: int) -> Floats:
    """``idf_of`` for an array of document frequencies."""
    out = np.empty(len(df))
    for i in range(len(df)):
        out[i] = idf_of(df[i], n_documents)
    return out


@kernel
def squared_idf(df: Counts, n_documents: int) -> Hashes:
    """``fixed_squared_idf`` for an array of document frequencies."""
    out = np.empty(len(df), np.uint64)
    for i in range(len(df)):
        out[i] = fixed_squared_idf(df[i], n_documents)
    return out


@kernel
def add_squares(
    count: int, weight: np.uint64, whole: np.uint64, fraction: np.uint64
) -> tuple[np.uint64, np.uint64]:
    """``(whole, fraction)`` plus ``count ** 2 * weight``, without a rounding or an overflow."""
    bits, mask = np.uint64(FRACTION_BITS), np.uint64(_FRACTION_ONE - 1)
    squared = np.uint64(count) * np.uint64(count)
    whole += squared * (weight >> bits)
    # count ** 2 in two halves: each product with 40 bits of fraction stays below 2 ** 64
    low, high = squared & np.uint64(0xFFFFF), squared >> np.uint64(20)
    fraction += low * (weight & mask)
    carried = high * (weight & mask)
    whole += carried >> np.uint64(FRACTION_BITS - 20)
    fraction += (carried & np.uint64((1 << (FRACTION_BITS - 20)) - 1)) << np.uint64(20)
    return whole + (fraction >> bits), fraction & mask


@kernel
def inverse_norm(whole: np.uint64, fraction: np.uint64) -> float:
    """One over the norm whose square is ``whole + fraction / 2**40``; 0 for 0."""
    squared = float(whole) + float(fraction) / _FRACTION_ONE
    return 1.0 / math.sqrt(squared) if squared > 0 else 0.0


def _occurrences(
    segment: Segment, where: HashRange, table: Table
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Row, position in the table and count of every (row, term) pair of a segment."""
    rows, terms, counts = np.empty((3, len(segment.records)), np.int64)
    n = _resolve(segment.records, segment.first_row, where.first_bits, table, rows, terms, counts)
    return rows[:n], terms[:n], counts[:n]


def divided(where: HashRange) -> Iterator[HashRange]:
    """The two halves of a range, in the order of their hashes."""
    for half in (0, 1):
        yield HashRange(where.partition, where.bits + 1, 2 * where.part + half)


@kernel
def _count_documents(
    records: Hashes,
    start: int,
    first_row: int,
    row: int,
    fit_classes: Classes,
    first_bits: np.uint64,
    part_shift: int,
    part: int,
    table: Table,
    n_distinct: int,
) -> tuple[int, int, int]:
    """Count documents from record ``start`` on, as far as the table has room.

    A table's values are document frequencies in the upper half, and in the lower half the number
    of the last row, plus one.  Returns where to go on, the row there, and the new ``n_distinct``.
    """
    low_half = np.uint64((1 << _ROW_BITS) - 1)
    for i in range(start, len(records)):
        low = records[i] & np.uint64(HASH_MASK)
        gap = np.int64(records[i] >> np.uint64(HASH_BITS))
        if gap == ROW_MARK:
            row = first_row + np.int64(low)
            continue
        row += gap
        if fit_classes[row] < 0 or np.int64(low >> np.uint64(part_shift)) != part:
            continue
        entry = find(table, low | first_bits)
        if table[2 * entry] == 0:
            if 4 * n_distinct >= len(table):
                return i, row - gap, n_distinct
            table[2 * entry] = low | first_bits
            n_distinct += 1
        state = table[2 * entry + 1]
        if (state & low_half) != np.uint64(row + 1):
            documents = (state >> np.uint64(_ROW_BITS)) + np.uint64(1)
            table[2 * entry + 1] = (documents << np.uint64(_ROW_BITS)) | np.uint64(row + 1)
    return len(records), row, n_distinct


@kernel
def _resolve(
    records: Hashes,
    first_row: int,
    first_bits: np.uint64,
    table: Table,
    rows: npt.NDArray[np.int64],
    terms: npt.NDArray[np.int64],
    counts: npt.NDArray[np.int64],
) -> int:
    row = first_row
    n = run = 0  # pairs from ``run`` on belong to the row
    for i in range(len(records)):
        low = records[i] & np.uint64(HASH_MASK)
        gap = np.int64(records[i] >> np.uint64(HASH_BITS))
        if gap == ROW_MARK:
            row = first_row + np.int64(low)
            run = n
            continue
        if gap:
            row += gap
            run = n
        entry = find(table, low | first_bits)
        if table[2 * entry] == 0:
            continue
        term = np.int64(table[2 * entry + 1])
        k = run
        while k < n and terms[k] != term:
            k += 1
        if k == n:
            rows[n], terms[n], counts[n] = row, term, 0
            n += 1
        counts[k] += 1
    return n


@kernel
def _add_norms(more_whole: Hashes, more_fraction: Hashes, whole: Hashes, fraction: Hashes) -> None:
    bits, mask = np.uint64(FRACTION_BITS), np.uint64(_FRACTION_ONE - 1)
    for i in range(len(whole)):
        total = fraction[i] + more_fraction[i]
        whole[i] += more_whole[i] + (total >> bits)
        fraction[i] = total & mask


@kernel
def _invert_norms(whole: Hashes, fraction: Hashes, out: Floats) -> None:
    for i in range(len(out)):
        out[i] = inverse_norm(whole[i], fraction[i])


@kernel
def _add_weights(
    rows: npt.NDArray[np.int64],
    terms: npt.NDArray[np.int64],
    counts: npt.NDArray[np.int64],
    weights: Hashes,
    whole: Hashes,
    fraction: Hashes,
) -> None:
    for i in range(len(rows)):
        row = rows[i]
        whole[row], fraction[row] = add_squares(
            counts[i], weights[terms[i]], whole[row], fraction[row]
        )


@kernel
def _add_values(
    rows: npt.NDArray[np.int64],
    terms: npt.NDArray[np.int64],
    counts: npt.NDArray[np.int64],
    idf: Floats,
    inverse_norms: Floats,
    fit_classes: Classes,
    sums: Floats,
    squares: Floats,
) -> None:
    for i in range(len(rows)):
        row, term = rows[i], terms[i]
        if fit_classes[row] >= 0:
            value = counts[i] * idf[term] * inverse_norms[row]
            sums[term, fit_classes[row]] += value
            squares[term] += value * value
