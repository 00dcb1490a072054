"""Figures as Markdown: systems side by side, how time grows, and remarks."""

from collections.abc import Iterable, Mapping, Sequence

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
    "seconds",
    "rows/s",
    "times the rows",
    "times the seconds",
    "seconds by rows",
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


def growth(sizes: Mapping[int, Sequence[Run]]) -> str:
    """The seconds of one system by number of rows, against the smallest that completed."""
    timed = [(n_rows, results.seconds(runs), runs) for n_rows, runs in sorted(sizes.items())]
    done = [(n_rows, spread, runs) for n_rows, spread, runs in timed if spread]
    lines: list[list[object]] = []
    for n_rows, spread, runs in done:
        by_rows, by_time = n_rows / done[0][0], spread.median / done[0][1].median
        lines.append(
            [
                f"{n_rows:,}",
                spread,
                f"{n_rows / spread.median:,.0f}",
                f"{by_rows:.2f}",
                f"{by_time:.2f}",
                f"{by_time / by_rows:.2f}",
                megabytes(results.peak(runs, "anon_bytes")),
            ]
        )
    return table(_GROWTH, lines)


def _cell(value: object) -> str:
    return NOTHING if value is None else str(value).replace("|", r"\|").replace("\n", " ")
