"""How the library tells what it is doing, without printing: the caller passes an object in."""

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
