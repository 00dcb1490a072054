"""Training: ooc-train from the disk beside Keras's model.fit in memory, and fastText.

The same network, batches of 128 and the same rows; the peers hold all of them in memory.  Rows/s
are those of the last epoch, validation apart; the first compiles.  "Prebuilt" are ooc-train's own
steps on batches that are ready in memory: what reading them costs is the difference.  Dense rows,
of which most bytes have to be read for each step, show what checksums cost in the first epoch.
"""

import argparse
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import ooc_train
from benchmarks.data.made_files import write_dense_file
from benchmarks.measure import harness, machine
from benchmarks.measure.harness import REPORT_NAME, Run, System, say
from benchmarks.measure.memory import CAN_MEASURE, CANNOT_MEASURE
from benchmarks.measure.peer_environments import peer_command
from benchmarks.measure.workspace import workspace
from benchmarks.report import results, tables, targets
from benchmarks.report.results import Spread
from benchmarks.report.targets import Target
from ooc_train.errors import OptionError

NAME = "train"
OURS, BUCKETED, DENSE_ADAM, UNCHECKED = (
    "ooc-train",
    "ooc-train --bucket-by-length",
    "ooc-train --optimizer adam",
    "ooc-train --no-verify",
)
PREBUILT = "ooc-train's steps, prebuilt batches"
MATRIX, GENERATOR = "model.fit, in memory", "model.fit, the guide's generator"
SPARSE, FASTTEXT = "model.fit, sparse tensor in memory", "fastText, one epoch"
PEERS = (MATRIX, GENERATOR, SPARSE, FASTTEXT)
DEFAULT_ROWS = {"sequence": 25_000, "ngram": 400_000, "dense": 325_000}
DENSE_COLUMNS = 768
QUICK_ROWS = {"sequence": 1000, "ngram": 3000, "dense": 3000}
TARGETS = {
    "sequence": {MATRIX: 0.98, PREBUILT: 0.95},
    "ngram": {GENERATOR: 10.0, SPARSE: 3.0, FASTTEXT: 1.0, PREBUILT: 0.95},
    "dense": {PREBUILT: 0.95},
}
"""How many times a system's rows/s ooc-train's are to be at least, on generated rows."""
LEAST_BUCKETED = 1.5  # on IMDb
MOST_FOR_CHECKS = 0.05  # of the time of the first epoch, in which they are made
MOST_WAITING = {"sequence": 0.01, "ngram": 0.03}
_SCRATCH = "SCRATCH"
"""In a command, the folder of its run."""
_ROW_BYTES = 520 * 8  # of a generated row and all that converting and training it leaves
_TABLE = (
    "system",
    "runs",
    "rows/s, median (range)",
    "ooc-train is faster, times, by pairs",
    "waits for input",
    "loss after the last epoch",
    "peak anonymous MB",
    "peak resident MB",
    "outcome",
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this benchmark's own options."""
    add = parser.add_argument
    add(
        "--features",
        default="sequence",
        choices=list(DEFAULT_ROWS),
        help="the kind of generated rows (default: sequence)",
    )
    add(
        "--rows",
        type=int,
        metavar="N",
        help=f"rows to generate (default: {DEFAULT_ROWS['sequence']:,} for sequences, "
        f"{DEFAULT_ROWS['ngram']:,} for n-grams, {DEFAULT_ROWS['dense']:,} of {DENSE_COLUMNS} "
        f"numbers, with --quick {QUICK_ROWS['ngram']:,}, and {QUICK_ROWS['sequence']:,} sequences)",
    )
    add("--data", type=Path, metavar="H5", help="a converted file, instead of generated rows")
    add(
        "--text",
        type=Path,
        metavar="CSV",
        help="the rows that --data was converted from, for fastText",
    )
    add("--epochs", type=int, default=2, metavar="N", help="epochs of each run (default: 2)")
    add(
        "--peers",
        default="all",
        choices=["all", "none"],
        help="whether model.fit and fastText run, too (default: all)",
    )
    add(
        "--variants",
        nargs="+",
        default=[],
        metavar="COMMAND",
        help="what ooc-train is compared with, instead of the peers: itself, each command "
        "in quotes, as 'ooc-train --class-weight balanced'",
    )


def run(options: argparse.Namespace) -> int:
    """Measure, write and print; 1 if ooc-train did not complete every run."""
    if options.data and options.rows:
        raise OptionError("--rows and --data exclude each other")
    if options.data and not options.data.is_file():
        raise OptionError(f"--data {options.data} is not a file")
    if any(variant.split()[:1] != [OURS] for variant in options.variants):
        raise OptionError(f"--variants have to begin with {OURS}")
    n_rows = options.rows or (QUICK_ROWS if options.quick else DEFAULT_ROWS)[options.features]
    with workspace(options.work, 0 if options.data else n_rows * _ROW_BYTES) as folder:
        found = machine.describe(folder)
        data, text = options.data, options.text
        if data is None:
            data, text = _generated(n_rows, folder, options.features)
        with ooc_train.open(data) as store:
            features = store.features
        systems = _systems(features, data.resolve(), text and text.resolve(), options)
        if options.peers == "none":
            systems = [system for system in systems if system.name not in PEERS]
        runs = harness.alternate(systems, options.runs, folder, cold=options.cold)
    reached = [] if options.variants else _targets(features, runs)
    notes = [] if CAN_MEASURE else [f"{CANNOT_MEASURE}."]
    markdown = "\n\n".join(
        [
            f"## {NAME}",
            f"`{options.command}`",
            machine.in_words(found),
            *notes,
            _table(runs),
            *([targets.table(reached)] if reached else []),
        ]
    )
    record = {
        "benchmark": NAME,
        "command": options.command,
        "environment": found,
        "notes": notes,
        "systems": {name: _record(of_system, runs[OURS]) for name, of_system in runs.items()},
        "targets": [targets.record(target) for target in reached],
    }
    results.write(options.out, NAME, record, markdown)
    print(markdown)
    ours = [run for name in runs if name.startswith(OURS) for run in runs[name]]
    return 0 if all(run.outcome == harness.COMPLETED for run in ours) else 1


def _generated(n_rows: int, folder: Path, features: str) -> tuple[Path, Path | None]:
    """A converted file of generated rows, and the rows where they are text."""
    say(f"generating and converting {n_rows:,} rows")
    rows, data = folder / "rows.csv", folder / "rows.h5"
    if features == "dense":
        write_dense_file(data, n_rows, DENSE_COLUMNS)
        return data, None
    harness.call("benchmarks.corpus", rows, "--rows", n_rows)
    harness.call(
        "ooc_train.cli.convert", rows, "-o", data, "--features", features,
        "--validation-fraction", 0, "--quiet",
    )  # fmt: skip
    return data, rows


def _systems(
    features: str, data: Path, text: Path | None, options: argparse.Namespace
) -> list[System]:
    def system(name: str, *words: object, inputs: Sequence[Path] = (data,)) -> System:
        def command(scratch: Path) -> list[str]:
            return [
                *(str(word).replace(_SCRATCH, str(scratch)) for word in words),
                *("--report", str(scratch / REPORT_NAME)),
            ]

        return System(name=name, command=command, inputs=inputs)

    def ours(name: str, *more: str) -> System:
        words = ("ooc_train.cli.train", data, "--quiet", *more, "-o", f"{_SCRATCH}/run", *epochs)
        return system(name, *python, *words)

    def fit(name: str, form: str) -> System:
        words = ("benchmarks.peers.keras_fit", data, "--form", form, *epochs)
        return system(name, *python, *words)

    python, epochs = (sys.executable, "-m"), ("--epochs", options.epochs)
    if options.variants:
        variants = [ours(variant, *shlex.split(variant)[1:]) for variant in options.variants]
        return [ours(OURS), *variants]
    prebuilt = system(PREBUILT, *python, "benchmarks.ours.prebuilt", data, *epochs)
    if features == "sequence":
        bucketed = ours(BUCKETED, "--bucket-by-length")
        return [fit(MATRIX, "matrix"), ours(OURS), bucketed, prebuilt]
    if features == "dense":
        return [ours(OURS), ours(UNCHECKED, "--no-verify"), prebuilt]
    systems = [
        ours(OURS), prebuilt, ours(DENSE_ADAM, "--optimizer", "adam"),
        fit(GENERATOR, "generator"), fit(SPARSE, "sparse"),
    ]  # fmt: skip
    if text:
        words = peer_command(
            options.peer_environments, "fasttext", "fasttext_supervised", text,
            "--output", f"{_SCRATCH}/model", "--epochs", 2, "--time-epoch",
        )  # fmt: skip
        systems.append(system(FASTTEXT, *words, inputs=[text]))
    return systems


# ---- Figures.


def _rows_per_second(run: Run, epoch: int = -1) -> float:
    if "epoch_seconds" in run.report:
        return run.report["rows"] / run.report["epoch_seconds"]
    figure: float = run.report["epochs"][epoch]["rows_per_second"]
    return figure


def _speed(runs: Sequence[Run]) -> Spread | None:
    return Spread.of([_rows_per_second(run) for run in results.completed(runs)])


def _ratios(ours: Sequence[Run], peers: Sequence[Run], epoch: int = -1) -> Spread | None:
    """How many times a peer's rows/s ours are, pair by pair."""
    pairs = zip(results.completed(ours), results.completed(peers), strict=False)
    return Spread.of(
        [_rows_per_second(our, epoch) / _rows_per_second(peer, epoch) for our, peer in pairs]
    )


def _waiting(runs: Sequence[Run]) -> Spread | None:
    """The share of the last epoch that steps waited for input, in percent."""
    shares = [run.report["epochs"][-1].get("input_wait_share") for run in _with_epochs(runs)]
    return Spread.of([100 * share for share in shares if share is not None])


def _with_epochs(runs: Sequence[Run]) -> list[Run]:
    return [run for run in results.completed(runs) if "epochs" in run.report]


def _targets(features: str, runs: dict[str, list[Run]]) -> list[Target]:
    reached = []
    for name, bound in TARGETS.get(features, {}).items():
        spread = _ratios(runs[OURS], runs.get(name, ()))
        measured = spread.median if spread else None
        reached.append(Target(text=f"times {name}", measured=measured, at_least=bound))
    if BUCKETED in runs:
        gain = _ratios(runs[BUCKETED], runs[OURS])
        reached.append(
            Target(
                text="batches of near length, times those of any",
                measured=gain.median if gain else None,
                at_least=LEAST_BUCKETED,
            )
        )
    if UNCHECKED in runs:
        rates = _ratios(runs[OURS], runs[UNCHECKED], epoch=0)
        reached.append(
            Target(
                text="checksums: part of the first epoch's rows/s that they cost",
                measured=1 - rates.median if rates else None,
                at_most=MOST_FOR_CHECKS,
            )
        )
    waiting = _waiting(runs[OURS])
    bound = MOST_WAITING.get(features, max(MOST_WAITING.values()))
    share = waiting.median / 100 if waiting else None
    return [*reached, Target(text="share of waiting for input", measured=share, at_most=bound)]


def _table(runs: dict[str, list[Run]]) -> str:
    return tables.table(_TABLE, [_line(name, runs[name], runs[OURS]) for name in runs])


def _line(name: str, runs: Sequence[Run], ours: Sequence[Run]) -> list[object]:
    done, waiting = _with_epochs(runs), _waiting(runs)
    return [
        name,
        len(runs),
        _speed(runs),
        _ratios(ours, runs),
        f"{waiting} %" if waiting else None,
        f"{done[-1].report['epochs'][-1]['loss']:.4f}" if done else None,
        tables.megabytes(results.peak(runs, "anon_bytes")),
        tables.megabytes(results.peak(runs, "rss_bytes")),
        runs[-1].outcome,
    ]


def _record(runs: Sequence[Run], ours: Sequence[Run]) -> dict[str, Any]:
    spreads = {
        "rows_per_second": _speed(runs),
        "times_slower": _ratios(ours, runs),
        "input_wait_percent": _waiting(runs),
    }
    return {
        **{name: asdict(spread) if spread else None for name, spread in spreads.items()},
        "peak_anon_bytes": results.peak(runs, "anon_bytes"),
        "peak_rss_bytes": results.peak(runs, "rss_bytes"),
        "runs": [results.run_record(run) for run in runs],
    }
