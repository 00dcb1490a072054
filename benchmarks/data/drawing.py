"""Rows of a CSV file, drawn at random from a fixed seed, to measure on a part of real data.

python -m benchmarks.data.drawing train.csv.gz part.csv --rows 6250
"""

import argparse
import csv
import gzip
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import numpy as np

from ooc_train.errors import OocTrainError, OptionError

_GZIP = b"\x1f\x8b"
_LEAST_OF_A_CLASS = 8


def draw_rows(path: Path, n_rows: int, target: Path) -> Path:
    """Write ``n_rows`` rows of the CSV file at ``path`` to ``target``, in their order; its path.

    Drawn at random from seed 0.  Reads twice.  Memory: the numbers of the rows drawn, and a row.
    Raises OptionError if there are fewer.
    """
    n_all = n_rows_of(path)
    if n_rows > n_all:
        raise OptionError(f"{n_rows:,} rows cannot be drawn: {path} has {n_all:,}")
    drawn = set(np.random.default_rng(0).choice(n_all, n_rows, replace=False).tolist())
    return _write(path, drawn, target)


def draw_unequal(path: Path, n_rows: int, target: Path) -> Path:
    """Write about ``n_rows`` rows of classes of unequal sizes to ``target``; its path.

    The class is the first column.  Of the ``k``-th class, in the order of the labels, there are
    rows in proportion to ``1 / k``, as far as it has so many, and 8 at least.  Drawn at random from
    seed 0.  Reads twice.  Memory: the numbers of all rows.
    """
    rows_of: dict[str, list[int]] = {}
    with _opened(path) as file:
        for number, row in enumerate(csv.reader(file)):
            rows_of.setdefault(row[0], []).append(number)
    shares = 1 / np.arange(1, len(rows_of) + 1)
    sizes = np.maximum(_LEAST_OF_A_CLASS, n_rows * shares / shares.sum()).round().astype(int)
    random, drawn = np.random.default_rng(0), set[int]()
    for label, size in zip(sorted(rows_of), sizes.tolist(), strict=True):
        numbers = rows_of[label]
        drawn.update(random.choice(numbers, min(size, len(numbers)), replace=False).tolist())
    return _write(path, drawn, target)


def n_rows_of(path: Path) -> int:
    """The number of rows of a CSV file."""
    with _opened(path) as file:
        return sum(1 for _ in csv.reader(file))


def _write(path: Path, drawn: set[int], target: Path) -> Path:
    with _opened(path) as file, target.open("w", encoding="utf-8", newline="") as output:
        writer = csv.writer(output, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerows(row for i, row in enumerate(csv.reader(file)) if i in drawn)
    return target


def _opened(path: Path) -> IO[str]:
    with path.open("rb") as start:
        packed = start.read(2) == _GZIP
    return (gzip.open if packed else open)(path, "rt", encoding="utf-8", newline="")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    text, _, example = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.data.drawing",
        description=text,
        epilog=f"example:\n{example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", type=Path, help="a CSV file, plain or gzip")
    parser.add_argument("target", type=Path, help="the CSV file to write")
    parser.add_argument("--rows", type=int, required=True, metavar="N", help="how many")
    options = parser.parse_args(arguments)
    try:
        draw_rows(options.source, options.rows, options.target)
    except (OocTrainError, OSError) as error:
        print(f"drawing: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
