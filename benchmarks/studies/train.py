"""Training: ooc-train from the disk beside Keras's model.fit in memory, fastText, and PyTorch.

All train the same network on the same rows in batches of 128; the peers hold all rows in memory,
but PyTorch, which maps dense ones.
Rows/s are those of the last epoch without validation, since the first compiles.  "Prebuilt" are
ooc-train's own steps on batches that are ready in memory: the difference is the cost of reading
them.  With dense rows most bytes of the file are read, so that the first epoch shows the cost of
checksums.
"""

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ooc_train
from benchmarks import study
from benchmarks.data import generated
from benchmarks.data.made_files import write_dense_file
from benchmarks.measure import harness
from benchmarks.measure.commands import REPORT, SCRATCH, ooc, script
from benchmarks.measure.harness import Run, System, say
from benchmarks.measure.peer_environments import peer_command
from benchmarks.options import check_files, check_variants
from benchmarks.report import results, tables
from benchmarks.report.results import Spread
from benchmarks.report.targets import Target
from benchmarks.study import Findings

OURS, BUCKETED, DENSE_ADAM, UNCHECKED = (
    "ooc-train",
    "ooc-train --bucket-by-length",
    "ooc-train --optimizer adam",
    "ooc-train --no-verify",
)
_BATCHES = ("--batch-size", "128")  # as all others have, also of few rows
PREBUILT = "ooc-train's steps, prebuilt batches"
MATRIX, GENERATOR = "model.fit, in memory", "model.fit, the guide's generator"
SPARSE, FASTTEXT = "model.fit, sparse tensor in memory", "fastText, one epoch"
TORCH = "PyTorch, DataLoader over np.memmap"
PEERS = (MATRIX, GENERATOR, SPARSE, FASTTEXT, TORCH)
DEFAULT_ROWS = {"sequence": 25_000, "ngram": 400_000, "dense": 325_000}
DENSE_COLUMNS = 768
QUICK_ROWS = {"sequence": 1000, "ngram": 3000, "dense": 3000}
TARGETS = {
    "sequence": {MATRIX: 0.98, PREBUILT: 0.95},
    "ngram": {GENERATOR: 10.0, SPARSE: 3.0, FASTTEXT: 1.0, PREBUILT: 0.95},
    "dense": {PREBUILT: 0.95},
}
"""The least ratio of ooc-train's rows/s to those of a system, on generated rows."""
LEAST_BUCKETED = 1.5  # on IMDb
MOST_FOR_CHECKS = 0.05  # of the time of the first epoch, in which they are made
MOST_WAITING = {"sequence": 0.01, "ngram": 0.03}
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
    """Add the options of this benchmark."""
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
        help="compare ooc-train with itself under other options instead of the peers, each "
        "command in quotes: 'ooc-train --class-weight balanced'",
    )


def run(options: argparse.Namespace) -> int:
    """Measure, write and print; 1 if ooc-train did not complete every run."""
    if options.data:
        check_files(options, [options.data])
    check_variants(options.variants, OURS)
    n_rows = options.rows or (QUICK_ROWS if options.quick else DEFAULT_ROWS)[options.features]
    needed = 0 if options.data else n_rows * _ROW_BYTES
    return study.run("train", options, needed, lambda folder: _findings(n_rows, options, folder))


def _findings(n_rows: int, options: argparse.Namespace, folder: Path) -> Findings:
    data, text = options.data, options.text
    if data is None:
        data, text = _generated(n_rows, folder, options.features)
    with ooc_train.open(data) as store:
        features = store.features
    systems = _systems(features, data.resolve(), text and text.resolve(), options)
    if options.peers == "none":
        systems = [system for system in systems if system.name not in PEERS]
    runs = harness.alternate(systems, options.runs, folder, cold=options.cold)
    ours = [run for name in runs if name.startswith(OURS) for run in runs[name]]
    return Findings(
        parts=[tables.table(_TABLE, [_line(name, runs[name], runs[OURS]) for name in runs])],
        record={"systems": {name: _record(of_one, runs[OURS]) for name, of_one in runs.items()}},
        succeeded=results.all_completed(ours),
        targets=[] if options.variants else _targets(features, runs),
    )


def _generated(n_rows: int, folder: Path, features: str) -> tuple[Path, Path | None]:
    """A converted file of generated rows, and the rows if they are text."""
    data = folder / "rows.h5"
    if features == "dense":
        say(f"writing {n_rows:,} dense rows")
        write_dense_file(data, n_rows, DENSE_COLUMNS)
        return data, None
    text = generated.write_rows(folder / "rows.csv", n_rows)
    return generated.convert(text, data, features), text


