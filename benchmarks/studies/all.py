"""Every benchmark, one after another, and all targets in one table.

Sequences and n-grams, where a benchmark has both, go to folders of their own below --out.  What
fails does not keep the rest from running.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measure import harness, machine
from benchmarks.report import plots, results
from benchmarks.studies import publish
from ooc_train.errors import InputError

NAME = "all"
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
    """Add this benchmark's own options."""
    parser.add_argument(
        "--peers",
        default="all",
        choices=["all", "none"],
        help="whether the other systems run, too (default: all)",
    )


def run(options: argparse.Namespace) -> int:
    """Run all, write and print the targets; 1 if one of the benchmarks failed."""
    options.out.mkdir(parents=True, exist_ok=True)
    found = machine.describe(options.out)
    statuses = [_run_one(*what, options) for what in RUNS]
    reached = [
        {"results": name, **target}
        for name, record in publish.records(options.out)
        for target in record["targets"]
    ]
    counts = {
        outcome: sum(target["outcome"] == outcome for target in reached)
        for outcome in ("met", "missed", "not measured")
    }
    lines = [f"- {name}: status {status}, {took:.0f} s" for name, status, took in statuses]
    markdown = "\n\n".join(
        [
            f"## {NAME}",
            f"`{options.command}`",
            machine.in_words(found),
            "\n".join(lines),
            "Targets: "
            + ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
            + ".",
            publish.targets_table(options.out) or "",
            _plotted(options.out),
        ]
    )
    record = {
        "benchmark": NAME,
        "command": options.command,
        "environment": found,
        "runs": [
            {"benchmark": name, "status": status, "seconds": took}
            for name, status, took in statuses
        ],
        "all_targets": reached,
    }
    results.write(options.out, NAME, record, markdown)
    print(markdown)
    return 1 if any(status for _, status, _ in statuses) else 0


def _run_one(
    name: str, folder: str, more: Sequence[str], options: argparse.Namespace
) -> tuple[str, int, float]:
    """A benchmark's name, exit status and seconds."""
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
    return title, status, time.perf_counter() - began


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
    """Draw what can be drawn; what was, or why not."""
    try:
        drawn = plots.draw(folder, folder)
    except InputError as error:
        return f"No plots: {error}."
    return "Plots: " + ", ".join(path.name for path in drawn) + "."
