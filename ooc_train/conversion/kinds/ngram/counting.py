"""Document frequencies and norms: which terms are kept, partition by partition.

Listed tokens are counted by their numbers, in groups of blocks; all other n-grams by their hashes,
in partitions.  Then the rows' norms are summed up, range of rows by range of rows: as many as fit
into memory.  Each is a task of its own, in any order and in parallel.
"""

import functools
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ooc_train.conversion.kinds.ngram.statistics import (
    Kept,
    add_squared_norms,
    kept_terms,
    squared_idf,
    write_inverse_norms,
)
from ooc_train.conversion.kinds.ngram.word_statistics import (
    KeptWords,
    add_squared_word_norms,
    count_documents,
)
from ooc_train.conversion.kinds.terms.gram_spill import GramGroup, GramPartition, GramSpill
from ooc_train.conversion.kinds.terms.grams import HASH_BITS, N_PARTITIONS
from ooc_train.conversion.kinds.terms.ranges import HashRange, TableTooLarge, divided
from ooc_train.conversion.kinds.terms.token_file import TokenBlock, groups_of, row_ranges
from ooc_train.conversion.resources import Resources
from ooc_train.conversion.storage.job import DiskArray, worker_file
from ooc_train.dtypes import U32, U64

_NO_WORDS = KeptWords(np.empty(0, np.int64), np.empty(0, np.uint64), np.empty(0, np.uint32))
_NORM_BYTES = 16
_WEIGHT_BYTES = 96  # of a term at most: its entry of a table, its weight, and its last row


@dataclass(frozen=True)
class KeptPartition:
    """The kept terms of a partition, in the order of their hashes, without the listed tokens.

    ``n_distinct`` counts all n-grams of the train rows, kept or not.
    """

    number: int
    hashes: DiskArray
    df: DiskArray
    n_distinct: int


class KeptTerms(NamedTuple):
    """All terms within the limits on their document frequency: by partition, and listed tokens.

    ``n_distinct`` counts all n-grams of the train rows, kept or not.
    """

    partitions: list[KeptPartition]
    words: KeptWords
    n_distinct: int

    def __len__(self) -> int:
        return sum(len(part.hashes) for part in self.partitions) + len(self.words.hashes)

    def pieces(self) -> Iterator[tuple[U64, U32]]:
        """All terms in the order of their hashes: hashes and document frequencies, by partition."""
        parts = {part.number: part for part in self.partitions}
        first_bits = np.arange(N_PARTITIONS, dtype=np.uint64) << np.uint64(HASH_BITS)
        bounds = [*np.searchsorted(self.words.hashes, first_bits), len(self.words.hashes)]
        for number in range(N_PARTITIONS):
            words = self.words.take(slice(bounds[number], bounds[number + 1]))
            if number in parts:
                hashes, df = parts[number].hashes.read(), parts[number].df.read()
                places = np.searchsorted(hashes, words.hashes)
                yield np.insert(hashes, places, words.hashes), np.insert(df, places, words.df)
            else:
                yield words.hashes, words.df


