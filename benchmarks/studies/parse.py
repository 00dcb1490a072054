"""Parsing by itself: MB of CSV, tab-separated values and JSON Lines a second, on one thread.

The same generated rows in each format become columns of texts, labels and line numbers, as the
first step of ooc-convert makes them, and nothing else is done with them.
"""

import argparse
import csv
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from benchmarks.measure import harness, machine
from benchmarks.measure.harness import REPORT_NAME, Run, System
from benchmarks.measure.workspace import workspace
from benchmarks.report import results, tables, targets
from benchmarks.report.results import Spread
from benchmarks.report.targets import Target
from benchmarks.studies import convert
from benchmarks.studies.convert import ROW_BYTES

NAME = "parse"
DEFAULT_ROWS, QUICK_ROWS = 400_000, 50_000
LEAST_CSV = 300.0
_TABLE = ("format", "MB", "MB/s, median (range)", "rows/s")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this benchmark's own options."""
    parser.add_argument(
        "--rows",
        type=int,
        metavar="N",
        help=f"rows to generate (default: {DEFAULT_ROWS:,}, with --quick {QUICK_ROWS:,})",
    )


def run(options: argparse.Namespace) -> int:
    """Measure, write and print; 1 if not every run completed."""
    n_rows = options.rows or (QUICK_ROWS if options.quick else DEFAULT_ROWS)
    with workspace(options.work, (1 + len(FORMATS)) * n_rows * ROW_BYTES) as folder:
        found = machine.describe(folder)
        with convert.files(n_rows, folder) as workload:
            paths = {name: _written(workload.train, name) for name in FORMATS}
        sizes = {name: path.stat().st_size for name, path in paths.items()}
        systems = [_system(name, path) for name, path in paths.items()]
        runs = harness.alternate(systems, options.runs, folder, cold=options.cold)
    speeds = {name: _speed(runs[name], sizes[name]) for name in FORMATS}
    fastest = speeds["CSV"]
    reached = [
        Target(
            text="CSV, MB/s on one thread",
            measured=fastest.median if fastest else None,
            at_least=LEAST_CSV,
        )
    ]
    lines = [_line(name, sizes[name], speeds[name], n_rows) for name in FORMATS]
    markdown = "\n\n".join(
        [
            f"## {NAME}",
            f"`{options.command}`",
            machine.in_words(found),
            f"### {n_rows:,} generated rows",
            tables.table(_TABLE, lines),
            targets.table(reached),
        ]
    )
    record = {
        "benchmark": NAME,
        "command": options.command,
        "environment": found,
        "rows": n_rows,
        "formats": {
            name: {"input_bytes": sizes[name], "runs": [results.run_record(one) for one in of_one]}
            for name, of_one in runs.items()
        },
        "targets": [targets.record(target) for target in reached],
    }
    results.write(options.out, NAME, record, markdown)
    print(markdown)
    completed = all(run.outcome == harness.COMPLETED for of_one in runs.values() for run in of_one)
    return 0 if completed else 1


def _tab_separated(rows: Iterable[Sequence[str]], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter="\t", lineterminator="\n").writerows(rows)


def _json_lines(rows: Iterable[Sequence[str]], path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        for label, title, body in rows:
            row = {"label": label, "text": f"{title} {body}"}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


FORMATS: dict[str, tuple[str, Callable[[Iterable[Sequence[str]], Path], None] | None]] = {
    "CSV": (".csv", None),
    "tab-separated": (".tsv", _tab_separated),
    "JSON Lines": (".jsonl", _json_lines),
}
"""By name their suffix and how rows are written; CSV is what is there."""


def _written(generated: Path, name: str) -> Path:
    """The generated rows in a format, in a file of their own."""
    suffix, write = FORMATS[name]
    path = generated.with_name(f"rows{suffix}")
    if write is None:
        path.hardlink_to(generated)
        return path
    with generated.open(encoding="utf-8", newline="") as file:
        write(csv.reader(file), path)
    return path


def _system(name: str, path: Path) -> System:
    def command(scratch: Path) -> list[str]:
        report = str(scratch / REPORT_NAME)
        return [sys.executable, "-m", "benchmarks.ours.parse_rows", str(path), "--report", report]

    return System(name=name, command=command, inputs=[path])


def _speed(runs: Sequence[Run], n_bytes: int) -> Spread | None:
    """MB a second."""
    done = results.completed(runs)
    return Spread.of([n_bytes / 1e6 / run.report["parsing_seconds"] for run in done])


def _line(name: str, n_bytes: int, speed: Spread | None, n_rows: int) -> list[object]:
    rows_per_second = f"{n_rows * speed.median * 1e6 / n_bytes:,.0f}" if speed else tables.NOTHING
    return [name, f"{n_bytes / 1e6:,.0f}", speed or tables.NOTHING, rows_per_second]
