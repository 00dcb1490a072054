"""Sequences of word ids: the vocabulary of the train rows, all rows, in bounded memory.

The steps, each bounded by itself:

1. Read every source once: words go to a file, most of them as numbers by a dictionary, see
   ``indexing``.
2. Occurrences of each word in the train rows, and the first row.  The most frequent, and all that
   tie with the last of them, are candidates.
3. Read the words again with the candidates: rows go to buckets by their destination, and the
   candidates' strings and places in their first rows are learned.  That settles ties and proves
   that no two share a hash.
4. Write: rows bucket by bucket, now cut, then the vectorizer.

The result equals ``Tokenizer`` and ``pad_sequences`` of Keras 2 on the whole corpus in memory,
whatever the budget and the number of threads.
"""

from contextlib import ExitStack
from dataclasses import replace

import h5py
import numpy as np

from ooc_train.conversion.kinds.ngram.indexing import IndexedText, Splitting, index_text
from ooc_train.conversion.kinds.ngram.terms import Occurrences, TermMatcher
from ooc_train.conversion.kinds.ngram.token_file import TokenBlock
from ooc_train.conversion.kinds.sequence.sequence_shuffle import LabelledSequences, SequenceWriter
from ooc_train.conversion.kinds.sequence.sequence_vectorizer import (
    ANALYZER,
    SequenceParameters,
    Vocabulary,
    write_sequence_vectorizer,
)
from ooc_train.conversion.kinds.sequence.word_counting import CountedWords, most_frequent_words
from ooc_train.conversion.report import SequenceReport
from ooc_train.conversion.resources import Resources
from ooc_train.conversion.sources.corpus import Corpus
from ooc_train.conversion.storage.placement import Destination, Placement, PlacementRule
from ooc_train.conversion.text.collisions import without_collision
from ooc_train.dtypes import I32, I64
from ooc_train.errors import InputError
from ooc_train.jit import kernel


def write_sequences(
    file: h5py.File,
    corpus: Corpus,
    parameters: SequenceParameters,
    resources: Resources,
    rule: PlacementRule,
) -> SequenceReport:
    """Convert ``corpus`` and write its splits and the vectorizer into ``file``.

    Raises ``InputError`` for data without a usable class or word.
    """

    def attempt(number: int) -> SequenceReport:
        numbered = replace(parameters, hash_seed=parameters.hash_seed + number)
        with ExitStack() as stack:
            conversion = _SequenceConversion(corpus, numbered, resources, stack)
            conversion.report.attempts = number + 1
            return conversion.run(file, rule)

    return without_collision(attempt, resources.progress)


