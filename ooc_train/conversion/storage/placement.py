"""The split of each row and its place there, decided by (seed, row number) alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ooc_train.dtypes import I64, Bools
from ooc_train.permutation import Permutation


class Destination(NamedTuple):
    """The rows of a block that go to one split: positions in the block, and places in the split."""

    split: str
    chosen: I64
    places: I64

    def within(self, start: int, stop: int) -> "Destination":
        """The same of a part of the block, whose positions are counted from its ``start``."""
        first, last = np.searchsorted(self.chosen, (start, stop))
        return Destination(self.split, self.chosen[first:last] - start, self.places[first:last])


class Placement:
    """Places for rows numbered over all sources, train rows first.

    Exactly ``round(validation_fraction * n)`` of the ``n`` train rows are drawn for validation, but
    for those of ``kept``, ascending numbers of rows that were drawn: they stay, behind all others
    if these are shuffled, as they are if ``is_shuffled``.  All other rows keep their order.
    """

    def __init__(
        self,
        source_rows: Mapping[str, int],
        validation_fraction: float,
        seed: int,
        *,
        is_shuffled: bool = True,
        kept: I64 | None = None,
    ) -> None:
        n_train = source_rows["train"]
        self._order = Permutation(n_train, seed, 1)
        self._is_shuffled = is_shuffled
        self._n_drawn = round(validation_fraction * n_train)
        self._kept = np.empty(0, np.int64) if kept is None else kept
        self._first_rows: dict[str, int] = {}
        first_row = 0
        for split, n_rows in source_rows.items():
            self._first_rows[split] = first_row
            first_row += n_rows
        self._n_drawn_before = 0
        n_validation = self._n_drawn - len(self._kept)
        self.n_rows = {**source_rows, "train": n_train - n_validation}
        if n_validation:
            self.n_rows["validation"] = n_validation

    def drawn(self, first_row: int, n_rows: int) -> Bools:
        """A mask of the train rows that are drawn for validation: ``(n_rows,) bool``."""
        if self._n_drawn == 0:
            return np.zeros(n_rows, np.bool_)
        return self._are_drawn(np.arange(first_row, first_row + n_rows))[0]

    def destinations(self, split: str, first_row: int, n_rows: int) -> list[Destination]:
        """Where the rows of a block go.  Blocks must come in order."""
        positions = np.arange(n_rows)
        if split != "train":
            return [Destination(split, positions, positions + first_row - self._first_rows[split])]
        drawn, places = self._are_drawn(positions + first_row)
        chosen, others = np.flatnonzero(drawn), np.flatnonzero(~drawn)
        in_train = places[others] - self._n_drawn
        if not self._is_shuffled:
            in_train = first_row - self._n_drawn_before + np.arange(len(others))
        found = [Destination("train", others, in_train)]
        if len(chosen):
            ranks = self._n_drawn_before + np.arange(len(chosen))
            found.append(Destination("validation", chosen, ranks))
            self._n_drawn_before += len(chosen)
        return found

    def _are_drawn(self, rows: I64) -> tuple[Bools, I64]:
        """Which of some ascending train rows are drawn, and the places of all in their order.

        Kept rows have the places behind those of all others.
        """
        places = self._order(rows)
        first, stop = np.searchsorted(self._kept, [rows[0], rows[-1] + 1]) if len(rows) else (0, 0)
        places[self._kept[first:stop] - rows[0]] = self._order.n + np.arange(first, stop)
        return places < self._n_drawn, places


@dataclass(frozen=True)
class PlacementRule:
    """The options that decide places, given the numbers of rows."""

    validation_fraction: float
    seed: int
    is_shuffled: bool = True

    def place(self, source_rows: Mapping[str, int], kept: I64 | None = None) -> Placement:
        """Places for ``source_rows`` of each split, of which the train rows ``kept`` stay."""
        return Placement(
            source_rows,
            self.validation_fraction,
            self.seed,
            is_shuffled=self.is_shuffled,
            kept=kept,
        )
