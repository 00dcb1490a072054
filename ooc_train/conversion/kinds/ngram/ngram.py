"""n-gram features: fit on the train rows, transform all rows, in bounded memory.

The steps, each bounded by itself:

1. Read every source once: all rows' tokens go to a temporary file, most of them as numbers by a
   dictionary; n-grams of several tokens to another, by their hash's partition.
2. Tokens by their numbers, n-grams partition by partition: document frequencies, kept terms,
   squared norms of all rows.
3. Likewise: scores of the kept terms; the best are candidates.
4. Read the tokens again with the candidates: rows go to buckets by their destination, and the
   candidates' strings are learned, which settles ties and proves that no two share a hash.
5. Write: rows bucket by bucket, then the vectorizer.

The result equals ``TfidfVectorizer`` and ``SelectKBest`` of scikit-learn on the whole corpus in
memory, whatever the budget and the number of threads.
"""

from contextlib import ExitStack
from dataclasses import replace
from typing import NamedTuple

import h5py
import numpy as np

from ooc_train.conversion.kinds.ngram.fitting import Fit, KeptTerms
from ooc_train.conversion.kinds.ngram.indexing import IndexedText, Splitting, index_text
from ooc_train.conversion.kinds.ngram.selection import Scored, select_terms
from ooc_train.conversion.kinds.ngram.statistics import inverse_document_frequency
from ooc_train.conversion.kinds.ngram.terms import TermMatcher
from ooc_train.conversion.kinds.ngram.token_file import TokenBlock
from ooc_train.conversion.kinds.ngram.vectorizer import (
    NgramParameters,
    SelectedTerms,
    write_vectorizer,
)
from ooc_train.conversion.report import NgramReport
from ooc_train.conversion.resources import Resources
from ooc_train.conversion.sources.corpus import Corpus
from ooc_train.conversion.storage.placement import Destination, Placement, PlacementRule
from ooc_train.conversion.storage.shuffle import LabelledRows
from ooc_train.conversion.storage.writing import SplitWriter
from ooc_train.conversion.text.collisions import without_collision
from ooc_train.dtypes import F32, F64, I32, I64
from ooc_train.jit import kernel


class _Fitted(NamedTuple):
    """Statistics of the train rows: kept terms, all rows' norms, and the best terms."""

    n_documents: int
    kept: KeptTerms
    inverse_norms: F64
    candidates: Scored


def write_ngrams(
    file: h5py.File,
    corpus: Corpus,
    parameters: NgramParameters,
    resources: Resources,
    rule: PlacementRule,
) -> NgramReport:
    """Convert ``corpus`` and write its splits and the vectorizer into ``file``.

    Raises ``InputError`` for data without a usable class or term.
    """

    def attempt(number: int) -> NgramReport:
        numbered = replace(parameters, hash_seed=parameters.hash_seed + number)
        with _NgramConversion(corpus, numbered, resources) as conversion:
            conversion.report.attempts = number + 1
            return conversion.run(file, rule)

    return without_collision(attempt, resources.progress)


class _NgramConversion:
    """One attempt, with one hash seed.  Its temporary files go when it ends."""

    def __init__(self, corpus: Corpus, parameters: NgramParameters, resources: Resources) -> None:
        self.report = NgramReport()
        self._corpus = corpus
        self._parameters = parameters
        self._resources = resources
        self._stack = ExitStack()

    def __enter__(self) -> "_NgramConversion":
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def run(self, file: h5py.File, rule: PlacementRule) -> NgramReport:
        indexed = self._index()
        placement = rule.place(self._corpus.n_rows)
        fitted = self._fit(indexed, placement)
        indexed.spill.close()
        writer, matcher = self._transform(indexed, fitted, placement)
        self._write(file, indexed, fitted, writer, matcher)
        return self.report

    # Step 1

    def _index(self) -> IndexedText:
        """Read all rows: tokens into their file, n-grams into a spill, labels into a column."""
        parameters = self._parameters
        splitting = Splitting(parameters.analyzer, parameters.ngrams, parameters.hash_seed)
        indexed = index_text(self._corpus, splitting, self._resources, self._stack, self.report)
        self.report.grams = indexed.n_terms
        return indexed

    # Steps 2 and 3

    def _fit(self, indexed: IndexedText, placement: Placement) -> _Fitted:
        """Document frequencies, norms and scores."""
        fit_classes, counts = indexed.train_classes(placement, self._resources.temp_dir)
        self.report.split_rows = placement.n_rows
        words = (indexed.tokens, indexed.listed)
        fit = Fit(indexed.spill, words, fit_classes, counts, self._resources, self._stack)
        kept, inverse_norms = fit.count(self._parameters)
        self.report.distinct_grams = kept.n_distinct
        self.report.kept_terms = len(kept)
        candidates = fit.score(kept, inverse_norms, self._parameters)
        return _Fitted(fit.n_documents, kept, inverse_norms, candidates)

    # Step 4

    def _transform(
        self, indexed: IndexedText, fitted: _Fitted, placement: Placement
    ) -> tuple[SplitWriter, TermMatcher]:
        """Read all tokens again: the candidates' entries into buckets, their strings in memory."""
        candidates, parameters = fitted.candidates, self._parameters
        matcher = TermMatcher(
            candidates.hashes, parameters.ngrams, parameters.analyzer, indexed.listed
        )
        idf = inverse_document_frequency(candidates.df, fitted.n_documents)
        writer = SplitWriter(
            placement, matcher.n_terms, self.report.grams, self._resources, self._stack
        )

        def transform(item: tuple[TokenBlock, list[Destination]]) -> int:
            block, destinations = item
            matches = matcher.match(*indexed.decoded(block))
            stop = block.first_row + block.n_rows
            values = _values(*matches, idf, fitted.inverse_norms[block.first_row : stop])
            labels = indexed.row_classes[block.first_row : stop]
            rows = LabelledRows(labels, matches.offsets, matches.terms, values)
            writer.add(rows, destinations)
            return block.n_rows

        self._resources.progress.start("transforming", sum(self._corpus.n_rows.values()), "row")
        for n_rows in self._resources.in_order(transform, indexed.placed(placement)):
            self._resources.progress.advance(n_rows)
        self.report.spill_bytes += writer.n_bytes
        return writer, matcher

    # Step 5

    def _write(
        self,
        file: h5py.File,
        indexed: IndexedText,
        fitted: _Fitted,
        writer: SplitWriter,
        matcher: TermMatcher,
    ) -> None:
        candidates = fitted.candidates
        texts = matcher.strings()
        selected = select_terms(candidates, texts, self._parameters.top_k)
        self.report.n_features = len(selected)
        column_of = np.full(len(texts), -1, np.int32)
        column_of[selected] = np.arange(len(selected))
        writer.write(file, column_of, n_columns=len(selected), n_classes=len(indexed.classes))
        terms = SelectedTerms(
            [texts[i].decode("utf-8") for i in selected.tolist()],
            candidates.hashes[selected],
            candidates.df[selected],
        )
        kept = (len(fitted.kept), fitted.kept.pieces())
        write_vectorizer(file, self._parameters, fitted.n_documents, terms, kept)


@kernel
def _values(
    terms: I32,
    counts: I32,
    offsets: I64,
    idf: F64,
    inverse_norms: F64,
) -> F32:
    values = np.empty(len(terms), np.float32)
    for row in range(len(offsets) - 1):
        for i in range(offsets[row], offsets[row + 1]):
            values[i] = counts[i] * idf[terms[i]] * inverse_norms[row]
    return values
