"""Text beyond ASCII: how much longer ooc-convert takes for a character of German or Korean.

The same generated rows are spelled three times, letter by letter: as they are, with umlauts for
some letters (7 % of all characters; German has 2 %), and with a Hangul syllable for each letter.
So there are as many words and n-grams, each as frequent, and only their characters differ.
"""

import argparse
import math
import string
from dataclasses import dataclass
from pathlib import Path

from benchmarks import study
from benchmarks.data import generated
from benchmarks.data.generated import ROW_BYTES, WORK_MULTIPLE
from benchmarks.measure import harness
from benchmarks.measure.commands import SCRATCH, ooc
from benchmarks.measure.harness import Run, System
from benchmarks.options import add_rows
from benchmarks.report import results, tables
from benchmarks.study import Findings

DEFAULT_ROWS, QUICK_ROWS = 400_000, 50_000
PLAIN = "as generated"
SPELLINGS: dict[str, dict[int, int]] = {
    PLAIN: {},
    "German": str.maketrans("ywk", "üäß"),
    "Korean": {ord(c): 0xAC00 + 429 * i for i, c in enumerate(string.ascii_lowercase)},
}
_MOST_BYTES = 3  # of a character in UTF-8
_TOKENIZING = ("reading", "transforming")
_HEADER = (
    "spelling",
    "million characters",
    "MB of CSV",
    "seconds, median (range)",
    "seconds, times as generated",
    "reading and transforming, times as generated",
)


@dataclass(frozen=True)
class Spelled:
    """Rows in one spelling."""

    path: Path
    n_bytes: int
    n_characters: int


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    add_rows(parser, DEFAULT_ROWS, QUICK_ROWS)


def run(options: argparse.Namespace) -> int:
    """Measure, write and print; 1 if ooc-convert did not complete every run."""
    n_rows = options.rows or (QUICK_ROWS if options.quick else DEFAULT_ROWS)
    needed = n_rows * ROW_BYTES * _MOST_BYTES * (len(SPELLINGS) + WORK_MULTIPLE)
    return study.run("scripts", options, needed, lambda folder: _findings(n_rows, options, folder))


def _findings(n_rows: int, options: argparse.Namespace, folder: Path) -> Findings:
    with generated.rows(n_rows, folder) as path:
        spelled = {name: _spell(path, name) for name in SPELLINGS}
    systems = [_system(name, text) for name, text in spelled.items()]
    harness.run_once(systems[0], folder, cold=options.cold)  # compiles
    runs = harness.alternate(systems, options.runs, folder, cold=options.cold)
    return Findings(
        parts=[
            f"### {n_rows:,} generated rows",
            _table(spelled, runs),
            tables.items(tables.remarks(runs, None)),
        ],
        record={
            "rows": n_rows,
            "spellings": {
                name: {"characters": spelled[name].n_characters}
                | results.system_record(of_one, runs[PLAIN])
                for name, of_one in runs.items()
            },
        },
        succeeded=all(map(results.all_completed, runs.values())),
    )


def _spell(plain: Path, name: str) -> Spelled:
    """The rows of a file in another spelling, written beside it."""
    path, n_characters = plain.with_name(f"{name.replace(' ', '-')}.csv"), 0
    with plain.open(encoding="utf-8") as rows, path.open("w", encoding="utf-8") as spelled:
        for row in rows:
            spelled.write(row.translate(SPELLINGS[name]))
            n_characters += len(row)
    return Spelled(path, path.stat().st_size, n_characters)


def _system(name: str, text: Spelled) -> System:
    command = ooc(
        "convert", text.path, "-o", f"{SCRATCH}/result.h5", "--features", "ngram",
        "--validation-fraction", 0,
    )  # fmt: skip
    return System(name=name, command=command, inputs=[text.path])


def _table(spelled: dict[str, Spelled], runs: dict[str, list[Run]]) -> str:
    plain = _seconds(runs[PLAIN])
    lines: list[list[object]] = []
    for name, text in spelled.items():
        times = [
            f"{own / as_is:.2f}" for own, as_is in zip(_seconds(runs[name]), plain, strict=True)
        ]
        size = f"{text.n_bytes / 1e6:,.0f}"
        spread = results.seconds(runs[name])
        lines.append([name, f"{text.n_characters / 1e6:,.0f}", size, spread, *times])
    return tables.table(_HEADER, lines)


def _seconds(runs: list[Run]) -> tuple[float, float]:
    """Median seconds: of the whole process, and of the phases that tokenize."""
    spread, phases = results.seconds(runs), results.phases(runs)
    whole = spread.median if spread else math.nan
    return whole, sum(phases.get(phase, math.nan) for phase in _TOKENIZING)
