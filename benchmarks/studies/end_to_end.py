"""From CSV to a trained model and its accuracy on test rows: time, memory and accuracy.

Each system reads the same CSV files and does all of its work; seconds are those until its model is
written, imports included, and then those of the whole process, test rows included.  Systems that
hold all rows in memory are run at the same sizes.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measure import harness, machine
from benchmarks.measure.harness import REPORT_NAME, Run, System, say
from benchmarks.measure.memory import CAN_MEASURE, CANNOT_MEASURE
from benchmarks.measure.peer_environments import peer_command
from benchmarks.measure.workspace import workspace
from benchmarks.report import results, tables, targets
from benchmarks.report.results import Spread
from benchmarks.report.targets import Target
from benchmarks.studies import convert
from ooc_train.errors import OptionError

NAME = "end-to-end"
OURS = "ooc-convert, ooc-train"
DEFAULT_ROWS, QUICK_ROWS = 400_000, 5000
TEST_SHARE = 8  # one test row for so many train rows
_HEADER = (
    "system",
    "test accuracy",
    "s to the model, median (range)",
    "times ours, by pairs",
    "s in all",
    "processor s",
    "peak anonymous MB",
    "peak resident MB",
    "outcome",
)


@dataclass(frozen=True)
class Peer:
    """Another system: its environment, its module in `benchmarks.peers`, and its options."""

    group: str
    module: str
    options: tuple[object, ...] = ()


PEERS: dict[str, dict[str, Peer]] = {
    "fasttext": {
        f"fastText, {n} epochs": Peer("fasttext", "fasttext_supervised", ("--epochs", n))
        for n in (5, 10)
    },
    "vw": {"Vowpal Wabbit": Peer("vowpalwabbit", "vowpal_wabbit")},
    "hashing": {"HashingVectorizer, partial_fit": Peer("sklearn", "sklearn_partial_fit")},
    "guide": {
        "the guide, in memory": Peer("keras", "guide_in_memory"),
        "the guide, in memory, sparse batches": Peer("keras", "guide_in_memory", ("--sparse",)),
    },
}
"""The systems by name as --peers has it, and what tables call each way to run them."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this benchmark's own options."""
    add = parser.add_argument
    add(
        "--rows",
        type=int,
        metavar="N",
        help=f"train rows to generate, and an eighth as many test rows (default: "
        f"{DEFAULT_ROWS:,}, with --quick {QUICK_ROWS:,})",
    )
    add(
        "--data",
        nargs=2,
        type=Path,
        metavar=("TRAIN", "TEST"),
        help="CSV files without header, the class first, instead of generated rows",
    )
    add("--features", default="ngram", choices=["ngram", "sequence", "auto"], help="of our side")
    add(
        "--epochs",
        type=int,
        default=4,
        metavar="N",
        help="of our side and the guide's (default: 4)",
    )
    add(
        "--peers",
        type=_peer_names,
        default=list(PEERS),
        metavar="NAMES",
        help=f"{', '.join(PEERS)} or none (default: all)",
    )


def run(options: argparse.Namespace) -> int:
    """Measure, write and print; 1 if our side did not complete every run."""
    sizes = _sizes(options)
    needed = sum(sizes) * (1 + convert.WORK_MULTIPLE)
    with workspace(options.work, needed) as folder:
        found = machine.describe(folder)
        files = _files(options, folder)
        systems = list(_systems(files, options))
        runs = harness.alternate(systems, options.runs, folder, cold=options.cold)
        title = _title(files, runs, generated=not options.data)
    notes = [] if CAN_MEASURE else [f"{CANNOT_MEASURE}."]
    reached = list(_targets(runs))
    markdown = "\n\n".join(
        [
            f"## {NAME}",
            f"`{options.command}`",
            machine.in_words(found),
            *notes,
            f"### {title}",
            tables.table(_HEADER, [_line(name, runs) for name in runs]),
            "\n".join(f"- {remark}" for remark in tables.remarks(runs, None)),
            "### Targets",
            targets.table(reached),
        ]
    )
    record = {
        "benchmark": NAME,
        "command": options.command,
        "environment": found,
        "notes": notes,
        "title": title,
        "systems": {name: _record(name, runs) for name in runs},
        "targets": [targets.record(target) for target in reached],
    }
    results.write(options.out, NAME, record, markdown)
    print(markdown)
    return 0 if all(run.outcome == harness.COMPLETED for run in runs[OURS]) else 1


def _peer_names(text: str) -> list[str]:
    """The value of --peers."""
    names = [] if text == "none" else text.split(",")
    for name in names:
        if name not in PEERS:
            raise argparse.ArgumentTypeError(f"{name!r} is not a peer; {', '.join(PEERS)} or none")
    return names


# ---- The rows.


