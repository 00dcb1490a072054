"""The order in which rows are read: integers in, integers out, no data touched.

Reading single rows at random is slow and reading the file from end to end every epoch trains
badly.  In between: the file is cut into *slices* of contiguous rows, the slices are permuted,
*windows* of many slices are held in memory together, and the rows of a window are permuted
among themselves.  All of it is a pure function of the number of rows, the seed and the epoch,
so that any place in an epoch can be found without replaying what came before it.

>>> windows = list(Order(10, seed=0, epoch=0, slice_rows=2, window_slices=3).windows())
>>> sorted(part for window in windows for part in window.slices)
[(0, 2), (2, 4), (4, 6), (6, 8), (8, 10)]
>>> [len(window.rows) for window in windows]
[4, 6]
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from ooc_train.dtypes import I64
from ooc_train.permutation import Permutation

SLICE_ROWS = 512
WINDOW_SLICES = 64
WINDOW_BYTES = 32_000_000
_SOURCE_ORDER_PARTS = 16

# Kinds of draws: the slices' order must not repeat that of other permutations from the same seed.
_SLICES, _CUT, _ROWS, _BATCHES = 0x51, 0x52, 0x53, 0x54
_JITTER = 0.05  # of a row's length


def n_steps(n_rows: int, batch_size: int) -> int:
    """Batches in an epoch, the last short one included."""
    return -(-n_rows // batch_size)


def slice_rows_for(row_bytes: float) -> int:
    """Rows in a slice, such that a window of rows of average ``row_bytes`` fits WINDOW_BYTES."""
    return int(min(max(WINDOW_BYTES / WINDOW_SLICES / max(row_bytes, 1), 1), SLICE_ROWS))


def finer(slice_rows: int) -> tuple[int, int]:
    """Slices of fewer rows, and more of them in a window, for rows that were never shuffled.

    Their source may have had them sorted by class, and then a slice has only one.  The windows are
    as large, and mixed from 1,024 places of the file: slower to read, but as good as shuffled (see
    ``python -m benchmarks order``).
    """
    n_parts = min(_SOURCE_ORDER_PARTS, slice_rows)
    return slice_rows // n_parts, WINDOW_SLICES * n_parts


class Window(NamedTuple):
    """Slices ``(start, stop)`` to be read, and the order of their rows.

    ``rows`` is ``(n,) int64``: positions in the rows of the slices laid one after another.
    """

    slices: list[tuple[int, int]]
    rows: I64


@dataclass(frozen=True)
class Order:
    """The order of one epoch: every one of ``n_rows`` exactly once.

    ``slice_rows`` and ``window_slices`` must depend on the file alone, never on the memory at
    hand, or a run could not be repeated elsewhere.  State: some integers and the ``Permutation``
    of the slices, at most 512 KiB.
    """

    n_rows: int
    seed: int
    epoch: int
    slice_rows: int = SLICE_ROWS
    window_slices: int = WINDOW_SLICES

    def windows(self, first_position: int = 0) -> Iterator[Window]:
        """The epoch's windows from the row at ``first_position`` in this order on.

        The first window's ``rows`` lack those before that position.
        """
        if first_position >= self.n_rows:
            return
        number = self._window_at(first_position)
        skipped = first_position - self._first_slice(number) * self.slice_rows
        for later in range(number, self._n_windows):
            window = self._window(later)
            yield window._replace(rows=window.rows[skipped:])
            skipped = 0

    @property
    def _n_whole(self) -> int:
        """Slices of full length."""
        return self.n_rows // self.slice_rows

    @property
    def _n_slices(self) -> int:
        return n_steps(self.n_rows, self.slice_rows)

    @property
    def _n_windows(self) -> int:
        return n_steps(self._n_slices, self.window_slices)

    @cached_property
    def _slice_order(self) -> Permutation:
        return Permutation(self._n_whole, self.seed, self.epoch, _SLICES)

    @cached_property
    def _cut(self) -> int:
        """How many whole slices lie before the short one in the file.

        The short slice always comes last, which keeps positions computable; so that it is not
        always the same rows that come last, it lies elsewhere in the file in every epoch.
        """
        return int(self._generator(_CUT).integers(self._n_whole + 1))

    def _first_slice(self, number: int) -> int:
        """Position of the first slice of window ``number``; windows are as equal as can be."""
        return number * self._n_slices // self._n_windows

    def _window_at(self, position: int) -> int:
        """The window that holds the row at ``position`` of the epoch."""
        number = position // self.slice_rows * self._n_windows // self._n_slices
        while self._first_slice(number + 1) * self.slice_rows <= position:
            number += 1
        return number

    def _window(self, number: int) -> Window:
        first, stop = self._first_slice(number), self._first_slice(number + 1)
        whole = self._slice_order(np.arange(first, min(stop, self._n_whole)))
        n_short = self.n_rows % self.slice_rows
        starts = whole * self.slice_rows + np.where(whole < self._cut, 0, n_short)
        slices = [(start, start + self.slice_rows) for start in starts.tolist()]
        if stop > self._n_whole:
            start = self._cut * self.slice_rows
            slices.append((start, start + n_short))
        n_rows = sum(stop - start for start, stop in slices)
        # In the order of the file, which disks like; the rows are permuted anyway.
        return Window(sorted(slices), self._generator(_ROWS, number).permutation(n_rows))

    def batches_by_length(self, lengths: I64, batch_size: int, first_step: int) -> list[I64]:
        """Rows of the given lengths in batches of near length, the batches in random order.

        Returns the positions in ``lengths`` of each batch's rows.  Lengths are taken a little
        longer or shorter at random, so that rows do not meet the same others in every epoch.
        Where ``batch_size`` does not divide the rows, the short batch comes last, and has rows
        of any length.  ``first_step`` is the number of the first of these batches in the epoch.
        """
        random = self._generator(_BATCHES, first_step)
        jittered = lengths * random.uniform(1 - _JITTER, 1 + _JITTER, len(lengths))
        by_length = np.argsort(jittered, kind="stable")  # the same on every machine
        n_whole, n_short = divmod(len(lengths), batch_size)
        first = batch_size * int(random.integers(n_whole + 1))
        short = by_length[first : first + n_short]
        rest = np.concatenate([by_length[:first], by_length[first + n_short :]])
        whole = rest.reshape(n_whole, batch_size)[random.permutation(n_whole)]
        return [*whole, short] if n_short else [*whole]

    def window_start(self, position: int) -> int:
        """The position of the first row of the window that holds the row at ``position``."""
        return self._first_slice(self._window_at(position)) * self.slice_rows

    def _generator(self, *kind: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, self.epoch, *kind])
