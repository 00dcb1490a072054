"""The fit: document frequencies, norms and scores of all n-grams, partitions in parallel.

Here the kernels of `statistics` meet threads, temporary files and the memory plan.
"""

import queue
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ooc_train.conversion.grams import N_PARTITIONS
from ooc_train.conversion.resources import Resources
from ooc_train.conversion.selection import SCORES, BestTerms, Score, Scored
from ooc_train.conversion.spill import Column, Spill, row_array
from ooc_train.conversion.statistics import (
    HashRange,
    Kept,
    TableTooLarge,
    add_squared_norms,
    class_sums,
    divided,
    inverse_document_frequency,
    kept_terms,
    write_inverse_norms,
)
from ooc_train.conversion.vectorizer import NgramParameters
from ooc_train.errors import InputError

Hashes = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]
Classes = npt.NDArray[np.int32]
Counts = npt.NDArray[np.uint32]
Positions = npt.NDArray[np.int64]


class KeptTerms(NamedTuple):
    """All terms within the limits on their document frequency, in the order of their hashes.

    ``ranges`` says how many of them each range of hashes has; ``n_distinct`` counts all n-grams of
    the train rows, kept or not.
    """

    hashes: Column
    df: Column
    ranges: list[tuple[HashRange, int]]
    n_distinct: int


class Fit:
    """The steps of a fit on spilled n-grams.

    ``fit_classes`` (n_rows,) int32 is each row's class, or -1 where the row is not of the train
    split.  Temporary files belong to ``stack``.
    """

    def __init__(
        self,
        spill: Spill,
        fit_classes: Classes,
        class_counts: npt.NDArray[np.int64],
        resources: Resources,
        stack: ExitStack,
    ) -> None:
        self._spill = spill
        self._fit_classes = fit_classes
        self._class_counts = class_counts
        self._resources = resources
        self._stack = stack
        self.n_documents = int(class_counts.sum())

    def count(self, parameters: NgramParameters) -> tuple[KeptTerms, Floats]:
        """The kept terms, and one over every row's norm, (n_rows,) float64 on disk."""
        temp_dir, n_rows = self._resources.temp_dir, len(self._fit_classes)
        hashes = self._stack.enter_context(Column(temp_dir, np.uint64))
        df = self._stack.enter_context(Column(temp_dir, np.uint32))
        norms = [
            row_array(temp_dir, 2 * n_rows, np.uint64).reshape(-1, 2)
            for _ in range(self._resources.plan.n_workers)
        ]
        ranges: list[tuple[HashRange, int]] = []
        n_distinct = 0
        self._resources.progress.start("counting", N_PARTITIONS, "part")
        for found in self._count_partitions(parameters.df_limits(self.n_documents), norms):
            for where, kept in found:
                hashes.append(kept.hashes)
                df.append(kept.df)
                ranges.append((where, len(kept.hashes)))
                n_distinct += kept.n_distinct
            self._resources.progress.advance(1)
        if not len(hashes):
            raise InputError(
                f"no term occurs in as many rows of the train split as --min-df "
                f"{parameters.min_df} and --max-df {parameters.max_df} ask for; are the texts long "
                f"enough, and does --text name the right columns?"
            )
        inverse_norms = row_array(temp_dir, n_rows, np.float64)
        write_inverse_norms(norms, inverse_norms)
        return KeptTerms(hashes, df, ranges, n_distinct), inverse_norms

    def _count_partitions(
        self, df_limits: tuple[int, int], norms: Iterable[Hashes]
    ) -> Iterator[list[tuple[HashRange, Kept]]]:
        """The kept terms of each partition, in the order of their hashes."""
        free: queue.SimpleQueue[Hashes] = queue.SimpleQueue()
        for one in norms:
            free.put(one)

        def count(where: HashRange) -> list[tuple[HashRange, Kept]]:
            try:
                kept = kept_terms(
                    self._spill,
                    where,
                    self._fit_classes,
                    df_limits,
                    self._resources.plan.table_bytes,
                )
            except TableTooLarge:
                return [found for half in divided(where) for found in count(half)]
            mine = free.get()
            try:
                add_squared_norms(self._spill, where, kept, self.n_documents, mine)
            finally:
                free.put(mine)
            return [(where, kept)]

        ranges = (HashRange(partition, 0, 0) for partition in range(N_PARTITIONS))
        return self._resources.in_order(count, ranges)

    def score(self, kept: KeptTerms, inverse_norms: Floats, parameters: NgramParameters) -> Scored:
        """The best ``top_k`` kept terms and all that tie with the last of them."""
        score = SCORES[parameters.score]
        hashes, df = kept.hashes.mapped(), kept.df.mapped()
        best = BestTerms(parameters.top_k)

        def promising() -> Iterator[tuple[HashRange, Positions]]:
            """The terms of each range that can be among the best still."""
            start = 0
            for where, n_terms in kept.ranges:
                most = score.most(df[start : start + n_terms], self._class_counts)
                yield where, start + np.flatnonzero(most >= best.least)
                start += n_terms

        def scored(part: tuple[HashRange, Positions]) -> list[Scored]:
            where, positions = part
            n_most = max(1, self._resources.plan.table_bytes // (8 * (len(self._class_counts) + 8)))
            groups = (positions[i : i + n_most] for i in range(0, len(positions), n_most))
            return [
                self._scored(score, where, hashes[group], df[group], inverse_norms)
                for group in groups
            ]

        self._resources.progress.start("scoring", len(kept.ranges), "part")
        for found in self._resources.in_order(scored, promising()):
            for terms in found:
                best.add(terms)
            self._resources.progress.advance(1)
        return best.candidates()

    def _scored(
        self, score: Score, where: HashRange, hashes: Hashes, df: Counts, inverse_norms: Floats
    ) -> Scored:
        if score.of_sums is None:
            return Scored(hashes, df, df.astype(np.float64))
        idf = inverse_document_frequency(df, self.n_documents)
        sums, squares = class_sums(
            self._spill, where, hashes, idf, inverse_norms, self._fit_classes,
            len(self._class_counts),
        )  # fmt: skip
        return Scored(hashes, df, score.of_sums(sums, squares, self._class_counts))
