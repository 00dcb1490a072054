"""From CSV to a trained model and its accuracy on test rows: time, memory and accuracy.

Each system reads the same CSV files and does all of its work.  Two times are given, imports
included: seconds until the model is written, and seconds of the whole process with the test rows.
Systems that hold all rows in memory run at the same sizes.

This package and fastText run with several numbers of epochs, each of which is a line of the table;
compared is the most accurate model of each.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import study
from benchmarks.data import generated
from benchmarks.measure import harness
from benchmarks.measure.commands import REPORT, SCRATCH, script
from benchmarks.measure.harness import Run, System
from benchmarks.measure.peer_environments import peer_command
from benchmarks.options import add_peers, check_files
from benchmarks.report import results, tables
from benchmarks.report.results import Spread
from benchmarks.report.targets import Target
from benchmarks.study import Findings

OURS = "ooc-convert, ooc-train"
DEFAULT_ROWS, QUICK_ROWS = 400_000, 5000
AUTO, DEFAULT_EPOCHS = "auto", ("2", "4")
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
"""By name in --peers, the ways to run a system, each with its name in tables."""
TARGETS = {
    True: {"fastText": (0.0, 0.35), "Vowpal Wabbit": (0.0, 0.7)},
    False: {"fastText": (0.005, 0.4), "Vowpal Wabbit": (0.0, 0.7)},
}
"""For generated rows and for others, by what a system's name begins with: how much more accurate
our model is at least, and the most that our seconds are, as a multiple of that system's."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
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
        type=_epochs,
        nargs="+",
        default=list(DEFAULT_EPOCHS),
        metavar="N",
        help="of our side, each measured by itself, and the last of the guide's, too; auto is what "
        f"the defaults do, with early stopping (default: {' '.join(DEFAULT_EPOCHS)})",
    )
    add_peers(parser, [*PEERS], [*PEERS], "all")


def _epochs(text: str) -> str:
    """A number of epochs, or ``auto``."""
    if text != AUTO and not (text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"a number of epochs above 0, or {AUTO}, not {text!r}")
    return text


def run(options: argparse.Namespace) -> int:
    """Measure, write and print; 1 if our side did not complete every run."""
    needed = sum(_sizes(options)) * (1 + generated.WORK_MULTIPLE)
    return study.run("end-to-end", options, needed, lambda folder: _findings(options, folder))


def _findings(options: argparse.Namespace, folder: Path) -> Findings:
    files = _files(options, folder)
    systems = list(_systems(files, options))
    runs = harness.alternate(systems, options.runs, folder, cold=options.cold)
    own = [system.name for system in systems if system.name.startswith(OURS)]
    ours = _most_accurate(runs, OURS) or own[0]
    title = _title(files, runs[ours], generated=not options.data)
    return Findings(
        parts=[
            f"### {title}",
            tables.table(_HEADER, [_line(name, runs, ours) for name in runs]),
            tables.items(tables.remarks(runs, None)),
        ],
        record={"title": title, "systems": {name: _record(name, runs, ours) for name in runs}},
        succeeded=all(results.all_completed(runs[name]) for name in own),
        targets=list(_targets(runs, ours, generated=not options.data)),
    )


# ---- The rows.


