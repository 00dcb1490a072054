"""Progress on standard error: bars in a terminal, a line a minute elsewhere."""

import os
import sys
import time

from ooc_train.cli.streams import tell
from ooc_train.durations import clock
from ooc_train.progress import Numbered, Progress, Silent

LINE_SECONDS = 60
STARTING = "starting"
"""The phase of a command's imports, which a log is told of, too, since TensorFlow takes seconds."""
LOADING = "loading"
"""The phase of imports that take a second: seen in a terminal alone."""
_under_way: list[Progress] = []


def progress_of(*, quiet: bool) -> Progress:
    """Bars on standard error, lines where that is no terminal, or nothing if ``quiet``."""
    if quiet:
        return Silent()
    _under_way.append(Numbered(terminal_bars() if _has_room_for_bars() else Lines()))
    return _under_way[-1]


def begun(phase: str, *, quiet: bool) -> Progress:
    """The progress of a command, which says that it loads what it needs, before it does."""
    progress = progress_of(quiet=quiet)
    progress.start(phase, None, "")
    return progress


def _has_room_for_bars() -> bool:
    """Whether standard error is a terminal, of which some have no size: no bar is seen there."""
    if not sys.stderr.isatty():
        return False
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns > 0
    except (OSError, ValueError):
        return True


def finish_all() -> None:
    """Take away the bars of a command that has ended, in whatever way."""
    while _under_way:
        _under_way.pop().finish()


def terminal_bars() -> Progress:
    """Bars on standard error, with messages above them."""
    from tqdm import tqdm  # noqa: PLC0415 - 20 ms, which --quiet does without

    from ooc_train.bars import Bars  # noqa: PLC0415 - as above

    def above_the_bar(text: str) -> None:
        with tqdm.external_write_mode(sys.stderr):
            tell(text)

    return Bars(tqdm, above_the_bar)


class Lines:
    """Progress as lines on standard error, one a minute: what a log file can hold."""

    def __init__(self) -> None:
        self._phase, self._unit, self._text = "", "", ""
        self._total: int | None = None
        self._done = 0
        self._began = self._printed = time.monotonic()

    def start(self, phase: str, total: int | None, unit: str) -> None:
        """Count anew; of the imports, which say nothing else, say that they have begun."""
        if phase == STARTING:
            tell(f"{phase} ...")
        self._phase, self._total, self._unit, self._text = phase, total, unit, ""
        self._done, self._began = 0, time.monotonic()

    def advance(self, amount: int) -> None:
        """Print a line if the last is a minute old."""
        self._done += amount
        now = time.monotonic()
        if now - self._printed >= LINE_SECONDS:
            self._printed = now
            tell(self._line(now - self._began))

    def show(self, text: str) -> None:
        """Figures for the next line."""
        self._text = text

    def message(self, text: str) -> None:
        """Print a line."""
        tell(text)

    def finish(self) -> None:
        """Nothing is to be taken away."""

    def _line(self, seconds: float) -> str:
        rate = self._done / max(seconds, 1e-9)
        parts = [f"{rate:,.0f} {self._unit}/s", *([self._text] if self._text else [])]
        if self._total:
            left = max(0, self._total - self._done) / max(rate, 1e-9)
            parts = [f"{self._done / self._total:.0%}", *parts, f"{clock(left)} left"]
        return f"{self._phase}: {', '.join(parts)}"
