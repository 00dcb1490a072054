"""Progress on standard error: bars in a terminal, a line a minute elsewhere."""

import sys
import time
from typing import Any

from ooc_train.cli.streams import tell
from ooc_train.progress import Progress, Silent

LINE_SECONDS = 60


def progress_of(*, quiet: bool) -> Progress:
    """Bars on standard error, lines where that is no terminal, or nothing if ``quiet``."""
    if quiet:
        return Silent()
    return Bars() if sys.stderr.isatty() else Lines()


class Bars:
    """Progress as bars on standard error, for phases that take longer than a second."""

    def __init__(self) -> None:
        self._bar: Any = None

    def start(self, phase: str, total: int | None, unit: str) -> None:
        """Show a new bar."""
        from tqdm import tqdm  # noqa: PLC0415 - 20 ms, which --quiet does without

        self.finish()
        self._bar = tqdm(
            total=total,
            desc=phase,
            unit=unit,
            unit_scale=True,
            delay=1,
            leave=False,
            mininterval=0.2,
        )

    def advance(self, amount: int) -> None:
        """Move the bar."""
        if self._bar is not None:
            self._bar.update(amount)

    def show(self, text: str) -> None:
        """Put figures beside the bar."""
        if self._bar is not None:
            self._bar.set_postfix_str(text, refresh=False)

    def message(self, text: str) -> None:
        """Print a line in place of the bar, which has come to its end."""
        self.finish()
        tell(text)

    def finish(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class Lines:
    """Progress as lines on standard error, one a minute: what a log file can hold."""

    def __init__(self) -> None:
        self._phase, self._unit, self._text = "", "", ""
        self._total: int | None = None
        self._done = 0
        self._began = self._printed = time.monotonic()

    def start(self, phase: str, total: int | None, unit: str) -> None:
        """Count anew."""
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


def clock(seconds: float) -> str:
    """Seconds as people read them.

    >>> clock(59.6), clock(3723)
    ('1:00', '1:02:03')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
