"""The measurement measured: processes that take a known amount of memory, within 3 %.

What an idle interpreter takes is measured first, and expected of each process on top.
"""

import argparse
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measure import appetites, machine
from benchmarks.measure.harness import COMPLETED, Run, System, run_once
from benchmarks.measure.memory import CAN_MEASURE, CANNOT_MEASURE
from benchmarks.measure.sizes import size_argument
from benchmarks.measure.workspace import workspace
from benchmarks.report import results, tables
from ooc_train.errors import OocTrainError

NAME = "selftest"
TOLERANCE = 0.03
_SCRIPT = Path(appetites.__file__)


@dataclass(frozen=True)
class Case:
    """A kind of memory that an appetite should show: `share` of the size, and interpreters."""

    title: str
    appetite: str
    kind: str
    share: float
    n_interpreters: int = 1
    large_harness: bool = False


@dataclass(frozen=True)
class Outcome:
    """What a case gave, in bytes; `error` is the difference as a share of the size."""

    case: Case
    expected_bytes: float
    measured_bytes: int
    error: float

    @property
    def passed(self) -> bool:
        """Whether the difference is within the tolerance."""
        return abs(self.error) <= TOLERANCE


CASES = (
    Case("own memory", "anonymous", "anon_bytes", 1),
    Case("own memory, high-water mark", "anonymous", "high_water_bytes", 1),
    Case("freed at once, high-water mark", "freed_at_once", "high_water_bytes", 1),
    Case("mapped file", "mapped", "file_bytes", 1),
    Case("mapped file is not anonymous", "mapped", "anon_bytes", 0),
    Case("shared with forked children", "inherited", "anon_bytes", 1),
    Case("half copied by a forked child", "half_copied", "anon_bytes", 1.5),
    Case("shared memory", "shared", "shmem_bytes", 1),
    Case("large parent, small child", "with_small_child", "anon_bytes", 1, n_interpreters=2),
    Case("child between vfork and exec", "with_child_in_its_memory", "anon_bytes", 1),
    Case("small child of a large harness", "idle", "anon_bytes", 0, large_harness=True),
    Case("the same, high-water mark", "idle", "high_water_bytes", 0, large_harness=True),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this subcommand's own options."""
    parser.add_argument(
        "--size",
        type=size_argument,
        default=300 * 10**6,
        metavar="SIZE",
        help="the memory to take (default: 300MB; with less, noise weighs more)",
    )


def run(options: argparse.Namespace) -> int:
    """Measure, write and print; 1 if a case is off by more than the tolerance."""
    if not CAN_MEASURE:
        raise OocTrainError(CANNOT_MEASURE)
    with workspace(options.work, options.size) as folder:
        found = machine.describe(folder)
        outcomes = check(options.size, folder)
    markdown = "\n\n".join(
        [f"## {NAME}", f"`{options.command}`", machine.in_words(found), _table(outcomes)]
    )
    record = {
        "benchmark": NAME,
        "command": options.command,
        "environment": found,
        "tolerance": TOLERANCE,
        "results": [_record(outcome) for outcome in outcomes],
    }
    results.write(options.out, NAME, record, markdown)
    print(markdown)
    return 0 if all(outcome.passed for outcome in outcomes) else 1


def check(n_bytes: int, folder: Path, cases: Iterable[Case] = CASES) -> list[Outcome]:
    """Measure processes that take `n_bytes`; `folder` gets a file of that size for a while."""
    file = folder / "mapped"
    file.write_bytes(b"x" * n_bytes)
    idle = _measure("idle", n_bytes, folder)
    runs: dict[tuple[str, bool], Run] = {}
    for case in cases:
        key = case.appetite, case.large_harness
        if key not in runs:
            held = b"x" * n_bytes if case.large_harness else b""
            runs[key] = _measure(case.appetite, n_bytes, folder)
            del held
    file.unlink()
    return [
        _outcome(case, n_bytes, idle, runs[case.appetite, case.large_harness]) for case in cases
    ]


def _measure(appetite: str, n_bytes: int, folder: Path) -> Run:
    command = [sys.executable, str(_SCRIPT), appetite, str(n_bytes), str(folder / "mapped")]
    run = run_once(System(name=appetite, command=lambda _: command), folder, cold=False)
    if run.outcome != COMPLETED:
        raise OocTrainError(f"the process {appetite} {run.outcome}: {run.message}")
    return run


def _outcome(case: Case, n_bytes: int, idle: Run, run: Run) -> Outcome:
    expected = case.share * n_bytes + case.n_interpreters * getattr(idle.memory, case.kind)
    measured = getattr(run.memory, case.kind)
    return Outcome(case, expected, measured, (measured - expected) / n_bytes)


def _table(outcomes: Iterable[Outcome]) -> str:
    header = ["process", "kind", "expected MB", "measured MB", "error %", "within 3 %"]
    return tables.table(
        header,
        [
            [
                outcome.case.title,
                outcome.case.kind.removesuffix("_bytes"),
                f"{outcome.expected_bytes / 1e6:.1f}",
                f"{outcome.measured_bytes / 1e6:.1f}",
                f"{100 * outcome.error:+.2f}",
                "yes" if outcome.passed else "NO",
            ]
            for outcome in outcomes
        ],
    )


def _record(outcome: Outcome) -> dict[str, Any]:
    return {
        "process": outcome.case.title,
        "kind": outcome.case.kind,
        "expected_bytes": outcome.expected_bytes,
        "measured_bytes": outcome.measured_bytes,
        "error": outcome.error,
    }