@dataclass(frozen=True)
class Counting:
    """The parameters that all counting tasks share.

    ``fit_classes`` (n_rows,) int32 is each row's class, or -1 where the row is not of the train
    split, of which there are ``n_documents``.
    """

    folder: Path
    fit_classes: DiskArray
    n_documents: int
    df_limits: tuple[int, int]
    table_bytes: int
    group_bytes: int

    def rows_at_once(self, n_workers: int) -> int:
        """How many rows' norms fit beside a table, and leave something for all workers."""
        return min(-(-len(self.fit_classes) // n_workers), self.table_bytes // 2 // _NORM_BYTES)


class RowRange(NamedTuple):
    """Some consecutive rows: their blocks of tokens, and their other n-grams by partition."""

    blocks: Sequence[TokenBlock]
    grams: list[GramGroup]

    @property
    def rows(self) -> slice:
        """The rows."""
        return slice(self.blocks[0].first_row, self.blocks[-1].first_row + len(self.blocks[-1]))


def count_terms(
    counting: Counting,
    grams: GramSpill,
    blocks: Sequence[TokenBlock],
    word_hashes: U64 | None,
    resources: Resources,
) -> tuple[KeptTerms, DiskArray]:
    """The kept terms, and one over every row's norm, (n_rows,) float64.

    ``word_hashes`` are those of the listed tokens, if these are terms.
    """
    n_workers = resources.plan.n_workers
    tasks = grams.groups(counting.group_bytes, n_workers)
    ranges = row_ranges(blocks, counting.rows_at_once(n_workers))
    resources.progress.start("counting", len(tasks) + len(ranges), "part")
    kept_words, n_distinct, weights = _NO_WORDS, 0, None
    if word_hashes is not None:
        kept_words, n_distinct, weights = _count_words(counting, blocks, word_hashes, resources)
    kept = []
    for parts in resources.in_order(functools.partial(count_partitions, counting), tasks):
        kept += parts
        n_distinct += sum(part.n_distinct for part in parts)
        resources.progress.advance(1)
    inverse = DiskArray.zeros(counting.folder / "inverse-norms", (len(counting.fit_classes),), "f8")
    add = functools.partial(write_norms, counting, kept, weights, inverse)
    some = (
        RowRange(blocks[where], grams.groups(counting.group_bytes, n_workers, where))
        for where in ranges
    )
    for _ in resources.in_order(add, some):
        resources.progress.advance(1)
    return KeptTerms(kept, kept_words, n_distinct), inverse


def count_partitions(counting: Counting, group: GramGroup) -> list[KeptPartition]:
    """The kept terms of some partitions."""
    return [_count_partition(counting, partition) for partition in group.partitions()]


def _count_partition(counting: Counting, partition: GramPartition) -> KeptPartition:
    found = list(_kept_ranges(counting, HashRange(), partition))
    hashes = np.concatenate([kept.hashes for kept in found])
    df = np.concatenate([kept.df for kept in found])
    return KeptPartition(
        partition.number,
        DiskArray.appended(worker_file(counting.folder, "kept-hashes"), hashes),
        DiskArray.appended(worker_file(counting.folder, "kept-df"), df),
        sum(kept.n_distinct for kept in found),
    )


def _kept_ranges(counting: Counting, where: HashRange, partition: GramPartition) -> Iterator[Kept]:
    """The kept terms of a range, divided as often as memory demands."""
    classes = counting.fit_classes.mapped
    try:
        yield kept_terms(partition, where, classes, counting.df_limits, counting.table_bytes)
    except TableTooLarge:
        for half in divided(where):
            yield from _kept_ranges(counting, half, partition)


def write_norms(
    counting: Counting,
    kept: Sequence[KeptPartition],
    word_weights: DiskArray | None,
    inverse: DiskArray,
    some: RowRange,
) -> None:
    """Write one over the norms of some rows to ``inverse``; no two ranges share a row.

    ``word_weights`` (n_words,) are the listed tokens' squared idf, 0 for those that are not kept.
    """
    rows = some.rows
    norms = np.zeros((rows.stop - rows.start, 2), np.uint64)
    if word_weights:
        add_squared_word_norms(some.blocks, word_weights.read(), rows.start, norms)
    terms_of, most = {part.number: part for part in kept}, counting.table_bytes // _WEIGHT_BYTES
    for partition in itertools.chain.from_iterable(group.partitions() for group in some.grams):
        terms = terms_of[partition.number]
        hashes, weights = terms.hashes.read(), squared_idf(terms.df.read(), counting.n_documents)
        for start in range(0, len(hashes), most):
            group = slice(start, start + most)
            add_squared_norms(partition, hashes[group], weights[group], rows.start, norms)
    found = np.empty(len(norms))
    write_inverse_norms(norms, found)
    inverse.write(rows.start, found)


def _count_words(
    counting: Counting, blocks: Sequence[TokenBlock], hashes: U64, resources: Resources
) -> tuple[KeptWords, int, DiskArray]:
    """The listed tokens that are kept, how many occur in train rows, and all squared idf.

    The squared idf of those that are not kept are 0.
    """
    groups = groups_of(blocks, resources.plan.n_workers)
    df = np.zeros(len(hashes), np.uint32)
    count = functools.partial(count_group, counting, len(hashes))
    for part in resources.in_order(count, enumerate(groups)):
        df += part.read()
    least, most = counting.df_limits
    numbers = np.flatnonzero((df >= max(1, least)) & (df <= most))
    numbers = numbers[np.argsort(hashes[numbers])]
    weights = np.zeros(len(hashes), np.uint64)
    weights[numbers] = squared_idf(df[numbers], counting.n_documents)
    written = DiskArray.of(counting.folder / "word-weights", weights)
    return KeptWords(numbers, hashes[numbers], df[numbers]), int(np.count_nonzero(df)), written


def count_group(
    counting: Counting, n_words: int, task: tuple[int, Sequence[TokenBlock]]
) -> DiskArray:
    """How many train rows of some blocks each listed token occurs in, (n_words,) uint32."""
    number, blocks = task
    df = count_documents(blocks, counting.fit_classes.mapped, n_words)
    return DiskArray.of(counting.folder / f"word-df-{number}", df)
