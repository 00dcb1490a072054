"""From CSV to features: ooc-convert beside the usual way in memory, on the same rows.

The usual way is scikit-learn for n-grams and, for sequences, the pure-Python tokenizer of Google's
text-classification guide.  Both sides read the same CSV files and end with a finished file: ours
HDF5, the peer's .npz or HDF5.  Seconds are those of the whole process.  Rows are generated before,
and that is not measured.
"""

import argparse
import contextlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import study
from benchmarks.data import generated
from benchmarks.data.generated import CONVERTING_BYTES, LEAST_ROWS, WORK_MULTIPLE
from benchmarks.measure import harness
from benchmarks.measure.commands import REPORT, SCRATCH, ooc
from benchmarks.measure.harness import Run, System, say
from benchmarks.measure.peer_environments import peer_command
from benchmarks.options import add_peers, byte_size, check_files
from benchmarks.report import results, tables
from benchmarks.report.targets import Target
from benchmarks.study import Findings
from ooc_train.errors import OptionError

OURS = "ooc-convert"
DEFAULT_ROWS, QUICK_ROWS = 400_000, 50_000
MOST_TEMPORARY = 1.5  # bytes of temporary files a byte of generated rows
MOST_BY_ROWS = 10 / 9  # times the seconds, by times the rows

Source = int | Sequence[Path]
"""Rows to generate, or the user's files."""


@dataclass(frozen=True)
class Peer:
    """Another system: its name in tables, its module in `benchmarks.peers`, and what it makes."""

    title: str
    module: str
    features: str
    result: str


PEERS = {
    "sklearn": Peer("scikit-learn, in memory", "sklearn_ngram", "ngram", "result.npz"),
    "guide": Peer("the guide's tokenizer, in memory", "guide_tokenizer", "sequence", "result.h5"),
}


@dataclass(frozen=True)
class Workload:
    """The files to convert.  `n_rows` is the number generated, `None` for a user's own data."""

    n_rows: int | None
    train: Path
    test: Path | None = None

    @property
    def files(self) -> list[Path]:
        """All files that are read."""
        return [self.train, *([self.test] if self.test else [])]

    @property
    def words(self) -> list[object]:
        """The files as ooc-convert and the peers take them."""
        return [self.train, *(["--test", self.test] if self.test else [])]


@dataclass(frozen=True)
class Result:
    """The runs on one workload: the first, which compiles, and the measured ones by system."""

    workload: Workload
    n_bytes: int
    first: Run | None
    runs: dict[str, list[Run]]
    notes: list[str]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    add = parser.add_argument
    add(
        "--rows",
        type=_row_counts,
        metavar="N[,N...]",
        help=f"rows to generate, several to see how time grows (default: {DEFAULT_ROWS:,}, with "
        f"--quick {QUICK_ROWS:,})",
    )
    add(
        "--data",
        nargs="+",
        type=Path,
        metavar="CSV",
        help="train.csv [test.csv] without header, the class first, instead of generated rows",
    )
    add(
        "--features",
        default="ngram",
        choices=["ngram", "sequence"],
        help="the features to make (default: ngram)",
    )
    add("--memory", type=byte_size, metavar="SIZE", help="ooc-convert's --memory")
    add(
        "--cap",
        type=byte_size,
        metavar="SIZE",
        help="run ooc-convert in a memory cgroup of this size; also its --memory unless that is "
        "given",
    )
    add_peers(parser, [*PEERS], None, "all that make these features")
    add(
        "--peer-rows-limit",
        type=int,
        default=400_000,
        metavar="N",
        help="peers hold all in memory, and run up to N generated rows (default: 400,000)",
    )


def run(options: argparse.Namespace) -> int:
    """Measure, write and print; 1 if ooc-convert did not complete every run."""
    sources = _sources(options)
    options.peers = _fitting_peers(options)
    needed = max(map(_needed_bytes, sources))
    return study.run("convert", options, needed, lambda folder: _findings(sources, options, folder))


