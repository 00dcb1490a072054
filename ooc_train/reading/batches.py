"""The batches of an epoch: windows of rows read from a split, cut as the sampler says."""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Literal, Protocol

import numpy as np

from ooc_train.counts import counted
from ooc_train.dtypes import I64, AnyArray
from ooc_train.errors import OptionError
from ooc_train.kinds import Layout
from ooc_train.reading.paging import Paging
from ooc_train.reading.rows import (
    Batch,
    Buffers,
    LoadedWindow,
    Readable,
    Rows,
    concatenate,
    numbers_of,
)
from ooc_train.reading.sampler import Order, Window, finer, n_steps, slice_rows_for

READ_BYTES = 2_000_000
"""The bytes of consecutive batches that are read in one call."""
READ_LABELS = 32_768
"""Labels that are read in one call: for fewer the call takes longer than the reading."""
TAKE_BYTES = 500_000
"""The bytes that are taken from a window in one call: they fit a processor's cache."""
_NONE = Window([], np.zeros(0, np.int64))
"""What comes after the last window."""


Seed = int | Literal["auto"] | None
"""The seed of an order of rows; without one they come in the file's order, see `seed_for`."""


class EpochBatches(Protocol):
    """One epoch's batches, or a part of them, as adapters take them."""

    @property
    def split(self) -> Readable:
        """The rows that the batches are of."""

    @property
    def epoch(self) -> int:
        """The epoch, which determines the order."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Batch]: ...

    def at_epoch(self, epoch: int) -> "EpochBatches":
        """The batches of another epoch."""

    def from_step(self, step: int, every: int = 1) -> Iterator[Batch]:
        """The batches from number ``step`` on, or of these each ``every``-th."""


class Splitlike(Protocol):
    """A split, or a part of it, as adapters take it."""

    @property
    def name(self) -> str:
        """The split's name."""

    @property
    def where(self) -> str:
        """The file and the split, as error messages name them."""

    @property
    def layout(self) -> Layout:
        """How the rows are laid out."""

    def batches(
        self, batch_size: int, *, seed: int | None = None, epoch: int = 0, by_length: bool = False
    ) -> EpochBatches:
        """One epoch in batches."""


class _Named(Protocol):
    @property
    def name(self) -> str:
        """The split's name."""


def seed_for(split: _Named, seed: Seed) -> int | None:
    """The seed that ``"auto"`` stands for: 0 for train rows, none for others.

    Predictions for validation and test rows are compared with their labels and texts, which are
    read in the file's order.
    """
    if seed == "auto":
        return 0 if split.name == "train" else None
    return seed


