"""Ctrl-C and SIGTERM in a training: the first asks it to stop, the second ends it at once."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """Whether somebody has asked to stop: the number of the signal, or ``None``."""

    signal_number: int | None = None


@contextlib.contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Take signals for the time of the block, to be looked at between steps.

    Signals that are ignored stay so.  In other threads than the main one, which gets no signals,
    nothing is taken.
    """
    request = StopRequest()

    def take(number: int, _frame: FrameType | None) -> None:
        if request.signal_number is not None:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        request.signal_number = number

    with contextlib.ExitStack() as stack:
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                before = signal.getsignal(number)
                if before not in (signal.SIG_IGN, None):
                    signal.signal(number, take)
                    stack.callback(signal.signal, number, before)
        yield request
