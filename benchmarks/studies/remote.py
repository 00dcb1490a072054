"""Training from a converted file at a URL, beside the same file on the disk.

A web server on this machine answers each request after each of --delays.  N-gram rows are
generated reviews, converted; --data takes a converted file in their place.  Each training runs
--epochs in a process of its own, alternating; the last one keeps what it reads in a folder, from
which it reads it in the epochs after the first.  Rows/s are those of its fastest epoch; the server
takes its processor time from the same machine.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks import study
from benchmarks.data import generated
from benchmarks.measure import harness
from benchmarks.measure.commands import REPORT, SCRATCH, call
from benchmarks.measure.harness import Run, System
from benchmarks.measure.web_server import serving
from benchmarks.options import add_rows, positive
from benchmarks.report import results, tables
from benchmarks.report.targets import Target
from benchmarks.study import Findings
from ooc_train.errors import OptionError
from ooc_train.remote import local_copy

DEFAULT_ROWS, QUICK_ROWS = 400_000, 20_000
LOCAL = "on the disk"
BAR = "0.05"
_TABLE = (
    "file",
    "rows/s, fastest epoch",
    "times the disk, by pairs",
    "input wait, share",
    "s in all",
    "processor s",
    "peak anonymous MB",
    "outcome",
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    add = parser.add_argument
    add("--data", type=Path, metavar="H5", help="a converted file, instead of generated rows")
    add_rows(parser, DEFAULT_ROWS, QUICK_ROWS)
    add("--epochs", type=positive, default=3, metavar="N", help="of a training (default: 3)")
    add(
        "--delays",
        nargs="+",
        default=["0", BAR, "0.2"],
        metavar="S",
        help=f"seconds before each answer (default: 0 {BAR} 0.2)",
    )


def run(options: argparse.Namespace) -> int:
    """Measure, write and print; 1 if a training failed."""
    if options.data and not options.data.is_file():
        raise OptionError(f"--data {options.data} is not a file")
    n_rows = options.rows or (QUICK_ROWS if options.quick else DEFAULT_ROWS)
    needed = 0 if options.data else n_rows * generated.CONVERTING_BYTES
    return study.run("remote", options, needed, lambda folder: _findings(n_rows, options, folder))


def _findings(n_rows: int, options: argparse.Namespace, folder: Path) -> Findings:
    data = options.data.resolve() if options.data else _generated(n_rows, folder)
    with ExitStack() as stack:
        places = {LOCAL: str(data)}
        for delay in options.delays:
            server = stack.enter_context(serving(data.parent, float(delay)))
            places[_at(delay)] = f"{server.url}/{data.name}"
        systems = [_system(name, place, data, options) for name, place in places.items()]
        if BAR in options.delays:
            kept = {local_copy.FOLDER: f"{SCRATCH}/kept"}
            at = _at(BAR)
            systems.append(_system(f"{at}, kept", places[at], data, options, kept))
        runs = harness.alternate(systems, options.runs, folder, cold=options.cold)
    return Findings(
        parts=[tables.table(_TABLE, [_line(name, runs) for name in runs])],
        record={
            "rows": n_rows,
            "runs": {
                name: [results.run_record(run) for run in each] for name, each in runs.items()
            },
        },
        succeeded=all(results.all_completed(each) for each in runs.values()),
        targets=_targets(runs),
    )


def _generated(n_rows: int, folder: Path) -> Path:
    """A converted file of generated rows, with a validation split."""
    rows, data = generated.write_rows(folder / "rows.csv", n_rows), folder / "rows.h5"
    call("ooc_train.cli.convert", rows, "-o", data, "--features", "ngram", "--quiet")
    return data


def _at(delay: str) -> str:
    return f"at a URL, {1000 * float(delay):.0f} ms a request"


def _system(
    name: str,
    place: str,
    data: Path,
    options: argparse.Namespace,
    variables: Mapping[str, str] | None = None,
) -> System:
    command = [sys.executable, "-m", "ooc_train.cli.train", place, "-o", f"{SCRATCH}/run"]
    command += ["--epochs", str(options.epochs), "--quiet", "--report", REPORT]
    return System(name=name, command=command, inputs=[data], variables=variables or {})


def _rows_per_second(run: Run) -> float:
    fastest: float = max(epoch["rows_per_second"] for epoch in run.report["epochs"])
    return fastest


def _wait_share(run: Run) -> float:
    shares = [epoch.get("input_wait_share") or 0.0 for epoch in run.report["epochs"]]
    return float(sum(shares)) / len(shares)


def _line(name: str, runs: Mapping[str, Sequence[Run]]) -> list[object]:
    each = runs[name]
    return [
        name,
        results.spread(each, _rows_per_second),
        None if name == LOCAL else results.ratios(each, runs[LOCAL], _rows_per_second),
        results.spread(each, _wait_share),
        results.seconds(each),
        results.spread(each, lambda run: run.cpu_seconds),
        tables.megabytes(results.peak(each, "anon_bytes")),
        tables.outcome(each[-1]),
    ]


def _targets(runs: Mapping[str, Sequence[Run]]) -> list[Target]:
    name = _at(BAR)
    if name not in runs:
        return []
    found: Any = results.ratios(runs[name], runs[LOCAL], _rows_per_second)
    return [
        Target(
            text="rows/s from a URL at 50 ms a request, as a share of those from the disk",
            measured=results.median(found),
            at_least=0.5,
        )
    ]
