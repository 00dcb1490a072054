"""Document frequencies and norms: which terms are kept, partition by partition.

Listed tokens are counted by their numbers, in groups of blocks; all other n-grams by their hashes,
in partitions.  Each is a task of its own, in any order and in parallel.
"""

import functools
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
from ooc_train.conversion.kinds.terms.grams import HASH_BITS, N_PARTITIONS
from ooc_train.conversion.kinds.terms.ranges import HashRange, TableTooLarge, divided
from ooc_train.conversion.kinds.terms.token_file import TokenBlock, groups_of
from ooc_train.conversion.resources import Resources
from ooc_train.conversion.storage.job import DiskArray, worker_file
from ooc_train.conversion.storage.spill import Partition, Spill
from ooc_train.dtypes import U32, U64

_NO_WORDS = KeptWords(np.empty(0, np.int64), np.empty(0, np.uint64), np.empty(0, np.uint32))


@dataclass(frozen=True)
class KeptPartition:
    """The kept terms of a partition, in the order of their hashes, without the listed tokens.

    ``ranges`` are the parts that fit into memory, each with the number of its terms.
    ``n_distinct`` counts all n-grams of the train rows, kept or not.
    """

    number: int
    hashes: DiskArray
    df: DiskArray
    ranges: tuple[tuple[HashRange, int], ...]
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

    def norms(self, path: Path) -> DiskArray:
        """The part of all rows' squared norms that one file holds, (n_rows, 2) uint64."""
        shape = (len(self.fit_classes), 2)
        if path.exists():
            return DiskArray(path, np.dtype(np.uint64).str, shape)
        return DiskArray.zeros(path, shape, np.uint64)


def count_terms(
    counting: Counting,
    grams: Spill,
    words: tuple[Sequence[TokenBlock], U64] | None,
    resources: Resources,
) -> tuple[KeptTerms, DiskArray]:
    """The kept terms, and one over every row's norm, (n_rows,) float64.

    ``words`` are the blocks of tokens and the hashes of the listed ones, if these are terms.
    """
    partitions = {i: grams.partition(i) for i in range(N_PARTITIONS)}
    tasks = [(number, partition) for number, partition in partitions.items() if len(partition)]
    resources.progress.start("counting", len(tasks), "part")
    kept_words, n_distinct, norms = _NO_WORDS, 0, set[DiskArray]()
    if words:
        kept_words, n_distinct, of_words = _count_words(counting, *words, resources)
        norms.add(of_words)
    kept = []
    for part, of_part in resources.in_order(functools.partial(count_partition, counting), tasks):
        kept.append(part)
        norms.add(of_part)
        n_distinct += part.n_distinct
        resources.progress.advance(1)
    inverse = DiskArray.zeros(counting.folder / "inverse-norms", (len(counting.fit_classes),), "f8")
    write_inverse_norms([one.mapped for one in sorted(norms, key=str)], inverse.mapped)
    for one in norms:
        one.path.unlink()
    return KeptTerms(kept, kept_words, n_distinct), inverse


def count_partition(
    counting: Counting, task: tuple[int, Partition]
) -> tuple[KeptPartition, DiskArray]:
    """The kept terms of a partition, and the norms that they were added to."""
    number, partition = task
    norms = counting.norms(worker_file(counting.folder, "norms"))
    found = list(_kept_ranges(counting, HashRange(number, 0, 0), partition, norms.mapped))
    hashes = np.concatenate([kept.hashes for _, kept in found])
    df = np.concatenate([kept.df for _, kept in found])
    kept = KeptPartition(
        number,
        DiskArray.appended(worker_file(counting.folder, "kept-hashes"), hashes),
        DiskArray.appended(worker_file(counting.folder, "kept-df"), df),
        tuple((where, len(kept.hashes)) for where, kept in found),
        sum(kept.n_distinct for _, kept in found),
    )
    return kept, norms


def _kept_ranges(
    counting: Counting, where: HashRange, partition: Partition, norms: U64
) -> Iterator[tuple[HashRange, Kept]]:
    """The kept terms of a range, divided as often as memory demands."""
    classes = counting.fit_classes.mapped
    try:
        kept = kept_terms(partition, where, classes, counting.df_limits, counting.table_bytes)
    except TableTooLarge:
        for half in divided(where):
            yield from _kept_ranges(counting, half, partition, norms)
        return
    add_squared_norms(partition, where, kept, counting.n_documents, norms)
    yield where, kept


def _count_words(
    counting: Counting, blocks: Sequence[TokenBlock], hashes: U64, resources: Resources
) -> tuple[KeptWords, int, DiskArray]:
    """The listed tokens that are kept, how many occur in train rows, and the rows' norms."""
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
    norms = counting.norms(counting.folder / "word-norms")
    add = functools.partial(
        add_group_norms, DiskArray.of(counting.folder / "word-weights", weights), norms
    )
    for _ in resources.in_order(add, groups):
        pass
    return KeptWords(numbers, hashes[numbers], df[numbers]), int(np.count_nonzero(df)), norms


def count_group(
    counting: Counting, n_words: int, task: tuple[int, Sequence[TokenBlock]]
) -> DiskArray:
    """How many train rows of some blocks each listed token occurs in, (n_words,) uint32."""
    number, blocks = task
    df = count_documents(blocks, counting.fit_classes.mapped, n_words)
    return DiskArray.of(counting.folder / f"word-df-{number}", df)


def add_group_norms(weights: DiskArray, norms: DiskArray, blocks: Sequence[TokenBlock]) -> None:
    """Add the listed tokens of some blocks to their rows' norms; no two groups share a row."""
    add_squared_word_norms(blocks, weights.read(), norms.mapped)