def _n_rows(options: argparse.Namespace) -> tuple[int, int]:
    """Train and test rows to generate."""
    n_rows = options.rows or (QUICK_ROWS if options.quick else DEFAULT_ROWS)
    return n_rows, max(generated.LEAST_ROWS, n_rows // TEST_SHARE)


def _sizes(options: argparse.Namespace) -> list[int]:
    """Bytes of the files that are read."""
    if not options.data:
        return [n_rows * generated.ROW_BYTES for n_rows in _n_rows(options)]
    check_files(options, options.data)
    return [path.stat().st_size for path in options.data]


def _files(options: argparse.Namespace, folder: Path) -> list[Path]:
    """The train and the test file; the test rows are generated from another seed."""
    if options.data:
        return [path.resolve() for path in options.data]
    names = "train.csv", "test.csv"
    return [
        generated.write_rows(folder / name, n_rows, seed=seed)
        for seed, (name, n_rows) in enumerate(zip(names, _n_rows(options), strict=True))
    ]


# ---- The systems.


def _systems(files: Sequence[Path], options: argparse.Namespace) -> Iterator[System]:
    train, test = files
    places = (train, "--test", test, "--output", f"{SCRATCH}/result.model")
    for epochs in options.epochs:
        ours = script(
            "benchmarks.ours.pipeline", *places,
            "--epochs", epochs, "--features", options.features,
        )  # fmt: skip
        yield System(name=_name(epochs), command=ours, inputs=files)
    numbers = [epochs for epochs in options.epochs if epochs != AUTO] or DEFAULT_EPOCHS
    of_guide = ("--epochs", numbers[-1])
    for name in options.peers:
        for title, peer in PEERS[name].items():
            more = (*peer.options, *(of_guide if peer.module == "guide_in_memory" else ()))
            arguments = (*places, "--report", REPORT, *more)
            command = peer_command(options.peer_environments, peer.group, peer.module, *arguments)
            yield System(name=title, command=command, inputs=files)


def _name(epochs: str) -> str:
    """The name of our side in tables."""
    if epochs == AUTO:
        return f"{OURS}, early stopping"
    return f"{OURS}, {epochs} epoch{'s' if epochs != '1' else ''}"


# ---- Figures.


def _seconds_to_model(run: Run) -> float:
    """Seconds until the model is there, the start of the interpreter included."""
    start = run.seconds - run.report["seconds"]
    return float(start + run.report["seconds_to_model"])


def _times(ours: Sequence[Run], runs: Sequence[Run]) -> Spread | None:
    """How many times our seconds to the model those of a system are, pair by pair."""
    return results.ratios(runs, ours, _seconds_to_model)


def _accuracy(runs: Sequence[Run]) -> Spread | None:
    return results.spread(runs, lambda run: run.report["accuracy"])


def _most_accurate(runs: Mapping[str, Sequence[Run]], begins: str) -> str | None:
    """The name of the most accurate of the systems whose names begin so; ``None`` if none ran."""
    known = {
        name: accuracy.median
        for name in runs
        if name.startswith(begins) and (accuracy := _accuracy(runs[name]))
    }
    return max(known, key=lambda name: known[name]) if known else None


def _line(name: str, runs: Mapping[str, Sequence[Run]], ours: str) -> list[object]:
    of_system = runs[name]
    accuracy = _accuracy(of_system)
    cpu = results.spread(of_system, lambda run: run.cpu_seconds)
    return [
        name,
        f"{accuracy.median:.4f}" if accuracy else None,
        results.spread(of_system, _seconds_to_model),
        1 if name == ours else _times(runs[ours], of_system),
        results.seconds(of_system),
        f"{cpu.median:.1f}" if cpu else None,
        tables.megabytes(results.peak(of_system, "anon_bytes")),
        tables.megabytes(results.peak(of_system, "rss_bytes")),
        tables.outcome(of_system[-1]),
    ]


def _title(files: Sequence[Path], ours: Sequence[Run], *, generated: bool) -> str:
    n_bytes = sum(path.stat().st_size for path in files)
    done = results.completed(ours)
    rows = (
        f"{done[0].report['rows']:,} train and {done[0].report['test_rows']:,} test rows, "
        if done
        else ""
    )
    return f"{rows}{n_bytes / 1e6:,.0f} MB of {'generated CSV' if generated else 'CSV given'}"


def _targets(runs: Mapping[str, Sequence[Run]], ours: str, *, generated: bool) -> Iterator[Target]:
    """Against the most accurate model of each peer that has targets: as accurate, and as fast."""
    for begins, (least_gain, most_seconds) in TARGETS[generated].items():
        names = [name for name in runs if name.startswith(begins)]
        if not names:
            continue
        best = _most_accurate(runs, begins) or names[0]
        own, other = _accuracy(runs[ours]), _accuracy(runs[best])
        times = _times(runs[ours], runs[best])
        yield Target(
            text=f"test accuracy above that of {best}",
            measured=own.median - other.median if own and other else None,
            at_least=least_gain,
        )
        yield Target(
            text=f"seconds from CSV to the model, times those of {best}",
            measured=1 / times.median if times else None,
            at_most=most_seconds,
        )


def _record(name: str, runs: Mapping[str, Sequence[Run]], ours: str) -> dict[str, Any]:
    of_system = runs[name]
    figures = {
        "accuracy": _accuracy(of_system),
        "seconds_to_model": results.spread(of_system, _seconds_to_model),
        "times_ours": _times(runs[ours], of_system),
    }
    return {**results.system_record(of_system, runs[ours]), **results.records(figures)}