def _findings(sources: Sequence[Source], options: argparse.Namespace, folder: Path) -> Findings:
    options.memory = options.memory or options.cap
    options.cap, notes = harness.enforceable(options.cap)
    measured: list[Result] = []
    for source in sources:
        with _files(source, folder) as workload:
            measured.append(_measure(workload, options, folder, first=not measured))
    return Findings(
        parts=_parts(measured),
        record={"results": [_record(result) for result in measured]},
        succeeded=all(results.all_completed(result.runs[OURS]) for result in measured),
        notes=notes,
        targets=_targets(measured),
    )


def _parts(measured: Sequence[Result]) -> list[str]:
    parts = []
    for result in measured:
        remarks = [*tables.remarks(result.runs, result.first), *_disk(result), *result.notes]
        parts += [f"### {_title(result)}", tables.systems(result.runs, OURS), tables.items(remarks)]
    if len(measured) > 1:
        sizes = [
            tables.Growth(result.workload.n_rows or 0, result.n_bytes, result.runs[OURS])
            for result in measured
        ]
        parts += [f"### How {OURS} grows with rows", tables.growth(sizes)]
    return parts


def _temporary_share(result: Result) -> float | None:
    """Bytes of temporary files a byte of the input; ``None`` where no run completed."""
    done = results.completed(result.runs[OURS])
    return done[0].report["spill_bytes"] / result.n_bytes if done else None


def _disk(result: Result) -> list[str]:
    """A sentence on the temporary files."""
    share = _temporary_share(result)
    if share is None:
        return []
    size = tables.megabytes(share * result.n_bytes)
    return [f"Temporary files of {OURS}: {size} MB, {share:.2f} times the input."]


def _targets(measured: Sequence[Result]) -> list[Target]:
    """The bounds on temporary files, and on how time grows from one number of rows to the next."""
    own = [result for result in measured if result.workload.n_rows]
    found = [
        Target(
            text=f"bytes of temporary files a byte of {result.workload.n_rows:,} rows",
            measured=_temporary_share(result),
            at_most=MOST_TEMPORARY,
        )
        for result in own
    ]
    for few, many in itertools.pairwise(own):
        rows = (few.workload.n_rows or 1, many.workload.n_rows or 1)
        seconds = [results.seconds(result.runs[OURS]) for result in (few, many)]
        by_time = seconds[1].median / seconds[0].median if seconds[0] and seconds[1] else None
        found.append(
            Target(
                text=f"times the seconds of {rows[0]:,} rows by times the rows, {rows[1]:,} rows",
                measured=None if by_time is None else by_time * rows[0] / rows[1],
                at_most=round(MOST_BY_ROWS, 3),
            )
        )
    return found


def _title(result: Result) -> str:
    n_rows = result.workload.n_rows
    title = f"{n_rows:,} generated rows" if n_rows else "Data given"
    done = results.completed(result.runs[OURS])
    if not n_rows and done:
        title += f", {done[0].report['rows']:,} train and {done[0].report['test_rows']:,} test rows"
    return f"{title}, {result.n_bytes / 1e6:,.0f} MB of CSV"


def _record(result: Result) -> dict[str, Any]:
    """A result as JSON has it, figures of the table included."""
    return {
        "rows": result.workload.n_rows,
        "input_bytes": result.n_bytes,
        "notes": result.notes,
        "first_run": results.run_record(result.first) if result.first else None,
        "systems": {
            name: results.system_record(runs, result.runs[OURS])
            for name, runs in result.runs.items()
        },
    }


# ---- The rows.


def _sources(options: argparse.Namespace) -> list[Source]:
    """The user's files, or the numbers of rows to generate."""
    if not options.data:
        return options.rows or [QUICK_ROWS if options.quick else DEFAULT_ROWS]
    if len(options.data) > 2:
        raise OptionError(f"--data takes train.csv and test.csv, not {len(options.data)} files")
    check_files(options, options.data)
    return [[path.resolve() for path in options.data]]


