"""Generated rows for a benchmark: as CSV, and converted; neither is measured."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure.commands import call
from benchmarks.measure.harness import say

LEAST_ROWS = 1000
ROW_BYTES = 520  # of a generated row, at most
WORK_MULTIPLE = 5  # converting needs: the input, temporary files (1.5), the result (1.3), spare
CONVERTING_BYTES = ROW_BYTES * (1 + WORK_MULTIPLE)  # disk space for a row and its conversion


def write_rows(path: Path, n_rows: int, *, seed: int = 0) -> Path:
    """Write generated rows as CSV; rows of another seed are test rows."""
    say(f"generating {n_rows:,} rows")
    call("benchmarks.corpus", path, "--rows", n_rows, "--seed", seed)
    return path


@contextlib.contextmanager
def rows(n_rows: int, folder: Path) -> Iterator[Path]:
    """A CSV file of generated rows, deleted afterwards."""
    path = write_rows(folder / f"{n_rows}.csv", n_rows)
    try:
        yield path
    finally:
        path.unlink()


def convert(source: Path, target: Path, features: str, *more: object) -> Path:
    """Convert rows without a validation split; the file made."""
    say(f"converting to {features} features")
    call(
        "ooc_train.cli.convert", source, "-o", target, "--features", features,
        "--validation-fraction", 0, "--quiet", *more,
    )  # fmt: skip
    return target
