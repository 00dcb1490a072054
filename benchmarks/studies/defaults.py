"""Settings of ooc-train beside each other: many data sets, several sizes, several seeds.

Each folder of --data holds train.csv and test.csv, plain or .gz, without a header, the class
first.  Rows are drawn at random, always the same, converted to n-grams once, and trained on with
each of --variants in turn; run k has seed k, from 0 on.  All runs in one process.  Accuracy is
that of the test rows, with its standard deviation over the seeds.  A variant is better on a
set, or worse, where the difference to the first of --variants is more than twice its standard
error.  A linear SVM of scikit-learn gets the same train rows, scaled to length one.
"""

import argparse
import importlib.util
import math
import shlex
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import ooc_train
from benchmarks import study
from benchmarks.data.drawing import draw_rows, draw_unequal, n_rows_of
from benchmarks.measure.harness import say
from benchmarks.options import check_variants
from benchmarks.report import tables
from benchmarks.study import Findings
from ooc_train.errors import OocTrainError, OptionError

OURS, SVM = "ooc-train", "linear SVM"
WHOLE, UNEQUAL = "all", "unequal"
_WORK_MULTIPLE = 10  # the rows drawn, temporary files, the converted file and a run
_STANDARD_ERRORS = 2
_SPLITS = ("train", "test")

Draw = Callable[[Path, Path], Path]


@dataclass(frozen=True)
class Rows:
    """Rows of one set: its name, and the accuracies on its test rows by variant."""

    name: str
    n_rows: int
    n_classes: int
    svm: float | None
    accuracies: dict[str, list[float]]

    def difference(self, variant: str, base: str) -> tuple[float, int]:
        """By how much a variant is better, and whether that is beyond noise: 1, 0 or -1."""
        ours, others = self.accuracies[variant], self.accuracies[base]
        difference = statistics.fmean(ours) - statistics.fmean(others)
        if len(ours) == 1:
            return difference, 0
        error = math.hypot(*(statistics.stdev(one) / len(one) ** 0.5 for one in (ours, others)))
        clear = abs(difference) > _STANDARD_ERRORS * error
        return difference, clear * int(math.copysign(1, difference))


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    add = parser.add_argument
    add("--data", nargs="+", type=Path, required=True, metavar="FOLDER", help="the data sets")
    add(
        "--train-rows",
        type=_sizes,
        default=("1000", "6500", UNEQUAL, WHOLE),
        metavar="N[,N]",
        help=f"how many rows of each, a run for each number that there are more of; {UNEQUAL} is a "
        f"third of the rows, of the k-th class in proportion to 1/k; {WHOLE} is what there is "
        f"(default: 1000,6500,{UNEQUAL},{WHOLE})",
    )
    add(
        "--variants",
        nargs="+",
        default=["ooc-train --batch-size 128", "ooc-train --batch-size 32"],
        metavar="COMMAND",
        help="ways to train, each in quotes; the others are compared with the first",
    )


def run(options: argparse.Namespace) -> int:
    """Train, evaluate, write and print."""
    check_variants(options.variants, OURS)
    files = [_file(folder, split) for folder in options.data for split in _SPLITS]
    needed = _WORK_MULTIPLE * 4 * max(file.stat().st_size for file in files)
    return study.run("defaults", options, needed, lambda folder: _findings(options, folder))


def _findings(options: argparse.Namespace, folder: Path) -> Findings:
    measured = [
        _measure(source, size, draw, options, folder)
        for source in options.data
        for size, draw in _draws(source, options.train_rows)
    ]
    return Findings(
        parts=[_table(measured, options.variants), _verdicts(measured, options.variants)],
        record={"sets": [vars(rows) for rows in measured]},
        succeeded=True,
    )


# ---- The rows.


def _sizes(text: str) -> tuple[str, ...]:
    """The type of --train-rows."""
    sizes = tuple(text.split(","))
    for size in sizes:
        if size not in (WHOLE, UNEQUAL) and not (size.isdecimal() and int(size)):
            raise argparse.ArgumentTypeError(f"{size!r} is no number of rows, nor {WHOLE}")
    return sizes


def _file(folder: Path, split: str) -> Path:
    for path in (folder / f"{split}.csv", folder / f"{split}.csv.gz"):
        if path.is_file():
            return path
    raise OptionError(f"--data {folder} has no {split}.csv")


