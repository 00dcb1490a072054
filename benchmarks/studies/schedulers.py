"""The same conversion on threads, on processes and on Dask's workers: processor time, and bytes.

Threads of one process are what others are compared with.  `processes[2]` and `local[2]` are values
of --scheduler.  In the last system a process of Dask is killed in the middle of each phase.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks import study
from benchmarks.data import generated
from benchmarks.data.generated import LEAST_ROWS, ROW_BYTES, WORK_MULTIPLE
from benchmarks.measure import harness
from benchmarks.measure.commands import SCRATCH, ooc, script
from benchmarks.measure.harness import Run, System
from benchmarks.options import add_rows, words_of
from benchmarks.report import results, tables
from benchmarks.report.targets import Target
from benchmarks.study import Findings

DEFAULT_ROWS, QUICK_ROWS = 1_600_000, 100_000
THREADS, PROCESSES, DASK = "threads", "processes[2]", "local[2]"
KILLED = f"{DASK}, a worker killed in each phase"
BESIDE = {"processes": PROCESSES, "dask": DASK, "killed": KILLED}
_MOST_TIMES_THREADS = 1.4
_HEADER = (
    "workers",
    "runs",
    "processor s, median (range)",
    "times threads, by pairs",
    "seconds, median (range)",
    "peak anonymous MB",
    "same bytes as threads",
    "outcome",
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    add_rows(parser, DEFAULT_ROWS, QUICK_ROWS)
    parser.add_argument(
        "--beside",
        type=words_of(BESIDE),
        default=tuple(BESIDE),
        metavar="NAMES",
        help=f"the workers beside threads: {', '.join(BESIDE)} (default: all)",
    )


def run(options: argparse.Namespace) -> int:
    """Measure, write and print; 1 if a run did not complete, or gave other bytes."""
    n_rows = options.rows or (QUICK_ROWS if options.quick else DEFAULT_ROWS)
    needed = n_rows * ROW_BYTES * (1 + len(options.beside) + WORK_MULTIPLE)
    return study.run(
        "schedulers", options, needed, lambda folder: _findings(n_rows, options, folder)
    )


def _findings(n_rows: int, options: argparse.Namespace, folder: Path) -> Findings:
    with generated.rows(LEAST_ROWS, folder) as path:  # compiles
        harness.run_once(_system(THREADS, path), folder, cold=options.cold)
    with generated.rows(n_rows, folder) as path:
        names = [THREADS, *(BESIDE[word] for word in options.beside)]
        systems = [_system(name, path) for name in names]
        runs = harness.alternate(systems, options.runs, folder, cold=options.cold)
    same = {name: _is_same(runs[THREADS], of_one) for name, of_one in runs.items()}
    return Findings(
        parts=[
            f"### {n_rows:,} generated rows",
            tables.table(_HEADER, [_line(name, runs, same[name]) for name in names]),
            tables.items(tables.remarks(runs, None)),
        ],
        record={
            "rows": n_rows,
            "workers": {
                name: {"same_bytes": same[name]} | results.system_record(runs[name], runs[THREADS])
                for name in names
            },
        },
        succeeded=all(map(results.all_completed, runs.values())) and all(same.values()),
        targets=[_target(runs)] if DASK in runs else [],
    )


def _system(name: str, rows: Path) -> System:
    output = f"{SCRATCH}/result.h5"
    if name == KILLED:
        command = script("benchmarks.ours.killed_workers", rows, "--output", output)
    else:
        scheduler = [] if name == THREADS else ["--scheduler", name]
        command = ooc(
            "convert", rows, "-o", output, "--features", "ngram", "--validation-fraction", 0,
            *scheduler,
        )  # fmt: skip
    return System(name=name, command=command, inputs=[rows])


def _is_same(one: Sequence[Run], other: Sequence[Run]) -> bool:
    """Whether all runs gave a file of the same bytes."""
    digests = {run.result_digest for run in (*one, *other)}
    return len(digests) == 1 and "" not in digests


def _processor_seconds(run: Run) -> float:
    return run.cpu_seconds


def _times_threads(name: str, runs: Mapping[str, Sequence[Run]]) -> results.Spread | None:
    return results.ratios(runs[name], runs[THREADS], _processor_seconds)


def _line(name: str, runs: Mapping[str, Sequence[Run]], is_same: bool) -> list[object]:
    of_one = runs[name]
    killed = of_one[-1].report.get("killed")
    return [
        name,
        len(of_one),
        results.spread(of_one, _processor_seconds),
        1 if name == THREADS else _times_threads(name, runs),
        results.seconds(of_one),
        tables.megabytes(results.peak(of_one, "anon_bytes")),
        "yes" if is_same else "no",
        tables.outcome(of_one[-1]) + (f", killed in {', '.join(killed)}" if killed else ""),
    ]


def _target(runs: Mapping[str, Sequence[Run]]) -> Target:
    return Target(
        text="processor seconds of two processes of Dask, times those of threads",
        measured=results.median(_times_threads(DASK, runs)),
        at_most=_MOST_TIMES_THREADS,
    )
