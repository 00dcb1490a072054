"""The course of a benchmark: a workspace, the machine, the measurement, its Markdown and JSON."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measure import machine
from benchmarks.measure.memory import CAN_MEASURE, CANNOT_MEASURE
from benchmarks.measure.workspace import workspace
from benchmarks.report import results, targets
from benchmarks.report.targets import Target

EDITED = "The package was edited while it was measured: these figures are not to be quoted."


@dataclass(frozen=True, kw_only=True)
class Findings:
    """The results of a benchmark, without the heading that all have.

    ``parts`` are paragraphs and tables of Markdown, ``record`` entries of the JSON file.  Targets
    become a table and an entry.  ``succeeded`` decides the exit status.
    """

    parts: Sequence[str]
    record: Mapping[str, Any]
    succeeded: bool
    notes: Sequence[str] = ()
    targets: Sequence[Target] | None = None


def run(
    name: str,
    options: argparse.Namespace,
    needed_bytes: int,
    measure: Callable[[Path], Findings],
) -> int:
    """Measure in a temporary folder, write and print; the exit status.

    Raises BudgetError if --work has less than ``needed_bytes`` free.
    """
    with workspace(options.work, needed_bytes) as folder:
        described, edited = machine.describe(folder), machine.last_edit()
        found = measure(folder)
    notes = [] if CAN_MEASURE else [f"{CANNOT_MEASURE}."]
    notes += found.notes
    notes += [EDITED] if machine.last_edit() != edited else []
    return conclude(name, options, described, found, notes)


def conclude(
    name: str,
    options: argparse.Namespace,
    described: Mapping[str, Any],
    found: Findings,
    notes: Sequence[str] = (),
) -> int:
    """Write and print findings; ``described`` is the machine.  The exit status."""
    parts = [f"## {name}", f"`{options.command}`", machine.in_words(described), *notes]
    parts += found.parts
    record = {
        "benchmark": name,
        "command": options.command,
        "environment": described,
        "notes": notes,
        **found.record,
    }
    if found.targets is not None:
        record["targets"] = [targets.record(target) for target in found.targets]
    if found.targets:
        parts += ["### Targets", targets.table(found.targets)]
    markdown = "\n\n".join(parts)
    results.write(options.out, name, record, markdown)
    print(markdown)
    return 0 if found.succeeded else 1
