"""The fit: document frequencies, norms and scores of all n-grams, partitions in parallel.

Here the kernels of `statistics` and `word_statistics` meet threads, temporary files and the memory
plan.
"""

import queue
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from typing import NamedTuple

import numpy as np

from ooc_train.conversion.kinds.ngram.dictionary import Listed
from ooc_train.conversion.kinds.ngram.grams import N_PARTITIONS
from ooc_train.conversion.kinds.ngram.selection import SCORES, BestTerms, Score, Scored
from ooc_train.conversion.kinds.ngram.statistics import (
    HashRange,
    Kept,
    TableTooLarge,
    add_squared_norms,
    class_sums,
    divided,
    inverse_document_frequency,
    kept_terms,
    squared_idf,
    write_inverse_norms,
)
from ooc_train.conversion.kinds.ngram.token_file import TokenBlock, TokenFile
from ooc_train.conversion.kinds.ngram.vectorizer import NgramParameters
from ooc_train.conversion.kinds.ngram.word_statistics import (
    KeptWords,
    add_squared_word_norms,
    count_documents,
    word_class_sums,
)
from ooc_train.conversion.resources import Resources
from ooc_train.conversion.storage.spill import Column, Spill, row_array
from ooc_train.dtypes import F64, I32, I64, U32, U64
from ooc_train.errors import InputError

_PIECE_TERMS = 2**20
_NO_WORDS = KeptWords(np.empty(0, np.int64), np.empty(0, np.uint64), np.empty(0, np.uint32))


class KeptTerms(NamedTuple):
    """All terms within the limits on their document frequency, in the order of their hashes.

    Those that were spilled are in columns, ``ranges`` says how many of them each range of hashes
    has; the listed tokens apart.  ``n_distinct`` counts all n-grams of the train rows, kept or not.
    """

    hashes: Column
    df: Column
    ranges: list[tuple[HashRange, int]]
    words: KeptWords
    n_distinct: int

    def __len__(self) -> int:
        return len(self.hashes) + len(self.words.hashes)

    def pieces(self) -> Iterator[tuple[U64, U32]]:
        """All terms, hashes and document frequencies, in pieces of some megabytes."""
        hashes, df = self.hashes.mapped(), self.df.mapped()
        n_words = 0
        for start in range(0, max(1, len(hashes)), _PIECE_TERMS):
            stop = start + _PIECE_TERMS
            words = self.words.hashes[n_words:]
            if stop < len(hashes):
                words = words[: np.searchsorted(words, hashes[stop])]
            places = np.searchsorted(hashes[start:stop], words)
            word_df = self.words.df[n_words : n_words + len(words)]
            yield (
                np.insert(hashes[start:stop], places, words),
                np.insert(df[start:stop], places, word_df),
            )
            n_words += len(words)


