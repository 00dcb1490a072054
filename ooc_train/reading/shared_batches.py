"""One of several equal parts of each epoch, for training in several processes.

Batch ``k`` of part ``i`` of ``n`` is number ``k * n + i`` of the epoch's batches: so the ``n``
parts of a step together are, row for row, the batch that one process would have with ``n`` times
the batch size.  The last of these may be shorter: it is divided equally, too.  The rows that then
are left, fewer than ``n``, come in no part; they are others in each epoch, as its order is.

All parts have the same number of batches, of the same sizes, so that no process waits for another.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ooc_train.reading.batches import Batches
from ooc_train.reading.rows import Batch, Readable, concatenate


@dataclass(frozen=True)
class SharedBatches:
    """Part ``number``, from 0, of ``n`` equal parts of one epoch's batches ``whole``.

    Memory: one window, and at the end of an epoch ``n`` batches.
    """

    whole: Batches
    number: int
    n: int

    @property
    def split(self) -> Readable:
        """The rows that all parts are of."""
        return self.whole.split

    @property
    def epoch(self) -> int:
        """The epoch, which determines the order."""
        return self.whole.epoch

    def __len__(self) -> int:
        return self._n_groups + (self._n_last > 0)

    def __iter__(self) -> Iterator[Batch]:
        return self.from_step(0)

    def at_epoch(self, epoch: int) -> "SharedBatches":
        """The same part of another epoch."""
        return replace(self, whole=self.whole.at_epoch(epoch))

    def from_step(self, step: int, every: int = 1) -> Iterator[Batch]:
        """The part's batches from number ``step`` on, or of these each ``every``-th."""
        n_whole = len(range(step, self._n_groups, every))
        batches = self.whole.from_step(step * self.n + self.number, every * self.n)
        yield from itertools.islice(batches, n_whole)
        if self._n_last and self._n_groups in range(step, len(self), every):
            yield self._last()

    @property
    def _n_groups(self) -> int:
        """The batches of full size that each part has."""
        return self.split.n_rows // (self.n * self.whole.batch_size)

    @property
    def _n_last(self) -> int:
        """The rows of the last batch, which is shorter; 0 if there is none."""
        return self.split.n_rows % (self.n * self.whole.batch_size) // self.n

    def _last(self) -> Batch:
        rest = concatenate([*self.whole.from_step(self._n_groups * self.n)])
        mine = slice(self.number * self._n_last, (self.number + 1) * self._n_last)
        return Batch(rest.rows[mine], rest.labels[mine])
