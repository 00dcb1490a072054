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


def draw_rows(path: Path, n_rows: int, target: Path) -> Path:
    """Write ``n_rows`` rows of the CSV file at ``path`` to ``target``, in their order; its path.

    Drawn at random from seed 0.  Reads twice.  Memory: the numbers of the rows drawn, and a row.
    Raises OptionError if there are fewer.
    """
    with _opened(path) as file:
        n_all = sum(1 for _ in csv.reader(file))
    if n_rows > n_all:
        raise OptionError(f"{n_rows:,} rows cannot be drawn: {path} has {n_all:,}")
    drawn = set(np.random.default_rng(0).choice(n_all, n_rows, replace=False).tolist())
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
