"""Will it fit? Time and disk for so many rows of so many words, from two small conversions here.

Seconds and disk space of converting and training grow with the words: a fixed part, and a part for
each word.  Both are measured on this machine at two small sizes; the estimate is a straight line
through them.  Memory does not grow: ooc-convert stays below its --memory, ooc-train near the memory
that it took here.  With --check three larger cases are measured in turn with the small ones, and
compared with the estimate.
"""

import argparse
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import study
from benchmarks.data import generated
from benchmarks.measure import harness
from benchmarks.measure.commands import SCRATCH, call, ooc
from benchmarks.measure.harness import COMPLETED, Run, System, say
from benchmarks.options import byte_size
from benchmarks.report import results, tables, targets
from benchmarks.report.targets import Target
from benchmarks.study import Findings
from ooc_train.errors import OutputError

WORDS = 75  # of a generated row, on average
CALIBRATION_ROWS, QUICK_CALIBRATION_ROWS = (50_000, 500_000), (2000, 8000)
TRAINED_EPOCHS = 3
MOST_OFF = 0.25
_GRID_ROWS, _GRID_WORDS = (100_000, 1_000_000, 10_000_000), (30, 75, 234)
_BYTES_PER_WORD = 6.1
_HEADER = ("rows", "words a row", "CSV", "converting", "an epoch", "temporary files", "result")
_CHECK_HEADER = ("case", "figure", "estimated", "measured", "off by")


@dataclass(frozen=True)
class Case:
    """Rows to estimate for; `memory_bytes` is ooc-convert's --memory, `None` for its default."""

    n_rows: int
    n_words: int = WORDS
    memory_bytes: int | None = None

    @property
    def words(self) -> int:
        """The words of all rows."""
        return self.n_rows * self.n_words

    def __str__(self) -> str:
        memory = f", --memory {self.memory_bytes / 1e6:.0f}MB" if self.memory_bytes else ""
        return f"{self.n_rows:,} rows of {self.n_words} words{memory}"


CASES = (Case(800_000, 30), Case(100_000, 234), Case(1_600_000, memory_bytes=512 * 10**6))
QUICK_CASES = (Case(4000),)


@dataclass(frozen=True)
class Figures:
    """Seconds of ooc-convert and of an epoch of ooc-train for a case, and disk space."""

    converting_seconds: float
    epoch_seconds: float
    temporary_bytes: float
    result_bytes: float


@dataclass(frozen=True)
class Line:
    """A figure as a straight line over the words."""

    start: float
    slope: float

    @classmethod
    def through(cls, points: Sequence[tuple[int, float]]) -> "Line":
        """The line through two points of words and figure.

        If it would start below 0 or fall, which noise in small figures can cause, it goes from 0
        through the second point.
        """
        (x, y), (far_x, far_y) = points
        slope = (far_y - y) / (far_x - x)
        start = y - slope * x
        return cls(start, slope) if start >= 0 and slope > 0 else cls(0.0, far_y / far_x)

    def at(self, words: int) -> float:
        """The figure for so many words."""
        return self.start + self.slope * words


@dataclass(frozen=True)
class Model:
    """The lines of all figures, and the memory that ooc-train took."""

    lines: dict[str, Line]
    training_bytes: int | None

    def estimate(self, case: Case) -> Figures:
        """The figures that a case will have."""
        return Figures(**{name: line.at(case.words) for name, line in self.lines.items()})


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    add = parser.add_argument
    add("--rows", type=int, metavar="N", help="your rows (default: a table of several)")
    add("--words", type=int, default=WORDS, metavar="N", help="your words a row (default: 75)")
    add("--memory", type=byte_size, metavar="SIZE", help="what ooc-convert may use")
    add("--check", action="store_true", help="measure three larger cases, too")


def run(options: argparse.Namespace) -> int:
    """Measure, estimate, write and print; 1 if a case is off by more than a quarter."""
    sizes = QUICK_CALIBRATION_ROWS if options.quick else CALIBRATION_ROWS
    small = [Case(n_rows, WORDS, options.memory) for n_rows in sizes]
    cases = (QUICK_CASES if options.quick else CASES) if options.check else ()
    most_words = max(case.words for case in (*small, *cases))
    needed = int(most_words / WORDS * generated.CONVERTING_BYTES)
    return study.run(
        "fit", options, needed, lambda folder: _findings(small, cases, options, folder)
    )


def _findings(
    small: Sequence[Case], cases: Sequence[Case], options: argparse.Namespace, folder: Path
) -> Findings:
    measured = _measured([*small, *cases], folder, options.runs)
    model = _model(small, measured)
    checked = [(case, model.estimate(case), measured[case].figures) for case in cases]
    wanted = _wanted(options)
    reached = [target for item in checked for target in _targets(*item)]
    return Findings(
        parts=[
            _model_in_words(model, small),
            tables.table(_HEADER, [_line(case, model.estimate(case)) for case in wanted]),
            *([tables.table(_CHECK_HEADER, _check_lines(checked))] if checked else []),
        ],
        record={
            "model": asdict(model),
            "estimates": [_record(case, model.estimate(case)) for case in wanted],
            "checked": [
                {**_record(case, estimated), "measured": asdict(figures)}
                for case, estimated, figures in checked
            ],
            "targets": [targets.record(target) for target in reached],
        },
        succeeded=all(target.is_met for target in reached),
    )


