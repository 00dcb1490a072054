"""Each row's class, numbered in the order of the classes, and what may be wrong with these."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from ooc_train.conversion.storage.placement import Placement
from ooc_train.conversion.storage.spill import Column, row_array
from ooc_train.dtypes import I32, I64
from ooc_train.errors import InputError
from ooc_train.jit import kernel


class RowClasses(NamedTuple):
    """Each row's class, (n_rows,) int32, mapped from a file, and the classes in order.

    ``n_train`` counts the train rows, those drawn for validation included.
    """

    numbers: I32
    classes: list[str]
    n_train: int

    def of_train(self, placement: Placement, temp_dir: Path) -> tuple[I32, I64]:
        """Each row's class where the row belongs to the train split, else -1; rows by class.

        Raises ``InputError`` if validation took every row of a class.
        """
        fit_classes = row_array(temp_dir, len(self.numbers), np.int32)
        fit_classes[:] = -1
        for start in range(0, self.n_train, 2**16):
            stop = min(start + 2**16, self.n_train)
            drawn = placement.drawn(start, stop - start)
            fit_classes[start:stop] = np.where(drawn, -1, self.numbers[start:stop])
        counts = np.zeros(len(self.classes), np.int64)
        _count_classes(fit_classes, counts)
        if not counts.all():
            raise self._all_drawn(placement, np.flatnonzero(counts == 0))
        return fit_classes, counts

    def _all_drawn(self, placement: Placement, lost: I64) -> InputError:
        """The error for classes of which no row is left to train on, with a seed that would do."""
        totals = np.zeros(len(self.classes), np.int64)
        _count_classes(self.numbers[: self.n_train], totals)
        rows = self._rows_of(np.flatnonzero(totals <= placement.most_rows_drawn_whole()))
        seed = placement.seed_that_leaves_some(rows, self.numbers[rows])
        of_seed = "" if seed is None else f" --seed {seed}, which leaves some of every class, or"
        names = ", ".join(f"{self.classes[i]!r} ({totals[i]})" for i in lost[:5].tolist())
        more = f" and of {len(lost) - 5:,} more classes" if len(lost) > 5 else ""
        return InputError(
            f"the validation split took every row of {names}{more}, and none is left to train on; "
            f"use{of_seed} --validation-fraction 0, or name validation rows with --validation"
        )

    def _rows_of(self, classes: I64) -> I64:
        """The numbers of the train rows of some classes."""
        of_train = self.numbers[: self.n_train]
        return np.concatenate(
            [
                start + np.flatnonzero(np.isin(of_train[start : start + 2**16], classes))
                for start in range(0, self.n_train, 2**16)
            ]
        )


def number_classes(labels: Column, met: list[str], n_train: int) -> RowClasses:
    """Number all rows' classes, which were ``labels`` numbers in the order of ``met``.

    Raises ``InputError`` for fewer than two classes.
    """
    order, classes = sorted_classes(met)
    numbers = labels.mapped()
    _renumber(numbers, order)
    if len(classes) < 2:
        raise InputError(
            f"all rows have the label {classes[0]!r}; training takes at least two classes "
            f"(does --label name the right column?)"
        )
    return RowClasses(numbers, classes, n_train)


def sorted_classes(met: list[str]) -> tuple[I32, list[str]]:
    """The rank of each class, and the classes by rank: as numbers if all are, else as strings."""
    all_integers = all(label.removeprefix("-").isdecimal() for label in met)
    keys = [(int(label) if all_integers else 0, label) for label in met]
    order = sorted(range(len(met)), key=keys.__getitem__)
    ranks = np.empty(len(met), np.int32)
    ranks[order] = np.arange(len(met))
    return ranks, [met[i] for i in order]


@kernel
def _renumber(classes: I32, ranks: I32) -> None:
    for i in range(len(classes)):
        classes[i] = ranks[classes[i]]


@kernel
def _count_classes(fit_classes: I32, counts: I64) -> None:
    for number in fit_classes:
        if number >= 0:
            counts[number] += 1