def _n_rows(options: argparse.Namespace) -> tuple[int, int]:
    """Train and test rows to generate."""
    n_rows = options.rows or (QUICK_ROWS if options.quick else DEFAULT_ROWS)
    return n_rows, max(convert.LEAST_ROWS, n_rows // TEST_SHARE)


def _sizes(options: argparse.Namespace) -> list[int]:
    """Bytes of the files that are read."""
    if not options.data:
        return [n_rows * convert.ROW_BYTES for n_rows in _n_rows(options)]
    if options.rows:
        raise OptionError("--rows and --data exclude each other")
    for path in options.data:
        if not path.is_file():
            raise OptionError(f"--data {path} is not a file")
    return [path.stat().st_size for path in options.data]


def _files(options: argparse.Namespace, folder: Path) -> list[Path]:
    """The train and the test file; rows of another seed are the test rows."""
    if options.data:
        return [path.resolve() for path in options.data]
    paths = [folder / "train.csv", folder / "test.csv"]
    for seed, (path, n_rows) in enumerate(zip(paths, _n_rows(options), strict=True)):
        say(f"generating {n_rows:,} rows")
        harness.call("benchmarks.corpus", path, "--rows", n_rows, "--seed", seed)
    return paths


# ---- The systems.


def _systems(files: Sequence[Path], options: argparse.Namespace) -> Iterator[System]:
    train, test = files

    def places(scratch: Path) -> list[str]:
        ends = ["--output", str(scratch / "result.model"), "--report", str(scratch / REPORT_NAME)]
        return [str(train), "--test", str(test), *ends]

    epochs = ["--epochs", str(options.epochs)]

    def ours(scratch: Path) -> list[str]:
        command = [sys.executable, "-m", "benchmarks.ours.pipeline", *places(scratch), *epochs]
        return [*command, "--features", options.features]

    def system(name: str, peer: Peer) -> System:
        more = [*map(str, peer.options), *(epochs if peer.module == "guide_in_memory" else [])]

        def command(scratch: Path) -> list[str]:
            arguments = [*places(scratch), *more]
            return peer_command(options.peer_environments, peer.group, peer.module, *arguments)

        return System(name=name, command=command, inputs=files)

    yield System(name=OURS, command=ours, inputs=files)
    for name in options.peers:
        for title, peer in PEERS[name].items():
            yield system(title, peer)


# ---- Figures.


def _to_model(runs: Sequence[Run]) -> Spread | None:
    """Seconds until the model is there, the start of the interpreter included."""
    return Spread.of([_seconds_to_model(run) for run in results.completed(runs)])


def _seconds_to_model(run: Run) -> float:
    start = run.seconds - run.report["seconds"]
    return float(start + run.report["seconds_to_model"])


def _times(ours: Sequence[Run], runs: Sequence[Run]) -> Spread | None:
    """How many times our seconds to the model those of a system are, pair by pair."""
    pairs = zip(results.completed(ours), results.completed(runs), strict=False)
    return Spread.of([_seconds_to_model(run) / _seconds_to_model(our) for our, run in pairs])


def _accuracy(runs: Sequence[Run]) -> Spread | None:
    return Spread.of([run.report["accuracy"] for run in results.completed(runs)])


def _line(name: str, runs: Mapping[str, Sequence[Run]]) -> list[object]:
    of_system = runs[name]
    accuracy = _accuracy(of_system)
    cpu = Spread.of([run.cpu_seconds for run in results.completed(of_system)])
    return [
        name,
        f"{accuracy.median:.4f}" if accuracy else None,
        _to_model(of_system),
        1 if name == OURS else _times(runs[OURS], of_system),
        results.seconds(of_system),
        f"{cpu.median:.1f}" if cpu else None,
        tables.megabytes(results.peak(of_system, "anon_bytes")),
        tables.megabytes(results.peak(of_system, "rss_bytes")),
        tables.outcome(of_system[-1]),
    ]


def _title(files: Sequence[Path], runs: Mapping[str, Sequence[Run]], *, generated: bool) -> str:
    n_bytes = sum(path.stat().st_size for path in files)
    done = results.completed(runs[OURS])
    rows = (
        f"{done[0].report['rows']:,} train and {done[0].report['test_rows']:,} test rows, "
        if done
        else ""
    )
    return f"{rows}{n_bytes / 1e6:,.0f} MB of {'generated CSV' if generated else 'CSV given'}"


def _targets(runs: Mapping[str, Sequence[Run]]) -> Iterator[Target]:
    """Against fastText's most accurate model: as accurate, and as fast."""
    fasttext = {name: _accuracy(runs[name]) for name in runs if name.startswith("fastText")}
    known = {name: accuracy.median for name, accuracy in fasttext.items() if accuracy}
    best = max(known, key=lambda name: known[name]) if known else next(iter(fasttext), None)
    if best is None:
        return
    ours, times = _accuracy(runs[OURS]), _times(runs[OURS], runs[best])
    yield Target(
        text=f"test accuracy above that of {best}",
        measured=ours.median - known[best] if ours and best in known else None,
        at_least=0.0,
    )
    yield Target(
        text=f"seconds from CSV to the model, times those of {best}",
        measured=1 / times.median if times else None,
        at_most=1.0,
    )


def _record(name: str, runs: Mapping[str, Sequence[Run]]) -> dict[str, Any]:
    of_system = runs[name]
    figures = {
        "accuracy": _accuracy(of_system),
        "seconds_to_model": _to_model(of_system),
        "times_ours": _times(runs[OURS], of_system),
    }
    return {
        **results.system_record(of_system, runs[OURS]),
        **{key: spread.record() if spread else None for key, spread in figures.items()},
    }
