"""The report of every peer's script: the option for it, seconds by phase, versions.

The standard library only.  Import it first, so that the clock runs before slow modules load.
"""

import argparse
import importlib.metadata
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

START = time.perf_counter()
NOT_INSTALLED_STATUS = 69  # EX_UNAVAILABLE


class Phases:
    """Seconds by phase, each from the end of the one before."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = START

    def end(self, name: str, *, seconds_ago: float = 0.0) -> float:
        """End the phase `name` now, or some seconds ago, when the next one began; its seconds."""
        now = time.perf_counter() - seconds_ago
        seconds = now - self._last
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds
        self._last = now
        return seconds


def not_installed(missing: ImportError) -> NoReturn:
    """End with the status of a peer that is not installed."""
    print(
        f"{missing.name or missing} is not installed; python -m benchmarks peers installs it",
        file=sys.stderr,
    )
    sys.exit(NOT_INSTALLED_STATUS)


def parser(description: str | None) -> argparse.ArgumentParser:
    """A parser of the command line with `--report`."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--report", type=Path, help="where to write a report, as JSON")
    return made


def text_parser(description: str | None) -> argparse.ArgumentParser:
    """A parser of the command line of a peer that reads CSV and leaves a file or a folder."""
    made = parser(description)
    made.add_argument("train", type=Path, help="CSV without header, the class first; plain or .gz")
    made.add_argument("--test", type=Path, help="rows to be converted or evaluated, too")
    made.add_argument("--output", type=Path, required=True, help="what the result begins with")
    return made


def write(path: Path | None, report: dict[str, Any], phases: Phases, names: Sequence[str]) -> None:
    """Write the report, with times and the versions of the packages `names`."""
    whole = report | {
        "seconds": sum(phases.seconds.values()),
        "phase_seconds": phases.seconds,
        "versions": {name: importlib.metadata.version(name) for name in names},
    }
    if path:
        path.write_text(json.dumps(whole), "utf-8")