def _draws(source: Path, sizes: Sequence[str]) -> Iterator[tuple[str, Draw]]:
    """The sizes that a set has rows for, each with the function that draws train or test rows."""
    n_rows = n_rows_of(_file(source, "train"))
    for size in sizes:
        if size == WHOLE:
            yield "", lambda path, _: path
        elif size == UNEQUAL:
            yield f", {UNEQUAL}", lambda path, to: draw_unequal(path, n_rows_of(path) // 3, to)
        elif int(size) < n_rows:
            yield "", _drawing(int(size))


def _drawing(n_rows: int) -> Draw:
    """Of train rows ``n_rows``; of test rows all."""

    def draw(path: Path, target: Path) -> Path:
        return draw_rows(path, n_rows, target) if target.stem == "train" else path

    return draw


# ---- Training and evaluating.


def _measure(
    source: Path, size: str, draw: Draw, options: argparse.Namespace, folder: Path
) -> Rows:
    with tempfile.TemporaryDirectory(prefix="set-", dir=folder) as name:
        work = Path(name)
        train, test = (draw(_file(source, split), work / f"{split}.csv") for split in _SPLITS)
        data = work / "rows.h5"
        # Of few rows drawn, a class may be in the test rows alone.
        report = ooc_train.convert(
            train, data, test=[test], features="ngram", max_rejects=n_rows_of(test)
        )
        rows = Rows(
            f"{source.name}{size}",
            report["rows"] + report["validation_rows"],
            len(report["classes"]),
            _linear_svm(data),
            {variant: [] for variant in options.variants},
        )
        for seed in range(options.runs):
            for variant, accuracies in rows.accuracies.items():
                accuracies.append(_accuracy(variant, seed, data, work))
                say(f"{rows.name}, {rows.n_rows:,} rows, {variant}, seed {seed}: {accuracies[-1]}")
    return rows


def _accuracy(variant: str, seed: int, data: Path, work: Path) -> float:
    from ooc_train.cli.train import main  # noqa: PLC0415 - after the options are checked

    made = work / "run"
    words = [str(data), "-o", str(made), *shlex.split(variant)[1:], "--seed", str(seed)]
    if main([*words, "--force", "--quiet"]):
        raise OocTrainError(f"{variant} failed")
    share: float = ooc_train.evaluate(made, data)["accuracy"]
    return share


def _linear_svm(data: Path) -> float | None:
    """The accuracy of scikit-learn's linear SVM; ``None`` where it is not installed."""
    if not importlib.util.find_spec("sklearn"):
        return None
    from sklearn.preprocessing import normalize  # noqa: PLC0415
    from sklearn.svm import LinearSVC  # noqa: PLC0415

    with ooc_train.open(data) as store:
        train, test = (store[split] for split in _SPLITS)
        x, y = next(train.to_scipy(len(train), seed=None))
        model = LinearSVC().fit(normalize(x), y)
        x, y = next(test.to_scipy(len(test), seed=None))
        return float(np.mean(model.predict(normalize(x)) == y))


# ---- Figures.


def _table(measured: Sequence[Rows], variants: Sequence[str]) -> str:
    header = ["data", "train rows", "classes", SVM, *(f"`{variant}`" for variant in variants)]
    return tables.table(header, [_line(rows, variants) for rows in measured])


def _line(rows: Rows, variants: Sequence[str]) -> list[object]:
    return [
        rows.name,
        f"{rows.n_rows:,}",
        rows.n_classes,
        None if rows.svm is None else f"{rows.svm:.3f}",
        *(_spread(rows.accuracies[variant]) for variant in variants),
    ]


def _spread(accuracies: Sequence[float]) -> str:
    mean = statistics.fmean(accuracies)
    if len(accuracies) == 1:
        return f"{mean:.4f}"
    return f"{mean:.4f} ± {statistics.stdev(accuracies):.4f}"


def _verdicts(measured: Sequence[Rows], variants: Sequence[str]) -> str:
    header = ["compared with the first", "points, mean", "better on", "worse on", "sets"]
    base, *others = variants
    return tables.table(header, [_verdict(measured, variant, base) for variant in others])


def _verdict(measured: Sequence[Rows], variant: str, base: str) -> list[object]:
    differences, signs = zip(*(rows.difference(variant, base) for rows in measured), strict=True)
    mean = 100 * statistics.fmean(differences)
    return [f"`{variant}`", f"{mean:+.2f}", signs.count(1), signs.count(-1), len(measured)]
