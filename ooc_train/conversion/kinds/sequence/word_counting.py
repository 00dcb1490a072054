"""How often each word occurs in the train rows, and the most frequent words.

Words that a dictionary numbers are counted by their numbers, from the token file: one pass, an item
of an array for each word.  The others were spilled as records (see ``grams``) and are counted
partition by partition, each by itself, so partitions go in any order and in parallel.  Where the
words of a partition do not fit into the memory for a table, the partition is divided.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ooc_train.conversion.kinds.ngram.grams import HASH_BITS, HASH_MASK, N_PARTITIONS, ROW_MARK
from ooc_train.conversion.kinds.ngram.indexing import IndexedText
from ooc_train.conversion.kinds.ngram.statistics import HashRange, TableTooLarge, divided
from ooc_train.conversion.kinds.ngram.token_file import (
    UNLISTED_BIT,
    TokenBlock,
    TokenFile,
    item_length,
)
from ooc_train.conversion.resources import Resources
from ooc_train.conversion.storage.spill import Spill
from ooc_train.conversion.text.table import empty_table, find, grown_table, table_bytes
from ooc_train.dtypes import I32, I64, U32, U64
from ooc_train.intrinsics import prefetch
from ooc_train.jit import kernel

_FIRST_CAPACITY = 1024
_BYTES_A_WORD = 24  # hash, count and first row, beside the table
_AHEAD = 32  # tokens from fetching what is known of a word to using it
_NO_ROW = np.iinfo(np.int64).max


class CountedWords(NamedTuple):
    """Words: hashes uint64, occurrences in the train rows and the first of these, both int64."""

    hashes: U64
    counts: I64
    first_rows: I64

    def take(self, where: I64 | slice) -> "CountedWords":
        """The words at these positions."""
        return CountedWords(self.hashes[where], self.counts[where], self.first_rows[where])


class MostFrequent:
    """The ``k`` most frequent words seen so far and all that tie with the last of them.

    Among equals a word that occurs in an earlier row comes first; words tie if that row, too, is
    the same.  Memory: some multiples of ``k``.
    """

    def __init__(self, k: int) -> None:
        self._k = k
        self._parts: list[CountedWords] = []
        self._n = 0
        self.n_seen = 0

    def add(self, words: CountedWords) -> None:
        """Consider more words."""
        self._parts.append(words)
        self._n += len(words.hashes)
        self.n_seen += len(words.hashes)
        if self._n > 4 * self._k + 100_000:
            self._parts = [self.candidates()]
            self._n = len(self._parts[0].hashes)

    def candidates(self) -> CountedWords:
        """By falling count and rising first row; equals in the order of their hashes."""
        words = CountedWords(*map(np.concatenate, zip(*self._parts, strict=True)))
        if len(words.counts) > self._k:
            # Most words are too rare, whatever their rows: they need not be sorted.
            kth = len(words.counts) - self._k
            words = words.take(words.counts >= np.partition(words.counts, kth)[kth])
        order = np.lexsort((words.hashes, words.first_rows, -words.counts))
        if len(order) > self._k:
            last = order[self._k - 1]
            tied = (words.counts[order] == words.counts[last]) & (
                words.first_rows[order] == words.first_rows[last]
            )
            tied[: self._k] = True
            order = order[tied]
        return words.take(order)


def most_frequent_words(
    indexed: IndexedText, fit_classes: I32, k: int, resources: Resources
) -> MostFrequent:
    """Count the words of the rows whose ``fit_classes`` (n_rows,) is not negative."""
    limit = resources.plan.table_bytes

    def count(where: HashRange) -> list[CountedWords]:
        try:
            return [_count_range(indexed.spill, where, fit_classes, limit)]
        except TableTooLarge:
            return [words for half in divided(where) for words in count(half)]

    best = MostFrequent(k)
    resources.progress.start("counting", N_PARTITIONS, "part")
    best.add(_listed_words(indexed, fit_classes, resources))
    ranges: Iterator[HashRange] = (HashRange(partition, 0, 0) for partition in range(N_PARTITIONS))
    for found in resources.in_order(count, ranges):
        for words in found:
            best.add(words)
        resources.progress.advance(1)
    return best


def _listed_words(indexed: IndexedText, fit_classes: I32, resources: Resources) -> CountedWords:
    """The listed words of the train rows.  Memory: 16 bytes a listed word for each worker."""
    hashes = indexed.listed.hashes

    def count(blocks: Sequence[TokenBlock]) -> I64:
        return _count_listed(indexed.tokens, blocks, fit_classes, len(hashes))

    counts, first_rows = np.zeros(len(hashes), np.int64), np.full(len(hashes), _NO_ROW)
    for found in resources.in_order(count, indexed.tokens.groups(resources.plan.n_workers)):
        counts += found[:, 0]
        np.minimum(first_rows, found[:, 1], out=first_rows)
    return CountedWords(hashes, counts, first_rows).take(np.flatnonzero(counts))


def _count_listed(
    file: TokenFile, blocks: Sequence[TokenBlock], fit_classes: I32, n_words: int
) -> I64:
    """Occurrences in the train rows and the first of these, (n_words, 2), for each word."""
    words = np.zeros((n_words, 2), np.int64)
    words[:, 1] = _NO_ROW
    for block in blocks:
        _add_listed(file.read(block), block.n_rows, block.first_row, fit_classes, words)
    return words


def _count_range(
    spill: Spill, where: HashRange, fit_classes: I32, limit_bytes: int
) -> CountedWords:
    """The words of a range.  Raises ``TableTooLarge`` where the range must be divided."""
    words = _no_words(0)
    table, n = empty_table(0), 0
    for records in spill.pieces(where.partition):
        done = row = 0
        while done < len(records):
            if n == len(words.hashes):
                capacity = max(_FIRST_CAPACITY, 2 * n)
                if n and table_bytes(capacity) + _BYTES_A_WORD * capacity > limit_bytes:
                    raise TableTooLarge
                words, table = _grown(words, capacity), grown_table(table, capacity)
            done, row, n = _count_words(
                records, done, row, fit_classes, where.first_bits,
                HASH_BITS - where.bits, where.part, table, n, *words,
            )  # fmt: skip
    return words.take(slice(n))


def _no_words(capacity: int) -> CountedWords:
    return CountedWords(
        np.zeros(capacity, np.uint64), np.zeros(capacity, np.int64), np.zeros(capacity, np.int64)
    )


def _grown(words: CountedWords, capacity: int) -> CountedWords:
    grown = _no_words(capacity)
    for old, new in zip(words, grown, strict=True):
        new[: len(old)] = old
    return grown


@kernel
def _add_listed(
    items: U32,
    n_rows: int,
    first_row: int,
    fit_classes: I32,
    words: I64,
) -> None:
    i = n_rows
    for row in range(first_row, first_row + n_rows):
        counts = fit_classes[row] >= 0
        for _ in range(np.int64(items[row - first_row])):
            item = items[i]
            if item >= UNLISTED_BIT:
                # Spilled, and counted there.
                i += item_length(item)
                continue
            prefetch(words, 2 * np.int64(items[min(i + _AHEAD, len(items) - 1)]))
            i += 1
            if counts:
                words[item, 0] += 1
                words[item, 1] = min(words[item, 1], row)


@kernel
def _count_words(
    records: U64,
    start: int,
    row: int,
    fit_classes: I32,
    first_bits: np.uint64,
    part_shift: int,
    part: int,
    table: U64,
    n: int,
    hashes: U64,
    counts: I64,
    first_rows: I64,
) -> tuple[int, int, int]:
    """Count words from record ``start`` on, as far as there is room for new ones.

    The table's values are words' numbers below ``n``.  Returns where to go on, the row there, and
    the new ``n``.
    """
    for i in range(start, len(records)):
        low = records[i] & np.uint64(HASH_MASK)
        gap = np.int64(records[i] >> np.uint64(HASH_BITS))
        if gap == ROW_MARK:
            row = np.int64(low)
            continue
        row += gap
        if fit_classes[row] < 0 or np.int64(low >> np.uint64(part_shift)) != part:
            continue
        value = low | first_bits
        entry = find(table, value)
        if table[2 * entry] == 0:
            if n == len(hashes):
                return i, row - gap, n
            table[2 * entry], table[2 * entry + 1] = value, np.uint64(n)
            hashes[n], counts[n], first_rows[n] = value, 0, row
            n += 1
        counts[np.int64(table[2 * entry + 1])] += 1
    return len(records), row, n
