"""n-gram features: the rows that scikit-learn's TfidfVectorizer and SelectKBest make.

Method: word n-grams, smooth idf and L2 norm as ``TfidfVectorizer``, columns chosen by
``SelectKBest``; "Step 3: Prepare Your Data" in Google's text-classification guide.  A row's norm
runs over every kept term, selected or not, hence the long arrays of hashes and document frequencies
beside the selected terms.

Learning takes bounded steps:

1. All rows' tokens go to temporary files, most of them as numbers by a dictionary of the first
   rows; all other n-grams go to a spill, by their hash's partition.
2. Document frequencies, kept terms and squared norms of all rows (``counting``).
3. Scores of the kept terms; the best, and all that tie with the last of them, are candidates
   (``scoring``).
4. The tokens are read again: the candidates' entries are encoded, and their strings learned, which
   settles ties and proves that no two share a hash (``matching``).

The result equals that of scikit-learn on the whole corpus in memory, whatever the memory budget and
the number of workers.
"""

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from ooc_train.conversion.kinds.ngram.counting import Counting, KeptTerms, count_terms
from ooc_train.conversion.kinds.ngram.matching import Entries, encode_tokens
from ooc_train.conversion.kinds.ngram.near_terms import near_table
from ooc_train.conversion.kinds.ngram.scoring import TermScoring, best_terms
from ooc_train.conversion.kinds.ngram.selection import select_terms
from ooc_train.conversion.kinds.ngram.statistics import inverse_document_frequency
from ooc_train.conversion.kinds.ngram.term_index import TermIndex
from ooc_train.conversion.kinds.ngram.transform import Fitted, TfidfRows, transform
from ooc_train.conversion.kinds.terms.candidates import (
    Candidates,
    LearnedTerms,
    check_selection,
    check_ties,
)
from ooc_train.conversion.kinds.terms.gram_spill import GramSpill
from ooc_train.conversion.kinds.terms.grams import extract_grams
from ooc_train.conversion.kinds.terms.indexing import Splitting, TermVectorizer
from ooc_train.conversion.options import GUIDE_TOP_K, ConvertOptions
from ooc_train.conversion.report import NgramReport
from ooc_train.conversion.resources import TextNeeds
from ooc_train.conversion.sources.rows import TextRows
from ooc_train.conversion.storage.job import DiskArray
from ooc_train.conversion.storage.layouts.arrays import SplitArrays
from ooc_train.conversion.storage.layouts.counted import CountedArrays
from ooc_train.conversion.storage.layouts.sparse import ENTRY_ITEMS, SparseArrays
from ooc_train.conversion.storage.row_classes import TrainClasses
from ooc_train.conversion.storage.sorting import SortingScratch
from ooc_train.conversion.text.table import check_hashes
from ooc_train.conversion.vectorizer import EncodeBlock, Encoded, Parameters
from ooc_train.dtypes import I64
from ooc_train.errors import InputError
from ooc_train.file.group import FileGroup
from ooc_train.file.output import OutputGroup
from ooc_train.options import fallback
from ooc_train.reading.rows import SparseRows

_ROWS_A_TERM, _MOST_SELECTED = 5, 100_000
"""By default a term is selected for so many train rows, if that makes more than in the guide."""


