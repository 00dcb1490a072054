"""Sequences of words: the rows that Keras' Tokenizer and pad_sequences make, but for the padding.

Method: ``Tokenizer(num_words=20000)`` of Keras 2, then ``pad_sequences`` to the longest train row,
at most 500, as in "Step 3: Prepare Your Data" of Google's text-classification guide.  Padding is
left to the batches.

Learning takes bounded steps:

1. All rows' words go to temporary files, most of them as numbers by a dictionary of the first rows.
2. Occurrences of each word in the train rows, and the first row.  The most frequent, and all that
   tie with the last of them, are candidates (``counting``).
3. The words are read again: rows of candidates are encoded, and the candidates' strings and places
   in their first rows learned, which settles ties and proves that no two share a hash
   (``matching``).

The result equals that of Keras 2 on the whole corpus in memory, whatever the memory budget and the
number of workers.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from ooc_train.conversion.kinds.sequence.counting import WordCounting, most_frequent_words
from ooc_train.conversion.kinds.sequence.matching import FoundWords, encode_words
from ooc_train.conversion.kinds.terms.candidates import Candidates, LearnedTerms, check_ties
from ooc_train.conversion.kinds.terms.indexing import Splitting, TermVectorizer
from ooc_train.conversion.options import GUIDE_TOP_K, ConvertOptions
from ooc_train.conversion.report import SequenceReport
from ooc_train.conversion.resources import TextNeeds
from ooc_train.conversion.sources.rows import TextRows
from ooc_train.conversion.storage.codes import ITEM_BYTES
from ooc_train.conversion.storage.job import DiskArray
from ooc_train.conversion.storage.layouts.arrays import SplitArrays
from ooc_train.conversion.storage.layouts.ragged import RaggedArrays, keep_last
from ooc_train.conversion.storage.row_classes import TrainClasses
from ooc_train.conversion.storage.writing import Written
from ooc_train.conversion.text.table import check_hashes, find, index_table
from ooc_train.conversion.vectorizer import EncodeBlock, Encoded, Parameters
from ooc_train.dtypes import F32, I32, I64, U64
from ooc_train.errors import InputError, OptionError
from ooc_train.file.group import FileGroup
from ooc_train.file.output import OutputGroup
from ooc_train.file.schema import index_dtype
from ooc_train.jit import kernel
from ooc_train.options import fallback
from ooc_train.reading.rows import SequenceRows

ANALYZER = "keras"


@dataclass(frozen=True)
class SequenceParameters(Parameters):
    """How many words are kept, the padding id 0 counted, and how many of a row's last."""

    top_k: int = GUIDE_TOP_K
    max_length: int = fallback(ConvertOptions, "max_length")
    hash_seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.top_k < 2:
            raise OptionError(
                f"--top-k must be at least 2 for sequences, since it counts the padding id 0, not "
                f"{self.top_k}"
            )

    def for_few_rows(self) -> "SequenceParameters":
        """Parameters for trying out on a few rows."""
        return SequenceParameters()

    def for_attempt(self, number: int) -> "SequenceParameters":
        """The same with the hash seed of an attempt."""
        return replace(self, hash_seed=self.hash_seed + number)

    @property
    def needs(self) -> TextNeeds:
        """The memory and disk for words of at least a letter and a space."""
        return TextNeeds(least_bytes=2, usual_bytes=5, terms_a_token=1)


