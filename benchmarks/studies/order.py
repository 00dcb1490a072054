"""The order of rows beside a true shuffle: label entropy of batches, and rank correlations.

Rows that lie sorted by class are the hardest case: `ooc-convert --no-shuffle` of a sorted source.
Only integers are shuffled; no file is read, and the same numbers come on every machine.

entropy      of the labels in a batch, averaged over an epoch's batches, divided by that of batches
             from a true shuffle of the same rows
correlation  Spearman's, of each row's place in the file with its place in the epoch, and of its
             places in two epochs: 0, up to 1/sqrt(slices); of a true shuffle, up to 1/sqrt(rows)
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks import study
from benchmarks.measure import machine
from benchmarks.options import positive
from benchmarks.report import tables
from benchmarks.study import Findings
from ooc_train.reading.sampler import SLICE_ROWS, WINDOW_SLICES, Order, finer

DEFAULT_ROWS, QUICK_ROWS = 1_000_000, 200_000
BATCH_SIZE = 128
CLASSES = (2, 10, 100, 1000)
SHUFFLED, IN_SOURCE_ORDER = "default", "default, --no-shuffle"

Places = npt.NDArray[np.int64]


class Setting(NamedTuple):
    """How an epoch is cut into slices and windows."""

    slice_rows: int
    window_slices: int

    @property
    def name(self) -> str:
        """The reader's name for it, if it has one."""
        known = {
            (SLICE_ROWS, WINDOW_SLICES): SHUFFLED,
            finer(SLICE_ROWS): IN_SOURCE_ORDER,
        }
        return known.get(self, "")


SETTINGS = [
    *(Setting(SLICE_ROWS, n) for n in (1, 4, 16, WINDOW_SLICES, 4 * WINDOW_SLICES)),
    Setting(*finer(SLICE_ROWS)),
]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    default = f"{DEFAULT_ROWS:,}, with --quick {QUICK_ROWS:,}"
    parser.add_argument("--rows", type=positive, metavar="N", help=f"rows (default: {default})")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="(default: 0)")


def run(options: argparse.Namespace) -> int:
    """Measure, write and print."""
    n_rows = options.rows or (QUICK_ROWS if options.quick else DEFAULT_ROWS)
    records = [measure(setting, n_rows, options.seed) for setting in SETTINGS]
    title = (
        f"{n_rows:,} rows sorted by class, batches of {BATCH_SIZE}; correlations of a true shuffle "
        f"are up to {1 / np.sqrt(n_rows):.4f}."
    )
    found = Findings(
        parts=[title, _table(records)],
        record={"rows": n_rows, "settings": records},
        succeeded=True,
    )
    return study.conclude("order", options, machine.describe(Path.cwd()), found)


def measure(setting: Setting, n_rows: int, seed: int) -> dict[str, Any]:
    """The figures of one setting."""
    first, second = (order_of(setting, n_rows, seed, epoch) for epoch in (0, 1))
    true = np.random.default_rng(seed).permutation(n_rows)
    return {
        "setting": setting.name,
        "slice_rows": setting.slice_rows,
        "window_slices": setting.window_slices,
        "entropy": {
            str(k): mean_entropy(labels(first, k, n_rows)) / mean_entropy(labels(true, k, n_rows))
            for k in CLASSES
        },
        "correlation_with_file": _correlation(first, np.arange(n_rows)),
        "correlation_of_epochs": _correlation(np.argsort(first), np.argsort(second)),
    }


def order_of(setting: Setting, n_rows: int, seed: int, epoch: int) -> Places:
    """The rows' numbers in the order of an epoch."""
    parts = []
    for window in Order(n_rows, seed, epoch, *setting).windows():
        held = np.concatenate([np.arange(start, stop) for start, stop in window.slices])
        parts.append(held[window.rows])
    return np.concatenate(parts)


def labels(rows: Places, n_classes: int, n_rows: int) -> Places:
    """Labels of rows that lie sorted by class, in classes of equal size."""
    return rows * n_classes // n_rows


def mean_entropy(of_rows: Places) -> float:
    """Mean entropy, in nats, of the labels in each whole batch."""
    n_batches = len(of_rows) // BATCH_SIZE
    in_batches = np.sort(of_rows[: n_batches * BATCH_SIZE].reshape(n_batches, BATCH_SIZE), axis=1)
    is_last = np.ones(in_batches.shape, np.bool_)
    is_last[:, :-1] = in_batches[:, :-1] != in_batches[:, 1:]
    ends = np.flatnonzero(is_last)
    counts = np.diff(ends, prepend=-1)  # of each class in each batch: batches end with a class
    shares = counts / BATCH_SIZE
    return float(-(shares * np.log(shares)).sum() / n_batches)


def _correlation(first: Places, second: Places) -> float:
    """Spearman's: both are ranks already."""
    return float(np.corrcoef(first, second)[0, 1])


def _table(records: Sequence[dict[str, Any]]) -> str:
    header = (
        "rows a slice", "slices a window", "", *(f"entropy, {k:,} classes" for k in CLASSES),
        "correlation with the file", "of two epochs",
    )  # fmt: skip
    lines: list[list[object]] = []
    for record in records:
        shares = [f"{record['entropy'][str(k)]:.3f}" for k in CLASSES]
        correlations = [f"{record[f'correlation_{of}']:+.4f}" for of in ("with_file", "of_epochs")]
        lines.append(
            [
                record["slice_rows"], f"{record['window_slices']:,}", record["setting"],
                *shares, *correlations,
            ]
        )  # fmt: skip
    return tables.table(header, lines)
