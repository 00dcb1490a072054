"""When a training saves its state, and how: in a thread of its own, so that steps go on."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

from ooc_train.system_errors import reason
from ooc_train.threads import ThreadPool
from ooc_train.training.run.checkpoints import Arrays, CheckpointFolder
from ooc_train.training.run.interval import Interval

_LEAST_TIMES = 100
"""Least time between checkpoints, as a multiple of the time that copying the state takes."""
Snapshot = Callable[[], tuple[Arrays, Mapping[str, Any]]]
"""Copies of a training's state that nothing else will change: arrays and facts."""


class Saver:
    """Saves snapshots of a training when they are due; its ``with`` block ends when all are saved.

    Training stands still only while its state is copied.  With a time as interval, that is at most
    a hundredth of the time: checkpoints that come sooner, as after short epochs, are postponed.
    They are also postponed while another is being written, so that a slow disk makes checkpoints
    rarer and not training slower.  A failed write is reported to ``warn``, and tried again when the
    next checkpoint is due.  Memory: one copy of the state while it is written.
    """

    def __init__(
        self,
        folder: CheckpointFolder,
        every: Interval,
        *,
        facts: Callable[[], Mapping[str, Any]],
        warn: Callable[[str], None],
    ) -> None:
        self.folder = folder
        self.n_steps_saved = folder.n_steps()
        """The steps done at the last checkpoint; ``None`` if there is none."""
        self.seconds_stopped = 0.0
        """How long training has stood still for checkpoints so far."""
        self._every = every
        self._facts = facts
        self._warn = warn
        self._is_postponed = False
        self._seconds_of_last = 0.0
        self._steps_at_last = self.n_steps_saved or 0
        self._time_at_last = time.monotonic()
        self._writing: Future[None] | None = None
        self._thread = ThreadPool(1, "checkpoint")

    def __enter__(self) -> "Saver":
        return self

    def __exit__(self, *error: object) -> None:
        self.settle()
        self._thread.shutdown()

    def is_due(self, n_steps: int) -> bool:
        """Whether a checkpoint is due after ``n_steps``, and can be saved now."""
        if self._is_busy:
            return False
        self.settle()
        if self._is_too_soon:
            return False
        if self._is_postponed:
            return True
        if self._every.steps:
            return n_steps - self._steps_at_last >= self._every.steps
        return time.monotonic() - self._time_at_last >= (self._every.seconds or 0)

    def save(self, n_steps: int, snapshot: Snapshot, *, wait: bool = False) -> None:
        """Save a checkpoint, or postpone it while another is written or if it is too soon.

        With ``wait`` it is never postponed, and is on the disk, or has failed, when this returns.
        """
        if (self._is_busy or self._is_too_soon) and not wait:
            self._is_postponed = True
            return
        began = time.perf_counter()
        self.settle()
        copying = time.perf_counter()
        arrays, facts = snapshot()
        self._seconds_of_last = time.perf_counter() - copying
        self._is_postponed = False
        self._steps_at_last, self._time_at_last = n_steps, time.monotonic()
        self._writing = self._thread.submit(
            self.folder.save, n_steps, arrays, {**self._facts(), **facts}
        )
        if wait:
            self.settle()
        self.seconds_stopped += time.perf_counter() - began

    def settle(self) -> None:
        """Wait for the checkpoint that is being written, and report its failure."""
        writing, self._writing = self._writing, None
        if not writing:
            return
        try:
            writing.result()
            self.n_steps_saved = self._steps_at_last
        except OSError as error:
            last = "there is none yet"
            if self.n_steps_saved is not None:
                last = f"the last is that of step {self.n_steps_saved:,}"
            self._warn(
                f"the checkpoint of step {self._steps_at_last:,} could not be written to "
                f"{self.folder.path}: {reason(error)}; {last}; training continues, and "
                "tries again when the next is due"
            )

    @property
    def _is_too_soon(self) -> bool:
        """Whether saving now would take more than its share of the time.

        With an interval in steps it is never too soon.
        """
        least = 0 if self._every.steps else _LEAST_TIMES * self._seconds_of_last
        return time.monotonic() - self._time_at_last < least

    @property
    def _is_busy(self) -> bool:
        return self._writing is not None and not self._writing.done()
