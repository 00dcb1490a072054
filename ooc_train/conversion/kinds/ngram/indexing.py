"""The only reading of text that is fitted: all rows' tokens, and each row's class.

Tokens go to the token file, most of them as numbers by a dictionary.  What has no number, unlisted
tokens where tokens are terms and n-grams of several tokens, goes to a spill, by its hash's
partition.  Everything after this reading works with these two files alone.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ooc_train.conversion.kinds.ngram.dictionary import Dictionary, Listed
from ooc_train.conversion.kinds.ngram.grams import n_grams, partition_records, unlisted_grams
from ooc_train.conversion.kinds.ngram.token_file import TokenBlock, TokenFile, decoded
from ooc_train.conversion.report import ConversionReport
from ooc_train.conversion.resources import DiskWatch, Resources
from ooc_train.conversion.sources.corpus import Block, Corpus
from ooc_train.conversion.storage.placement import Destination, Placement
from ooc_train.conversion.storage.row_classes import RowClasses, number_classes
from ooc_train.conversion.storage.spill import Column, Spill
from ooc_train.conversion.text.tokens import Tokens, tokenize
from ooc_train.dtypes import I32, I64
from ooc_train.progress import Reading


class Splitting(NamedTuple):
    """How text becomes terms: ``ngrams[0]`` to ``ngrams[1]`` tokens of one of ``ANALYZERS``."""

    analyzer: str
    ngrams: tuple[int, int]
    hash_seed: int


class _Written(NamedTuple):
    """One block whose tokens are on disk: ``n_terms`` with repetitions, ``n_empty`` rows of none.

    ``n_replaced`` rows had broken UTF-8; ``n_bytes`` were written.
    """

    block: Block
    n_terms: int
    n_empty: int
    n_replaced: int
    n_bytes: int


class IndexedText(NamedTuple):
    """All rows: their tokens, the strings of listed tokens, spilled n-grams, and classes.

    ``n_terms`` counts the n-grams of all rows with their repetitions.
    """

    tokens: TokenFile
    listed: Listed
    spill: Spill
    rows: RowClasses
    n_terms: int

    @property
    def row_classes(self) -> I32:
        """Each row's class, (n_rows,)."""
        return self.rows.numbers

    @property
    def classes(self) -> list[str]:
        """The classes in their order."""
        return self.rows.classes

    def train_classes(self, placement: Placement, temp_dir: Path) -> tuple[I32, I64]:
        """See `RowClasses.of_train`."""
        return self.rows.of_train(placement, temp_dir)

    def decoded(self, block: TokenBlock) -> tuple[Tokens, I32]:
        """The tokens of a block and their numbers, see ``token_file.decoded``."""
        return decoded(self.tokens.read(block), block.n_rows, self.listed.hashes)

    def placed(self, placement: Placement) -> Iterator[tuple[TokenBlock, list[Destination]]]:
        """Blocks of tokens, in order, each with where its rows go."""
        for block in self.tokens.blocks():
            yield block, placement.destinations(block.split, block.first_row, block.n_rows)


def index_text(
    corpus: Corpus,
    splitting: Splitting,
    resources: Resources,
    stack: ExitStack,
    report: ConversionReport,
) -> IndexedText:
    """Read all rows into files of ``stack``, and count what is in them into ``report``.

    Memory: the dictionary, and a block for each worker.  Raises ``InputError`` for fewer than two
    classes, and ``HashCollision`` where two tokens have one hash.
    """
    dictionary = Dictionary(resources.plan.dictionary_bytes)
    tokens = stack.enter_context(TokenFile(resources.temp_dir))
    spill = stack.enter_context(Spill(resources.temp_dir))
    labels = stack.enter_context(Column(resources.temp_dir, np.int32))
    reading = Reading(resources.progress, "reading", corpus.n_bytes)
    disk = DiskWatch(resources.temp_dir, corpus.n_bytes)

    def index(block: Block) -> _Written:
        return _write(block, splitting, dictionary, tokens, spill)

    n_terms = 0
    for written in resources.in_order(index, corpus.blocks()):
        block = written.block
        labels.append(block.labels)
        report.replaced_rows += written.n_replaced
        report.empty_rows += written.n_empty
        report.spill_bytes += written.n_bytes
        n_terms += written.n_terms
        reading.advance(block.n_bytes, len(block.rows))
        disk.check(block.n_bytes, n_spilled=written.n_bytes, n_text_bytes=len(block.rows.text))
    rows = number_classes(labels, corpus.met_classes(), corpus.n_rows["train"])
    report.classes = rows.classes
    return IndexedText(tokens, dictionary.listed(), spill, rows, n_terms)


def _write(
    block: Block,
    splitting: Splitting,
    dictionary: Dictionary,
    file: TokenFile,
    spill: Spill,
) -> _Written:
    """Number a block's tokens, and write them and the n-grams that have no number."""
    analyzer, ngrams, seed = splitting
    tokens = tokenize(block.rows.text, block.rows.text_offsets, analyzer, seed)
    numbers = dictionary.number(tokens)
    n_bytes = file.write(block.split, block.first_row, tokens, numbers)
    grams = unlisted_grams(tokens, numbers, ngrams)
    records, bounds = partition_records(*grams, block.first_row)
    spill.write(block.first_row, records, bounds)
    lengths = np.diff(tokens.offsets)
    return _Written(
        block,
        n_terms=n_grams(lengths, ngrams),
        n_empty=int((lengths < ngrams[0]).sum()),
        n_replaced=tokens.n_replaced,
        n_bytes=n_bytes + records.nbytes,
    )
