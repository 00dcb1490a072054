"""Every benchmark, one after another, and all targets in one table.

Where a benchmark has both sequences and n-grams, each goes to a folder of its own below --out.  The
rest still runs after a failure.
"""

import argparse
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import study
from benchmarks.measure import harness, machine
from benchmarks.report import plots, tables, targets
from benchmarks.report.targets import OUTCOMES
from benchmarks.study import Findings
from ooc_train.errors import InputError

RUNS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("selftest", "", ()),
    ("order", "", ()),
    ("parse", "", ()),
    ("convert", "", ()),
    ("convert", "sequence", ("--features", "sequence")),
    ("read", "", ()),
    ("train", "ngram", ("--features", "ngram")),
    ("train", "sequence", ("--features", "sequence")),
    ("end-to-end", "", ()),
    ("memory", "", ()),
    ("fit", "", ()),
)
"""Benchmark, folder below --out, and options."""

QUICK: dict[str, tuple[str, ...]] = {
    "memory": ("--features", "dense"),
    "selftest": ("--size", "150MB"),
}
"""More options of a benchmark with --quick."""
WHOLE: dict[str, tuple[str, ...]] = {"fit": ("--check",)}
"""More options of a benchmark without --quick."""
_STANDARD_ERROR = 2
WITH_PEERS = ("convert", "end-to-end", "memory", "read", "train")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument(
        "--peers",
        default="all",
        choices=["all", "none"],
        help="whether the other systems run, too (default: all)",
    )


def run(options: argparse.Namespace) -> int:
    """Run all, write and print the targets; 1 if one of the benchmarks failed."""
    options.out.mkdir(parents=True, exist_ok=True)
    described = machine.describe(options.out)
    done = [_run_one(*row, options) for row in RUNS]
    reached = targets.gathered(options.out)
    counts = Counter(target["outcome"] for target in reached)
    found = Findings(
        parts=[
            tables.items(
                f"{one['benchmark']}: status {one['status']}, {one['seconds']:.0f} s"
                for one in done
            ),
            "Targets: " + ", ".join(f"{counts[word]} {word}" for word in OUTCOMES.values()) + ".",
            targets.gathered_table(options.out) or "",
            _plotted(options.out),
        ],
        record={"runs": done, "all_targets": reached},
        succeeded=not any(one["status"] for one in done),
    )
    return study.conclude("all", options, described, found)


def _run_one(
    name: str, folder: str, more: Sequence[str], options: argparse.Namespace
) -> dict[str, Any]:
    """The name, exit status and seconds of a benchmark."""
    title = " ".join([name, *more])
    harness.say(f"== {title}")
    began = time.perf_counter()
    words = [sys.executable, "-m", "benchmarks", name, *_arguments(name, folder, options), *more]
    with subprocess.Popen(words, cwd=machine.ROOT, stdout=_STANDARD_ERROR) as process:
        try:
            status = process.wait()
        except BaseException:
            process.terminate()  # it deletes its temporary files
            raise
    return {"benchmark": title, "status": status, "seconds": time.perf_counter() - began}


def _arguments(name: str, folder: str, options: argparse.Namespace) -> list[str]:
    arguments = ["--out", str(options.out.resolve() / folder), "--work", str(options.work)]
    arguments += ["--runs", str(1 if options.quick else options.runs)]
    if options.peer_environments:
        arguments += ["--peer-environments", str(options.peer_environments)]
    if options.cold:
        arguments.append("--cold")
    arguments += ["--quick", *QUICK.get(name, ())] if options.quick else WHOLE.get(name, ())
    if name in WITH_PEERS and options.peers == "none":
        arguments += ["--peers", "none"]
    return arguments


def _plotted(folder: Path) -> str:
    """Draw the plots that there are figures for; the files, or the reason for none."""
    try:
        drawn = plots.draw(folder, folder)
    except InputError as error:
        return f"No plots: {error}."
    return "Plots: " + ", ".join(path.name for path in drawn) + "."
