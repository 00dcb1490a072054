"""Scores of the kept terms, partition by partition, and the best of them."""

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ooc_train.conversion.kinds.ngram.class_sums import ClassSums
from ooc_train.conversion.kinds.ngram.counting import KeptPartition, KeptTerms
from ooc_train.conversion.kinds.ngram.scores import SCORES
from ooc_train.conversion.kinds.ngram.selection import BestTerms, Scored
from ooc_train.conversion.kinds.ngram.statistics import (
    class_sums,
    inverse_document_frequency,
)
from ooc_train.conversion.kinds.ngram.word_statistics import KeptWords, word_class_sums
from ooc_train.conversion.kinds.terms.gram_spill import GramGroup, GramPartition, GramSpill
from ooc_train.conversion.kinds.terms.token_file import TokenBlock
from ooc_train.conversion.resources import Resources
from ooc_train.conversion.storage.job import DiskArray
from ooc_train.conversion.storage.row_classes import TrainClasses
from ooc_train.dtypes import F64, I32, U32, U64

SumsOf = Callable[[U32, F64, I32, int], ClassSums]
"""Gives the class sums of terms with these document frequencies, from the inverse norms and classes
of all rows, and the number of classes."""


@dataclass(frozen=True)
class TermScoring:
    """The parameters that all scoring tasks share.

    ``inverse_norms`` (n_rows,) float64; ``n_words`` counts the listed tokens;
    ``tie_bytes`` see `BestTerms`.
    """

    score: str
    top_k: int
    train: TrainClasses
    inverse_norms: DiskArray
    table_bytes: int
    group_bytes: int
    n_words: int
    tie_bytes: int

    @property
    def terms_at_once(self) -> int:
        """How many terms' class sums fit into the memory of a worker."""
        return max(1, self.table_bytes // (8 * (len(self.train.counts) + 10)))

    def of(self, hashes: U64, df: U32, sums_of: SumsOf) -> Scored:
        """Terms with their scores, from their class sums if the score depends on these."""
        score = SCORES[self.score]
        if score.of_sums is None:
            return Scored(hashes, df, df.astype(np.float64))
        counts = self.train.counts
        idf = inverse_document_frequency(df, self.train.n_rows)
        inverse_norms, classes = self.inverse_norms.mapped, self.train.of_row.mapped
        sums, squares = sums_of(df, inverse_norms, classes, len(counts)).values(df, idf)
        return Scored(hashes, df, score.of_sums(sums, squares, counts))


def best_terms(
    scoring: TermScoring,
    kept: KeptTerms,
    grams: GramSpill,
    blocks: Sequence[TokenBlock],
    resources: Resources,
) -> Scored:
    """The best ``top_k`` kept terms and all that tie with the last of them.

    Raises ``BudgetError`` if these take too much memory.
    """
    best = BestTerms(scoring.top_k, scoring.tie_bytes)

    groups = grams.groups(scoring.group_bytes, resources.plan.n_workers)
    kept_of = {part.number: part for part in kept.partitions}

    def tasks() -> Iterator[tuple[list[KeptPartition], GramGroup, float]]:
        """Some partitions with the least score of a term that can be among the best still."""
        for group in groups:
            parts = [kept_of[number] for number in group.group.numbers if number in kept_of]
            yield parts, group, best.least

    resources.progress.start("scoring", len(groups), "part")
    # One task, and first, since it is long.
    of_words = resources.begun(score_words, scoring, kept.words, blocks)
    for found in resources.in_order(functools.partial(score_partitions, scoring), tasks()):
        best.add(found)
        resources.progress.advance(1)
    best.add(of_words())
    return best.candidates()


def score_partitions(
    scoring: TermScoring, task: tuple[list[KeptPartition], GramGroup, float]
) -> Scored:
    """The best terms of some partitions, of those that score ``least``, the last of the task."""
    parts, group, least = task
    best = BestTerms(scoring.top_k, scoring.tie_bytes)
    for kept, partition in zip(parts, group.partitions(), strict=True):
        best.add(_score_partition(scoring, kept, partition, max(least, best.least)))
    return best.candidates()


def _score_partition(
    scoring: TermScoring, kept: KeptPartition, partition: GramPartition, least: float
) -> Scored:
    all_hashes, all_df = kept.hashes.read(), kept.df.read()
    chosen = np.flatnonzero(SCORES[scoring.score].most(all_df, scoring.train.counts) >= least)
    found: list[Scored] = []
    for start in range(0, len(chosen), scoring.terms_at_once):
        group = chosen[start : start + scoring.terms_at_once]
        hashes, df = all_hashes[group], all_df[group]
        found.append(scoring.of(hashes, df, functools.partial(class_sums, partition, hashes)))
    terms = Scored.joined(found)
    return terms.take(np.flatnonzero(terms.scores >= least))


def score_words(scoring: TermScoring, words: KeptWords, blocks: Sequence[TokenBlock]) -> Scored:
    """The best of the listed tokens."""
    best = BestTerms(scoring.top_k, scoring.tie_bytes)
    for start in range(0, len(words.numbers), scoring.terms_at_once):
        numbers, hashes, df = words.take(slice(start, start + scoring.terms_at_once))
        slots = np.zeros(scoring.n_words, np.int32)
        slots[numbers] = np.arange(1, len(numbers) + 1)
        best.add(scoring.of(hashes, df, functools.partial(word_class_sums, blocks, slots)))
    return best.candidates()
