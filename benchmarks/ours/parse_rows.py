"""Rows of a file through ooc-convert's parser on one thread, to be measured by `parse`."""

import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.peers import reporting
from ooc_train.conversion.sources.files.rejects import Blank, Reject
from ooc_train.conversion.sources.find import find_source
from ooc_train.conversion.sources.layout import LayoutOptions
from ooc_train.memory import keep_freed_memory

BLOCK_BYTES = 4_000_000
PACKAGES = ("ooc-train", "numpy", "numba")


def main() -> None:
    """Parse the file of the command line twice, and report the second time."""
    parser = reporting.parser(__doc__)
    parser.add_argument("file", type=Path)
    options = parser.parse_args()
    keep_freed_memory()  # as ooc-convert does
    phases = reporting.Phases()
    list(_blocks(options.file))  # compiles
    phases.end("once before")
    began = time.perf_counter()
    n_rows = sum(_blocks(options.file))
    seconds = time.perf_counter() - began
    phases.end("parsing")
    report = {"rows": n_rows, "parsing_seconds": seconds}
    reporting.write(options.report, report, phases, PACKAGES)


def _blocks(path: Path) -> Iterator[int]:
    """The number of rows of each block, parsed to columns of texts, labels and line numbers."""
    for piece, _ in find_source(path, LayoutOptions()).read(BLOCK_BYTES):
        if isinstance(piece, Reject):
            raise SystemExit(f"line {piece.line} cannot be used: {piece.reason}")
        if not isinstance(piece, Blank):
            yield len(piece)


if __name__ == "__main__":
    main()
