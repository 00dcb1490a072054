"""Windows of an epoch in the page cache: which of their pages the kernel prefetches, and drops.

A window is prefetched while the one before it is used, and given up while the next one is: a few
ranges with each batch, since the calls for a whole window take as long as some twenty batches, for
which a training would wait each time.
"""

import itertools
import math
import time
from collections import deque
from collections.abc import Iterator, Sequence

from ooc_train.reading.rows import Readable

PREFETCHED_SECONDS = 0.2
"""How long what was prefetched is relied on: the kernel may drop it."""
_RANGES = 16
"""At least twice the ranges of a slice that are prefetched and dropped: those of four arrays."""

Slices = Sequence[tuple[int, int]]


class Paging:
    """The windows of one epoch, one after another.

    Each has its `begin`, its `go_on`, an `advance` with each batch, and its `end`.  Where there is
    no memory for two windows, each is requested when its turn comes, and dropped when it is done.
    """

    def __init__(self, split: Readable) -> None:
        self._split = split
        self._used: Slices = ()
        self._advice: Iterator[None] = iter(())
        self._n_at_once = 0
        self._has_next = False
        self._prefetched_at = -math.inf

    def begin(self, slices: Slices) -> None:
        """Request a window whose turn it is, unless it was prefetched a moment ago."""
        if time.monotonic() - self._prefetched_at > PREFETCHED_SECONDS:
            _do_all(self._split.expecting(slices))

    def go_on(self, following: Slices, n_batches: int) -> None:
        """Drop the window before and prefetch the next one, during the first half of the batches.

        To be called when the window in use is in memory: where slices of both are adjacent, they
        share pages, which the kernel does not drop as long as they are mapped.
        """
        self._has_next = self._split.can_prefetch and len(following) > 0
        if self._has_next:
            self._advice = self._steps(following)
            self._n_at_once = -(-_RANGES * len(following) // max(1, n_batches))

    def advance(self) -> None:
        """Do what comes with one batch."""
        _do_all(itertools.islice(self._advice, self._n_at_once))

    def end(self, slices: Slices) -> None:
        """Do what is left, when a window was used."""
        _do_all(self._advice)
        if self._has_next:
            self._used = slices
        else:
            _do_all(self._split.forgetting([*self._used, *slices]))

    def _steps(self, following: Slices) -> Iterator[None]:
        yield from self._split.forgetting(self._used)
        yield from self._split.expecting(following)
        self._prefetched_at = time.monotonic()


def _do_all(steps: Iterator[None]) -> None:
    deque(steps, maxlen=0)
