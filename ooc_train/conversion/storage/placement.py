"""The split of each row and its place there, decided by (seed, row number) alone."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ooc_train.dtypes import I32, I64, Bools
from ooc_train.permutation import Permutation

_SEEDS_TRIED = 100
_UNLIKELY = 1e-9


class Destination(NamedTuple):
    """The rows of a block that go to one split: positions in the block, and places in the split."""

    split: str
    chosen: I64
    places: I64


class Placement:
    """Places for rows numbered over all sources, train rows first.

    Exactly ``round(validation_fraction * n)`` of the ``n`` train rows are drawn for validation; the
    others are shuffled if ``is_shuffled``.  All other rows keep their order.
    """

    def __init__(
        self,
        source_rows: Mapping[str, int],
        validation_fraction: float,
        seed: int,
        *,
        is_shuffled: bool = True,
    ) -> None:
        n_train = source_rows["train"]
        self._order = Permutation(n_train, seed, 1)
        self._is_shuffled = is_shuffled
        self._n_drawn = round(validation_fraction * n_train)
        self._first_rows: dict[str, int] = {}
        first_row = 0
        for split, n_rows in source_rows.items():
            self._first_rows[split] = first_row
            first_row += n_rows
        self._n_drawn_before = 0
        self.n_rows = {**source_rows, "train": n_train - self._n_drawn}
        if self._n_drawn:
            self.n_rows["validation"] = self._n_drawn

    def drawn(self, first_row: int, n_rows: int) -> Bools:
        """A mask of the train rows that are drawn for validation: ``(n_rows,) bool``."""
        if self._n_drawn == 0:
            return np.zeros(n_rows, np.bool_)
        return self._order(np.arange(first_row, first_row + n_rows)) < self._n_drawn

    def most_rows_drawn_whole(self) -> int:
        """The rows of the largest class of which a seed may well draw every row."""
        if self._n_drawn == self._order.n:
            return self._n_drawn
        return math.ceil(math.log(_UNLIKELY) / math.log(self._n_drawn / self._order.n))

    def seed_that_leaves_some(self, rows: I64, classes: I32) -> int | None:
        """A seed that leaves a train row of every class; ``None`` if none is found soon.

        ``rows`` are the numbers of all rows of the small ``classes``.
        """
        n_classes = len(np.unique(classes))
        for seed in range(_SEEDS_TRIED):
            left = Permutation(self._order.n, seed, 1)(rows) >= self._n_drawn
            if len(np.unique(classes[left])) == n_classes:
                return seed
        return None

    def destinations(self, split: str, first_row: int, n_rows: int) -> list[Destination]:
        """Where the rows of a block go.  Blocks must come in order."""
        positions = np.arange(n_rows)
        if split != "train":
            return [Destination(split, positions, positions + first_row - self._first_rows[split])]
        places = self._order(positions + first_row)
        drawn = places < self._n_drawn
        chosen, others = np.flatnonzero(drawn), np.flatnonzero(~drawn)
        kept = places[others] - self._n_drawn
        if not self._is_shuffled:
            kept = first_row - self._n_drawn_before + np.arange(len(others))
        found = [Destination("train", others, kept)]
        if len(chosen):
            ranks = self._n_drawn_before + np.arange(len(chosen))
            found.append(Destination("validation", chosen, ranks))
            self._n_drawn_before += len(chosen)
        return found


@dataclass(frozen=True)
class PlacementRule:
    """The options that decide places, given the numbers of rows."""

    validation_fraction: float
    seed: int
    is_shuffled: bool = True

    def place(self, source_rows: Mapping[str, int]) -> Placement:
        """Places for ``source_rows`` of each split."""
        return Placement(
            source_rows, self.validation_fraction, self.seed, is_shuffled=self.is_shuffled
        )
