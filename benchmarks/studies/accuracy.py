"""Test accuracy: the same rows, several ways to train on them, several seeds.

The rows are converted once for each kind of features.  Then ooc-train and ooc-evaluate run as a
user runs them, in fresh processes, with each of --variants in turn; run k has seed k, from 0 on.
Accuracy is measured on the test rows with the weights that ooc-train keeps.
"""

import argparse
import json
import shlex
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import study
from benchmarks.data import generated
from benchmarks.data.drawing import draw_rows
from benchmarks.data.generated import ROW_BYTES
from benchmarks.measure import harness, machine
from benchmarks.measure.commands import call, ooc
from benchmarks.measure.harness import COMPLETED, Run, System, say
from benchmarks.options import check_variants, words_of
from benchmarks.report import results, tables
from benchmarks.report.results import Spread
from benchmarks.study import Findings
from ooc_train.errors import OptionError

OURS = "ooc-train"
DEFAULT_ROWS, QUICK_ROWS = 25_000, 3000
FEATURES = ("ngram", "sequence", "auto")
_WORK_MULTIPLE = 8  # the files generated or cut, temporary ones, the converted file and a run
_CONVERSION = ("features", "n_features", "rows", "validation_rows", "test_rows")


@dataclass(frozen=True)
class Trial:
    """One training and its evaluation, which is `None` if the training failed."""

    seed: int
    training: Run
    evaluation: Run | None

    @property
    def accuracy(self) -> float | None:
        """Accuracy on the test rows; `None` unless both commands completed."""
        if self.evaluation is None or self.evaluation.outcome != COMPLETED:
            return None
        share: float = self.evaluation.report["accuracy"]
        return share

    def __str__(self) -> str:
        """The accuracy and the epoch of the weights, or the failure."""
        if self.accuracy is None:
            return harness.in_words(self.evaluation or self.training)
        report = self.training.report
        return f"{self.accuracy:.4f}, epoch {report['best_epoch']} of {len(report['epochs'])}"


@dataclass(frozen=True)
class Result:
    """The results of one kind of features: the conversion's report, and trials by variant."""

    conversion: dict[str, Any]
    trials: dict[str, list[Trial]]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    add = parser.add_argument
    add(
        "--data",
        nargs="+",
        type=Path,
        metavar="PATH",
        help="train.csv test.csv without header, the class first; or with --preset its unpacked "
        "archive (default: generated rows)",
    )
    add("--preset", metavar="NAME", help="the data set that --data is, as ooc-convert takes it")
    add(
        "--rows",
        type=int,
        metavar="N",
        help=f"train rows to generate, and as many test rows (default: {DEFAULT_ROWS:,}, with "
        f"--quick {QUICK_ROWS:,})",
    )
    add(
        "--train-rows",
        type=int,
        metavar="N",
        help="use N rows of train.csv, drawn at random, always the same (default: all)",
    )
    add(
        "--features",
        type=words_of(FEATURES),
        default=("auto",),
        metavar="KIND[,KIND]",
        help=f"features to convert to, of: {', '.join(FEATURES)} (default: auto)",
    )
    add(
        "--variants",
        nargs="+",
        default=[OURS],
        metavar="COMMAND",
        help="ways to train, each in quotes: 'ooc-train --epochs 3' 'ooc-train --learning-rate "
        "0.01' (default: ooc-train)",
    )


def run(options: argparse.Namespace) -> int:
    """Train, evaluate, write and print; 1 if one of the commands failed."""
    _check(options)
    needed = _needed_bytes(options)
    return study.run("accuracy", options, needed, lambda folder: _findings(options, folder))


def _findings(options: argparse.Namespace, folder: Path) -> Findings:
    source = _source(options, folder)
    measured = [_measure(source, kind, options, folder) for kind in options.features]
    means = [_mean(trials) for result in measured for trials in result.trials.values()]
    return Findings(
        parts=[part for result in measured for part in (_title(result), _table(result))],
        record={"results": [_record(result) for result in measured]},
        succeeded=None not in means,
    )


# ---- The rows.


def _check(options: argparse.Namespace) -> None:
    if options.data and options.rows:
        raise OptionError("--rows and --data exclude each other")
    if options.preset and len(options.data or ()) != 1:
        raise OptionError("--preset needs --data with one path, that of the unpacked archive")
    if options.preset and options.train_rows:
        raise OptionError("--train-rows draws rows of a CSV file; leave it out with --preset")
    if options.data and not options.preset and len(options.data) != 2:
        raise OptionError(f"--data takes train.csv and test.csv, not {len(options.data)} files")
    for path in options.data or ():
        if not (path.is_dir() if options.preset else path.is_file()):
            raise OptionError(f"--data {path} is not a {'folder' if options.preset else 'file'}")
    check_variants(options.variants, OURS)


