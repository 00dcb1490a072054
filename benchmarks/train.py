"""Training on sequences: ooc-train from the disk beside Keras's model.fit in memory.

The same network, batches of 128 and the same rows; the peer holds all of them as one padded matrix.
Rows/s are those of the last epoch, validation apart; the first compiles.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import environment, harness, results, tables
from benchmarks.harness import REPORT_NAME, Run, System, say
from benchmarks.memory import CAN_MEASURE, CANNOT_MEASURE
from benchmarks.results import Spread
from benchmarks.workspace import workspace
from ooc_train.errors import OptionError

NAME = "train"
OURS, BUCKETED, PEER = "ooc-train", "ooc-train --bucket-by-length", "model.fit, in memory"
DEFAULT_ROWS, QUICK_ROWS = 25_000, 3000
_ROW_BYTES = 520 * 8  # of a generated row and all that converting and training it leaves
_TABLE = (
    "system",
    "runs",
    "rows/s, median (range)",
    "times in-memory, by pairs",
    "loss after the last epoch",
    "peak anonymous MB",
    "peak resident MB",
    "outcome",
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this benchmark's own options."""
    add = parser.add_argument
    add("--features", default="sequence", choices=["sequence"], help="the kind of rows")
    add(
        "--rows",
        type=int,
        metavar="N",
        help=f"rows to generate (default: {DEFAULT_ROWS:,}, with --quick {QUICK_ROWS:,})",
    )
    add("--data", type=Path, metavar="H5", help="a converted file, instead of generated rows")
    add("--epochs", type=int, default=2, metavar="N", help="epochs of each run (default: 2)")


def run(options: argparse.Namespace) -> int:
    """Measure, write and print; 1 if ooc-train did not complete every run."""
    if options.data and options.rows:
        raise OptionError("--rows and --data exclude each other")
    if options.data and not options.data.is_file():
        raise OptionError(f"--data {options.data} is not a file")
    n_rows = options.rows or (QUICK_ROWS if options.quick else DEFAULT_ROWS)
    with workspace(options.work, 0 if options.data else n_rows * _ROW_BYTES) as folder:
        found = environment.describe(folder)
        data = options.data.resolve() if options.data else _generated(n_rows, folder)
        systems = _systems(data, options.epochs)
        runs = harness.alternate(systems, options.runs, folder, cold=options.cold)
    notes = [] if CAN_MEASURE else [f"{CANNOT_MEASURE}."]
    markdown = "\n\n".join(
        [f"## {NAME}", f"`{options.command}`", environment.in_words(found), *notes, _table(runs)]
    )
    record = {
        "benchmark": NAME,
        "command": options.command,
        "environment": found,
        "notes": notes,
        "systems": {name: _record(of_system, runs[PEER]) for name, of_system in runs.items()},
    }
    results.write(options.out, NAME, record, markdown)
    print(markdown)
    ours = [*runs[OURS], *runs[BUCKETED]]
    return 0 if all(run.outcome == harness.COMPLETED for run in ours) else 1


def _generated(n_rows: int, folder: Path) -> Path:
    """A converted file of generated rows."""
    say(f"generating and converting {n_rows:,} rows")
    rows, data = folder / "rows.csv", folder / "rows.h5"
    harness.call("benchmarks.corpus", rows, "--rows", n_rows)
    harness.call("ooc_train.cli.convert", rows, "-o", data, "--features", "sequence", "--quiet")
    return data


def _systems(data: Path, n_epochs: int) -> list[System]:
    def ours(name: str, *more: str) -> System:
        def command(scratch: Path) -> list[str]:
            arguments = [sys.executable, "-m", "ooc_train.cli.train", str(data), "--quiet", *more]
            arguments += ["--epochs", str(n_epochs), "-o", str(scratch / "run")]
            return [*arguments, "--report", str(scratch / REPORT_NAME)]

        return System(name=name, command=command, inputs=[data])

    def peer(scratch: Path) -> list[str]:
        arguments = [sys.executable, "-m", "benchmarks.peers.keras_fit", str(data)]
        return [*arguments, "--epochs", str(n_epochs), "--report", str(scratch / REPORT_NAME)]

    return [
        System(name=PEER, command=peer, inputs=[data]),
        ours(OURS),
        ours(BUCKETED, "--bucket-by-length"),
    ]


# ---- Figures.


def _rows_per_second(run: Run) -> float:
    figure: float = run.report["epochs"][-1]["rows_per_second"]
    return figure


def _speed(runs: Sequence[Run]) -> Spread | None:
    return Spread.of([_rows_per_second(run) for run in results.completed(runs)])


def _ratios(runs: Sequence[Run], peers: Sequence[Run]) -> Spread | None:
    """How many times a peer's rows/s ours are, pair by pair."""
    pairs = zip(results.completed(runs), results.completed(peers), strict=False)
    return Spread.of([_rows_per_second(run) / _rows_per_second(peer) for run, peer in pairs])


def _table(runs: dict[str, list[Run]]) -> str:
    return tables.table(_TABLE, [_line(name, runs[name], runs[PEER]) for name in runs])


def _line(name: str, runs: Sequence[Run], peers: Sequence[Run]) -> list[object]:
    done = results.completed(runs)
    return [
        name,
        len(runs),
        _speed(runs),
        _ratios(runs, peers),
        f"{done[-1].report['epochs'][-1]['loss']:.4f}" if done else None,
        tables.megabytes(results.peak(runs, "anon_bytes")),
        tables.megabytes(results.peak(runs, "rss_bytes")),
        runs[-1].outcome,
    ]


def _record(runs: Sequence[Run], peers: Sequence[Run]) -> dict[str, Any]:
    spreads = {"rows_per_second": _speed(runs), "times_in_memory": _ratios(runs, peers)}
    return {
        **{name: asdict(spread) if spread else None for name, spread in spreads.items()},
        "peak_anon_bytes": results.peak(runs, "anon_bytes"),
        "peak_rss_bytes": results.peak(runs, "rss_bytes"),
        "runs": [results.run_record(run) for run in runs],
    }
