"""Trainings killed at random moments and resumed, beside one that never was; the cost of saving.

Each of --variants trains once undisturbed.  Then it is trained again, with a checkpoint every
--every, killed by SIGKILL --kills times, and resumed by the same command with --resume.  Every
fifth kill comes while the training starts, each other a random time after the first checkpoint of
its session.  In the end the weights have to be the same, bit for bit, and so has the history except
for times and rates.

With --cost it also trains --runs times in turn without checkpoints inside epochs and with one
--every; their cost is in seconds of the epochs.
"""

import argparse
import csv
import json
import random
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import study
from benchmarks.data import generated
from benchmarks.measure import harness, machine
from benchmarks.measure.commands import REPORT, SCRATCH, call
from benchmarks.measure.harness import Run, System, say
from benchmarks.measure.weights import weights
from benchmarks.options import check_variants
from benchmarks.report import results, tables
from benchmarks.study import Findings
from ooc_train.errors import OptionError, OutputError

OURS = "ooc-train"
DEFAULT_KILLS, DEFAULT_ROWS, QUICK_ROWS = 20, 100_000, 5000
_ROW_BYTES = 2000  # of a generated row and all that converting and training it leaves
_START_SECONDS = 5.0
_STARTING_EVERY = 5
_POLL_SECONDS = 0.002
_NEVER = "1000h"
TRAIN = [sys.executable, "-m", "ooc_train.cli.train"]
MODEL = "model.keras"
_TIMES = ("seconds", "rows_per_second", "input_wait_share")
_KILLED_TABLE = ("variant", "kills", "sessions", "steps", "weights", "history")
_COST_TABLE = (
    "variant",
    "checkpoints inside epochs",
    "seconds of the epochs, median (range)",
    "times without, by pairs",
    "seconds that training stood still",
)


@dataclass(frozen=True)
class Outcome:
    """The end of a training that was killed over and over."""

    n_kills: int
    n_sessions: int
    n_steps: int
    same_weights: bool
    same_history: bool

    @property
    def is_good(self) -> bool:
        """Whether the killing left no trace."""
        return self.same_weights and self.same_history


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    add = parser.add_argument
    add("--data", type=Path, metavar="H5", help="a converted file, instead of generated rows")
    add("--kills", type=int, default=DEFAULT_KILLS, metavar="N", help="kills (default: 20)")
    add("--every", default="1s", metavar="TIME|STEPS", help="between checkpoints (default: 1s)")
    add("--cost", action="store_true", help="measure what checkpoints cost, too")
    add("--seed", type=int, default=0, metavar="N", help="of the moments (default: 0)")
    add(
        "--variants",
        nargs="+",
        default=["ooc-train --epochs 3"],
        metavar="COMMAND",
        help="ways to train, each in quotes: 'ooc-train --epochs 2 --bucket-by-length' (default: "
        "'ooc-train --epochs 3')",
    )


def run(options: argparse.Namespace) -> int:
    """Measure, write and print; 1 if a killed training ended in another way."""
    check_variants(options.variants, OURS)
    if options.data and not options.data.is_file():
        raise OptionError(f"--data {options.data} is not a file")
    n_rows = QUICK_ROWS if options.quick else DEFAULT_ROWS
    needed = 0 if options.data else n_rows * _ROW_BYTES
    return study.run("resume", options, needed, lambda folder: _findings(n_rows, options, folder))


def _findings(n_rows: int, options: argparse.Namespace, folder: Path) -> Findings:
    data = options.data.resolve() if options.data else _generated(n_rows, folder)
    outcomes: dict[str, Outcome] = {}
    costs: dict[str, dict[str, list[Run]]] = {}
    for variant in options.variants:
        arguments = [str(data), *shlex.split(variant)[1:], "--quiet"]
        shown = machine.without_folders(variant)
        outcomes[shown] = _kill_and_compare(arguments, options, folder)
        say(f"{variant}: {outcomes[shown]}")
        if options.cost:
            systems = [_system(every, arguments, data) for every in (_NEVER, options.every)]
            costs[shown] = harness.alternate(systems, options.runs, folder, cold=options.cold)
    parts = [tables.table(_KILLED_TABLE, [_killed_line(*item) for item in outcomes.items()])]
    if costs:
        lines = [_cost_line(name, each, runs) for name, runs in costs.items() for each in runs]
        parts.append(tables.table(_COST_TABLE, lines))
    return Findings(
        parts=parts,
        record={
            "killed": {name: asdict(outcome) for name, outcome in outcomes.items()},
            "cost": {name: _cost_record(runs) for name, runs in costs.items()},
        },
        succeeded=all(outcome.is_good for outcome in outcomes.values()),
    )


