"""How the library reports progress without printing: the caller passes an object in."""

import time
from typing import Protocol


class Progress(Protocol):
    """The calls that a long computation makes as it goes on; the command line draws bars."""

    def start(self, phase: str, total: int | None, unit: str) -> None:
        """Begin a phase of ``total`` units, if that is known, and end the one before."""

    def advance(self, amount: int) -> None:
        """Count ``amount`` more units of the phase as done."""

    def show(self, text: str) -> None:
        """Show the figures of the moment beside the bar, until the next ones."""

    def message(self, text: str) -> None:
        """Show a line worth keeping: an epoch's result, or a warning."""

    def finish(self) -> None:
        """End the last phase."""


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
    """The progress of reading rows whose number is unknown: bytes in the bar, rows beside it."""

    def __init__(self, inner: Progress, phase: str, n_bytes: int) -> None:
        self._inner = inner
        self._n_rows, self._began = 0, time.perf_counter()
        inner.start(phase, n_bytes or None, "B")  # a pipe does not say how many will come

    def advance(self, n_bytes: int, n_rows: int) -> None:
        """Count ``n_bytes`` more bytes as read, with ``n_rows`` rows in them."""
        self._n_rows += n_rows
        rate = self._n_rows / max(1e-9, time.perf_counter() - self._began)
        self._inner.show(f"{self._n_rows:,} rows, {rate:,.0f} rows/s")
        self._inner.advance(n_bytes)


class Stopwatch:
    """Passes progress on to another object, and keeps the seconds of each phase."""

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
        """Pass the call on."""
        self._inner.advance(amount)

    def show(self, text: str) -> None:
        """Pass the call on."""
        self._inner.show(text)

    def message(self, text: str) -> None:
        """Pass the call on."""
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
