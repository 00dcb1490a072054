"""The signals that ask a process to end, and how a command does: it cleans up, and says so."""

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from types import FrameType

from ooc_train.errors import Interrupted

STOPPING = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]
"""Ctrl-C, the end of a job, and the end of a terminal."""
INTERRUPTED = "interrupted; nothing was left half written"
_MOMENT = 0.01  # seconds


@contextlib.contextmanager
def handled_by(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Call ``handler`` in the block for each signal that asks to end.

    Signals that were ignored stay so.  Only the main thread receives signals: in any other, this
    does nothing.
    """
    before = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.getsignal(number) for number in STOPPING}
    heard = {number: old for number, old in before.items() if old not in (signal.SIG_IGN, None)}
    try:
        for number in heard:
            signal.signal(number, handler)
        yield
    finally:
        for number, old in heard.items():
            signal.signal(number, old)


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """Raise `Interrupted` in the block for the first signal that asks to end.

    Those that follow are ignored until the block ends, so that cleaning up is not cut short.  An
    error that a library makes of the interruption, as TensorFlow may, is that interruption.  Where
    Python ignores it, as in a destructor, it is raised again a moment later.
    """
    asked: list[Interrupted] = []

    def end(number: int, _frame: FrameType | None) -> None:
        for each in STOPPING:
            if signal.getsignal(each) is end:
                signal.signal(each, signal.SIG_IGN)
        asked.append(Interrupted(INTERRUPTED, number))
        raise asked[0]

    with handled_by(end), _raised_again(asked):
        try:
            yield
        except Exception as error:
            if asked:
                raise asked[0] from error
            raise


@contextlib.contextmanager
def _raised_again(asked: Sequence[Interrupted]) -> Iterator[None]:
    """Raise the first of the interruptions again, by a timer, where Python has ignored it.

    An error that C++ code, as TensorFlow's, makes of an interruption and ignores is not told.
    """
    before = sys.unraisablehook

    def raise_again(*_: object) -> None:
        raise asked[0]

    def hook(unraisable: "sys.UnraisableHookArgs") -> None:
        error = unraisable.exc_value
        if isinstance(error, Interrupted) and hasattr(signal, "setitimer"):
            signal.signal(signal.SIGALRM, raise_again)
            signal.setitimer(signal.ITIMER_REAL, _MOMENT)
        elif error is None or not isinstance(error.__cause__, Interrupted):
            before(unraisable)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = before
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)
