"""Conversion with a vectorizer that was fitted before: its terms, statistics and classes.

One reading counts the rows, which their places depend on, a second one transforms them.
"""

from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import h5py
import numpy as np

from ooc_train.conversion.kinds.ngram.vectorizer import Vectorizer
from ooc_train.conversion.kinds.sequence.sequence_shuffle import LabelledSequences, SequenceWriter
from ooc_train.conversion.kinds.sequence.sequence_vectorizer import SequenceVectorizer
from ooc_train.conversion.report import ConversionReport, NgramReport, SequenceReport
from ooc_train.conversion.resources import DiskWatch, Resources
from ooc_train.conversion.sources.corpus import Block, Corpus
from ooc_train.conversion.storage.placement import Destination, Placement, PlacementRule
from ooc_train.conversion.storage.shuffle import LabelledRows
from ooc_train.conversion.storage.writing import SplitWriter
from ooc_train.file.schema import read_strings
from ooc_train.progress import Reading


def write_frozen(
    file: h5py.File,
    corpus: Corpus,
    fitted: Path,
    resources: Resources,
    rule: PlacementRule,
) -> ConversionReport:
    """Convert ``corpus`` with the vectorizer of the file ``fitted``, and write both to ``file``."""
    n_text_bytes = 0
    reading = Reading(resources.progress, "reading", corpus.n_bytes)
    disk = DiskWatch(resources.temp_dir, corpus.n_bytes)
    for block in corpus.blocks():
        n_text_bytes += len(block.rows.text)
        reading.advance(block.n_bytes, len(block.rows))
        disk.check(block.n_bytes, n_spilled=0, n_text_bytes=len(block.rows.text))
    placement = rule.place(corpus.n_rows)
    with ExitStack() as stack, h5py.File(fitted, "r") as source:
        kind = _KINDS[source.attrs["features"]]
        frozen = kind(source["vectorizer"], placement, n_text_bytes, resources, stack)
        _transform(corpus, frozen, placement, resources)
        report = frozen.report
        report.attempts = 0
        report.split_rows = placement.n_rows
        report.classes = read_strings(source, "classes/labels")
        frozen.write(file, len(report.classes))
        source.copy("vectorizer", file)
    return report


class _Frozen(Protocol):
    """A fitted vectorizer of one kind of features, and the rows that it made."""

    report: ConversionReport

    def __init__(
        self,
        group: h5py.Group,
        placement: Placement,
        n_text_bytes: int,
        resources: Resources,
        stack: ExitStack,
    ) -> None: ...

    def add(self, block: Block, destinations: list[Destination]) -> tuple[int, int]:
        """Transform a block; how many of its rows had broken UTF-8, and how many no term."""

    def write(self, file: h5py.File, n_classes: int) -> None:
        """Write the splits."""


class _FrozenNgrams:
    def __init__(
        self,
        group: h5py.Group,
        placement: Placement,
        n_text_bytes: int,
        resources: Resources,
        stack: ExitStack,
    ) -> None:
        self._vectorizer = Vectorizer(group)
        n_columns = self._vectorizer.n_columns
        most = self._vectorizer.parameters.density.foreseen_terms(n_text_bytes)
        self._writer = SplitWriter(placement, n_columns, most, resources, stack)
        self.report: ConversionReport = NgramReport(
            n_features=n_columns, kept_terms=self._vectorizer.n_kept
        )

    def add(self, block: Block, destinations: list[Destination]) -> tuple[int, int]:
        found = self._vectorizer.transform(block.rows.text, block.rows.text_offsets)
        rows = LabelledRows(block.labels, found.indptr, found.columns, found.values)
        self._writer.add(rows, destinations)
        return found.n_replaced, found.n_empty

    def write(self, file: h5py.File, n_classes: int) -> None:
        self.report.spill_bytes = self._writer.n_bytes
        n_columns = self._vectorizer.n_columns
        column_of = np.arange(n_columns, dtype=np.int32)
        self._writer.write(file, column_of, n_columns=n_columns, n_classes=n_classes)


class _FrozenSequences:
    def __init__(
        self,
        group: h5py.Group,
        placement: Placement,
        n_text_bytes: int,
        resources: Resources,
        stack: ExitStack,
    ) -> None:
        self._vectorizer = SequenceVectorizer(group)
        most = self._vectorizer.parameters.density.foreseen_terms(n_text_bytes)
        self._writer = SequenceWriter(placement, most, resources, stack)
        self._report = SequenceReport(
            n_features=self._vectorizer.n_terms, max_length=self._vectorizer.max_length
        )
        self.report: ConversionReport = self._report

    def add(self, block: Block, destinations: list[Destination]) -> tuple[int, int]:
        found = self._vectorizer.transform(block.rows.text, block.rows.text_offsets)
        self._writer.add(LabelledSequences(block.labels, found.indptr, found.tokens), destinations)
        return found.n_replaced, found.n_empty

    def write(self, file: h5py.File, n_classes: int) -> None:
        self._report.spill_bytes = self._writer.n_bytes
        n_terms = self._vectorizer.n_terms
        self._writer.write(
            file,
            np.arange(n_terms + 1, dtype=np.int32),
            max_length=self._vectorizer.max_length,
            n_terms=n_terms,
            n_classes=n_classes,
            cut_to_longest=False,
        )
        self._report.tokens = self._writer.n_tokens


_KINDS: dict[str, type[_Frozen]] = {"ngram": _FrozenNgrams, "sequence": _FrozenSequences}


def _transform(corpus: Corpus, frozen: _Frozen, placement: Placement, resources: Resources) -> None:
    def transform(item: tuple[Block, list[Destination]]) -> tuple[Block, int, int]:
        return item[0], *frozen.add(*item)

    resources.progress.start("transforming", sum(corpus.n_rows.values()), "row")
    placed = placement.placed(corpus.blocks())
    for block, n_replaced, n_empty in resources.in_order(transform, placed):
        frozen.report.replaced_rows += n_replaced
        frozen.report.empty_rows += n_empty
        resources.progress.advance(len(block.rows))