def _needed_bytes(source: Source) -> int:
    """Disk space for converting a workload."""
    if isinstance(source, int):
        return source * CONVERTING_BYTES
    return sum(path.stat().st_size for path in source) * WORK_MULTIPLE


@contextlib.contextmanager
def _files(source: Source, folder: Path) -> Iterator[Workload]:
    """The files of a workload; generated ones are deleted afterwards."""
    if isinstance(source, int):
        with generated.rows(source, folder) as path:
            yield Workload(source, path)
    else:
        yield Workload(None, *source)


# ---- The systems.


def own_system(workload: Workload, options: argparse.Namespace, folder: Path) -> System:
    """ooc-convert, with its compiled kernels in a folder of this benchmark."""
    return System(
        name=OURS,
        command=ooc(
            "convert", *workload.words, "-o", f"{SCRATCH}/result.h5",
            "--features", options.features, "--validation-fraction", 0,
            *(["--memory", options.memory] if options.memory else []),
        ),
        inputs=workload.files,
        variables={"NUMBA_CACHE_DIR": str(folder / "compiled")},
        cap_bytes=options.cap,
    )  # fmt: skip


def _peer_system(peer: Peer, workload: Workload, environments: Path | None) -> System:
    places = ["--output", f"{SCRATCH}/{peer.result}", "--report", REPORT]
    command = peer_command(environments, "sklearn", peer.module, *workload.words, *places)
    return System(name=peer.title, command=command, inputs=workload.files)


def _row_counts(text: str) -> list[int]:
    """The value of --rows."""
    words = [word.replace("_", "") for word in text.split(",")]
    if not all(word.isdecimal() and int(word) >= LEAST_ROWS for word in words):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number of rows, {LEAST_ROWS} or more, or several with commas"
        )
    return [int(word) for word in words]


def _fitting_peers(options: argparse.Namespace) -> Sequence[str]:
    """The peers to run: those given, or all that make the features."""
    fitting = [name for name, peer in PEERS.items() if peer.features == options.features]
    for name in options.peers or ():
        if name not in fitting:
            raise OptionError(f"--peers {name} does not make {options.features} features")
    return fitting if options.peers is None else options.peers


# ---- Measuring.


def _measure(
    workload: Workload, options: argparse.Namespace, folder: Path, *, first: bool
) -> Result:
    """Run all systems in turn; if ``first``, after a run that compiles."""
    own = own_system(workload, options, folder)
    systems, notes = [own], []
    for peer in (PEERS[name] for name in options.peers):
        if workload.n_rows and workload.n_rows > options.peer_rows_limit:
            limit = f"--peer-rows-limit {options.peer_rows_limit:,}"
            notes.append(f"{peer.title}: not run above {limit}.")
        else:
            systems.append(_peer_system(peer, workload, options.peer_environments))
    n_bytes = sum(path.stat().st_size for path in workload.files)
    compiling = None
    if first:
        compiling = harness.run_once(own, folder, cold=options.cold)
        say(f"{OURS}, first run, compiling: {harness.in_words(compiling)}")
    runs = harness.alternate(systems, options.runs, folder, cold=options.cold)
    return Result(workload, n_bytes, compiling, runs, [*notes, *_disagreements(runs)])


def _disagreements(runs: dict[str, list[Run]]) -> list[str]:
    """Figures that should be equal in the reports of ours and of a peer, and are not."""
    found = []
    for name, others in runs.items():
        pairs = [
            (our.report, other.report)
            for our in results.completed(runs[OURS])[:1]
            for other in results.completed(others)[:1]
        ]
        for key in ("rows", "test_rows", "n_features"):
            found += [
                f"Not the same work: {key}: {our[key]:,} with {OURS}, {their[key]:,} with {name}."
                for our, their in pairs
                if our[key] != their[key]
            ]
    return found