class _SequenceConversion:
    """One attempt, with one hash seed.  Its temporary files belong to ``stack``."""

    def __init__(
        self,
        corpus: Corpus,
        parameters: SequenceParameters,
        resources: Resources,
        stack: ExitStack,
    ) -> None:
        self.report = SequenceReport()
        self._corpus = corpus
        self._parameters = parameters
        self._resources = resources
        self._stack = stack

    def run(self, file: h5py.File, rule: PlacementRule) -> SequenceReport:
        indexed = self._index()
        placement = rule.place(self._corpus.n_rows)
        candidates = self._count(indexed, placement)
        indexed.spill.close()
        writer, matcher = self._transform(indexed, candidates, placement)
        self._write(file, candidates, writer, matcher)
        return self.report

    # Step 1

    def _index(self) -> IndexedText:
        splitting = Splitting(ANALYZER, (1, 1), self._parameters.hash_seed)
        indexed = index_text(self._corpus, splitting, self._resources, self._stack, self.report)
        self.report.words = indexed.n_terms
        return indexed

    # Step 2

    def _count(self, indexed: IndexedText, placement: Placement) -> CountedWords:
        """The most frequent words of the train rows, and all that tie with the last of them."""
        fit_classes, _ = indexed.train_classes(placement, self._resources.temp_dir)
        self.report.split_rows = placement.n_rows
        most_frequent = most_frequent_words(
            indexed, fit_classes, self._parameters.top_k - 1, self._resources
        )
        self.report.distinct_terms = most_frequent.n_seen
        if not most_frequent.n_seen:
            raise InputError(
                "no row of the train split has a word; does --text name the right columns?"
            )
        return most_frequent.candidates()

    # Step 3

    def _transform(
        self, indexed: IndexedText, candidates: CountedWords, placement: Placement
    ) -> tuple[SequenceWriter, "_OrderedMatcher"]:
        """Read all words again: the candidates into buckets, their strings in memory."""
        matcher = _OrderedMatcher(candidates, indexed)
        writer = SequenceWriter(placement, self.report.words, self._resources, self._stack)

        def transform(item: tuple[TokenBlock, list[Destination]]) -> int:
            block, destinations = item
            words = matcher.find(block)
            labels = indexed.row_classes[block.first_row : block.first_row + block.n_rows]
            writer.add(LabelledSequences(labels, words.offsets, words.terms), destinations)
            return block.n_rows

        n_rows = sum(self._corpus.n_rows.values())
        self._resources.progress.start("transforming", n_rows, "row")
        for n_rows in self._resources.in_order(transform, indexed.placed(placement)):
            self._resources.progress.advance(n_rows)
        self.report.spill_bytes += writer.n_bytes
        return writer, matcher

    # Step 4

    def _write(
        self,
        file: h5py.File,
        candidates: CountedWords,
        writer: SequenceWriter,
        matcher: "_OrderedMatcher",
    ) -> None:
        texts = matcher.strings()
        order = np.lexsort((matcher.positions, candidates.first_rows, -candidates.counts))
        selected = order[: self._parameters.top_k - 1]
        self.report.n_features = len(selected)
        id_of = np.zeros(len(texts), np.int32)
        id_of[selected] = np.arange(1, len(selected) + 1)
        self.report.max_length = writer.write(
            file,
            id_of,
            max_length=self._parameters.max_length,
            n_terms=len(selected),
            n_classes=len(self.report.classes),
            cut_to_longest=True,
        )
        self.report.tokens = writer.n_tokens
        vocabulary = Vocabulary(
            [texts[i].decode("utf-8") for i in selected.tolist()],
            candidates.hashes[selected],
            candidates.counts[selected].astype(np.uint64),
        )
        write_sequence_vectorizer(
            file,
            self._parameters,
            n_documents=self.report.split_rows["train"],
            max_length=self.report.max_length,
            vocabulary=vocabulary,
        )


class _OrderedMatcher:
    """Finds candidates among the words of all rows, and learns which of them comes first.

    ``positions`` (n_words,) int64 takes the place of each among the candidates of its first row.
    Any number of threads may find.  Memory: that of a ``TermMatcher``.
    """

    def __init__(self, candidates: CountedWords, indexed: IndexedText) -> None:
        self.positions = np.full(len(candidates.hashes), -1, np.int64)
        self._first_rows = candidates.first_rows
        self._indexed = indexed
        self._terms = TermMatcher(candidates.hashes, (1, 1), ANALYZER, indexed.listed)

    def find(self, block: TokenBlock) -> Occurrences:
        """The candidates of each row in their order.

        Raises ``HashCollision`` where a candidate has two strings.
        """
        found = self._terms.find(*self._indexed.decoded(block))
        _learn_positions(*found, block.first_row, self._first_rows, self.positions)
        return found

    def strings(self) -> list[bytes]:
        """The candidates' strings as UTF-8."""
        return self._terms.strings()


@kernel
def _learn_positions(
    terms: I32, offsets: I64, first_row: int, first_rows: I64, positions: I64
) -> None:
    for row in range(len(offsets) - 1):
        for i in range(offsets[row], offsets[row + 1]):
            term = terms[i]
            if first_rows[term] == first_row + row and positions[term] < 0:
                positions[term] = i - offsets[row]
