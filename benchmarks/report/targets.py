"""Bounds that the figures have to reach, and whether they do."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.report import tables

_HEADER = ("results", "target", "bound", "measured", "outcome")
OUTCOMES = {True: "met", False: "missed", None: "not measured"}


@dataclass(frozen=True, kw_only=True)
class Target:
    """A figure and its bound, the least or the most; `measured` is `None` if it was not."""

    text: str
    measured: float | None
    at_least: float | None = None
    at_most: float | None = None

    @property
    def is_met(self) -> bool | None:
        """Whether the target is met; `None` if it was not measured."""
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
        """Whether the target is met, in words."""
        return OUTCOMES[self.is_met]


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


# ---- The targets of several results.


def gathered(folder: Path) -> list[dict[str, Any]]:
    """The targets of all results below a folder as JSON has them, each with the results' name."""
    found = []
    for path in sorted(folder.rglob("*.json")):
        name = path.relative_to(folder).with_suffix("").as_posix()
        targets = json.loads(path.read_text("utf-8")).get("targets", ())
        found += [{"results": name, **target} for target in targets]
    return found


def gathered_table(folder: Path, before: str = "") -> str | None:
    """The targets of all results below a folder as Markdown; `None` without any.

    Lines of ``before``, a table like it, stay where the folder has no figure for them.
    """
    found = gathered(folder)
    if not found:
        return None
    lines = {(line[0], line[1]): line for line in _lines_of(before)}
    for target in found:
        line = [str(target[column]) for column in ("results", "text", "bound", "shown", "outcome")]
        key = line[0], line[1]
        if target["outcome"] != OUTCOMES[None] or key not in lines:
            lines[key] = line
    # By the results' names; those of one as they came.
    ordered = sorted(lines.values(), key=lambda line: line[0])
    return tables.table(_HEADER, ordered)


def _lines_of(text: str) -> list[list[str]]:
    """The cells of the lines of a table that `gathered_table` made."""
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return [row for row in rows[2:] if len(row) == len(_HEADER)]
