"""How often each word occurs in the train rows, and the most frequent words.

Listed words are counted by their numbers, from groups of blocks of tokens; all others by their
hashes, partition by partition.  Each group and each partition is a task of its own; tasks run in
any order and in parallel.  Where the words of a partition do not fit into the memory for a table,
the partition is divided.
"""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ooc_train.conversion.kinds.terms.dictionary import WordList
from ooc_train.conversion.kinds.terms.gram_spill import GramGroup, GramPartition, GramSpill
from ooc_train.conversion.kinds.terms.grams import HASH_BITS, low_hash
from ooc_train.conversion.kinds.terms.ranges import HashRange, TableTooLarge, divided
from ooc_train.conversion.kinds.terms.token_file import (
    TokenBlock,
    groups_of,
    item_ahead,
    token_at,
)
from ooc_train.conversion.resources import Resources
from ooc_train.conversion.storage.codes import code_at
from ooc_train.conversion.storage.job import DiskArray
from ooc_train.conversion.text.table import empty_table, find, grown_table, table_bytes
from ooc_train.dtypes import I32, I64, U16, U32, U64, Bools
from ooc_train.intrinsics import prefetch
from ooc_train.jit import kernel

_NO_ROW = np.iinfo(np.int64).max
_FIRST_CAPACITY = 1024
_AHEAD = 32  # tokens from fetching what is known of a word to using it
_BYTES_A_WORD = 24  # hash, count and first row, beside the table


class CountedWords(NamedTuple):
    """Words: hashes uint64, occurrences in the train rows and the first of these, both int64."""

    hashes: U64
    counts: I64
    first_rows: I64

    def take(self, where: I64 | Bools | slice) -> "CountedWords":
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

    def merge(self, other: "MostFrequent") -> None:
        """Consider the words that another has seen."""
        n_seen = self.n_seen + other.n_seen
        self.add(other.candidates())
        self.n_seen = n_seen

    def candidates(self) -> CountedWords:
        """By falling count and rising first row; equals in the order of their hashes."""
        parts = [_no_words(0), *self._parts]
        words = CountedWords(*map(np.concatenate, zip(*parts, strict=True)))
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


@dataclass(frozen=True)
class WordCounting:
    """The parameters that all counting tasks share.

    ``fit_classes`` (n_rows,) int32 is negative for rows that do not count; ``words`` are the tokens
    with numbers; ``k`` words are wanted.
    """

    folder: Path
    fit_classes: DiskArray
    words: WordList
    k: int
    table_bytes: int


def most_frequent_words(
    counting: WordCounting, blocks: Sequence[TokenBlock], spilled: GramSpill, resources: Resources
) -> "MostFrequent":
    """The most frequent words, the listed ones in ``blocks`` and all others in ``spilled``."""
    best = MostFrequent(counting.k)
    tasks = spilled.groups(resources.plan.group_bytes, resources.plan.n_workers)
    resources.progress.start("counting", len(tasks), "part")
    best.add(_listed_words(counting, blocks, resources))
    for found in resources.in_order(functools.partial(count_partitions, counting), tasks):
        best.merge(found)
        resources.progress.advance(1)
    return best


def count_partitions(counting: WordCounting, group: GramGroup) -> "MostFrequent":
    """The most frequent words of some partitions."""
    best = MostFrequent(counting.k)
    for partition in group.partitions():
        for words in _ranges(counting, HashRange(), partition):
            best.add(words)
    return best


def _ranges(
    counting: WordCounting, where: HashRange, partition: GramPartition
) -> Iterator[CountedWords]:
    """The words of a range, divided as often as memory demands."""
    try:
        yield _count_range(partition, where, counting.fit_classes.mapped, counting.table_bytes)
    except TableTooLarge:
        for half in divided(where):
            yield from _ranges(counting, half, partition)


def _listed_words(
    counting: WordCounting, blocks: Sequence[TokenBlock], resources: Resources
) -> CountedWords:
    """The listed words that occur in train rows.  Memory: 16 bytes of each for each worker."""
    n_words = len(counting.words)
    counts, first_rows = np.zeros(n_words, np.int64), np.full(n_words, _NO_ROW)
    groups = enumerate(groups_of(blocks, resources.plan.n_workers))
    for found in resources.in_order(functools.partial(count_group, counting), groups):
        group = found.read()
        counts += group[:, 0]
        np.minimum(first_rows, group[:, 1], out=first_rows)
    words = CountedWords(counting.words.listed().hashes, counts, first_rows)
    return words.take(np.flatnonzero(counts))


def count_group(counting: WordCounting, task: tuple[int, Sequence[TokenBlock]]) -> DiskArray:
    """Occurrences and first rows of each listed word in some blocks, (n_words, 2) int64."""
    number, blocks = task
    words = np.zeros((len(counting.words), 2), np.int64)
    words[:, 1] = _NO_ROW
    for block in blocks:
        _count_listed(
            block.read(), block.n_rows, block.first_row, counting.fit_classes.mapped, words
        )
    return DiskArray.of(counting.folder / f"word-counts-{number}", words)


def _count_range(
    partition: GramPartition, where: HashRange, fit_classes: I32, limit_bytes: int
) -> CountedWords:
    """The words of a range.  Raises ``TableTooLarge`` where the range must be divided."""
    words = _no_words(0)
    table, n = empty_table(0), 0
    for hashes, rows in partition.pieces():
        done = 0
        while done < len(hashes):
            if n == len(words.hashes):
                capacity = max(_FIRST_CAPACITY, 2 * n)
                if n and table_bytes(capacity) + _BYTES_A_WORD * capacity > limit_bytes:
                    raise TableTooLarge
                words, table = _grown(words, capacity), grown_table(table, capacity)
            done, n = _count_words(
                hashes, rows, done, fit_classes, HASH_BITS - where.bits, where.part, table, n,
                *words,
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
def _count_words(
    found: U64,
    rows: U32,
    start: int,
    fit_classes: I32,
    part_shift: int,
    part: int,
    table: U64,
    n: int,
    hashes: U64,
    counts: I64,
    first_rows: I64,
) -> tuple[int, int]:
    """Count words from ``start`` on, as far as there is room for new ones.

    The table's values are words' numbers below ``n``.  Returns where to go on, and the new ``n``.
    """
    for i in range(start, len(found)):
        value, row = found[i], np.int64(rows[i])
        if fit_classes[row] < 0 or np.int64(low_hash(value) >> np.uint64(part_shift)) != part:
            # A row that is not of the train split, or a word of another part of the range.
            continue
        entry = find(table, value)
        if table[2 * entry] == 0:
            if n == len(hashes):
                # No room for a new word: the caller grows the arrays, and goes on here.
                return i, n
            table[2 * entry], table[2 * entry + 1] = value, np.uint64(n)
            hashes[n], counts[n], first_rows[n] = value, 0, row
            n += 1
        counts[np.int64(table[2 * entry + 1])] += 1
    return len(found), n


@kernel
def _count_listed(
    items: U16,
    n_rows: int,
    first_row: int,
    fit_classes: I32,
    words: I64,
) -> None:
    i = 0
    for row in range(first_row, first_row + n_rows):
        is_counted = fit_classes[row] >= 0
        n, i = code_at(items, i)
        for _ in range(n):
            word, after = token_at(items, i)
            if word < 0:
                # Spilled, and counted there.
                i = after
                continue
            prefetch(words, 2 * item_ahead(items, i, _AHEAD))
            i = after
            if is_counted:
                words[word, 0] += 1
                words[word, 1] = min(words[word, 1], row)
