"""A vectorizer of texts that learns from their tokens: all rows are read once, to temporary files.

Tokens go to a token file, most of them as numbers by a dictionary of the first rows.  What has no
number, unlisted tokens that are terms and n-grams of several tokens, goes to a spill, by its hash's
partition.
"""

import functools
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ooc_train.conversion.kinds.terms.dictionary import Dictionary, Listed, WordList
from ooc_train.conversion.kinds.terms.gram_spill import GramSpill, gram_records
from ooc_train.conversion.kinds.terms.grams import n_grams
from ooc_train.conversion.kinds.terms.token_file import (
    TokenBlock,
    groups_to_encode,
    write_tokens,
)
from ooc_train.conversion.resources import Resources
from ooc_train.conversion.sources.corpus import Corpus
from ooc_train.conversion.sources.parts import SourcePart, findings, look
from ooc_train.conversion.sources.rows import Block, TextRows
from ooc_train.conversion.storage.row_classes import RowClasses
from ooc_train.conversion.storage.spill import Segment, Spill, SpillWriter
from ooc_train.conversion.text.tokens import Tokens, tokenize
from ooc_train.conversion.vectorizer import ReadBlock, Vectorizer
from ooc_train.dtypes import I64

_SAMPLE_BYTES = 2**23
_SAMPLE_BLOCKS = 16  # no more memory than a block takes that is being converted


@dataclass(frozen=True)
class Splitting:
    """How text becomes terms: n-grams of the tokens that an analyzer finds."""

    analyzer: str
    ngrams: tuple[int, int]
    hash_seed: int

    def __post_init__(self) -> None:
        if type(self.hash_seed) is not int or not 0 <= self.hash_seed < 2**64:
            raise ValueError(f"the hash seed is {self.hash_seed!r}")

    def tokens(self, rows: TextRows) -> Tokens:
        """The tokens of some rows."""
        return tokenize(rows.text, rows.text_offsets, self.analyzer, self.hash_seed)


class Indexed(NamedTuple):
    """Where the tokens and n-grams of a block are, and figures of its rows."""

    tokens: TokenBlock
    grams: Segment
    n_terms: int
    n_empty: int
    n_replaced: int


class TermVectorizer(Vectorizer):
    """The base of the vectorizers of n-grams and of sequences: texts are read once.

    ``n_terms`` counts the terms of all rows with their repetitions.
    """

    knows_words = True
    reads_once = True

    def __init__(self, parameters: Any, splitting: Splitting) -> None:
        super().__init__(parameters)
        self.splitting = splitting
        self.n_terms = 0

    def start(self, corpus: Corpus, resources: Resources) -> None:  # noqa: ARG002
        """Begin without tokens and n-grams."""
        self.resources = resources
        self.token_blocks: list[TokenBlock] = []
        self._segments: list[Segment] = []
        self._has_words = self.is_fitted

    @property
    def reads(self) -> bool:
        """All rows are read before any is encoded, unless the vectorizer is fitted."""
        return not self.is_fitted

    def sample(self, rows: Iterator[Block | SourcePart]) -> Iterator[Block | SourcePart]:
        """List the words of the first rows: 8 MiB of text, or less where memory is short.

        Those that occur most have the smallest numbers, which take the fewest bytes.
        """
        if self._has_words:
            return rows
        max_bytes = self.resources.plan.dictionary_bytes
        dictionary, first = Dictionary(max_bytes), list[Block | SourcePart]()
        n_bytes, most = 0, min(_SAMPLE_BYTES, _SAMPLE_BLOCKS * self.resources.plan.block_bytes)
        while not dictionary.is_full and n_bytes < most and len(first) < _SAMPLE_BLOCKS:
            some = next(rows, None)
            if some is None:
                break
            first.append(some)
            n_bytes += some.size
        list_words = functools.partial(_list_words, self.splitting, max_bytes)
        counts = np.zeros(0, np.int64)
        for some, found in self.resources.pairs(functools.partial(look, list_words), first, _size):
            for listed, occurrences in findings(some, found):
                numbers = dictionary.number(listed.as_tokens())
                counts = np.pad(counts, (0, len(dictionary.listed().hashes) - len(counts)))
                counts[numbers[numbers >= 0]] += occurrences[numbers >= 0]
        dictionary.number_by(counts)
        self.words = dictionary.frozen(self.resources.folder)
        self._has_words = True
        return itertools.chain(first, rows)

    def reader(self) -> ReadBlock:
        """The task that writes a block's tokens and n-grams to temporary files."""
        if self.is_fitted:
            return super().reader()
        return functools.partial(_index, self.splitting, self.resources.folder, self.words)

    def note_read(self, found: Indexed | None) -> int:
        """Note where the tokens and n-grams of a block are."""
        if found is None:
            return 0
        self.token_blocks.append(found.tokens)
        self._segments.append(found.grams)
        self.n_terms += found.n_terms
        self.report.empty_rows += found.n_empty
        self.report.replaced_rows += found.n_replaced
        return found.tokens.n_bytes + found.grams.n_bytes

    def spilled(self) -> GramSpill:
        """The n-grams that are not listed, of all rows.  Gives the words' table back."""
        self.words.forget_table()
        return GramSpill(Spill(self._segments), self.words)

    def kept_blocks(self, classes: RowClasses) -> Iterable[Block] | None:
        """The blocks of tokens in groups, unless the vectorizer is fitted and takes texts."""
        return None if self.is_fitted else self._kept_blocks(classes)

    def _kept_blocks(self, classes: RowClasses) -> Iterator[Block]:
        for group in groups_to_encode(self.token_blocks, self.resources.plan.n_workers):
            labels = classes.labels.mapped[group.first_row : group.first_row + len(group)]
            yield Block(group.split, group.first_row, group, labels, 0)


def _size(rows: Block | SourcePart) -> int:
    return rows.size


def _list_words(splitting: Splitting, max_bytes: int, block: Block) -> tuple[Listed, I64]:
    """The words of a block, each once, and how often each occurs."""
    dictionary = Dictionary(max_bytes)
    numbers = dictionary.number(splitting.tokens(block.rows))
    listed = dictionary.listed()
    return listed, np.bincount(numbers[numbers >= 0], minlength=len(listed.hashes))


def _index(splitting: Splitting, folder: Path, words: WordList, block: Block) -> Indexed:
    """Write a block's tokens to one file, and its n-grams but for listed tokens to another."""
    tokens, ngrams = splitting.tokens(block.rows), splitting.ngrams
    numbers = words.number(tokens)
    lengths = np.diff(tokens.offsets)
    grams = gram_records(tokens, numbers, ngrams, block.first_row)
    return Indexed(
        write_tokens(folder, block.split, block.first_row, tokens, numbers, block.rows.size),
        SpillWriter(folder, "grams").write(block.first_row, *grams),
        n_grams(lengths, ngrams),
        int((lengths < ngrams[0]).sum()),
        tokens.n_replaced,
    )
