"""`train_grid`: one training for each combination of some options' values, and a table of all.

Each trial is the command ``ooc-train`` with its values, in a process of its own.  So a trial gives
all its memory back, cannot change another's weights, and may fail, or be killed for want of memory,
without ending the others.  They run one after another, or as `side_by_side` has them.
"""

import csv
import io
import itertools
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ooc_train.atomic import output_file
from ooc_train.bars import usual_progress
from ooc_train.errors import Interrupted, OptionError, OutputError
from ooc_train.options import Option, declarations, made, taken_apart
from ooc_train.outputs import check_outputs
from ooc_train.progress import Progress
from ooc_train.remote.url import address_of
from ooc_train.schedulers import check_scheduler
from ooc_train.signatures import takes
from ooc_train.suggestions import did_you_mean
from ooc_train.system_errors import reason
from ooc_train.training.early_stopping import monitored
from ooc_train.training.interruption import stop_requests
from ooc_train.training.options import RunOptions, TrainingOptions
from ooc_train.training.plan import files_read
from ooc_train.training.run.folder import REPORT
from ooc_train.training.run.json_files import read_json
from ooc_train.training.side_by_side import Ended, begin_trial, side_by_side, waited
from ooc_train.training.standing import kept_figures

TABLE = "grid.csv"
DONE = "done"
FIGURES = ("loss", "accuracy", "val_loss", "val_accuracy", "val_macro_f1", "val_top_5_accuracy")
"""The figures of a trial's best epoch in the table, as far as it has them."""


@dataclass(frozen=True)
class Trial:
    """One combination of values, as texts."""

    values: Mapping[str, str]
    """By the options' names with hyphens."""

    @property
    def name(self) -> str:
        """The name of its run folder."""
        pairs = (f"{name}={value}" for name, value in self.values.items())
        return ",".join(pairs).replace(os.sep, "_")

    def arguments(self, folder: Path) -> list[str]:
        """The trial's part of the command line."""
        options = [f"--{name}={value}" for name, value in self.values.items()]
        return [*options, "--output", str(folder / self.name)]


@takes(RunOptions, TrainingOptions)
def train_grid(
    path: str | Path,
    folder: str | Path,
    grid: Mapping[str, Sequence[object]],
    *,
    scheduler: str | Executor | None = None,
    progress: Progress | None = None,
    more_arguments: Sequence[str] = ("--quiet",),
    more_outputs: Mapping[str, Path | None] | None = RunOptions.more_outputs,
    **options: Any,
) -> dict[str, Any]:
    """Train on the file at ``path`` with each combination of values in ``grid``.

    ``grid`` has the values by the options' names, such as ``{"layers": [1, 2], "units": [32]}``;
    ``options`` are those that all trials share, as for `train`, without callbacks, and
    ``more_outputs`` files that the caller will write, as there.  The run of each
    trial is a folder in ``folder``, named by its values.  A trial prints to standard error what
    ``ooc-train`` prints with ``more_arguments``.  With ``resume``, trials that are complete are not
    trained again.

    The workers of a ``scheduler``, as for `convert`, train several trials at a time, to the same
    weights; those of this machine share ``memory_bytes``, if given, equally.  Such a trial prints
    nothing.  An executor runs as many as it has workers.

    Returns ``trials``, the best first by the monitored figure, each a dictionary of ``trial`` (its
    name), its values, the figures of its best epoch, ``best_epoch`` (1.3 for weights of a point
    inside the second), ``seconds`` and ``status``:
    ``"done"``, or ``"failed (N)"`` with the exit status of a trial that failed, which does not end
    the others; what a scheduler's trial said then is ``error``.  ``grid.csv`` in ``folder`` has the
    same as a table.

    Raises OptionError, before the first trial, for options or values that no training can have;
    OutputError if trials of this grid exist, without ``resume`` or ``force``, or if the table
    cannot be written; and Interrupted, when the trial has saved its state, if a signal asks to
    stop.
    """
    folder, progress = Path(folder), progress or usual_progress()
    check_scheduler(scheduler)
    trials = trials_of(grid)
    run, training = _split(options)
    for trial in trials:
        made(TrainingOptions, training | _parsed(trial), call="train_grid")
    here, shared = made(RunOptions, run, call="train_grid"), TrainingOptions(**training)
    _check_free(folder, trials, here)
    table, reads = folder / TABLE, files_read(path, shared)
    check_outputs({"the table": table} if folder.is_dir() else {}, reads, force=True)
    check_outputs(
        more_outputs or {},
        [table, *reads],
        folders=[folder / trial.name for trial in trials],
        force=here.force,
        resume=here.resume,
    )
    command = [address_of(path), *_words(here), *_words(shared), *more_arguments]
    commands = {trial.name: [*command, *trial.arguments(folder)] for trial in trials}
    if scheduler is None:
        ended = _one_by_one(commands, progress)
    else:
        ended = side_by_side(scheduler, commands, folder, here.memory_bytes, progress)
    lines = [_line(trial, folder, ended[trial.name]) for trial in trials]
    lines.sort(key=lambda line: _rank(line, shared.monitor))
    _write_table(table, lines, force=here.force or here.resume)
    return {"trials": lines}


def parse_grid(texts: Sequence[str]) -> dict[str, list[str]]:
    """The values by name from ``NAME=VALUE,VALUE,...``.

    Raises OptionError for other texts, and for a name that comes twice.

    >>> parse_grid(["layers=1,2", "units=8"])
    {'layers': ['1', '2'], 'units': ['8']}
    """
    values: dict[str, list[str]] = {}
    for text in texts:
        written, equals, rest = text.partition("=")
        name = written.replace("_", "-")
        if not equals or not rest:
            raise OptionError(
                f"{text!r} is no part of a grid; write a name and its values, as units=32,64"
            )
        if name in values:
            raise OptionError(f"the grid names {written} twice; give all its values at once")
        values[name] = rest.split(",")
    return values


