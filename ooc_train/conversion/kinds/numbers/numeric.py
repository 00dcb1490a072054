"""Rows of numbers, dense or sparse, to their places: what both kinds have in common.

Where the sources say how many rows they have, and all can be used, they are read once; else once
to count them, and once more to place them.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any, NamedTuple

import numpy as np

from ooc_train.conversion.kinds.numbers.record_shuffle import (
    LabelledRecords,
    Records,
    RecordShuffle,
)
from ooc_train.conversion.report import ConversionReport
from ooc_train.conversion.resources import DiskWatch, Resources
from ooc_train.conversion.sources.corpus import Block, Corpus
from ooc_train.conversion.storage.placement import Destination, Placement, PlacementRule
from ooc_train.conversion.storage.row_classes import RowClasses, number_classes
from ooc_train.conversion.storage.spill import Column
from ooc_train.conversion.storage.writing import split_buckets
from ooc_train.progress import Reading

ITEM_BYTES = 8
_BLOCK_MULTIPLE = 5  # as read, of another type, in another order, packed, and as it is written
_MOST_BYTES = 2**26

Pack = Callable[[Any, list[Destination]], Records]
"""What makes items of a source's rows, given where they go."""


class NumericDensity(NamedTuple):
    """What rows of numbers take: memory for the size of a block, and a disk for that of all."""

    block_multiple: int = _BLOCK_MULTIPLE
    most_block_bytes: int = _MOST_BYTES

    def foreseen_disk_bytes(self, n_bytes: int) -> int:
        """The temporary files for so many bytes of rows, and the result."""
        return 2 * n_bytes


class Placed(NamedTuple):
    """All rows in buckets of their splits; the numbers of their labels are those of ``classes``."""

    shuffles: dict[str, RecordShuffle]
    ranks: Any
    classes: list[str]


class NumericConversion:
    """Takes all rows of a corpus to buckets.  Temporary files belong to ``stack``.

    Memory: some blocks for each worker.
    """

    def __init__(
        self,
        corpus: Corpus,
        resources: Resources,
        rule: PlacementRule,
        report: ConversionReport,
        stack: ExitStack,
    ) -> None:
        self._corpus = corpus
        self._resources = resources
        self._rule = rule
        self._report = report
        self._stack = stack

    def count(self, look: Callable[[str, Any], None]) -> None:
        """Read all rows, and ``look`` at each block of a split."""
        reading = Reading(self._resources.progress, "reading", self._corpus.n_bytes)
        disk = DiskWatch(self._resources.temp_dir, self._corpus.n_bytes)
        for block in self._corpus.blocks():
            look(block.split, block.rows)
            reading.advance(block.n_bytes, len(block.rows))
            disk.check(block.n_bytes, n_spilled=0, n_text_bytes=block.n_bytes)

    def place(
        self, pack: Pack, n_items: int, *, expected: Mapping[str, int] | None = None
    ) -> Placed | None:
        """Read all rows and put what ``pack`` makes of them into buckets, ``n_items`` in all.

        If other numbers of rows are ``expected`` than there are, nothing is placed: then ``None``
        is returned, and the next call knows the numbers.
        """
        placement = self._rule.place(expected or self._corpus.n_rows)
        stack = self._stack.enter_context(ExitStack())
        shuffles = self._buckets(placement, n_items, stack)
        labels = stack.enter_context(Column(self._resources.temp_dir, np.int32))
        reading = Reading(self._resources.progress, "placing", self._corpus.n_bytes)

        def work(item: tuple[Block, list[Destination]]) -> Block:
            block, destinations = item
            if destinations:
                rows = LabelledRecords(block.labels, pack(block.rows, destinations))
                for split, chosen, places in destinations:
                    shuffles[split].write(places, rows, chosen)
            return block

        for block in self._resources.in_order(work, self._placed(placement)):
            labels.append(block.labels)
            reading.advance(block.n_bytes, len(block.rows))
        if expected and self._corpus.n_rows != expected:
            stack.close()
            return None
        self._report.split_rows = placement.n_rows
        self._report.spill_bytes = sum(shuffle.n_bytes for shuffle in shuffles.values())
        return self._with_classes(shuffles, labels, placement)

    def _placed(self, placement: Placement) -> Iterator[tuple[Block, list[Destination]]]:
        """All blocks, and from the first reject on no destinations: they would be wrong."""
        n_rejects = self._corpus.rejects.count
        for block in self._corpus.blocks():
            if self._corpus.rejects.count > n_rejects:
                yield block, []
            else:
                where = (block.split, block.first_row, len(block.rows))
                yield block, placement.destinations(*where)

    def _buckets(
        self, placement: Placement, n_items: int, stack: ExitStack
    ) -> dict[str, RecordShuffle]:
        resources = self._resources

        def make(n_rows: int, expected_bytes: int) -> RecordShuffle:
            return RecordShuffle(
                resources.temp_dir,
                n_rows,
                expected_bytes=expected_bytes,
                bucket_bytes=resources.plan.bucket_bytes,
            )

        return split_buckets(make, placement, ITEM_BYTES, n_items, stack)

    def _with_classes(
        self, shuffles: dict[str, RecordShuffle], labels: Column, placement: Placement
    ) -> Placed:
        """Check the classes; those that were given keep their order."""
        met, n_train = self._corpus.met_classes(), self._corpus.n_rows["train"]
        if not self._corpus.learns_classes:
            self._report.classes = met
            return Placed(shuffles, np.arange(len(met)), met)
        rows: RowClasses = number_classes(labels, met, n_train)
        rows.of_train(placement, self._resources.temp_dir)
        self._report.classes = rows.classes
        ranks = np.array([rows.classes.index(label) for label in met])
        return Placed(shuffles, ranks, rows.classes)
