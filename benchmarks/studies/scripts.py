"""Text beyond ASCII: how much longer ooc-convert takes for a character of German or Korean.

The same generated rows are spelled three times, letter by letter: as they are, with umlauts for
some letters (7 % of all characters; German has 2 %), and with a Hangul syllable for each letter.
So there are as many words and n-grams, as often the same, and only their characters differ.
"""

import argparse
import math
import string
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.measure import harness, machine
from benchmarks.measure.harness import Run, System
from benchmarks.measure.workspace import workspace
from benchmarks.report import results, tables
from benchmarks.studies import convert
from benchmarks.studies.convert import ROW_BYTES, WORK_MULTIPLE, Plan, Workload

NAME = "scripts"
DEFAULT_ROWS, QUICK_ROWS = 400_000, 50_000
SPELLINGS: dict[str, dict[int, int]] = {
    "as generated": {},
    "German": str.maketrans("ywk", "üäß"),
    "Korean": {ord(c): 0xAC00 + 429 * i for i, c in enumerate(string.ascii_lowercase)},
}
PLAIN = "as generated"
_MOST_BYTES = 3  # of a character in UTF-8
_TOKENIZING = ("reading", "transforming")


@dataclass(frozen=True)
class Spelled:
    """Rows in one spelling."""

    path: Path
    n_bytes: int
    n_characters: int


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this benchmark's own options."""
    parser.add_argument(
        "--rows",
        type=int,
        metavar="N",
        help=f"rows to generate (default: {DEFAULT_ROWS:,}, with --quick {QUICK_ROWS:,})",
    )


def run(options: argparse.Namespace) -> int:
    """Measure, write and print; 1 if ooc-convert did not complete every run."""
    n_rows = options.rows or (QUICK_ROWS if options.quick else DEFAULT_ROWS)
    needed = n_rows * ROW_BYTES * _MOST_BYTES * (len(SPELLINGS) + WORK_MULTIPLE)
    with workspace(options.work, needed) as folder:
        found, edited = machine.describe(folder), machine.last_edit()
        with convert.files(n_rows, folder) as workload:
            spelled = {name: _spell(workload.train, name) for name in SPELLINGS}
        plan = Plan(
            folder=folder, features="ngram", n_runs=options.runs, cold=options.cold,
            memory_bytes=None, cap_bytes=None, peers=(), peer_rows_limit=0, peer_environments=None,
        )  # fmt: skip
        systems = [_system(name, text, plan) for name, text in spelled.items()]
        harness.run_once(systems[0], folder, cold=options.cold)  # compiles
        runs = harness.alternate(systems, options.runs, folder, cold=options.cold)
    notes = [convert.EDITED] if machine.last_edit() != edited else []
    markdown = "\n\n".join(
        [
            f"## {NAME}",
            f"`{options.command}`",
            machine.in_words(found),
            *notes,
            f"### {n_rows:,} generated rows",
            _table(spelled, runs),
            "\n".join(f"- {remark}" for remark in tables.remarks(runs, None)),
        ]
    )
    record = {
        "benchmark": NAME,
        "command": options.command,
        "environment": found,
        "notes": notes,
        "rows": n_rows,
        "spellings": {
            name: {"characters": spelled[name].n_characters}
            | results.system_record(of_one, runs[PLAIN])
            for name, of_one in runs.items()
        },
    }
    results.write(options.out, NAME, record, markdown)
    print(markdown)
    completed = all(run.outcome == harness.COMPLETED for of_one in runs.values() for run in of_one)
    return 0 if completed else 1


def _spell(plain: Path, name: str) -> Spelled:
    """The rows of a file in another spelling, written beside it."""
    path, n_characters = plain.with_name(f"{name.replace(' ', '-')}.csv"), 0
    with plain.open(encoding="utf-8") as rows, path.open("w", encoding="utf-8") as spelled:
        for row in rows:
            spelled.write(row.translate(SPELLINGS[name]))
            n_characters += len(row)
    return Spelled(path, path.stat().st_size, n_characters)


def _system(name: str, text: Spelled, plan: Plan) -> System:
    return replace(convert.ours(Workload(None, text.path), plan), name=name)


def _table(spelled: dict[str, Spelled], runs: dict[str, list[Run]]) -> str:
    header = (
        "spelling", "million characters", "MB of CSV", "seconds, median (range)",
        "seconds, times as generated", "reading and transforming, times as generated",
    )  # fmt: skip
    plain = _seconds(runs[PLAIN])
    lines: list[list[object]] = []
    for name, text in spelled.items():
        times = [
            f"{own / as_is:.2f}" for own, as_is in zip(_seconds(runs[name]), plain, strict=True)
        ]
        size = f"{text.n_bytes / 1e6:,.0f}"
        spread = results.seconds(runs[name])
        lines.append([name, f"{text.n_characters / 1e6:,.0f}", size, spread, *times])
    return tables.table(header, lines)


def _seconds(runs: list[Run]) -> tuple[float, float]:
    """Median seconds: of the whole process, and of the phases that see text."""
    spread, phases = results.seconds(runs), results.phases(runs)
    whole = spread.median if spread else math.nan
    return whole, sum(phases.get(phase, math.nan) for phase in _TOKENIZING)