def trials_of(grid: Mapping[str, Sequence[object]]) -> list[Trial]:
    """All combinations of the values, in order; the last name varies fastest.

    Raises OptionError for a name that is not an option of training with a value.

    >>> [trial.name for trial in trials_of({"layers": [1, 2], "units": [8]})]
    ['layers=1,units=8', 'layers=2,units=8']
    """
    known = _options_to_vary()
    values: dict[str, list[str]] = {}
    for name, given in grid.items():
        if name.replace("-", "_") not in known:
            names = [one.replace("_", "-") for one in known]
            hint = did_you_mean(name, names)
            raise OptionError(f"a grid cannot vary {name!r}; it can: {', '.join(names)}{hint}")
        values[name.replace("_", "-")] = list(dict.fromkeys(map(str, given)))
    combinations = itertools.product(*values.values())
    return [Trial(dict(zip(values, chosen, strict=True))) for chosen in combinations]


def columns_of(lines: Sequence[Mapping[str, Any]]) -> list[str]:
    """The columns of the table: not the trials' names, which repeat their values, nor errors."""
    names = dict.fromkeys(itertools.chain.from_iterable(lines))
    return [*(name for name in names if name not in ("trial", "error", "status")), "status"]


def _options_to_vary() -> dict[str, Option]:
    """The options that trials may differ in, by name."""
    return {
        option.name: option
        for option in declarations(TrainingOptions)
        if option.on_command_line and not option.is_switch
    }


def _parsed(trial: Trial) -> dict[str, Any]:
    """The values of a trial by the options' names.  Raises OptionError for a text without value."""
    known = _options_to_vary()
    options = {known[name.replace("-", "_")]: text for name, text in trial.values.items()}
    return {option.name: option.parsed(text) for option, text in options.items()}


def _split(options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The keywords of `RunOptions`, and all others, which are those of `TrainingOptions`."""
    if options.get("callbacks"):
        raise OptionError(
            "trials are processes of their own, and callbacks cannot be passed to them; leave them "
            "out"
        )
    if callable(options.get("model")):
        raise OptionError(
            "trials are processes of their own, and a function cannot be passed to them; name it, "
            "as model='package.module:function'"
        )
    return taken_apart(RunOptions, options)


def _words(options: RunOptions | TrainingOptions) -> list[str]:
    """The part of a command line that gives these options."""
    words = []
    for option in declarations(type(options)):
        value = getattr(options, option.name)
        if not option.on_command_line or value == option.default:
            continue
        if option.takes_many:
            words += [option.flag, *map(str, value)]
        else:
            words.append(option.flag if option.is_switch else f"{option.flag}={_text(value)}")
    return words


def _text(value: object) -> str:
    if isinstance(value, Mapping):
        return ",".join(f"{name}={weight}" for name, weight in value.items())
    return str(value)


def _check_free(folder: Path, trials: Sequence[Trial], run: RunOptions) -> None:
    there = [trial.name for trial in trials if (folder / trial.name).exists()]
    if there and not (run.resume or run.force):
        raise OutputError(
            f"{folder} has trials of this grid already, such as {there[0]}; continue them by "
            "--resume, or replace them by --force"
        )
    if (folder / TABLE).exists() and not (run.resume or run.force):
        raise OutputError(
            f"{folder / TABLE} exists, the table of another grid; choose another folder, or give "
            "--force to replace it"
        )


def _one_by_one(commands: Mapping[str, Sequence[str]], progress: Progress) -> dict[str, Ended]:
    """How each trial ended, by name.  Its standard error is this process's."""
    ended = {}
    for number, (name, command) in enumerate(commands.items(), start=1):
        progress.message(f"trial {number} of {len(commands)}: {name}")
        ended[name] = Ended(_run(command))
    return ended


def _run(arguments: Sequence[str]) -> int:
    """The exit status of one training."""
    with stop_requests() as request, begin_trial(arguments, stderr=None) as process:
        status = waited(process, lambda: request.signal_number)
        if request.signal_number is None:
            return status
    raise Interrupted(
        "stopped, and the trial saved; the same command with --resume continues from there",
        request.signal_number,
    )


def _line(trial: Trial, folder: Path, ended: Ended) -> dict[str, Any]:
    """The line of a trial in the table."""
    line: dict[str, Any] = {"trial": trial.name, **trial.values}
    if ended.status:
        error = {"error": ended.error} if ended.error else {}
        return line | error | {"status": f"failed ({ended.status})"}
    report = read_json(folder / trial.name / REPORT)
    best = kept_figures(report)
    line |= {name: best[name] for name in FIGURES if best.get(name) is not None}
    return line | {
        "best_epoch": best["epoch"],
        "seconds": round(report["seconds"], 1),
        "status": DONE,
    }


def _rank(line: Mapping[str, Any], monitor: str) -> float:
    """Lower for better trials; trials without the figure come last, in their order."""
    return monitored(line, monitor) if monitor in line else float("inf")


def _write_table(path: Path, lines: Sequence[Mapping[str, Any]], *, force: bool) -> None:
    text = io.StringIO(newline="")
    columns = columns_of(lines)
    writer = csv.DictWriter(text, columns, extrasaction="ignore", restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {reason(error)}; free space") from error
    with output_file(path, "the table", force=force) as part:
        part.write_text(text.getvalue(), "utf-8", "backslashreplace")
