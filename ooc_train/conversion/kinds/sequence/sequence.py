"""Sequences of word ids: the vocabulary of the train rows, all rows, in bounded memory.

The steps, each bounded by itself:

1. Read every source once; words go to a temporary file by their hash's partition.
2. Partition by partition: occurrences of each word in the train rows, and the first row.  The most
   frequent, and all that tie with the last of them, are candidates.
3. Read every source again with the candidates: rows go to buckets by their destination, and the
   candidates' strings and places in their first rows are learned, which settles ties and proves
   that no two share a hash.
4. Write: rows bucket by bucket, now cut, then the vectorizer.

The result equals ``Tokenizer`` and ``pad_sequences`` of Keras 2 on the whole corpus in memory,
whatever the budget and the number of threads.
"""

from contextlib import ExitStack
from dataclasses import replace

import h5py
import numpy as np

from ooc_train.conversion.kinds.ngram.grams import Grams
from ooc_train.conversion.kinds.ngram.indexing import Extracted, IndexedRows, index_rows
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
from ooc_train.conversion.sources.corpus import Block, Corpus, changed_input
from ooc_train.conversion.storage.placement import Destination, Placement, PlacementRule
from ooc_train.conversion.text.strings import (
    HashCollision,
    LearnedStrings,
    same_string,
    without_collision,
)
from ooc_train.conversion.text.table import find, index_table
from ooc_train.conversion.text.tokens import Tokens, tokenize
from ooc_train.dtypes import I32, I64, U8, U64
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

    def _words(self, block: Block) -> Tokens:
        rows = block.rows
        return tokenize(rows.text, rows.text_offsets, ANALYZER, self._parameters.hash_seed)

    # Step 1

    def _index(self) -> IndexedRows:
        def extract(block: Block) -> Extracted:
            words = self._words(block)
            n_empty = int((np.diff(words.offsets) == 0).sum())
            grams = Grams(words.hashes, words.offsets)
            return Extracted(grams, len(words.hashes), n_empty, words.n_replaced)

        indexed = index_rows(self._corpus, extract, self._resources, self._stack, self.report)
        self.report.words = indexed.n_terms
        return indexed

    # Step 2

    def _count(self, indexed: IndexedRows, placement: Placement) -> CountedWords:
        """The most frequent words of the train rows, and all that tie with the last of them."""
        fit_classes, _ = indexed.train_classes(placement, self._resources.temp_dir)
        self.report.split_rows = placement.n_rows
        most_frequent = most_frequent_words(
            indexed.spill, fit_classes, self._parameters.top_k - 1, self._resources
        )
        self.report.distinct_terms = most_frequent.n_seen
        if not most_frequent.n_seen:
            raise InputError(
                "no row of the train split has a word; does --text name the right columns?"
            )
        return most_frequent.candidates()

    # Step 3

    def _transform(
        self, indexed: IndexedRows, candidates: CountedWords, placement: Placement
    ) -> tuple[SequenceWriter, "_WordMatcher"]:
        """Read all rows again: the candidates into buckets, their strings in memory."""
        matcher = _WordMatcher(candidates)
        writer = SequenceWriter(placement, self.report.words, self._resources, self._stack)

        def transform(item: tuple[Block, list[Destination]]) -> Block:
            block, destinations = item
            offsets, words = matcher.match(self._words(block), block.first_row)
            labels = indexed.row_classes[block.first_row : block.first_row + len(block.rows)]
            writer.add(LabelledSequences(labels, offsets, words), destinations)
            return block

        placed = placement.placed(self._corpus.blocks())
        n_rows = sum(self._corpus.n_rows.values())
        self._resources.progress.start("transforming", n_rows, "row")
        for block in self._resources.in_order(transform, placed):
            self._resources.progress.advance(len(block.rows))
        self.report.spill_bytes += writer.n_bytes
        return writer, matcher

    # Step 4

    def _write(
        self,
        file: h5py.File,
        candidates: CountedWords,
        writer: SequenceWriter,
        matcher: "_WordMatcher",
    ) -> None:
        texts = matcher.strings()
        if not all(texts):  # a word that was counted did not come again
            raise changed_input()
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


class _WordMatcher:
    """Finds candidates in text by their hashes, and learns their strings on the way.

    ``positions`` (n_words,) int64 takes the place of each among the words of its first row.  Any
    number of threads may match.  Memory: some 100 bytes a candidate.
    """

    def __init__(self, candidates: CountedWords) -> None:
        self.positions = np.full(len(candidates.hashes), -1, np.int64)
        self._first_rows = candidates.first_rows
        self._table = index_table(candidates.hashes)
        self._learned = LearnedStrings(len(candidates.hashes))

    def match(self, words: Tokens, first_row: int) -> tuple[I64, I32]:
        """The candidates of each row in their order, and the rows' offsets first.

        Raises ``HashCollision`` where a candidate has two strings.
        """
        offsets = np.zeros(len(words.offsets), np.int64)
        found = np.empty(len(words.hashes), np.int32)
        new = np.empty((3, len(self.positions)), np.int32)
        n, n_new = _match(
            words.text, words.hashes, words.offsets, words.starts, words.stops, self._table,
            *self._learned.known,
            self._first_rows, first_row, self.positions, found, offsets, new,
        )  # fmt: skip
        if n < 0:
            raise HashCollision
        self._learned.learn(
            (term, words.text[start:stop].tobytes()) for term, start, stop in new[:, :n_new].T
        )
        return offsets, found[:n]

    def strings(self) -> list[bytes]:
        """The candidates' strings as UTF-8; empty for those that were not seen."""
        return self._learned.strings()


@kernel
def _match(
    text: U8,
    hashes: U64,
    offsets: I64,
    starts: I32,
    stops: I32,
    table: U64,
    pool: U8,
    known_starts: I32,
    known_lengths: I32,
    first_rows: I64,
    first_row: int,
    positions: I64,
    found: I32,
    found_offsets: I64,
    new: I32,
) -> tuple[int, int]:
    """Words found and how many strings were new; -1 for the first where a word has two strings.

    ``new`` (3, n_words) takes the new words and where in the text their strings are.
    """
    n = n_new = 0
    new_at = np.full(len(known_lengths), -1, np.int64)
    for row in range(len(offsets) - 1):
        for i in range(offsets[row], offsets[row + 1]):
            entry = find(table, hashes[i])
            if table[2 * entry] == 0:
                continue
            word = np.int64(table[2 * entry + 1])
            start, length = starts[i], stops[i] - starts[i]
            if known_lengths[word] > 0:
                same = length == known_lengths[word] and same_string(
                    text, start, pool, known_starts[word], length
                )
            elif new_at[word] < 0:
                new_at[word] = n_new
                new[0, n_new], new[1, n_new], new[2, n_new] = word, start, stops[i]
                n_new += 1
                same = True
            else:
                first = new_at[word]
                same = length == new[2, first] - new[1, first] and same_string(
                    text, start, text, new[1, first], length
                )
            if not same:
                return -1, 0
            if positions[word] < 0 and first_rows[word] == first_row + row:
                positions[word] = i - offsets[row]
            found[n] = word
            n += 1
        found_offsets[row + 1] = n
    return n, n_new
