"""How the library reports progress without printing: the caller passes an object in."""

import time
from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from ooc_train.durations import clock, in_words


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


@runtime_checkable
class PhasedProgress(Progress, Protocol):
    """A ``Progress`` that is told beforehand which phases will follow."""

    def expect(self, shares: Mapping[str, float]) -> None:
        """Take the names of all phases, in their order, with their shares of the time."""


class Silent:
    """A ``Progress`` that shows nothing: the library's default, but in notebooks."""

    def expect(self, shares: Mapping[str, float]) -> None:
        """Show nothing."""

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


class Numbered:
    """Passes progress on, with the number of each phase and the time left of the whole.

    Nothing is added until `expect` is called.  If the whole takes more than a minute, a message
    says how long, once a part of it is done.
    """

    def __init__(self, inner: Progress) -> None:
        self._inner = inner
        self.expect({})

    def expect(self, shares: Mapping[str, float]) -> None:
        """Begin with the first of all phases."""
        self._shares = shares
        self._began = self._shown = time.perf_counter()
        self._is_said = False
        self._text = self._left = ""
        self._begin(None, None)

    def _begin(self, phase: str | None, total: int | None) -> None:
        names = list(self._shares)
        self._number = names.index(phase) if phase and phase in names else None
        before = names[: self._number or 0]
        self._done_before = sum(self._shares[name] for name in before)
        self._share = self._shares.get(phase or "", 0.0)
        self._n_done, self._total = 0, total

    def start(self, phase: str, total: int | None, unit: str) -> None:
        """Begin another phase."""
        self._begin(phase, total)
        if self._number is not None:
            phase = f"{self._number + 1} of {len(self._shares)}: {phase}"
        self._text = self._left = ""
        self._inner.start(phase, total, unit)

    def advance(self, amount: int) -> None:
        """Count what is done, and show the time left from time to time."""
        self._n_done += amount
        now = time.perf_counter()
        if self._number is not None and now - self._shown >= _SHOW_SECONDS:
            self._shown = now
            self._left = self._time_left(now)
            self.show(self._text)
        self._inner.advance(amount)

    def show(self, text: str) -> None:
        """Show the figures, with the time left."""
        self._text = text
        self._inner.show(", ".join(filter(None, (text, self._left))))

    def message(self, text: str) -> None:
        """Pass the call on."""
        self._inner.message(text)

    def finish(self) -> None:
        """Pass the call on."""
        self._inner.finish()

    def _time_left(self, now: float) -> str:
        done = self._done_before
        if self._total:
            done += self._share * min(1.0, self._n_done / self._total)
        done /= sum(self._shares.values())
        elapsed = now - self._began
        if done < _LEAST_DONE or elapsed < 1:
            return ""
        left = elapsed / done - elapsed
        if not self._is_said and left > _LONG_SECONDS and elapsed > _SURE_SECONDS:
            self._is_said = True
            self._inner.message(f"all will take about {in_words(elapsed + left)}")
        return f"{clock(left)} left in all"


_SHOW_SECONDS = 0.2
_LEAST_DONE = 0.01  # below, the time left is a guess
_LONG_SECONDS, _SURE_SECONDS = 60, 5


class Stopwatch:
    """Passes progress on to another object, and keeps the seconds of each phase."""

    def __init__(self, inner: Progress) -> None:
        self._inner = inner
        self._began = time.perf_counter()
        self.phases: dict[str, float] = {}
        self._phase, self._phase_began = "checking", self._began

    def expect(self, shares: Mapping[str, float]) -> None:
        """Pass the call on, to an object that has this method."""
        if isinstance(self._inner, PhasedProgress):
            self._inner.expect(shares)

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