@dataclass(frozen=True)
class NgramParameters(Parameters):
    """How text becomes terms, and which of them are kept and selected."""

    analyzer: str = fallback(ConvertOptions, "analyzer")
    ngrams: tuple[int, int] = fallback(ConvertOptions, "ngrams")
    min_df: int | float = fallback(ConvertOptions, "min_df")
    max_df: int | float = fallback(ConvertOptions, "max_df")
    top_k: int | str = fallback(ConvertOptions, "top_k")
    score: str = fallback(ConvertOptions, "score")
    hash_seed: int = 0

    def for_few_rows(self) -> "NgramParameters":
        """The same kind of terms, with limits that those of a few rows meet."""
        return NgramParameters(analyzer=self.analyzer, min_df=1)

    def for_attempt(self, number: int) -> "NgramParameters":
        """The same with the hash seed of an attempt."""
        return replace(self, hash_seed=self.hash_seed + number)

    @property
    def needs(self) -> TextNeeds:
        """The memory and disk for words of at least two letters and a space, or for characters."""
        least, usual = (3, 5) if self.analyzer == "word" else (1, 1)
        shortest, longest = self.ngrams
        return TextNeeds(least, usual, terms_a_token=longest - shortest + 1)

    def n_selected(self, n_documents: int) -> int:
        """The number of terms to select, if there are as many.

        Of many rows more terms make a better model.  It costs memory in training, 64 weights a
        column with their moments, so there is a bound.
        """
        if isinstance(self.top_k, str):
            return min(max(GUIDE_TOP_K, n_documents // _ROWS_A_TERM), _MOST_SELECTED)
        return self.top_k

    def df_limits(self, n_documents: int) -> tuple[int, int]:
        """The least and the largest document frequency of a term that is kept.

        Integers are numbers of rows, other numbers shares of them, as in scikit-learn.
        """
        least, most = (
            limit if isinstance(limit, int) else limit * n_documents
            for limit in (self.min_df, self.max_df)
        )
        return math.ceil(least), math.floor(most)


class NgramVectorizer(TermVectorizer):
    """Tf-idf rows of the selected terms."""

    Parameters = NgramParameters
    learning_shares: ClassVar[Mapping[str, float]] = {"counting": 20, "scoring": 15}
    report: NgramReport
    parameters: NgramParameters
    _fitted: Fitted

    def __init__(self, parameters: NgramParameters) -> None:
        analyzer, ngrams, seed = parameters.analyzer, parameters.ngrams, parameters.hash_seed
        super().__init__(parameters, Splitting(analyzer, ngrams, seed))
        self.report = NgramReport()
        self.n_columns = 0

    # Fitted

    @classmethod
    def load(cls, parameters: NgramParameters, group: FileGroup) -> "NgramVectorizer":
        """The vectorizer that `save` stored in ``group``.

        The arrays over all kept terms are mapped, not loaded.  Memory: the selected terms' hashes.
        """
        vectorizer = cls(parameters)
        selected, n_documents = group.read("term_hashes"), group.attributes["n_documents"]
        check_hashes(selected)
        _check_kept(group, n_documents)
        vectorizer.n_columns = len(selected)
        hashes, df = group.mapped("kept_hashes"), group.mapped("kept_df")
        near = near_table(hashes, df, selected)
        kept = TermIndex.of(hashes, df, n_documents)
        vectorizer._fitted = Fitted(kept, near, parameters.ngrams)
        vectorizer.report = NgramReport(
            n_features=vectorizer.n_columns, kept_terms=len(kept.hashes), attempts=0
        )
        return vectorizer

    def encode(self, rows: TextRows) -> Encoded:
        """Tf-idf rows of texts, columns ascending within each row."""
        tokens = self.splitting.tokens(rows)
        grams = extract_grams(tokens, self.parameters.ngrams)
        made, scratch = TfidfRows.room_for(grams), SortingScratch.of(self.n_columns)
        n = transform(grams, tokens.offsets, self._fitted, made, scratch)
        n_empty = int((np.diff(grams.offsets) == 0).sum())
        found = SparseRows(made.indptr, made.columns[:n], made.values[:n], self.n_columns)
        return Encoded(found, tokens.n_replaced, n_empty, unknown_shares=made.unknown_shares)

    # Learning

    def learn(self, train: TrainClasses) -> None:
        """Find the kept terms and the candidates.  Raises ``InputError`` if no term is kept."""
        self.report.grams = self.n_terms
        self._top_k = self.parameters.n_selected(train.n_rows)
        self.parameters = replace(self.parameters, top_k=self._top_k)
        grams, folder = self.spilled(), self.resources.folder
        self._kept, inverse_norms = self._count(grams, train)
        check_selection(min(self._top_k, len(self._kept)), self.resources.plan.tie_bytes)
        scoring = TermScoring(
            self.parameters.score,
            self._top_k,
            train,
            inverse_norms,
            self.resources.plan.table_bytes,
            self.resources.plan.group_bytes,
            len(self.words),
            self.resources.plan.tie_bytes,
        )
        scored = best_terms(scoring, self._kept, grams, self.token_blocks, self.resources)
        grams.remove()
        check_ties(len(scored.hashes), scoring.top_k, scoring.tie_bytes)
        # The terms of most rows have the smallest numbers, which take the fewest bytes.
        self._scored = scored = scored.take(np.argsort(-scored.df.astype(np.int64), kind="stable"))
        hashes = DiskArray.of(folder / "candidate-hashes", scored.hashes)
        self._candidates = Candidates(hashes, self.parameters.ngrams, self.words)
        self._idf = inverse_document_frequency(scored.df, train.n_rows)
        self._inverse_norms = inverse_norms
        self._n_train = train.n_rows
        self._learned = LearnedTerms(self._candidates)
        self._entries: dict[str, I64] = {}

    def _count(self, grams: GramSpill, train: TrainClasses) -> tuple[KeptTerms, DiskArray]:
        counting = Counting(
            self.resources.folder,
            train.of_row,
            train.n_rows,
            self.parameters.df_limits(train.n_rows),
            self.resources.plan.table_bytes,
            self.resources.plan.group_bytes,
        )
        words = self.words.listed().hashes if self.parameters.ngrams[0] == 1 else None
        kept, norms = count_terms(counting, grams, self.token_blocks, words, self.resources)
        self.report.distinct_grams, self.report.kept_terms = kept.n_distinct, len(kept)
        if not len(kept):
            raise InputError(
                f"no term occurs in as many rows of the train split as --min-df "
                f"{self.parameters.min_df} and --max-df {self.parameters.max_df} ask for; are the "
                f"texts long enough, does --text name the right columns, and are there spaces "
                f"between words (else --analyzer char)?"
            )
        return kept, norms

    def expected_items(self, n_rows: int, n_text_bytes: int) -> int:
        """About the entries of all rows, each as large as it is in memory."""
        if self.is_fitted:
            return super().expected_items(n_rows, n_text_bytes)
        return ENTRY_ITEMS * int(self._scored.df.sum(dtype=np.int64)) * n_rows // self._n_train

    def encoder(self) -> EncodeBlock:
        """The task that encodes candidates, or texts if the vectorizer is fitted."""
        if self.is_fitted:
            return super().encoder()
        return functools.partial(encode_tokens, self._candidates, self._inverse_norms)

    def note_encoded(self, found: Entries | None) -> None:
        """Add the tokens of the candidates in a group, and the numbers of their entries."""
        if found is not None:
            self._learned.add(found.occurrences)
            for split, entries in found.by_split.items():
                self._entries.setdefault(split, np.zeros(len(entries), np.int64))
                self._entries[split] += entries

    def settle(self) -> None:
        """Select the terms, now that their strings are known."""
        if self.is_fitted:
            return
        self._strings = self._learned.strings(self.parameters.analyzer)
        self._selected = select_terms(self._scored, self._strings, self._top_k)
        self.n_columns = self.report.n_features = len(self._selected)
        self._column_of = np.full(len(self._strings), -1, np.int32)
        self._column_of[self._selected] = np.arange(self.n_columns)

    # Storing

    def arrays(self, split: str) -> SplitArrays:
        """The arrays of a split."""
        if self.is_fitted:
            return SparseArrays(self.n_columns)
        n_left = int(self._entries[split][self._selected].sum())
        return CountedArrays(self.n_columns, self._column_of, self._idf, n_left)

    def save(self, group: OutputGroup) -> None:
        """Store the selected terms, and hashes and document frequencies of all that are kept."""
        group.strings("terms", [self._strings[i].decode() for i in self._selected.tolist()])
        group.array("term_hashes", self._scored.hashes[self._selected])
        group.array("term_df", self._scored.df[self._selected])
        kept = {"kept_hashes": np.uint64, "kept_df": np.uint32}
        with group.columns(len(self._kept), kept) as (hashes, df):
            for some_hashes, some_df in self._kept.pieces():
                hashes.append(some_hashes)
                df.append(some_df)


def _check_kept(group: FileGroup, n_documents: int) -> None:
    """Raise ``ValueError`` unless hashes ascend, and each term is in 1 to all documents.

    Memory: a megabyte.
    """
    before = -1
    for hashes in group.pieces("kept_hashes"):
        if before >= int(hashes[0]) or not (hashes[1:] > hashes[:-1]).all():
            raise ValueError("the hashes of the kept terms do not ascend")
        before = int(hashes[-1])
    for df in group.pieces("kept_df"):
        if df.min() < 1 or df.max() > n_documents:
            raise ValueError("a term is in no document, or in more than there are")
