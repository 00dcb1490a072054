"""Parsing by itself: MB of CSV, tab-separated values and JSON Lines a second, on one thread.

The same generated rows in each format become columns of texts, labels and line numbers, as in the
first step of ooc-convert.  Nothing else is done with them.
"""

import argparse
import csv
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from benchmarks import study
from benchmarks.data import generated
from benchmarks.data.generated import ROW_BYTES
from benchmarks.measure import harness
from benchmarks.measure.commands import script
from benchmarks.measure.harness import Run, System
from benchmarks.options import add_rows
from benchmarks.report import results, tables
from benchmarks.report.results import Spread
from benchmarks.report.targets import Target
from benchmarks.study import Findings

DEFAULT_ROWS, QUICK_ROWS = 400_000, 50_000
LEAST_CSV = 300.0
_TABLE = ("format", "MB", "MB/s, median (range)", "rows/s")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    add_rows(parser, DEFAULT_ROWS, QUICK_ROWS)


def run(options: argparse.Namespace) -> int:
    """Measure, write and print; 1 if not every run completed."""
    n_rows = options.rows or (QUICK_ROWS if options.quick else DEFAULT_ROWS)
    needed = (1 + len(FORMATS)) * n_rows * ROW_BYTES
    return study.run("parse", options, needed, lambda folder: _findings(n_rows, options, folder))


def _findings(n_rows: int, options: argparse.Namespace, folder: Path) -> Findings:
    with generated.rows(n_rows, folder) as path:
        paths = {name: _written(path, name) for name in FORMATS}
    sizes = {name: path.stat().st_size for name, path in paths.items()}
    systems = [
        System(name=name, command=script("benchmarks.ours.parse_rows", path), inputs=[path])
        for name, path in paths.items()
    ]
    runs = harness.alternate(systems, options.runs, folder, cold=options.cold)
    speeds = {name: _speed(runs[name], sizes[name]) for name in FORMATS}
    lines = [_line(name, sizes[name], speeds[name], n_rows) for name in FORMATS]
    fastest = results.median(speeds["CSV"])
    return Findings(
        parts=[f"### {n_rows:,} generated rows", tables.table(_TABLE, lines)],
        record={
            "rows": n_rows,
            "formats": {
                name: {
                    "input_bytes": sizes[name],
                    "runs": [results.run_record(one) for one in runs[name]],
                }
                for name in FORMATS
            },
        },
        succeeded=all(map(results.all_completed, runs.values())),
        targets=[
            Target(text="CSV, MB/s on one thread", measured=fastest, at_least=LEAST_CSV),
        ],
    )


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
"""By name the suffix and the function that writes rows; CSV is there already."""


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


def _speed(runs: Sequence[Run], n_bytes: int) -> Spread | None:
    """MB a second."""
    return results.spread(runs, lambda run: n_bytes / 1e6 / run.report["parsing_seconds"])


def _line(name: str, n_bytes: int, speed: Spread | None, n_rows: int) -> list[object]:
    rows_per_second = f"{n_rows * speed.median * 1e6 / n_bytes:,.0f}" if speed else None
    return [name, f"{n_bytes / 1e6:,.0f}", speed, rows_per_second]