def _systems(
    features: str, data: Path, text: Path | None, options: argparse.Namespace
) -> list[System]:
    epochs = ("--epochs", options.epochs)

    def system(name: str, command: Sequence[object]) -> System:
        return System(name=name, command=command, inputs=[data])

    def ours(name: str, *more: str) -> System:
        return system(name, ooc("train", data, *_BATCHES, *more, "-o", f"{SCRATCH}/run", *epochs))

    def fit(name: str, form: str) -> System:
        return system(name, script("benchmarks.peers.keras_fit", data, "--form", form, *epochs))

    if options.variants:
        variants = [ours(variant, *shlex.split(variant)[1:]) for variant in options.variants]
        return [ours(OURS), *variants]
    prebuilt = system(PREBUILT, script("benchmarks.ours.prebuilt", data, *epochs))
    if features == "sequence":
        bucketed = ours(BUCKETED, "--bucket-by-length")
        return [fit(MATRIX, "matrix"), ours(OURS), bucketed, prebuilt]
    if features == "dense":
        torch = peer_command(
            options.peer_environments, "torch", "torch_memmap", data, "--report", REPORT, *epochs
        )
        return [ours(OURS), ours(UNCHECKED, "--no-verify"), prebuilt, system(TORCH, torch)]
    systems = [
        ours(OURS), prebuilt, ours(DENSE_ADAM, "--optimizer", "adam"),
        fit(GENERATOR, "generator"), fit(SPARSE, "sparse"),
    ]  # fmt: skip
    return [*systems, *([_fasttext(text, options.peer_environments)] if text else [])]


def _fasttext(text: Path, environments: Path | None) -> System:
    command = peer_command(
        environments, "fasttext", "fasttext_supervised", text, "--output", f"{SCRATCH}/model",
        "--epochs", 2, "--time-epoch", "--report", REPORT,
    )  # fmt: skip
    return System(name=FASTTEXT, command=command, inputs=[text])


# ---- Figures.


def _rows_per_second(run: Run, epoch: int = -1) -> float:
    if "epoch_seconds" in run.report:
        return run.report["rows"] / run.report["epoch_seconds"]
    figure: float = run.report["epochs"][epoch]["rows_per_second"]
    return figure


def _speed(runs: Sequence[Run]) -> Spread | None:
    return results.spread(runs, _rows_per_second)


def _ratios(ours: Sequence[Run], peers: Sequence[Run], epoch: int = -1) -> Spread | None:
    """How many times a peer's rows/s ours are, pair by pair."""
    return results.ratios(ours, peers, lambda run: _rows_per_second(run, epoch))


def _waiting(runs: Sequence[Run]) -> Spread | None:
    """The share of the last epoch that steps waited for input, in percent."""
    shares = [run.report["epochs"][-1].get("input_wait_share") for run in _with_epochs(runs)]
    return Spread.of([100 * share for share in shares if share is not None])


def _with_epochs(runs: Sequence[Run]) -> list[Run]:
    return [run for run in results.completed(runs) if "epochs" in run.report]


def _targets(features: str, runs: dict[str, list[Run]]) -> list[Target]:
    ours, reached = runs[OURS], []
    for name, bound in TARGETS.get(features, {}).items():
        times = results.median(_ratios(ours, runs.get(name, ())))
        reached.append(Target(text=f"times {name}", measured=times, at_least=bound))
    if BUCKETED in runs:
        gain = results.median(_ratios(runs[BUCKETED], ours))
        text = "batches of near length, times those of any"
        reached.append(Target(text=text, measured=gain, at_least=LEAST_BUCKETED))
    if UNCHECKED in runs:
        rate = results.median(_ratios(ours, runs[UNCHECKED], epoch=0))
        cost = None if rate is None else 1 - rate
        text = "checksums: part of the first epoch's rows/s that they cost"
        reached.append(Target(text=text, measured=cost, at_most=MOST_FOR_CHECKS))
    waiting = results.median(_waiting(ours))
    share = None if waiting is None else waiting / 100
    bound = MOST_WAITING.get(features, max(MOST_WAITING.values()))
    return [*reached, Target(text="share of waiting for input", measured=share, at_most=bound)]


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
        **results.records(spreads),
        "peak_anon_bytes": results.peak(runs, "anon_bytes"),
        "peak_rss_bytes": results.peak(runs, "rss_bytes"),
        "runs": [results.run_record(run) for run in runs],
    }
