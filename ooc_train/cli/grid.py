"""``ooc-train --grid``: one training after another, for each combination of some options' values.

Each trial is the same command with these values, in a process of its own: that takes the seconds
in which TensorFlow starts, but a trial gives all its memory back, cannot change another's weights,
and may fail, or be killed for want of memory, without ending the rest.
"""

import argparse
import csv
import io
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ooc_train.atomic import reason, replacing
from ooc_train.cli.bars import progress_of
from ooc_train.cli.command import SharedOptions, say, write_report
from ooc_train.errors import Interrupted, OocTrainError, OptionError, OutputError
from ooc_train.training.early_stopping import monitored
from ooc_train.training.interruption import StopRequest, stop_requests
from ooc_train.training.options import RunOptions
from ooc_train.training.run.folder import REPORT

TABLE = "grid.csv"
FIGURES = ("loss", "accuracy", "val_loss", "val_accuracy", "val_macro_f1", "val_top_5_accuracy")
"""Of a trial's best epoch, as far as it has them."""
_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Trial:
    """One combination of values, as they were written."""

    values: Mapping[str, str]

    @property
    def name(self) -> str:
        """That of its run folder."""
        pairs = (f"{name}={value}" for name, value in self.values.items())
        return ",".join(pairs).replace(os.sep, "_")

    def arguments(self, folder: Path) -> list[str]:
        """What its command line has beside that of the grid."""
        options = [f"--{name}={value}" for name, value in self.values.items()]
        return [*options, "--output", str(folder / self.name)]


def trials_of(grid: Sequence[str], known: Sequence[str]) -> list[Trial]:
    """All combinations of ``NAME=VALUE,VALUE,...``, in order; the last name varies fastest.

    Raises OptionError for a name that is not ``known``.

    >>> [trial.name for trial in trials_of(["layers=1,2", "units=8"], ["layers", "units"])]
    ['layers=1,units=8', 'layers=2,units=8']
    """
    values: dict[str, list[str]] = {}
    for text in grid:
        written, equals, rest = text.partition("=")
        name = written.replace("_", "-")
        if not equals or not rest:
            raise OptionError(
                f"{text!r} is no part of a grid; write a name and its values, as units=32,64"
            )
        if name.replace("-", "_") not in known:
            raise OptionError(
                f"a grid cannot vary {written!r}; it can: {', '.join(known).replace('_', '-')}"
            )
        if name in values:
            raise OptionError(f"the grid names {written} twice; give all its values at once")
        values[name] = list(dict.fromkeys(rest.split(",")))
    combinations = itertools.product(*values.values())
    return [Trial(dict(zip(values, chosen, strict=True))) for chosen in combinations]


def train_grid(
    trials: Sequence[Trial],
    arguments: Sequence[str],
    *,
    folder: Path,
    monitor: str,
    run: RunOptions,
    shared: SharedOptions,
) -> dict[str, Any]:
    """Train all, and print and write the table; its lines, the best first.

    ``arguments`` are the command line.  Raises OocTrainError in the end if a trial failed, and
    Interrupted where a signal asks to stop.
    """
    _check_free(folder, trials, run)
    progress = progress_of(quiet=shared.quiet)
    lines = []
    for number, trial in enumerate(trials, start=1):
        progress.message(f"trial {number} of {len(trials)}: {trial.name}")
        status = _run([*_without_grid(arguments), *trial.arguments(folder)])
        lines.append(_line(trial, folder, status))
    lines.sort(key=lambda line: _rank(line, monitor))
    _write_table(folder / TABLE, lines)
    for text in _as_text(lines):
        say(shared, text)
    report = {"trials": lines}
    failed = [line["trial"] for line in lines if line["status"] != "done"]
    if failed:
        if shared.report:
            write_report(shared.report, report)
        raise OocTrainError(
            f"{len(failed)} of {len(trials)} trials failed, as said above: {'; '.join(failed)}; "
            "the same command with --resume tries them again"
        )
    return report


def _check_free(folder: Path, trials: Sequence[Trial], run: RunOptions) -> None:
    there = [trial.name for trial in trials if (folder / trial.name).exists()]
    if there and not (run.resume or run.force):
        raise OutputError(
            f"{folder} has trials of this grid already, such as {there[0]}; go on by --resume, or "
            "replace them by --force"
        )


def _without_grid(arguments: Sequence[str]) -> list[str]:
    """A command line without what is the grid's own, and not a trial's."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--grid", nargs="+")
    parser.add_argument("-o", "--output")
    parser.add_argument("--report")
    return parser.parse_known_args(arguments)[1]


def _run(arguments: Sequence[str]) -> int:
    """The exit status of one training, which passes on what it says on standard error."""
    package = str(Path(__file__).parents[2])
    known = os.environ.get("PYTHONPATH")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [package, known]))}
    command = [sys.executable, "-m", "ooc_train.cli.train", *arguments]
    with (
        stop_requests() as request,
        # In a session of its own, a terminal's Ctrl-C reaches it only once: from here.
        subprocess.Popen(
            command, stdout=subprocess.DEVNULL, env=environment, start_new_session=True
        ) as process,
    ):
        return _wait(process, request)


def _wait(process: subprocess.Popen[bytes], request: StopRequest) -> int:
    while request.signal_number is None:
        try:
            return process.wait(_POLL_SECONDS)
        except subprocess.TimeoutExpired:
            continue
    process.send_signal(request.signal_number)
    process.wait()
    raise Interrupted(
        "stopped, and the trial saved; the same command with --resume goes on from there",
        request.signal_number,
    )


def _line(trial: Trial, folder: Path, status: int) -> dict[str, Any]:
    """What the table says of a trial."""
    line: dict[str, Any] = {"trial": trial.name, **trial.values}
    if status:
        return line | {"status": f"failed ({status})"}
    report = json.loads((folder / trial.name / REPORT).read_text("utf-8"))
    best = report["epochs"][report["best_epoch"] - 1]
    line |= {name: best[name] for name in FIGURES if best.get(name) is not None}
    return line | {
        "best_epoch": report["best_epoch"],
        "seconds": round(report["seconds"], 1),
        "status": "done",
    }


def _rank(line: Mapping[str, Any], monitor: str) -> float:
    """Lower for better trials; those without the figure come last, in their order."""
    return monitored(line, monitor) if monitor in line else float("inf")


def _names(lines: Sequence[Mapping[str, Any]]) -> list[str]:
    """The columns of all lines, without the names of trials, which are their values again."""
    names = dict.fromkeys(itertools.chain.from_iterable(lines))
    return [*(name for name in names if name not in ("trial", "status")), "status"]


def _write_table(path: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(
        text, _names(lines), extrasaction="ignore", restval="", lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(lines)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as part:
            part.write_text(text.getvalue(), "utf-8")
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {reason(error)}; free space") from error


def _as_text(lines: Sequence[Mapping[str, Any]]) -> list[str]:
    names = _names(lines)
    table = [names, *([_cell(line.get(name, "")) for name in names] for line in lines)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in table
    ]


def _cell(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)
