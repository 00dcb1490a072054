"""Figures as Markdown: systems side by side, how time grows, and remarks."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from benchmarks.measure import harness, machine
from benchmarks.measure.harness import COMPLETED, Run
from benchmarks.report import results

NOTHING = "–"

_SYSTEMS = (
    "system",
    "runs",
    "seconds, median (range)",
    "times ours, by pairs",
    "processor s",
    "peak anonymous MB",
    "peak resident MB",
    "output MB",
    "outcome",
)
_GROWTH = (
    "rows",
    "input MB",
    "seconds",
    "processor s",
    "rows/s",
    "times the rows",
    "times the seconds",
    "seconds by rows",
    "temporary MB",
    "output MB",
    "peak anonymous MB",
)


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; all columns but the first are aligned to the right.

    >>> print(table(["system", "s"], [["one", 2.5], ["other", None]]))
    | system | s |
    | --- | ---: |
    | one | 2.5 |
    | other | – |
    """
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def megabytes(n_bytes: float | None) -> str:
    """A size in a table's cell."""
    return NOTHING if n_bytes is None else f"{n_bytes / 1e6:,.0f}"


def systems(runs: Mapping[str, Sequence[Run]], ours: str) -> str:
    """The time and memory of every system; how many times the seconds of `ours` it took."""
    return table(_SYSTEMS, [_system(name, runs[name], runs[ours], name == ours) for name in runs])


def _system(name: str, runs: Sequence[Run], ours: Sequence[Run], is_ours: bool) -> list[object]:
    done = results.completed(runs)
    cpu = results.spread(done, lambda run: run.cpu_seconds)
    return [
        name,
        len(runs),
        results.seconds(runs),
        1 if is_ours else results.times_ours(runs, ours),
        f"{cpu.median:.1f}" if cpu else None,
        megabytes(results.peak(runs, "anon_bytes")),
        megabytes(results.peak(runs, "rss_bytes")),
        megabytes(done[0].result_bytes if done else None),
        outcome(runs[-1]),
    ]


def outcome(run: Run) -> str:
    """How a run ended, with the last line of its output if it did not complete."""
    words = [run.outcome]
    if run.cap_bytes:
        peak = megabytes(run.cap_peak_bytes)
        words.append(f"under {run.cap_bytes / 1e6:,.0f} MB ({run.cap_enforced_by}, peak {peak} MB)")
    if run.outcome != COMPLETED and run.message:
        words.append(f"({run.message.splitlines()[-1]})")
    return " ".join(words)


def items(sentences: Iterable[str]) -> str:
    """Sentences as a Markdown list."""
    return "\n".join(f"- {sentence}" for sentence in sentences)


def remarks(runs: Mapping[str, Sequence[Run]], first: Run | None) -> list[str]:
    """Sentences on the first run, phases, other programs and the page cache."""
    sentences = []
    if first:
        sentences.append(f"First run, which compiles and caches: {harness.in_words(first)}.")
    for name, of_system in runs.items():
        seconds = results.phases(of_system)
        if seconds:
            words = ", ".join(f"{phase} {value:.2f}" for phase, value in seconds.items())
            sentences.append(f"Phases of {name}, median seconds: {words}.")
    taken = "; ".join(
        f"{name}: {others.median:.2f}"
        for name, of_system in runs.items()
        if (others := results.cores_of_others(of_system))
    )
    if taken:
        sentences.append(
            f"Cores of {machine.n_cores()} that other programs took meanwhile, median: {taken}."
        )
    states = "; ".join(f"{name}: {of_system[0].page_cache}" for name, of_system in runs.items())
    return [*sentences, f"Page cache of the input before each run: {states}."]


class Growth(NamedTuple):
    """One system's runs on a number of rows, in files of so many bytes."""

    n_rows: int
    n_bytes: int
    runs: Sequence[Run]


def growth(sizes: Iterable[Growth]) -> str:
    """The time, disk and memory of one system by rows, against the fewest that completed."""
    done = [size for size in sorted(sizes) if results.completed(size.runs)]
    return table(_GROWTH, [_grown(size, done[0]) for size in done])


def _grown(size: Growth, fewest: Growth) -> list[object]:
    runs = results.completed(size.runs)
    seconds = statistics.median(run.seconds for run in runs)
    by_rows = size.n_rows / fewest.n_rows
    by_time = seconds / statistics.median(run.seconds for run in results.completed(fewest.runs))
    return [
        f"{size.n_rows:,}",
        megabytes(size.n_bytes),
        results.seconds(runs),
        f"{statistics.median(run.cpu_seconds for run in runs):.1f}",
        f"{size.n_rows / seconds:,.0f}",
        f"{by_rows:.2f}",
        f"{by_time:.2f}",
        f"{by_time / by_rows:.2f}",
        megabytes(runs[0].report.get("spill_bytes")),
        megabytes(runs[0].result_bytes),
        megabytes(results.peak(runs, "anon_bytes")),
    ]


def _cell(value: object) -> str:
    return NOTHING if value is None else str(value).replace("|", r"\|").replace("\n", " ")
