"""When a training saves its state, and how it does so without a stop: in a thread of its own."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any

from ooc_train.atomic import reason
from ooc_train.training.run.checkpoints import Arrays, CheckpointFolder
from ooc_train.training.run.interval import Interval

_LEAST_TIMES = 100
"""How many times what a checkpoint takes has to pass before the next."""
Snapshot = Callable[[], tuple[Arrays, Mapping[str, Any]]]
"""Copies of a training's state, which nobody else will change: arrays and facts."""


class Saver:
    """Saves snapshots of a training as they are due; a context manager, whose end waits.

    Training stops only for the copies of its state, where the interval is a time for a hundredth
    of it at most: what would come sooner, as at the ends of short epochs, is put off.  It is also
    put off while another is being written, so that a slow disk makes checkpoints rarer and not
    training slower.  What cannot
    be written is told to ``warn``, and tried again when the next one is due.  Memory: one copy of
    the state while it is being written.
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
        """Steps after which the last checkpoint was saved; ``None`` where there is none."""
        self.seconds_stopped = 0.0
        """How long training has stood still for checkpoints so far."""
        self._every = every
        self._facts = facts
        self._warn = warn
        self._is_put_off = False
        self._seconds_of_last = 0.0
        self._steps_at_last = self.n_steps_saved or 0
        self._time_at_last = time.monotonic()
        self._writing: Future[None] | None = None
        self._thread = ThreadPoolExecutor(1, "checkpoint")

    def __enter__(self) -> "Saver":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.settle()
        self._thread.shutdown()

    def is_due(self, n_steps: int) -> bool:
        """Whether a checkpoint is to be saved after that many steps, and can be."""
        if self._is_busy:
            return False
        self.settle()
        if self._is_too_soon:
            return False
        if self._is_put_off:
            return True
        if self._every.steps:
            return n_steps - self._steps_at_last >= self._every.steps
        return time.monotonic() - self._time_at_last >= (self._every.seconds or 0)

    def save(self, n_steps: int, snapshot: Snapshot, *, wait: bool = False) -> None:
        """Save a checkpoint, or put it off: while another is being written, or if it is too soon.

        With ``wait`` it is not put off, and when this returns it is on the disk or was warned of.
        """
        if (self._is_busy or self._is_too_soon) and not wait:
            self._is_put_off = True
            return
        began = time.perf_counter()
        self.settle()
        copying = time.perf_counter()
        arrays, facts = snapshot()
        self._seconds_of_last = time.perf_counter() - copying
        self._is_put_off = False
        self._steps_at_last, self._time_at_last = n_steps, time.monotonic()
        self._writing = self._thread.submit(
            self.folder.save, n_steps, arrays, {**self._facts(), **facts}
        )
        if wait:
            self.settle()
        self.seconds_stopped += time.perf_counter() - began

    def settle(self) -> None:
        """Wait for what is being written, and tell what went wrong with it."""
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
                f"{self.folder.path}: {reason(error)}; {last}; training goes on, and "
                "tries again when the next is due"
            )

    @property
    def _is_too_soon(self) -> bool:
        """Whether saving now would take more than its share of the time; never by steps."""
        least = 0 if self._every.steps else _LEAST_TIMES * self._seconds_of_last
        return time.monotonic() - self._time_at_last < least

    @property
    def _is_busy(self) -> bool:
        return self._writing is not None and not self._writing.done()