class SequenceVectorizer(TermVectorizer):
    """Rows of the ids of the most frequent words, from 1."""

    Parameters = SequenceParameters
    learning_shares: ClassVar[Mapping[str, float]] = {"counting": 4}
    report: SequenceReport
    parameters: SequenceParameters
    _table: U64

    def __init__(self, parameters: SequenceParameters) -> None:
        super().__init__(parameters, Splitting(ANALYZER, (1, 1), parameters.hash_seed))
        self.report = SequenceReport()
        self.max_length = parameters.max_length
        self.n_ids = 0

    # Fitted

    @classmethod
    def load(cls, parameters: SequenceParameters, group: FileGroup) -> "SequenceVectorizer":
        """The vectorizer that `save` stored in ``group``.  Memory: the terms' hashes."""
        vectorizer = cls(parameters)
        vectorizer.max_length = group.attributes["max_length"]
        if not 0 <= vectorizer.max_length <= parameters.max_length:
            raise ValueError("the longest row is longer than rows may be")
        hashes = group.read("term_hashes")
        check_hashes(hashes)
        vectorizer._table = index_table(hashes)
        vectorizer.n_ids = len(hashes)
        vectorizer.report = SequenceReport(
            n_features=vectorizer.n_ids, max_length=vectorizer.max_length, attempts=0
        )
        return vectorizer

    def encode(self, rows: TextRows) -> Encoded:
        """Ids of texts: unknown words are left out, and of the others the last ones kept."""
        words = self.splitting.tokens(rows)
        indptr = np.zeros(len(words.offsets), np.int64)
        ids = np.empty(len(words.hashes), np.int32)
        shares = np.zeros(len(words.offsets) - 1, np.float32)
        n = _look_up(words.hashes, words.offsets, self._table, self.max_length, indptr, ids, shares)
        n_empty = int((np.diff(words.offsets) == 0).sum())
        tokens = ids[:n].astype(index_dtype(self.n_ids + 1))
        found = SequenceRows(indptr, tokens, self.n_ids + 1, self.max_length)
        return Encoded(found, words.n_replaced, n_empty, unknown_shares=shares)

    # Learning

    def learn(self, train: TrainClasses) -> None:
        """Find the candidates.  Raises ``InputError`` if no train row has a word."""
        self.report.words = self.n_terms
        spilled, folder = self.spilled(), self.resources.folder
        counting = WordCounting(
            folder,
            train.of_row,
            self.words,
            self.parameters.top_k - 1,
            self.resources.plan.table_bytes,
        )
        found = most_frequent_words(counting, self.token_blocks, spilled, self.resources)
        spilled.remove()
        self.report.distinct_terms = found.n_seen
        if not found.n_seen:
            raise InputError(
                "no row of the train split has a word; does --text name the right columns?"
            )
        self._counted = found.candidates()
        n_candidates, k = len(self._counted.hashes), self.parameters.top_k - 1
        check_ties(n_candidates, k, self.resources.plan.tie_bytes)
        hashes = DiskArray.of(folder / "candidate-hashes", self._counted.hashes)
        self._candidates = Candidates(hashes, (1, 1), self.words)
        self._first_rows = DiskArray.of(folder / "first-rows", self._counted.first_rows)
        self._learned = LearnedTerms(self._candidates)
        self._positions = np.full(len(self._candidates), -1)

    def expected_items(self, n_rows: int, n_text_bytes: int) -> int:  # noqa: ARG002
        """At most the words of all rows, each as large as it is in memory."""
        n_terms = self.n_terms or self.parameters.needs.n_terms(n_text_bytes)
        return 4 // ITEM_BYTES * n_terms

    def encoder(self) -> EncodeBlock:
        """The task that encodes candidates, or texts if the vectorizer is fitted."""
        if self.is_fitted:
            return super().encoder()
        return functools.partial(encode_words, self._candidates, self._first_rows)

    def note_encoded(self, found: FoundWords | None) -> None:
        """Add the strings and places of the candidates in a group."""
        if found is not None:
            self._learned.add(found.occurrences)
            np.maximum(self._positions, found.positions, out=self._positions)

    def settle(self) -> None:
        """Select the terms, now that their places in their first rows are known."""
        if self.is_fitted:
            return
        counted = self._counted
        order = np.lexsort((self._positions, counted.first_rows, -counted.counts))
        self._selected = order[: self.parameters.top_k - 1]
        self.n_ids = self.report.n_features = len(self._selected)
        self._id_of = np.zeros(len(order), np.int32)
        self._id_of[self._selected] = np.arange(1, self.n_ids + 1)

    # Storing

    def arrays(self, split: str) -> SplitArrays:  # noqa: ARG002
        """The arrays of a split."""
        id_of = None if self.is_fitted else self._id_of
        return RaggedArrays(self.n_ids, self.max_length, id_of)

    def note_written(self, split: str, written: Written) -> None:
        """Truncate the other splits to the longest train row."""
        self.report.tokens += written.n_entries
        if split == "train" and not self.is_fitted:
            self.max_length = self.report.max_length = written.longest

    def save(self, group: OutputGroup) -> None:
        """Store the length of rows and the terms."""
        group.attribute("max_length", self.max_length)
        strings = self._learned.strings(ANALYZER)
        group.strings("terms", [strings[i].decode() for i in self._selected.tolist()])
        group.array("term_hashes", self._counted.hashes[self._selected])
        group.array("term_counts", self._counted.counts[self._selected].astype(np.uint64))


@kernel
def _look_up(
    hashes: U64,
    offsets: I64,
    table: U64,
    max_length: int,
    indptr: I64,
    tokens: I32,
    unknown_shares: F32,
) -> int:
    """Write the ids of known words, and the shares of the others; how many ids there are."""
    n = 0
    for row in range(len(offsets) - 1):
        begin, n_words = n, offsets[row + 1] - offsets[row]
        for i in range(offsets[row], offsets[row + 1]):
            entry = find(table, hashes[i])
            if table[2 * entry] != 0:
                tokens[n] = np.int64(table[2 * entry + 1]) + 1
                n += 1
        if n_words > 0:
            unknown_shares[row] = (n_words - (n - begin)) / n_words
        n = keep_last(tokens, begin, n, max_length)
        indptr[row + 1] = n
    return n
