"""The first reading of a fit: hashes of all rows' terms by partition, and each row's class."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ooc_train.conversion.kinds.ngram.grams import Grams, partition_records
from ooc_train.conversion.report import ConversionReport
from ooc_train.conversion.resources import DiskWatch, Resources
from ooc_train.conversion.sources.corpus import Block, Corpus
from ooc_train.conversion.storage.placement import Placement
from ooc_train.conversion.storage.row_classes import RowClasses, number_classes
from ooc_train.conversion.storage.spill import Column, Spill
from ooc_train.dtypes import I32, I64
from ooc_train.progress import Reading

_NO_GRAMS = Grams(np.empty(0, np.uint64), np.zeros(1, np.int64))


class Extracted(NamedTuple):
    """What is found in a block.

    ``grams`` are hashes to be spilled; ``n_bytes`` were written elsewhere.  The rows have
    ``n_terms`` terms, ``n_empty`` of them none, and ``n_replaced`` of them had broken UTF-8.
    """

    grams: Grams
    n_terms: int
    n_empty: int
    n_replaced: int
    n_bytes: int = 0


class IndexedRows(NamedTuple):
    """Term records by partition, and each row's class.

    ``n_terms`` counts the terms of all rows with their repetitions.
    """

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


def index_rows(
    corpus: Corpus,
    extract: Callable[[Block], Extracted],
    resources: Resources,
    stack: ExitStack,
    report: ConversionReport,
) -> IndexedRows:
    """Read all rows: their terms into a spill, their classes into a column, both of ``stack``.

    Raises ``InputError`` for fewer than two classes.
    """
    spill = stack.enter_context(Spill(resources.temp_dir))
    labels = stack.enter_context(Column(resources.temp_dir, np.int32))
    reading = Reading(resources.progress, "reading", corpus.n_bytes)
    disk = DiskWatch(resources.temp_dir, corpus.n_bytes)

    def index(block: Block) -> tuple[Block, Extracted, int]:
        found = extract(block)
        records, bounds = partition_records(*found.grams, block.first_row)
        spill.write(block.first_row, records, bounds)
        return block, found._replace(grams=_NO_GRAMS), records.nbytes + found.n_bytes

    n_terms = 0
    for block, found, n_spilled in resources.in_order(index, corpus.blocks()):
        labels.append(block.labels)
        report.replaced_rows += found.n_replaced
        report.empty_rows += found.n_empty
        report.spill_bytes += n_spilled
        n_terms += found.n_terms
        reading.advance(block.n_bytes, len(block.rows))
        disk.check(block.n_bytes, n_spilled=n_spilled, n_text_bytes=len(block.rows.text))
    rows = number_classes(labels, corpus.met_classes(), corpus.n_rows["train"])
    report.classes = rows.classes
    return IndexedRows(spill, rows, n_terms)
