"""Figures of many runs: medians with their range, ratios, peaks; and the files for them."""

import json
import os
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.measure.harness import COMPLETED, Run
from benchmarks.measure.memory import Sample


@dataclass(frozen=True)
class Spread:
    """The median of several measurements, and the range that they fall in."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread | None":
        """The spread of values; `None` if there are none."""
        return cls(statistics.median(values), min(values), max(values)) if values else None

    def __str__(self) -> str:
        """`2.31 (2.29-2.40)`, with three digits or so.

        >>> str(Spread.of([2.31, 2.404, 2.29])), str(Spread.of([14023.2]))
        ('2.31 (2.29–2.40)', '14,023')
        """
        n_digits = 2 if self.median < 10 else 1 if self.median < 100 else 0
        median, least, most = (
            f"{value:,.{n_digits}f}" for value in (self.median, self.least, self.most)
        )
        return median if self.least == self.most else f"{median} ({least}–{most})"


Figure = Callable[[Run], float]


def completed(runs: Iterable[Run]) -> list[Run]:
    """The runs that completed."""
    return [run for run in runs if run.outcome == COMPLETED]


def all_completed(runs: Iterable[Run]) -> bool:
    """Whether every run completed."""
    return all(run.outcome == COMPLETED for run in runs)


def spread(runs: Iterable[Run], figure: Figure) -> Spread | None:
    """The spread of a figure over the runs that completed."""
    return Spread.of([figure(run) for run in completed(runs)])


def ratios(runs: Iterable[Run], others: Iterable[Run], figure: Figure) -> Spread | None:
    """How many times the figure of ``others`` that of ``runs`` is, pair by pair."""
    pairs = zip(runs, others, strict=False)
    return Spread.of(
        [
            figure(run) / figure(other)
            for run, other in pairs
            if run.outcome == other.outcome == COMPLETED
        ]
    )


def seconds(runs: Iterable[Run]) -> Spread | None:
    """Seconds of the runs that completed."""
    return spread(runs, _seconds)


def times_ours(runs: Iterable[Run], ours: Iterable[Run]) -> Spread | None:
    """How many times the seconds of ``ours`` those of a peer are; above 1 ours are faster."""
    return ratios(runs, ours, _seconds)


def _seconds(run: Run) -> float:
    return run.seconds


def median(spread: Spread | None) -> float | None:
    """The median of a spread; `None` if nothing was measured."""
    return spread.median if spread else None


def records(spreads: Mapping[str, Spread | None]) -> dict[str, dict[str, float] | None]:
    """Spreads by name as JSON has them."""
    return {name: asdict(spread) if spread else None for name, spread in spreads.items()}


def cores_of_others(runs: Iterable[Run]) -> Spread | None:
    """How many cores other programs kept busy during the runs."""
    return Spread.of(
        [run.others_cpu_seconds / run.seconds for run in runs if run.others_cpu_seconds is not None]
    )


def peak(runs: Iterable[Run], kind: str) -> int | None:
    """The largest peak of a kind of memory, `anon_bytes` say, over runs; `None` if unmeasured."""
    figures = [getattr(run.memory, kind) for run in runs]
    return max((figure for figure in figures if figure is not None), default=None)


def phases(runs: Iterable[Run]) -> dict[str, float]:
    """Median seconds of each phase in the commands' own reports.

    `start` is the time that these do not see: the interpreter, its imports and its end.
    """
    reports = [
        {"start": run.seconds - run.report["seconds"], **run.report["phase_seconds"]}
        for run in completed(runs)
        if "phase_seconds" in run.report
    ]
    names = dict.fromkeys(name for report in reports for name in report)
    return {name: statistics.median(report.get(name, 0.0) for report in reports) for name in names}


def run_record(run: Run) -> dict[str, Any]:
    """A run as JSON has it, its time line by columns."""
    record = asdict(run)
    columns: dict[str, list[float]] = {name: [] for name in Sample._fields}
    for sample in run.memory.timeline:
        for name, value in sample._asdict().items():
            columns[name].append(round(value, 3))
    record["memory"]["timeline"] = columns
    return record


def system_record(runs: Sequence[Run], ours: Sequence[Run]) -> dict[str, Any]:
    """A system's figures and its runs as JSON has them, compared with `ours`."""
    return {
        **records({"seconds": seconds(runs), "times_ours": times_ours(runs, ours)}),
        "peak_anon_bytes": peak(runs, "anon_bytes"),
        "peak_rss_bytes": peak(runs, "rss_bytes"),
        "phase_seconds": phases(runs),
        "runs": [run_record(run) for run in runs],
    }


def write(folder: Path, name: str, record: dict[str, Any], markdown: str) -> None:
    """Write `name.json` and `name.md` into a folder, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        "json": json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False),
        "md": markdown,
    }
    for ending, text in texts.items():
        path = folder / f"{name}.{ending}"
        unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            unfinished.write_text(text + "\n", "utf-8")
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