def _wanted(options: argparse.Namespace) -> list[Case]:
    if options.rows:
        return [Case(options.rows, options.words, options.memory)]
    return [Case(n_rows, n_words) for n_rows in _GRID_ROWS for n_words in _GRID_WORDS]


# ---- Measuring.


class Measured(NamedTuple):
    """The figures of a case, and the most anonymous memory of ooc-train."""

    figures: Figures
    training_bytes: int | None


def _model(small: Sequence[Case], measured: Mapping[Case, Measured]) -> Model:
    lines = {
        name: Line.through([(case.words, getattr(measured[case].figures, name)) for case in small])
        for name in Figures.__dataclass_fields__
    }
    return Model(lines, measured[small[-1]].training_bytes)


def _measured(cases: Sequence[Case], folder: Path, n_runs: int) -> dict[Case, Measured]:
    """Medians of what the cases take.  They take turns: the speed of a machine changes."""
    _measure(cases[0], folder)  # compiles
    rounds = [[_measure(case, folder) for case in cases] for _ in range(n_runs)]
    return {case: _median(runs) for case, *runs in zip(cases, *rounds, strict=True)}


def _median(runs: Sequence[Measured]) -> Measured:
    figures = {
        name: statistics.median(getattr(run.figures, name) for run in runs)
        for name in Figures.__dataclass_fields__
    }
    return Measured(Figures(**figures), runs[-1].training_bytes)


def _measure(case: Case, folder: Path) -> Measured:
    path, data = folder / "rows.csv", folder / "rows.h5"
    say(f"measuring {case}")
    call("benchmarks.corpus", path, "--rows", case.n_rows, "--words", case.n_words)
    memory = ["--memory", case.memory_bytes] if case.memory_bytes else []
    conversion = _run(
        "convert", path, folder, path, "-o", data, "--force", "--features", "ngram",
        "--validation-fraction", 0, *memory,
    )  # fmt: skip
    training = _run("train", data, folder, data, "--epochs", TRAINED_EPOCHS, "-o", f"{SCRATCH}/run")
    figures = Figures(
        converting_seconds=conversion.seconds,
        epoch_seconds=training.report["epochs"][-1]["seconds"],
        temporary_bytes=conversion.report["spill_bytes"],
        result_bytes=conversion.report["output_bytes"],
    )
    for made in (path, data):
        made.unlink()
    return Measured(figures, results.peak([training], "anon_bytes"))


def _run(command: str, source: Path, folder: Path, *words: object) -> Run:
    """A run of one of the package's commands.  Raises OutputError if it fails."""
    system = System(name=f"ooc-{command}", command=ooc(command, *words), inputs=[source])
    run = harness.run_once(system, folder, cold=False)
    say(f"{system.name}: {harness.in_words(run)}")
    if run.outcome != COMPLETED:
        raise OutputError(f"{system.name} {harness.in_words(run)}")
    return run


# ---- Figures.


def _targets(case: Case, estimated: Figures, measured: Figures) -> Iterator[Target]:
    for name, estimate in asdict(estimated).items():
        yield Target(
            text=f"estimate for {case}: {name.replace('_', ' ')}, share it is off by",
            measured=abs(estimate / getattr(measured, name) - 1),
            at_most=MOST_OFF,
        )


def _check_lines(checked: Sequence[tuple[Case, Figures, Figures]]) -> Iterator[list[object]]:
    for case, estimated, measured in checked:
        for name, estimate in asdict(estimated).items():
            figure = getattr(measured, name)
            show = seconds if name.endswith("seconds") else _size
            off = f"{estimate / figure - 1:+.0%}"
            yield [case, name.replace("_", " "), show(estimate), show(figure), off]


def _model_in_words(model: Model, small: Sequence[Case]) -> str:
    converting, epoch = model.lines["converting_seconds"], model.lines["epoch_seconds"]
    memory = tables.megabytes(model.training_bytes)
    sizes = " and ".join(f"{case.n_rows:,}" for case in small)
    return (
        f"Measured at {sizes} rows of {WORDS} words: converting "
        f"takes {converting.start:.1f} s and {converting.slope * 1e6:.2f} s for a million words, "
        f"an epoch {epoch.slope * 1e6:.2f} s for a million words.  ooc-train took {memory} MB of "
        f"anonymous memory, TensorFlow included, at the larger one."
    )


def _line(case: Case, figures: Figures) -> list[object]:
    return [
        f"{case.n_rows:,}",
        case.n_words,
        _size(case.words * _BYTES_PER_WORD),
        seconds(figures.converting_seconds),
        seconds(figures.epoch_seconds),
        _size(figures.temporary_bytes),
        _size(figures.result_bytes),
    ]


def seconds(value: float) -> str:
    """A time with its unit.

    >>> seconds(8.25), seconds(100), seconds(9000)
    ('8.2 s', '1.7 min', '2.5 h')
    """
    if value < 60:
        return f"{value:.1f} s"
    return f"{value / 60:.1f} min" if value < 3600 else f"{value / 3600:.1f} h"


def _size(n_bytes: float) -> str:
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.0f} MB"


def _record(case: Case, figures: Figures) -> dict[str, Any]:
    return {**asdict(case), "estimated": asdict(figures)}
