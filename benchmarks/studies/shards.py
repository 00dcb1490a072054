"""One file beside 8 shards of the same rows: converting to them, and reading from them.

N-gram rows are generated reviews; dense ones are random numbers.  Both are converted, which is
measured, and the train rows are read in a shuffled order, in batches of 128.  Rows a processor
second are those of the second epoch, in which nothing is compared with checksums any more.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import study
from benchmarks.data import generated
from benchmarks.measure import harness
from benchmarks.measure.commands import SCRATCH, call_command, ooc, script
from benchmarks.measure.harness import Run, System, say
from benchmarks.options import add_rows
from benchmarks.report import results, tables
from benchmarks.report.targets import Target
from benchmarks.study import Findings

DEFAULT_ROWS, QUICK_ROWS = 200_000, 20_000
N_SHARDS, N_COLUMNS = 8, 768
ONE, SHARDS = "one file", f"{N_SHARDS} shards"
_OUTPUTS = {ONE: ("result.h5", ()), SHARDS: ("result.json", ("--shards", N_SHARDS))}
_DENSE_ROW_BYTES = 4 * N_COLUMNS
_LEAST_TIMES_ONE = 0.9
_HEADER = (
    "rows",
    "in",
    "runs",
    "converting, processor s",
    "times one file",
    "reading, rows a processor s",
    "times one file",
    "outcome",
)


@dataclass(frozen=True)
class Kind:
    """The rows of a kind: the runs that converted them, and those that read them, by layout."""

    name: str
    converting: Mapping[str, Sequence[Run]]
    reading: Mapping[str, Sequence[Run]]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    add_rows(parser, DEFAULT_ROWS, QUICK_ROWS)


def run(options: argparse.Namespace) -> int:
    """Measure, write and print; 1 if a run did not complete."""
    n_rows = options.rows or (QUICK_ROWS if options.quick else DEFAULT_ROWS)
    needed = n_rows * max(2 * generated.CONVERTING_BYTES, 6 * _DENSE_ROW_BYTES)
    return study.run("shards", options, needed, lambda folder: _findings(n_rows, options, folder))


def _findings(n_rows: int, options: argparse.Namespace, folder: Path) -> Findings:
    kinds = [measure(n_rows, options, folder) for measure in (_ngram, _dense)]
    everything = [
        runs for kind in kinds for of in (kind.converting, kind.reading) for runs in of.values()
    ]
    return Findings(
        parts=[
            f"### {n_rows:,} rows of each kind",
            tables.table(_HEADER, [_line(kind, name) for kind in kinds for name in _OUTPUTS]),
        ],
        record={"rows": n_rows, "kinds": {kind.name: _record(kind) for kind in kinds}},
        succeeded=all(map(results.all_completed, everything)),
        targets=[target for kind in kinds for target in _targets(kind)],
    )


# ---- Measuring.


def _ngram(n_rows: int, options: argparse.Namespace, folder: Path) -> Kind:
    with generated.rows(n_rows, folder) as path:
        return _measured("n-grams", [path, "--features", "ngram"], options, folder)


def _dense(n_rows: int, options: argparse.Namespace, folder: Path) -> Kind:
    rng, rows, labels = np.random.default_rng(0), folder / "rows.npy", folder / "labels.npy"
    say(f"writing {n_rows:,} dense rows")
    np.save(rows, rng.standard_normal((n_rows, N_COLUMNS), np.float32))
    np.save(labels, rng.integers(2, size=n_rows))
    try:
        return _measured(f"dense, {N_COLUMNS} columns", [rows, "--labels", labels], options, folder)
    finally:
        rows.unlink()


def _measured(
    name: str, source: Sequence[object], options: argparse.Namespace, folder: Path
) -> Kind:
    """Convert rows to both layouts, and read them, in turn."""
    inputs = [Path(word) for word in source if isinstance(word, Path)]
    converting = [
        System(name=layout, command=_convert(source, SCRATCH, layout), inputs=inputs)
        for layout in _OUTPUTS
    ]
    harness.run_once(converting[0], folder, cold=options.cold)  # compiles
    converted = harness.alternate(converting, options.runs, folder, cold=options.cold)
    made = folder / "made"
    made.mkdir()
    try:
        reading = [_reader(source, made, layout) for layout in _OUTPUTS]
        read = harness.alternate(reading, options.runs, folder, cold=options.cold)
    finally:
        for path in made.iterdir():
            path.unlink()
        made.rmdir()
    return Kind(name, converted, read)


def _convert(source: Sequence[object], folder: Path | str, layout: str) -> list[object]:
    name, more = _OUTPUTS[layout]
    return ooc(
        "convert", *source, "-o", f"{folder}/{name}", "--validation-fraction", 0, *more
    )  # fmt: skip


def _reader(source: Sequence[object], made: Path, layout: str) -> System:
    """The system that reads rows in a layout, which are converted before and not measured."""
    command = _convert(source, made, layout)[:-2]  # without its report
    say(f"converting to {layout}")
    call_command(command, layout)
    path = made / _OUTPUTS[layout][0]
    command = script(
        "benchmarks.ours.read_rows", "read", path, "--variant", "shuffled", "--seconds", 60
    )  # fmt: skip
    inputs = [path] if layout == ONE else sorted(made.glob("result-*.h5"))
    return System(name=layout, command=command, inputs=inputs)


# ---- Figures.


def _processor_seconds(run: Run) -> float:
    return run.cpu_seconds


def _rows_a_processor_second(run: Run) -> float:
    epoch = run.report["epochs"][1]
    return float(epoch["rows"] / epoch["processor_seconds"])


def _times_one(
    runs: Mapping[str, Sequence[Run]], name: str, figure: Callable[[Run], float]
) -> results.Spread | None:
    return results.ratios(runs[name], runs[ONE], figure)


def _line(kind: Kind, name: str) -> list[object]:
    figures: list[object] = []
    for runs, figure in _figures(kind):
        times = 1 if name == ONE else _times_one(runs, name, figure)
        figures += [results.spread(runs[name], figure), times]
    outcome = tables.outcome(kind.reading[name][-1])
    return [kind.name, name, len(kind.converting[name]), *figures, outcome]


def _figures(
    kind: Kind,
) -> Iterator[tuple[Mapping[str, Sequence[Run]], Callable[[Run], float]]]:
    yield kind.converting, _processor_seconds
    yield kind.reading, _rows_a_processor_second


def _record(kind: Kind) -> dict[str, Any]:
    return {
        name: {
            **results.records(
                {
                    "converting_processor_seconds": results.spread(
                        kind.converting[name], _processor_seconds
                    ),
                    "read_rows_a_processor_second": results.spread(
                        kind.reading[name], _rows_a_processor_second
                    ),
                }
            ),
            "converting": [results.run_record(run) for run in kind.converting[name]],
            "reading": [results.run_record(run) for run in kind.reading[name]],
        }
        for name in _OUTPUTS
    }


def _targets(kind: Kind) -> Iterator[Target]:
    yield Target(
        text=f"{kind.name}: rows a processor second from {SHARDS}, times {ONE}",
        measured=results.median(_times_one(kind.reading, SHARDS, _rows_a_processor_second)),
        at_least=_LEAST_TIMES_ONE,
    )