@dataclass(frozen=True, repr=False)
class Batches:
    """One epoch of a split in batches; every iteration gives the same.

    With ``by_length`` the rows of a batch have near lengths, and the batches of a window come in
    random order.
    """

    split: Readable
    batch_size: int
    seed: int | None
    epoch: int
    by_length: bool = False

    def __post_init__(self) -> None:
        for value, what in ((self.batch_size, "the batch size"), (self.epoch, "the epoch")):
            if not isinstance(value, Integral) or isinstance(value, bool):
                raise OptionError(f"{what} must be a whole number, not {value!r}")
        if self.seed is not None and not isinstance(self.seed, Integral):
            raise OptionError(f"the seed must be a whole number or None, not {self.seed!r}")
        if self.batch_size < 1:
            raise OptionError(f"the batch size must be at least 1, not {self.batch_size}")
        if self.by_length and self.seed is None:
            raise OptionError("batches by length are in a random order; give a seed")

    def __len__(self) -> int:
        return n_steps(self.split.n_rows, self.batch_size)

    def __repr__(self) -> str:
        order = "in the order of the file" if self.seed is None else f"shuffled with {self.seed=}"
        lengths = ", of near lengths" if self.by_length else ""
        return (
            f"<{counted(len(self), 'batch')} of {counted(self.batch_size, 'row')} of "
            f"{self.split.where}: epoch {self.epoch}, {order.replace('self.', '')}{lengths}>"
        )

    def __iter__(self) -> Iterator[Batch]:
        return self.from_step(0)

    def at_epoch(self, epoch: int) -> "Batches":
        """The batches of another epoch."""
        return replace(self, epoch=epoch)

    def from_step(self, step: int, every: int = 1) -> Iterator[Batch]:
        """The batches from number ``step`` on, without reading earlier windows.

        With ``every``, only each ``every``-th batch: the share of one of several processes.
        """
        if step >= len(self):
            return iter(())
        if self.seed is None:
            return self._in_file_order(step, every)
        return self._shuffled(step, every, self.seed)

    def row_numbers(self, step: int) -> I64:
        """The numbers of the rows of batch number ``step``, in its order: ``(n_rows,) int64``.

        Reads the batch's window.
        """
        if not 0 <= step < len(self):
            raise IndexError(f"the epoch has the batches 0 to {len(self) - 1}, not {step}")
        numbered = replace(self, split=_Numbered(self.split))
        return next(numbered.from_step(step)).labels

    def _in_file_order(self, step: int, every: int) -> Iterator[Batch]:
        """The batches without a seed; small ones are read several at a time."""
        n_rows, size = self.split.n_rows, self.batch_size
        n_fitting = int(READ_BYTES / (size * max(self.split.row_bytes, 1)))
        read_rows = size * max(1, n_fitting if every == 1 else 1)
        labels, n_before = self.split.read_labels(0, 0), 0
        for start in range(step * size, n_rows, every * read_rows):
            stop = min(start + read_rows, n_rows)
            if stop > n_before + len(labels):
                labels = self.split.read_labels(start, min(max(stop, start + READ_LABELS), n_rows))
                n_before = start
            rows = self.split.read(start, stop)
            for first in range(start, stop, size):
                last = min(first + size, stop)
                part = rows[first - start : last - start]
                yield Batch(part, labels[first - n_before : last - n_before])

    def _shuffled(self, step: int, every: int, seed: int) -> Iterator[Batch]:
        """The batches with a seed: each window's whole ones, its last rows before the next's.

        So the window that a batch's last position lies in determines the batch's rows.
        """
        n_rows, size = self.split.n_rows, self.batch_size
        order = self._order(seed)
        last_position = min((step + 1) * size, n_rows) - 1
        next_step = order.window_start(last_position) // size if self.by_length else step
        position = next_step * size
        held = self.split.read_slices([(0, 0)])
        buffers, paging = Buffers(), Paging(self.split)
        windows = itertools.chain(order.windows(position), [_NONE])
        for window, following in itertools.pairwise(windows):
            position += len(window.rows)
            n_ready = len(held.labels) + len(window.rows)
            n_left = 0 if position == n_rows else n_ready % size
            n_used = max(0, len(window.rows) - n_left)
            used, left = window.rows[:n_used], window.rows[n_used:]
            paging.begin(window.slices)
            with self.split.window(window.slices, buffers) as loaded:
                paging.go_on(following.slices, n_ready // (size * every))
                if n_left < n_ready:
                    cut = self._cut(order, held, loaded, used, next_step)
                    wanted = cut[step - next_step :: every]
                    for batch in self._taken(held, loaded, used, wanted):
                        paging.advance()
                        yield batch
                    step += every * len(wanted)
                    next_step += len(cut)
                    held = loaded.take(left)
                else:
                    held = concatenate([held, loaded.take(left)])
            del loaded  # so that a larger window can take this one's memory
            paging.end(window.slices)

    def _taken(
        self, held: Batch, loaded: LoadedWindow, used: I64, cut: Sequence[I64]
    ) -> Iterator[Batch]:
        """Batches of the positions ``cut``; small ones are taken several at a time.

        NumPy's calls take as long for one small batch as for ten.
        """
        n_at_once = max(1, int(TAKE_BYTES / (self.batch_size * max(self.split.row_bytes, 1))))
        n_held = len(held.labels)
        for first in range(0, len(cut), n_at_once):
            group = cut[first : first + n_at_once]
            late = (group[0] if len(group) == 1 else np.concatenate(group)) - n_held
            # Positions ascend, unless batches are by length.
            if late[0] < 0 or (self.by_length and late.min() < 0):
                yield from (_pick(held, loaded, used, rows) for rows in group)
                continue
            taken, start = loaded.take(used[late]), 0
            if len(group) == 1:
                yield taken
                continue
            for rows in group:
                part = slice(start, start + len(rows))
                yield Batch(taken.rows[part], taken.labels[part])
                start += len(rows)

    def _order(self, seed: int) -> Order:
        slice_rows = slice_rows_for(self.split.row_bytes)
        if self.split.is_shuffled:
            return Order(self.split.n_rows, seed, self.epoch, slice_rows)
        return Order(self.split.n_rows, seed, self.epoch, *finer(slice_rows))

    def _cut(
        self, order: Order, held: Batch, loaded: LoadedWindow, used: I64, first_step: int
    ) -> list[AnyArray]:
        """The positions of each batch's rows, counted in the rows held and then those ``used``."""
        if not self.by_length:
            positions, size = np.arange(len(held.labels) + len(used)), self.batch_size
            return [positions[i : i + size] for i in range(0, len(positions), size)]
        lengths = np.concatenate([held.lengths, loaded.lengths[used]])
        return order.batches_by_length(lengths, self.batch_size, first_step)


class _Numbered:
    """A split whose rows have their numbers in place of their labels."""

    def __init__(self, split: Readable) -> None:
        self._split = split
        self.name, self.where, self.fingerprint = split.name, split.where, split.fingerprint
        self.layout, self.n_rows, self.row_bytes = split.layout, split.n_rows, split.row_bytes
        self.is_shuffled, self.can_prefetch = split.is_shuffled, False

    def read(self, start: int, stop: int) -> Rows:
        return self._split.read(start, stop)

    def read_labels(self, start: int, stop: int) -> I64:
        return np.arange(start, stop)

    def read_slices(
        self, slices: Sequence[tuple[int, int]], buffers: Buffers | None = None
    ) -> Batch:
        return Batch(self._split.read_slices(slices, buffers).rows, numbers_of(slices))

    @contextmanager
    def window(self, slices: Sequence[tuple[int, int]], buffers: Buffers) -> Iterator[Batch]:
        yield self.read_slices(slices, buffers)

    def expecting(self, slices: Sequence[tuple[int, int]]) -> Iterator[None]:  # noqa: ARG002
        """Prefetch nothing: only one window is read."""
        return iter(())

    def forgetting(self, slices: Sequence[tuple[int, int]]) -> Iterator[None]:  # noqa: ARG002
        """Drop nothing: only one window is read."""
        return iter(())


def _pick(held: Batch, loaded: LoadedWindow, used: I64, rows: I64) -> Batch:
    """The rows at ``rows``, positions in those held and then those ``used`` of the window."""
    n_held = len(held.labels)
    early, late = rows[rows < n_held], used[rows[rows >= n_held] - n_held]
    return concatenate([held.take(early), loaded.take(late)])
