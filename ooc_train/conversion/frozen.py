"""Conversion with a vectorizer that was fitted before: its terms, statistics and classes.

One reading counts the rows, which their places depend on, a second one transforms them.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import h5py
import numpy as np

from ooc_train.conversion.corpus import Block, Corpus
from ooc_train.conversion.placement import Destination, Placement
from ooc_train.conversion.report import NgramReport
from ooc_train.conversion.resources import Resources
from ooc_train.conversion.shuffle import LabelledRows
from ooc_train.conversion.vectorizer import Vectorizer
from ooc_train.conversion.writing import SplitWriter
from ooc_train.format import read_strings


def write_frozen(
    file: h5py.File,
    corpus: Corpus,
    fitted: Path,
    resources: Resources,
    *,
    validation_fraction: float,
    seed: int,
) -> NgramReport:
    """Convert ``corpus`` with the vectorizer of the file ``fitted``, and write both to ``file``."""
    report = NgramReport(attempts=0)
    n_entries = 0
    resources.progress.start("reading", corpus.n_bytes, "B")
    for block in corpus.blocks():
        n_entries += len(block.rows.text) // 2
        resources.progress.advance(block.n_bytes)
    placement = Placement(corpus.n_rows, validation_fraction, seed)
    report.split_rows = placement.n_rows
    with ExitStack() as stack, h5py.File(fitted, "r") as source:
        vectorizer = Vectorizer(source["vectorizer"])
        writer = SplitWriter(placement, vectorizer.n_columns, n_entries, resources, stack)
        _transform(corpus, vectorizer, placement, writer, resources, report)
        report.classes = read_strings(source, "classes/labels")
        report.n_features = vectorizer.n_columns
        report.kept_terms = vectorizer.n_kept
        report.spill_bytes = writer.n_bytes
        writer.write(
            file,
            np.arange(vectorizer.n_columns, dtype=np.int32),
            n_columns=vectorizer.n_columns,
            n_classes=len(report.classes),
        )
        source.copy("vectorizer", file)
    return report


def _transform(
    corpus: Corpus,
    vectorizer: Vectorizer,
    placement: Placement,
    writer: SplitWriter,
    resources: Resources,
    report: NgramReport,
) -> None:
    def transform(item: tuple[Block, list[Destination]]) -> tuple[Block, int, int]:
        block, destinations = item
        found = vectorizer.transform(block.rows.text, block.rows.text_offsets)
        rows = LabelledRows(block.labels, found.indptr, found.columns, found.values)
        writer.add(rows, destinations)
        return block, found.n_replaced, found.n_empty

    def placed() -> Iterator[tuple[Block, list[Destination]]]:
        for block in corpus.blocks():
            yield block, placement.destinations(block.split, block.first_row, len(block.rows))

    resources.progress.start("transforming", corpus.n_bytes, "B")
    for block, n_replaced, n_empty in resources.in_order(transform, placed()):
        report.replaced_rows += n_replaced
        report.empty_rows += n_empty
        resources.progress.advance(block.n_bytes)
