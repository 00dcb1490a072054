"""The signals that ask a process to end, and how a command does: it cleans up, and says so."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from ooc_train.errors import Interrupted

STOPPING = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]
"""Ctrl-C, the end of a job, and the end of a terminal."""


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """Raise `Interrupted` in the block for the first signal that asks to end.

    Those that follow are ignored until the block ends, so that cleaning up is not cut short.
    Signals that were ignored stay so.  Only the main thread receives signals: in any other, this
    does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in STOPPING}
    heard = [number for number in STOPPING if before[number] not in (signal.SIG_IGN, None)]

    def end(number: int, _frame: FrameType | None) -> None:
        for each in heard:
            signal.signal(each, signal.SIG_IGN)
        raise Interrupted("interrupted; nothing was left half written", number)

    try:
        for number in heard:
            signal.signal(number, end)
        yield
    finally:
        for number in heard:
            signal.signal(number, before[number])
