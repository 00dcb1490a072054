"""Rows of CSV files for peers that do not bring a reader of their own.  Streaming."""

import csv
import gzip
import sys
from collections.abc import Iterator
from pathlib import Path


def read_rows(path: Path) -> Iterator[tuple[str, str]]:
    """Labels and texts; the columns behind the first are joined by ", "."""
    csv.field_size_limit(sys.maxsize)
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8", errors="replace", newline="") as file:
        for label, *columns in csv.reader(file):
            yield label, ", ".join(columns)
