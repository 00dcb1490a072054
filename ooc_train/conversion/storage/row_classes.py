"""Each row's class, and what may be wrong with the classes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ooc_train.conversion.storage.job import DiskArray
from ooc_train.conversion.storage.placement import Placement
from ooc_train.dtypes import I32, I64
from ooc_train.errors import InputError
from ooc_train.jit import kernel

_ROWS_AT_ONCE = 2**16


@dataclass(frozen=True)
class TrainClasses:
    """The train rows by class, those drawn for validation left out.

    ``of_row`` (n_rows,) int32 is the class of each row, -1 for a row of another split; ``counts``
    (n_classes,) int64 are the train rows of each class.  ``kept`` are the numbers of rows that were
    drawn and are train rows all the same, so that each class has one.
    """

    of_row: DiskArray
    counts: I64
    kept: I64

    @property
    def n_rows(self) -> int:
        """How many train rows there are."""
        return int(self.counts.sum())


@dataclass(frozen=True)
class RowClasses:
    """The class of each row: ``ranks[labels[row]]``, an index into ``classes``.

    ``labels`` (n_rows,) int32 number the classes in the order in which they were met; ``n_train``
    counts the train rows, those drawn for validation included.
    """

    labels: DiskArray
    ranks: I32
    classes: list[str]
    n_train: int

    def of_train(self, placement: Placement, folder: Path) -> TrainClasses:
        """The train rows by class.

        Of a class all of whose rows are drawn for validation, the first one is kept.

        Memory: 4 bytes a row, in a file in ``folder``.
        """
        labels = self.labels.mapped
        array = DiskArray.zeros(folder / "train-classes", labels.shape, np.int32)
        of_row = array.mapped
        of_row[:] = -1
        for start in range(0, self.n_train, _ROWS_AT_ONCE):
            stop = min(start + _ROWS_AT_ONCE, self.n_train)
            drawn = placement.drawn(start, stop - start)
            of_row[start:stop] = np.where(drawn, -1, self.ranks[labels[start:stop]])
        counts = np.zeros(len(self.classes), np.int64)
        _count_classes(of_row, counts)
        lost = np.flatnonzero(counts == 0)
        kept = self._first_rows(lost)
        of_row[kept], counts[lost] = lost, 1
        return TrainClasses(array, counts, np.sort(kept))

    def _first_rows(self, classes: I64) -> I64:
        """The first train row of each of some classes."""
        firsts = np.full(len(self.classes), -1, np.int64)
        is_wanted = np.zeros(len(self.classes), np.bool_)
        is_wanted[classes] = True
        labels = self.labels.mapped
        for start in range(0, self.n_train, _ROWS_AT_ONCE):
            stop = min(start + _ROWS_AT_ONCE, self.n_train)
            ranks = self.ranks[labels[start:stop]]
            rows = np.flatnonzero(is_wanted[ranks])
            found, places = np.unique(ranks[rows], return_index=True)
            firsts[found] = start + rows[places]
            is_wanted[found] = False
        return firsts[classes]


def row_classes(
    labels: DiskArray, met: list[str], n_train: int, order: Sequence[str] = ()
) -> RowClasses:
    """The classes in their order, where ``labels`` number them in the order of ``met``.

    ``order`` has all of them, where it is known.

    Raises ``InputError`` for fewer than two classes.
    """
    ranks, classes = sorted_classes(met, order)
    if len(classes) < 2:
        raise InputError(
            f"all rows have the label {classes[0]!r}; training takes at least two classes "
            f"(does --label name the right column?)"
        )
    return RowClasses(labels, ranks, classes, n_train)


def sorted_classes(met: list[str], known: Sequence[str] = ()) -> tuple[I32, list[str]]:
    """The rank of each class, and the classes by rank.

    That is as they are ``known``, or else as numbers if all are, and as strings if not.
    """
    places = {label: place for place, label in enumerate(known)}
    if not known and all(label.removeprefix("-").isdecimal() for label in met):
        places = {label: int(label) for label in met}
    keys = [(places.get(label, 0), label) for label in met]
    order = sorted(range(len(met)), key=keys.__getitem__)
    ranks = np.empty(len(met), np.int32)
    ranks[order] = np.arange(len(met))
    return ranks, [met[i] for i in order]


@kernel
def _count_classes(fit_classes: I32, counts: I64) -> None:
    for number in fit_classes:
        if number >= 0:
            counts[number] += 1
