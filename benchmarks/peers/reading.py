"""The command line and the clock that all scripts which read rows share, ours included.

A script opens a file and gives, for each epoch, the rows and entries (stored numbers) of every
batch; they are counted, to see that all read the same.  What the rows are read into is whatever
the system hands to its user.
"""

import argparse
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.peers import reporting

Counts = tuple[int, int]
Epoch = Callable[[int], Iterator[Counts]]
"""From an epoch's number to the rows and entries of each of its batches."""


@dataclass(frozen=True, kw_only=True)
class Reader:
    """A system that reads rows.

    `open_rows(path, variant, batch_size)` opens what `prepare(source, target)` made of the HDF5
    file `source`; a reader without `prepare` opens that itself.
    """

    description: str | None
    packages: Sequence[str]
    variants: Sequence[str]
    open_rows: Callable[[Path, str, int], Epoch]
    prepare: Callable[[Path, Path], None] | None = None


def main(reader: Reader) -> None:
    """Prepare or read, as the command line says."""
    parser = reporting.parser(reader.description)
    commands = parser.add_subparsers(dest="command", required=True)
    if reader.prepare:
        prepare = commands.add_parser("prepare", help="make the system's own files")
        prepare.add_argument("source", type=Path)
        prepare.add_argument("target", type=Path)
    read = commands.add_parser("read", help="read rows, and report the speed")
    read.add_argument("data", type=Path)
    read.add_argument("--variant", choices=reader.variants, default=reader.variants[0])
    read.add_argument("--batch-size", type=int, default=128)
    read.add_argument("--epochs", type=int, default=2)
    read.add_argument("--seconds", type=float, default=20.0, help="the most that an epoch takes")
    options = parser.parse_args()
    if options.command == "prepare" and reader.prepare:
        reader.prepare(options.source, options.target)
    else:
        _read(reader, options)


def _read(reader: Reader, options: argparse.Namespace) -> None:
    baseline = memory_now()
    phases = reporting.Phases()
    phases.end("imports")
    epoch = reader.open_rows(options.data, options.variant, options.batch_size)
    phases.end("opening")
    epochs = [_timed(epoch(number), options.seconds) for number in range(options.epochs)]
    phases.end("reading")
    report = {"epochs": epochs, "baseline": baseline}
    reporting.write(options.report, report, phases, reader.packages)


def _timed(batches: Iterator[Counts], limit: float) -> dict[str, float]:
    """Rows, entries and seconds of an epoch, which ends early after `limit` seconds."""
    n_rows = n_entries = n_batches = 0
    start, processor_start = time.perf_counter(), time.process_time()
    for of_batch in batches:
        n_batches += 1
        n_rows += of_batch[0]
        n_entries += of_batch[1]
        if time.perf_counter() - start > limit:
            break
    return {
        "rows": n_rows,
        "entries": n_entries,
        "batches": n_batches,
        "seconds": time.perf_counter() - start,
        "processor_seconds": time.process_time() - processor_start,
    }


def memory_now() -> dict[str, int]:
    """Resident and anonymous bytes of this process; empty where `/proc` does not tell."""
    try:
        text = Path("/proc/self/status").read_text()
    except OSError:
        return {}
    fields = {"VmRSS": "rss_bytes", "RssAnon": "anon_bytes"}
    found = re.findall(r"^(VmRSS|RssAnon):\s+(\d+) kB$", text, re.MULTILINE)
    return {fields[name]: int(value) * 1024 for name, value in found}


def shuffled_batches(n_rows: int, batch_size: int, epoch: int) -> Iterator[Any]:
    """Row numbers of a true shuffle, a batch at a time: `(batch_size,) int64`."""
    import numpy as np  # noqa: PLC0415 - only the scripts that have it installed call this

    order = np.random.default_rng(epoch).permutation(n_rows)
    for start in range(0, n_rows, batch_size):
        yield order[start : start + batch_size]
