"""A test of the instrument: memory of processes that take a known amount, within 3 %.

The memory of an idle interpreter is measured first and added to the known amount.
"""

import argparse
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import study
from benchmarks.measure import appetites
from benchmarks.measure.harness import COMPLETED, Run, System, run_once
from benchmarks.measure.memory import CAN_MEASURE, CANNOT_MEASURE
from benchmarks.options import byte_size
from benchmarks.report import tables
from benchmarks.study import Findings
from ooc_train.errors import OocTrainError

TOLERANCE = 0.03
_SCRIPT = Path(appetites.__file__)


@dataclass(frozen=True)
class Case:
    """The kind of memory that an appetite should show: `share` of the size, and interpreters."""

    title: str
    appetite: str
    kind: str
    share: float
    n_interpreters: int = 1
    large_harness: bool = False


@dataclass(frozen=True)
class Outcome:
    """The result of a case, in bytes; `error` is the difference as a share of the size."""

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
    """Add the options of this benchmark."""
    parser.add_argument(
        "--size",
        type=byte_size,
        default=300 * 10**6,
        metavar="SIZE",
        help="the memory to take (default: 300MB; with less, noise weighs more)",
    )


def run(options: argparse.Namespace) -> int:
    """Measure, write and print; 1 if a case is off by more than the tolerance."""
    if not CAN_MEASURE:
        raise OocTrainError(CANNOT_MEASURE)
    return study.run("selftest", options, options.size, lambda folder: _findings(options, folder))


def _findings(options: argparse.Namespace, folder: Path) -> Findings:
    outcomes = check(options.size, folder)
    return Findings(
        parts=[_table(outcomes)],
        record={"tolerance": TOLERANCE, "results": [_record(outcome) for outcome in outcomes]},
        succeeded=all(outcome.passed for outcome in outcomes),
    )


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
    command = [sys.executable, _SCRIPT, appetite, n_bytes, folder / "mapped"]
    run = run_once(System(name=appetite, command=command), folder, cold=False)
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
