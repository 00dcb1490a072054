"""From CSV to features: ooc-convert beside the usual way in memory, on the same rows.

That is scikit-learn for n-grams and, for sequences, the pure-Python tokenizer of Google's
text-classification guide.  Both sides read the same CSV files and end with a finished file, ours
HDF5, the peer's .npz or HDF5.  Time is that of the whole process.  Rows are generated before, and
that is not measured.
"""

import argparse
import contextlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measure import harness, machine
from benchmarks.measure.harness import REPORT_NAME, Run, System, say
from benchmarks.measure.peer_environments import peer_command
from benchmarks.measure.sizes import size_argument
from benchmarks.measure.workspace import workspace
from benchmarks.report import results, tables
from ooc_train.errors import OptionError

NAME = "convert"
OURS = "ooc-convert"
DEFAULT_ROWS, QUICK_ROWS, LEAST_ROWS = 400_000, 50_000, 1000
EDITED = "The package was edited while it was measured: these figures are not to be quoted."
ROW_BYTES = 520  # of a generated row, at most
WORK_MULTIPLE = 7  # the input, its spilled n-grams (3.5), the result (0.8), and a reserve

Source = int | list[Path]  # rows to generate, or the user's files


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
    def n_bytes(self) -> int:
        """The size of all files."""
        return sum(path.stat().st_size for path in self.files)

    @property
    def options(self) -> list[str]:
        """The files as ooc-convert and the peers take them."""
        return [str(self.train), *(["--test", str(self.test)] if self.test else [])]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How to measure: from the command line, with a cap only where it can be enforced."""

    folder: Path
    features: str
    n_runs: int
    cold: bool
    memory_bytes: int | None
    cap_bytes: int | None
    peers: Sequence[str]
    peer_rows_limit: int
    peer_environments: Path | None


@dataclass(frozen=True)
class Result:
    """What one workload gave: the first run, which compiles, and the measured ones by system."""

    workload: Workload
    n_bytes: int
    first: Run | None
    runs: dict[str, list[Run]]
    notes: list[str]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this benchmark's own options."""
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
        help="what the rows become (default: ngram)",
    )
    add("--memory", type=size_argument, metavar="SIZE", help="ooc-convert's --memory")
    add(
        "--cap",
        type=size_argument,
        metavar="SIZE",
        help="run ooc-convert in a memory cgroup of this size; also its --memory unless that is "
        "given",
    )
    add(
        "--peers",
        type=_peer_names,
        metavar="NAMES",
        help=f"{', '.join(PEERS)} or none (default: all that make these features)",
    )
    add(
        "--peer-rows-limit",
        type=int,
        default=400_000,
        metavar="N",
        help="peers hold all in memory, and run up to N generated rows (default: 400,000)",
    )


def run(options: argparse.Namespace) -> int:
    """Measure, write and print; 1 if ooc-convert did not complete every run."""
    sources = _data(options) or _sizes(options)
    options.peers = _fitting_peers(options)
    with workspace(options.work, max(n_bytes for _, n_bytes in sources)) as folder:
        found, edited = machine.describe(folder), machine.last_edit()
        plan, notes = _plan(options, folder)
        measured: list[Result] = []
        for source, _ in sources:
            with files(source, folder) as workload:
                measured.append(_measure(workload, plan, first=not measured))
    if machine.last_edit() != edited:
        notes.append(EDITED)
    markdown = _markdown(options.command, found, measured, notes)
    record = {
        "benchmark": NAME,
        "command": options.command,
        "environment": found,
        "notes": notes,
        "results": [_record(result) for result in measured],
    }
    results.write(options.out, NAME, record, markdown)
    print(markdown)
    runs = [run for result in measured for run in result.runs[OURS]]
    return 0 if all(run.outcome == harness.COMPLETED for run in runs) else 1


def _markdown(
    command: str, found: dict[str, Any], measured: Sequence[Result], notes: Sequence[str]
) -> str:
    parts = [f"## {NAME}", f"`{command}`", machine.in_words(found), *notes]
    for result in measured:
        remarks = [*tables.remarks(result.runs, result.first), *result.notes]
        parts += [
            f"### {_title(result)}",
            tables.systems(result.runs, OURS),
            "\n".join(f"- {remark}" for remark in remarks),
        ]
    if len(measured) > 1:
        sizes = {result.workload.n_rows or 0: result.runs[OURS] for result in measured}
        parts += [f"### How {OURS} grows with rows", tables.growth(sizes)]
    return "\n\n".join(parts)


def _title(result: Result) -> str:
    n_rows = result.workload.n_rows
    what = f"{n_rows:,} generated rows" if n_rows else "Data given"
    done = results.completed(result.runs[OURS])
    if not n_rows and done:
        what += f", {done[0].report['rows']:,} train and {done[0].report['test_rows']:,} test rows"
    return f"{what}, {result.n_bytes / 1e6:,.0f} MB of CSV"


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


# ---- What is converted.


def _sizes(options: argparse.Namespace) -> list[tuple[Source, int]]:
    """The rows to generate, and the disk space that each number of them needs."""
    counts = options.rows or [QUICK_ROWS if options.quick else DEFAULT_ROWS]
    return [(count, count * ROW_BYTES * (1 + WORK_MULTIPLE)) for count in counts]


