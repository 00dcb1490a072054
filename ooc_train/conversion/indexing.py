"""The first reading of a fit: hashes of all rows' terms by partition, and each row's class."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ooc_train.conversion.corpus import Block, Corpus
from ooc_train.conversion.grams import Grams, partition_records
from ooc_train.conversion.placement import Placement
from ooc_train.conversion.report import ConversionReport
from ooc_train.conversion.resources import DiskWatch, Resources
from ooc_train.conversion.spill import Column, Spill, row_array
from ooc_train.errors import InputError
from ooc_train.jit import kernel
from ooc_train.progress import Reading

Classes = npt.NDArray[np.int32]
Counts = npt.NDArray[np.int64]

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
    """Term records by partition, each row's class (mapped from a file), and the classes in order.

    ``n_terms`` counts the terms of all rows with their repetitions, ``n_train`` the train rows,
    those drawn for validation included.
    """

    spill: Spill
    row_classes: Classes
    classes: list[str]
    n_terms: int
    n_train: int

    def train_classes(self, placement: Placement, temp_dir: Path) -> tuple[Classes, Counts]:
        """Each row's class where the row belongs to the train split, else -1; rows by class.

        Raises ``InputError`` if validation took every row of a class.
        """
        fit_classes = row_array(temp_dir, len(self.row_classes), np.int32)
        fit_classes[:] = -1
        for start in range(0, self.n_train, 2**16):
            stop = min(start + 2**16, self.n_train)
            drawn = placement.drawn(start, stop - start)
            fit_classes[start:stop] = np.where(drawn, -1, self.row_classes[start:stop])
        counts = np.zeros(len(self.classes), np.int64)
        _count_classes(fit_classes, counts)
        if not counts.all():
            raise self._all_drawn(placement, np.flatnonzero(counts == 0))
        return fit_classes, counts

    def _all_drawn(self, placement: Placement, lost: Counts) -> InputError:
        """The error for classes of which no row is left to train on, with a seed that would do."""
        totals = np.zeros(len(self.classes), np.int64)
        _count_classes(self.row_classes[: self.n_train], totals)
        rows = self._rows_of(np.flatnonzero(totals <= placement.most_rows_drawn_whole()))
        seed = placement.seed_that_leaves_some(rows, self.row_classes[rows])
        of_seed = "" if seed is None else f" --seed {seed}, which leaves some of every class, or"
        names = ", ".join(f"{self.classes[i]!r} ({totals[i]})" for i in lost[:5].tolist())
        more = f" and of {len(lost) - 5:,} more classes" if len(lost) > 5 else ""
        return InputError(
            f"the validation split took every row of {names}{more}, and none is left to train on; "
            f"use{of_seed} --validation-fraction 0, or name validation rows with --validation"
        )

    def _rows_of(self, classes: Counts) -> Counts:
        """The numbers of the train rows of some classes."""
        of_train = self.row_classes[: self.n_train]
        return np.concatenate(
            [
                start + np.flatnonzero(np.isin(of_train[start : start + 2**16], classes))
                for start in range(0, self.n_train, 2**16)
            ]
        )


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
    order, report.classes = _sorted_classes(corpus.met_classes())
    row_classes = labels.mapped()
    _renumber(row_classes, order)
    if len(report.classes) < 2:
        raise InputError(
            f"all rows have the label {report.classes[0]!r}; training takes at least two classes "
            f"(does --label name the right column?)"
        )
    return IndexedRows(spill, row_classes, report.classes, n_terms, corpus.n_rows["train"])


def _sorted_classes(met: list[str]) -> tuple[Classes, list[str]]:
    """The rank of each class, and the classes by rank: as numbers if all are, else as strings."""
    all_integers = all(label.removeprefix("-").isdecimal() for label in met)
    keys = [(int(label) if all_integers else 0, label) for label in met]
    order = sorted(range(len(met)), key=keys.__getitem__)
    ranks = np.empty(len(met), np.int32)
    ranks[order] = np.arange(len(met))
    return ranks, [met[i] for i in order]


@kernel
def _renumber(classes: Classes, ranks: Classes) -> None:
    for i in range(len(classes)):
        classes[i] = ranks[classes[i]]


@kernel
def _count_classes(fit_classes: Classes, counts: Counts) -> None:
    for number in fit_classes:
        if number >= 0:
            counts[number] += 1
