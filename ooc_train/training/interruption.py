"""Ctrl-C and its kin in a training: the first asks it to stop, the second ends it at once."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from ooc_train.signals import STOPPING


class StopRequest:
    """The number of the signal that asked to stop; ``None`` while none has."""

    signal_number: int | None = None


@contextlib.contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Note signals during the block, so that training can look for them between steps.

    Ignored signals stay ignored.  Only the main thread receives signals: in any other, the request
    stays empty.
    """
    request = StopRequest()

    def note(number: int, _frame: FrameType | None) -> None:
        if request.signal_number is not None:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        request.signal_number = number

    with contextlib.ExitStack() as stack:
        if threading.current_thread() is threading.main_thread():
            for number in STOPPING:
                before = signal.getsignal(number)
                if before not in (signal.SIG_IGN, None):
                    signal.signal(number, note)
                    stack.callback(signal.signal, number, before)
        yield request