def _generated(n_rows: int, folder: Path) -> Path:
    """A converted file of generated rows, with a validation split."""
    rows, data = generated.write_rows(folder / "rows.csv", n_rows), folder / "rows.h5"
    call("ooc_train.cli.convert", rows, "-o", data, "--features", "ngram", "--quiet")
    return data


# ---- Killing.


def _kill_and_compare(
    arguments: Sequence[str], options: argparse.Namespace, folder: Path
) -> Outcome:
    whole, killed = folder / "whole", folder / "killed"
    shutil.rmtree(killed, ignore_errors=True)  # of another variant
    _, status = _session([*arguments, "-o", str(whole), "--force"], whole, None)
    report = _report(whole, status)
    moments = random.Random(options.seed)
    # Half of this on average; the time until a checkpoint is added to it.
    longest = sum(epoch["seconds"] for epoch in report["epochs"]) / max(1, options.kills)
    again = [*arguments, "-o", str(killed), "--checkpoint-every", options.every]
    n_kills, how = 0, "--force"
    while True:
        moment = None
        if n_kills < options.kills:
            starting = n_kills % _STARTING_EVERY == _STARTING_EVERY - 1
            moment = (starting, moments.uniform(0, _START_SECONDS if starting else longest))
        was_killed, status = _session([*again, how], killed, moment)
        if not was_killed:
            break
        n_kills, how = n_kills + 1, "--resume"
        say(f"killed {n_kills} times")
    report = _report(killed, status)
    return Outcome(
        n_kills,
        report["sessions"],
        report["steps"],
        weights(whole / MODEL) == weights(killed / MODEL),
        _history(whole) == _history(killed),
    )


def _session(
    arguments: Sequence[str], run: Path, moment: tuple[bool, float] | None
) -> tuple[bool, int]:
    """Train in a process of its own; whether it was killed, and its exit status.

    ``moment`` says when to kill: whether the seconds count from its start, or else from its first
    new checkpoint; and how many they are.
    """
    before = _newest_checkpoint(run)
    command = [*TRAIN, *arguments]
    with subprocess.Popen(
        command, env=machine.command_environment({}), cwd=machine.ROOT
    ) as process:
        try:
            if moment:
                starting, seconds = moment
                while (
                    not starting and process.poll() is None and not before < _newest_checkpoint(run)
                ):
                    time.sleep(_POLL_SECONDS)
                time.sleep(seconds)
                process.kill()
            process.wait()
        finally:
            process.kill()
    return process.returncode == -signal.SIGKILL, process.returncode


def _newest_checkpoint(run: Path) -> str:
    """The name of a run's newest checkpoint; they are named by the steps done."""
    return max((path.name for path in run.glob("checkpoints/step-*")), default="")


def _report(run: Path, status: int) -> dict[str, Any]:
    if status:
        raise OutputError(f"a training failed with status {status}; its last words stand above")
    report: dict[str, Any] = json.loads((run / "report.json").read_text("utf-8"))
    return report


def _history(run: Path) -> list[dict[str, str]]:
    with (run / "history.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    return [{name: text for name, text in line.items() if name not in _TIMES} for line in lines]


# ---- Cost.


def _system(every: str, arguments: Sequence[str], data: Path) -> System:
    more = ("-o", f"{SCRATCH}/run", "--checkpoint-every", every, "--report", REPORT)
    return System(name=every, command=[*TRAIN, *arguments, *more], inputs=[data])


def _training_seconds(run: Run) -> float:
    seconds: float = sum(epoch["seconds"] for epoch in run.report["epochs"])
    return seconds


# ---- Figures.


def _killed_line(variant: str, outcome: Outcome) -> list[object]:
    words = {True: "the same", False: "DIFFERENT"}
    return [
        variant,
        outcome.n_kills,
        outcome.n_sessions,
        outcome.n_steps,
        words[outcome.same_weights],
        words[outcome.same_history],
    ]


def _cost_line(variant: str, every: str, runs: dict[str, list[Run]]) -> list[object]:
    ratio = results.ratios(runs[every], runs[_NEVER], _training_seconds)
    stood = results.spread(runs[every], lambda run: run.report["checkpoint_seconds"])
    return [
        variant,
        "none" if every == _NEVER else f"every {every}",
        results.spread(runs[every], _training_seconds),
        None if every == _NEVER else ratio,
        f"{stood.median:.3f}" if stood else None,
    ]


def _cost_record(runs: dict[str, list[Run]]) -> dict[str, Any]:
    return {every: [results.run_record(run) for run in each] for every, each in runs.items()}