class Fit:
    """The steps of a fit on spilled n-grams, and on listed tokens if these are terms.

    ``fit_classes`` (n_rows,) int32 is each row's class, or -1 where the row is not of the train
    split.  Temporary files belong to ``stack``.
    """

    def __init__(
        self,
        spill: Spill,
        words: tuple[TokenFile, Listed],
        fit_classes: I32,
        class_counts: I64,
        resources: Resources,
        stack: ExitStack,
    ) -> None:
        self._spill = spill
        self._tokens, self._listed = words
        self._fit_classes = fit_classes
        self._class_counts = class_counts
        self._resources = resources
        self._stack = stack
        self.n_documents = int(class_counts.sum())

    def count(self, parameters: NgramParameters) -> tuple[KeptTerms, F64]:
        """The kept terms, and one over every row's norm, (n_rows,) float64 on disk."""
        temp_dir, n_rows = self._resources.temp_dir, len(self._fit_classes)
        hashes = self._stack.enter_context(Column(temp_dir, np.uint64))
        df = self._stack.enter_context(Column(temp_dir, np.uint32))
        norms = [
            row_array(temp_dir, 2 * n_rows, np.uint64).reshape(-1, 2)
            for _ in range(self._resources.plan.n_workers)
        ]
        df_limits = parameters.df_limits(self.n_documents)
        self._resources.progress.start("counting", len(self._partitions()), "part")
        words, n_distinct = _NO_WORDS, 0
        if parameters.ngrams[0] == 1:
            words, n_distinct = self._count_words(df_limits, norms[0])
        ranges: list[tuple[HashRange, int]] = []
        for found in self._count_partitions(df_limits, norms):
            for where, kept in found:
                hashes.append(kept.hashes)
                df.append(kept.df)
                ranges.append((where, len(kept.hashes)))
                n_distinct += kept.n_distinct
            self._resources.progress.advance(1)
        kept_terms = KeptTerms(hashes, df, ranges, words, n_distinct)
        if not len(kept_terms):
            raise InputError(
                f"no term occurs in as many rows of the train split as --min-df "
                f"{parameters.min_df} and --max-df {parameters.max_df} ask for; are the texts long "
                f"enough, and does --text name the right columns?"
            )
        inverse_norms = row_array(temp_dir, n_rows, np.float64)
        write_inverse_norms(norms, inverse_norms)
        return kept_terms, inverse_norms

    def _count_words(self, df_limits: tuple[int, int], norms: U64) -> tuple[KeptWords, int]:
        """The listed tokens that are kept, and how many there are; adds to the squared norms."""
        n_words = len(self._listed.hashes)
        groups = self._tokens.groups(self._resources.plan.n_workers)

        def count(group: list[TokenBlock]) -> U32:
            return count_documents(self._tokens, group, self._fit_classes, n_words)

        df = np.zeros(n_words, np.uint32)
        for part in self._resources.in_order(count, groups):
            df += part
        numbers = np.flatnonzero((df >= max(1, df_limits[0])) & (df <= df_limits[1]))
        numbers = numbers[np.argsort(self._listed.hashes[numbers])]
        weights = np.zeros(n_words, np.uint64)
        weights[numbers] = squared_idf(df[numbers], self.n_documents)

        def add(group: list[TokenBlock]) -> None:  # no two have a row in common
            add_squared_word_norms(self._tokens, group, weights, norms)

        for _ in self._resources.in_order(add, groups):
            pass
        kept = KeptWords(numbers, self._listed.hashes[numbers], df[numbers])
        return kept, int(np.count_nonzero(df))

    def _partitions(self) -> list[int]:
        """The partitions that there are records in."""
        return [i for i in range(N_PARTITIONS) if self._spill.n_records(i)]

    def _count_partitions(
        self, df_limits: tuple[int, int], norms: Iterable[U64]
    ) -> Iterator[list[tuple[HashRange, Kept]]]:
        """The kept terms of each partition, in the order of their hashes."""
        free: queue.SimpleQueue[U64] = queue.SimpleQueue()
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

        ranges = (HashRange(partition, 0, 0) for partition in self._partitions())
        return self._resources.in_order(count, ranges)

    def score(self, kept: KeptTerms, inverse_norms: F64, parameters: NgramParameters) -> Scored:
        """The best ``top_k`` kept terms and all that tie with the last of them."""
        score = SCORES[parameters.score]
        hashes, df = kept.hashes.mapped(), kept.df.mapped()
        best = BestTerms(parameters.top_k)

        def promising() -> Iterator[tuple[HashRange, I64]]:
            """The terms of each range that can be among the best still."""
            start = 0
            for where, n_terms in kept.ranges:
                most = score.most(df[start : start + n_terms], self._class_counts)
                yield where, start + np.flatnonzero(most >= best.least)
                start += n_terms

        def scored(part: tuple[HashRange, I64]) -> list[Scored]:
            where, positions = part
            n_most = self._terms_at_once()
            found = []
            for i in range(0, len(positions), n_most):
                group = positions[i : i + n_most]

                def sums(idf: F64, group: I64 = group) -> tuple[F64, F64]:
                    return class_sums(
                        self._spill, where, hashes[group], idf, inverse_norms, self._fit_classes,
                        len(self._class_counts),
                    )  # fmt: skip

                found.append(self._scored(score, hashes[group], df[group], sums))
            return found

        self._resources.progress.start("scoring", len(kept.ranges), "part")
        # One task, since class sums are added in the order of the rows; first, since it is long.
        of_words = self._resources.pool.submit(self._scored_words, score, kept.words, inverse_norms)
        for found in self._resources.in_order(scored, promising()):
            for terms in found:
                best.add(terms)
            self._resources.progress.advance(1)
        for terms in of_words.result():
            best.add(terms)
        return best.candidates()

    def _scored_words(self, score: Score, words: KeptWords, inverse_norms: F64) -> list[Scored]:
        n_most = self._terms_at_once()
        found = []
        for start in range(0, len(words.numbers), n_most):
            numbers, hashes, df = words.take(slice(start, start + n_most))
            slots = np.zeros(len(self._listed.hashes), np.int32)
            slots[numbers] = np.arange(1, len(numbers) + 1)

            def sums(idf: F64, slots: I32 = slots) -> tuple[F64, F64]:
                return word_class_sums(
                    self._tokens, slots, idf, inverse_norms, self._fit_classes,
                    len(self._class_counts),
                )  # fmt: skip

            found.append(self._scored(score, hashes, df, sums))
        return found

    def _terms_at_once(self) -> int:
        """How many terms' class sums fit into the memory of a worker."""
        return max(1, self._resources.plan.table_bytes // (8 * (len(self._class_counts) + 8)))

    def _scored(
        self,
        score: Score,
        hashes: U64,
        df: U32,
        sums_of: Callable[[F64], tuple[F64, F64]],
    ) -> Scored:
        """Terms with their scores, from their class sums if need be; ``sums_of`` takes the idf."""
        if score.of_sums is None:
            return Scored(hashes, df, df.astype(np.float64))
        sums, squares = sums_of(inverse_document_frequency(df, self.n_documents))
        return Scored(hashes, df, score.of_sums(sums, squares, self._class_counts))
