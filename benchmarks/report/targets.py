"""What the figures are to reach, and whether they do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.report import tables


@dataclass(frozen=True, kw_only=True)
class Target:
    """A figure with its bound: at least or at most so much; `measured` is `None` without one."""

    text: str
    measured: float | None
    at_least: float | None = None
    at_most: float | None = None

    @property
    def is_met(self) -> bool | None:
        """Whether it is; `None` if it was not measured."""
        if self.measured is None:
            return None
        least = self.at_least is None or self.measured >= self.at_least
        return least and (self.at_most is None or self.measured <= self.at_most)

    @property
    def bound(self) -> str:
        """The bound in words."""
        if self.at_least is not None:
            return f"at least {self.at_least:g}"
        return f"at most {self.at_most:g}"

    @property
    def outcome(self) -> str:
        """Whether it is met, in a word."""
        return {True: "met", False: "missed", None: "not measured"}[self.is_met]


def table(targets: Sequence[Target]) -> str:
    """All targets as Markdown."""
    lines = [
        [target.text, target.bound, number(target.measured), target.outcome] for target in targets
    ]
    return tables.table(["target", "bound", "measured", "outcome"], lines)


def number(value: float | None) -> str:
    """Three digits or so.

    >>> number(0.8312), number(12.34), number(1234.5), number(None)
    ('0.831', '12.3', '1,234', '–')
    """
    if value is None:
        return tables.NOTHING
    n_digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 3
    return f"{value:,.{n_digits}f}"


def record(target: Target) -> dict[str, Any]:
    """A target as JSON has it."""
    return {
        "text": target.text,
        "bound": target.bound,
        "measured": target.measured,
        "shown": number(target.measured),
        "outcome": target.outcome,
    }
