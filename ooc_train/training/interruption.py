"""Signals that ask a training to end: the first stops it, the second ends it at once."""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

from ooc_train.signals import handled_by


class StopRequest:
    """The number of the signal that asked to stop; ``None`` while none has."""

    signal_number: int | None = None


@contextlib.contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Note signals during the block, so that training can look for them between steps.

    In other threads than the main one, and for ignored signals, the request stays empty.
    """
    request = StopRequest()

    def note(number: int, _frame: FrameType | None) -> None:
        if request.signal_number is not None:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        request.signal_number = number

    with handled_by(note):
        yield request
