"""Figures of many runs: medians with their range, ratios, peaks; and the files they go to."""

import json
import os
import statistics
from collections.abc import Iterable, Sequence
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

    def record(self) -> dict[str, float]:
        """As JSON has it."""
        return asdict(self)

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


def completed(runs: Iterable[Run]) -> list[Run]:
    """The runs that came to their end."""
    return [run for run in runs if run.outcome == COMPLETED]


def seconds(runs: Iterable[Run]) -> Spread | None:
    """Seconds of the runs that completed."""
    return Spread.of([run.seconds for run in completed(runs)])


def ratios(ours: Sequence[Run], peers: Sequence[Run]) -> Spread | None:
    """How many times a peer's seconds ours are, pair by pair; above 1 we are faster."""
    pairs = zip(ours, peers, strict=False)
    return Spread.of(
        [
            peer.seconds / our.seconds
            for our, peer in pairs
            if our.outcome == peer.outcome == COMPLETED
        ]
    )


def cores_of_others(runs: Iterable[Run]) -> Spread | None:
    """How many cores everything else on the machine kept busy during the runs."""
    return Spread.of(
        [run.others_cpu_seconds / run.seconds for run in runs if run.others_cpu_seconds is not None]
    )


def peak(runs: Iterable[Run], kind: str) -> int | None:
    """The largest peak of a kind of memory, `anon_bytes` say, over runs; `None` if unmeasured."""
    figures = [getattr(run.memory, kind) for run in runs]
    return max((figure for figure in figures if figure is not None), default=None)


def phases(runs: Iterable[Run]) -> dict[str, float]:
    """Median seconds of each phase in the commands' own reports.

    `start` is what they cannot see: the interpreter, its imports and its end.
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
    """A system's figures and its runs as JSON has them; `ours` is what it is compared with."""
    figures = {"seconds": seconds(runs), "times_ours": ratios(ours, runs)}
    return {
        **{name: spread.record() if spread else None for name, spread in figures.items()},
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