def _needed_bytes(options: argparse.Namespace) -> int:
    """Disk space for all that is written."""
    if not options.data:
        return 2 * _n_rows(options) * ROW_BYTES * _WORK_MULTIPLE
    files = (file for path in options.data for file in (path, *path.rglob("*")) if file.is_file())
    return sum(file.stat().st_size for file in files) * _WORK_MULTIPLE


def _n_rows(options: argparse.Namespace) -> int:
    n_rows: int = options.rows or (QUICK_ROWS if options.quick else DEFAULT_ROWS)
    return n_rows


def _source(options: argparse.Namespace, folder: Path) -> list[str]:
    """The train and test rows as ooc-convert takes them."""
    if options.preset:
        return [str(options.data[0].resolve()), "--preset", options.preset]
    if options.data:
        train, test = (path.resolve() for path in options.data)
    else:
        train, test = folder / "all.csv", folder / "test.csv"
        for seed, path in enumerate((train, test)):
            generated.write_rows(path, _n_rows(options), seed=seed)
    if options.train_rows:
        train = draw_rows(train, options.train_rows, folder / "train.csv")
    return [str(train), "--test", str(test)]


# ---- Training and evaluating.


def _measure(source: Sequence[str], kind: str, options: argparse.Namespace, folder: Path) -> Result:
    """Convert, then train every variant with one seed after another."""
    data, report = folder / "rows.h5", folder / "conversion.json"
    say(f"converting, --features {kind}")
    arguments = ["-o", data, "--features", kind, "--force", "--quiet", "--report", report]
    call("ooc_train.cli.convert", *source, *arguments)
    conversion = json.loads(report.read_text("utf-8"))
    trials: dict[str, list[Trial]] = {variant: [] for variant in options.variants}
    for seed in range(options.runs):
        for variant, earlier in trials.items():
            earlier.append(_try(variant, seed, data, folder))
            say(f"{variant}, seed {seed}: {earlier[-1]}")
    return Result({name: conversion[name] for name in _CONVERSION}, trials)


def _try(variant: str, seed: int, data: Path, folder: Path) -> Trial:
    with tempfile.TemporaryDirectory(prefix="trained-", dir=folder) as trained:
        made = Path(trained) / "run"
        words = ooc("train", data, *_words(variant), "--seed", seed, "-o", made)
        training = harness.run_once(System(name="train", command=words), folder, cold=False)
        if training.outcome != COMPLETED:
            return Trial(seed, training, None)
        words = ooc("evaluate", made, data)
        evaluation = harness.run_once(System(name="evaluate", command=words), folder, cold=False)
        return Trial(seed, training, evaluation)


def _words(variant: str) -> Iterator[str]:
    """A variant's options; files are named from the root, since commands run in another folder."""
    for word in shlex.split(variant)[1:]:
        yield str(Path(word).resolve()) if Path(word).is_file() else word


# ---- Figures.


def _mean(trials: Sequence[Trial]) -> float | None:
    """The mean accuracy; `None` unless all trials have one."""
    known = [trial.accuracy for trial in trials if trial.accuracy is not None]
    return statistics.fmean(known) if len(known) == len(trials) else None


def _title(result: Result) -> str:
    found = result.conversion
    rows = f"{found['rows']:,} train, {found['validation_rows']:,} validation and "
    rows += f"{found['test_rows']:,} test rows"
    return f"### {rows}, {found['n_features']:,} {found['features']} features"


def _table(result: Result) -> str:
    seeds = [f"seed {trial.seed}" for trial in next(iter(result.trials.values()))]
    header = ["trained by", "test accuracy, mean", *seeds, "rows/s, median (range)"]
    return tables.table(header, [_line(*item) for item in result.trials.items()])


def _line(variant: str, trials: Sequence[Trial]) -> list[object]:
    mean = _mean(trials)
    speeds = [
        trial.training.report["epochs"][-1]["rows_per_second"]
        for trial in trials
        if trial.accuracy is not None
    ]
    return [
        f"`{machine.without_folders(variant)}`",
        None if mean is None else f"{mean:.4f}",
        *trials,
        Spread.of(speeds),
    ]


def _record(result: Result) -> dict[str, Any]:
    return {
        "conversion": result.conversion,
        "variants": {
            machine.without_folders(variant): {
                "mean_accuracy": _mean(trials),
                "trials": [_trial_record(trial) for trial in trials],
            }
            for variant, trials in result.trials.items()
        },
    }


def _trial_record(trial: Trial) -> dict[str, Any]:
    return {
        "seed": trial.seed,
        "accuracy": trial.accuracy,
        "training": results.run_record(trial.training),
        "evaluation": results.run_record(trial.evaluation) if trial.evaluation else None,
    }