def _data(options: argparse.Namespace) -> list[tuple[Source, int]]:
    """The user's files, if there are any, and the disk space that converting them needs."""
    if not options.data:
        return []
    if options.rows:
        raise OptionError("--rows and --data exclude each other")
    if len(options.data) > 2:
        raise OptionError(f"--data takes train.csv and test.csv, not {len(options.data)} files")
    paths = [path.resolve() for path in options.data]
    for path in paths:
        if not path.is_file():
            raise OptionError(f"--data {path} is not a file")
    return [(paths, sum(path.stat().st_size for path in paths) * WORK_MULTIPLE)]


@contextlib.contextmanager
def files(source: Source, folder: Path) -> Iterator[Workload]:
    """The files of a workload; generated ones are deleted afterwards."""
    if not isinstance(source, int):
        yield Workload(None, *source)
        return
    path = folder / f"{source}.csv"
    say(f"generating {source:,} rows")
    harness.call("benchmarks.corpus", path, "--rows", source)
    try:
        yield Workload(source, path)
    finally:
        path.unlink()


# ---- Who converts it.


def ours(workload: Workload, plan: Plan) -> System:
    """ooc-convert, its compiled kernels cached in a folder of this benchmark's own."""

    def command(scratch: Path) -> list[str]:
        arguments = [sys.executable, "-m", "ooc_train.cli.convert", *workload.options]
        arguments += ["-o", str(scratch / "result.h5"), "--features", plan.features]
        arguments += ["--validation-fraction", "0", "--quiet"]
        arguments += ["--report", str(scratch / REPORT_NAME)]
        memory = plan.memory_bytes
        return [*arguments, *(["--memory", str(memory)] if memory else [])]

    return System(
        name=OURS,
        command=command,
        inputs=workload.files,
        variables={"NUMBA_CACHE_DIR": str(plan.folder / "compiled")},
        cap_bytes=plan.cap_bytes,
    )


@dataclass(frozen=True)
class Peer:
    """Another system: what tables call it, its module in `benchmarks.peers`, and what it makes."""

    title: str
    module: str
    features: str
    result: str

    def system(self, workload: Workload, environments: Path | None) -> System:
        """The peer on these files, in its environment."""

        def command(scratch: Path) -> list[str]:
            places = ["--output", scratch / self.result, "--report", scratch / REPORT_NAME]
            return peer_command(environments, "sklearn", self.module, *workload.options, *places)

        return System(name=self.title, command=command, inputs=workload.files)


PEERS = {
    "sklearn": Peer("scikit-learn, in memory", "sklearn_ngram", "ngram", "result.npz"),
    "guide": Peer("the guide's tokenizer, in memory", "guide_tokenizer", "sequence", "result.h5"),
}


def _row_counts(text: str) -> list[int]:
    """The value of --rows."""
    words = [word.replace("_", "") for word in text.split(",")]
    if not all(word.isdecimal() and int(word) >= LEAST_ROWS for word in words):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number of rows, {LEAST_ROWS} or more, or several with commas"
        )
    return [int(word) for word in words]


def _peer_names(text: str) -> list[str]:
    """The value of --peers."""
    names = [] if text == "none" else text.split(",")
    for name in names:
        if name not in PEERS:
            raise argparse.ArgumentTypeError(f"{name!r} is not a peer; {', '.join(PEERS)} or none")
    return names


def _fitting_peers(options: argparse.Namespace) -> list[str]:
    """The peers to run: those said, or all that make the features."""
    fitting = [name for name, peer in PEERS.items() if peer.features == options.features]
    for name in options.peers or []:
        if name not in fitting:
            raise OptionError(f"--peers {name} does not make {options.features} features")
    return fitting if options.peers is None else options.peers


# ---- Measuring.


def _plan(options: argparse.Namespace, folder: Path) -> tuple[Plan, list[str]]:
    """How to measure, and what cannot be measured here."""
    cap, notes = harness.enforceable(options.cap)
    plan = Plan(
        folder=folder,
        features=options.features,
        n_runs=options.runs,
        cold=options.cold,
        memory_bytes=options.memory or options.cap,
        cap_bytes=cap,
        peers=options.peers,
        peer_rows_limit=options.peer_rows_limit,
        peer_environments=options.peer_environments,
    )
    return plan, notes


def _measure(workload: Workload, plan: Plan, *, first: bool) -> Result:
    """The first run if wanted, then all systems in turn."""
    own = ours(workload, plan)
    systems, notes = [own], []
    for name in plan.peers:
        if workload.n_rows and workload.n_rows > plan.peer_rows_limit:
            limit = f"--peer-rows-limit {plan.peer_rows_limit:,}"
            notes.append(f"{PEERS[name].title}: not run above {limit}.")
        else:
            systems.append(PEERS[name].system(workload, plan.peer_environments))
    n_bytes = workload.n_bytes
    compiling = None
    if first:
        compiling = harness.run_once(own, plan.folder, cold=plan.cold)
        say(f"{OURS}, first run, compiling: {harness.in_words(compiling)}")
    runs = harness.alternate(systems, plan.n_runs, plan.folder, cold=plan.cold)
    return Result(workload, n_bytes, compiling, runs, [*notes, *_disagreements(runs)])


def _disagreements(runs: dict[str, list[Run]]) -> list[str]:
    """What the reports of ours and of a peer should have in common and have not."""
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
