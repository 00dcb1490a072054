"""How the library tells what it is doing, without printing: the caller passes an object in."""

import time
from typing import Protocol


class Progress(Protocol):
    """What a long computation calls as it goes on; the command line draws bars from it."""

    def start(self, phase: str, total: int | None, unit: str) -> None:
        """A new phase begins, of ``total`` units if that is known; the one before has ended."""

    def advance(self, amount: int) -> None:
        """``amount`` more units of the phase are done."""

    def show(self, text: str) -> None:
        """Figures of the moment, to stand beside the bar until the next ones."""

    def message(self, text: str) -> None:
        """A line worth keeping: an epoch's result, a warning."""

    def finish(self) -> None:
        """The last phase has ended."""


class Silent:
    """A ``Progress`` that shows nothing: the library's default."""

    def start(self, phase: str, total: int | None, unit: str) -> None:
        """Show nothing."""

    def advance(self, amount: int) -> None:
        """Show nothing."""

    def show(self, text: str) -> None:
        """Show nothing."""

    def message(self, text: str) -> None:
        """Show nothing."""

    def finish(self) -> None:
        """Show nothing."""


class Reading:
    """A phase that reads rows before anyone has counted them: bytes in the bar, rows beside it."""

    def __init__(self, inner: Progress, phase: str, n_bytes: int) -> None:
        self._inner = inner
        self._n_rows, self._began = 0, time.perf_counter()
        inner.start(phase, n_bytes, "B")

    def advance(self, n_bytes: int, n_rows: int) -> None:
        """So many more bytes were read, and so many rows found in them."""
        self._n_rows += n_rows
        rate = self._n_rows / max(1e-9, time.perf_counter() - self._began)
        self._inner.show(f"{self._n_rows:,} rows, {rate:,.0f} rows/s")
        self._inner.advance(n_bytes)


class Stopwatch:
    """Passes progress on, and keeps the seconds of each phase."""

    def __init__(self, inner: Progress) -> None:
        self._inner = inner
        self._began = time.perf_counter()
        self.phases: dict[str, float] = {}
        self._phase, self._phase_began = "checking", self._began

    def start(self, phase: str, total: int | None, unit: str) -> None:
        """Begin another phase."""
        self._end_phase(phase)
        self._inner.start(phase, total, unit)

    def advance(self, amount: int) -> None:
        """Pass it on."""
        self._inner.advance(amount)

    def show(self, text: str) -> None:
        """Pass it on."""
        self._inner.show(text)

    def message(self, text: str) -> None:
        """Pass it on."""
        self._inner.message(text)

    def finish(self) -> None:
        """End the last phase."""
        self._end_phase("finishing")
        self._inner.finish()

    def seconds(self) -> float:
        """Seconds since the beginning."""
        return time.perf_counter() - self._began

    def _end_phase(self, following: str) -> None:
        now = time.perf_counter()
        self.phases[self._phase] = self.phases.get(self._phase, 0.0) + now - self._phase_began
        self._phase, self._phase_began = following, now
