"""``ooc-train``: a converted file to a run folder with a trained model."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ooc_train.cli.bars import LOADING, STARTING, begun
from ooc_train.cli.command import Command, SharedOptions, megabytes, say, write_report
from ooc_train.cli.options import Given
from ooc_train.counts import counted
from ooc_train.errors import OocTrainError, OptionError
from ooc_train.options import REQUIRED, option
from ooc_train.schedulers import SCHEDULER
from ooc_train.training.options import RunOptions, TrainingOptions

_DESCRIPTION = """\
Train a Keras model from a converted file, in memory that does not grow with its rows.

The models are those of Google's text-classification guide: the multi-layer perceptron
(mlp) for n-grams and numbers, the separable convolutional network (sepcnn) for sequences.
TensorFlow is loaded for sepcnn and models of your own alone, and with --optimizer adam.
For your own model, name a function, --model package.module:function, in an installed
module or one in the current folder: it takes an ooc_train.training.DataShape and returns
a Keras model.

With a validation split, training stops after 2 epochs at whose ends the loss on it, or
the figure of --monitor, has not improved, and the best weights are kept: those of an
epoch's end, or, where epochs are long, of a point inside one (--validate-every).
Without one, give --epochs; the last weights are kept.  For sepcnn, the moving average of
the weights is validated and kept.

An interrupted run continues when the same command is given with --resume, and ends with
the very weights that it would have had.

With --force a run that exists stays as it is, and can be used, until the new one is
complete.  The new one is meanwhile in the hidden folder .NAME.new beside it, where it can
be watched; if it is interrupted, --resume in place of --force continues it.

The run folder holds all that ooc-evaluate and ooc-predict need: the model, which plain
Keras loads, the vectorizer, the history and the settings.  Where matplotlib is installed
it also holds report.html, with the curves of the training and the scores on the
validation rows."""

_EXAMPLE = """\
  ooc-train reviews.h5 -o runs/reviews
  ooc-train reviews.h5 -o runs/reviews --resume
  ooc-train reviews.h5 -o runs/grid --grid layers=1,2 units=32,64 learning-rate=1e-3,1e-4
  ooc-train sequences.h5 -o runs/cnn --bucket-by-length --embeddings glove.6B.200d.txt
  ooc-train sequences.h5 -o runs/mine --model my_models:lstm"""


@dataclass(frozen=True, kw_only=True)
class TrainFiles:
    """The file to train from, and the run folder to write."""

    data: Path = option(REQUIRED, "a file written by ooc-convert", positional=True)
    output: Path = option(
        REQUIRED,
        "the run folder to write",
        spelled=("-o", "--output"),
        metavar="FOLDER",
        group="run",
    )


@dataclass(frozen=True, kw_only=True)
class GridOptions:
    """Trainings with combinations of values."""

    grid: Sequence[str] = option(
        (),
        "train with each combination of values of these options, such as layers=1,2 units=32,64; "
        "each trial has a folder in that of --output and a process of its own; a table compares "
        "them",
        metavar="NAME=VALUE,...",
        group="grid",
    )
    scheduler: str | None = option(
        None,
        f"train as many trials of --grid at a time as there are workers: {SCHEDULER}",
        fallback="one trial after another",
        metavar="ADDRESS",
        group="grid",
    )

    def __post_init__(self) -> None:
        if self.scheduler and not self.grid:
            raise OptionError("--scheduler is for the trials of --grid; leave it out, or give both")


COMMAND = Command(
    "ooc-train",
    _DESCRIPTION,
    _EXAMPLE,
    [TrainFiles, TrainingOptions, RunOptions, GridOptions],
    first=("output", "epochs", "learning_rate", "model", "resume"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    return COMMAND.run(_work, arguments)


def _work(given: Given) -> dict[str, Any]:
    if given.made(GridOptions).grid:
        return _train_grid(given)
    files, shared = given.made(TrainFiles), given.made(SharedOptions)
    progress = begun(STARTING, quiet=shared.quiet)
    from ooc_train.training.standing import kept_figures  # noqa: PLC0415 - --help stays instant
    from ooc_train.training.train import train  # noqa: PLC0415

    report = train(
        files.data,
        files.output,
        progress=progress,
        more_outputs=shared.outputs,
        **given.keywords(RunOptions),
        **given.keywords(TrainingOptions),
    )
    best = kept_figures(report)
    scored = "val_accuracy" if best["val_accuracy"] is not None else "accuracy"
    kind = "validation" if scored == "val_accuracy" else "training"
    say(
        shared,
        f"{files.output}: {kind} accuracy {best[scored]:.4f} after epoch {best['epoch']:g} "
        f"of {len(report['epochs'])} ({report['seconds']:.1f} s, "
        f"{megabytes(report['peak_anon_bytes'])} of memory)",
    )
    return report


def _train_grid(given: Given) -> dict[str, Any]:
    """Train all trials and print their table; OocTrainError in the end if one failed."""
    files, shared = given.made(TrainFiles), given.made(SharedOptions)
    progress = begun(LOADING, quiet=shared.quiet)
    from ooc_train.training.grid import DONE, columns_of, parse_grid, train_grid  # noqa: PLC0415

    passed_on = {"--quiet": shared.quiet, "--debug": shared.debug}
    asked = given.made(GridOptions)
    report = train_grid(
        files.data,
        files.output,
        parse_grid(asked.grid),
        scheduler=asked.scheduler,
        progress=progress,
        more_arguments=[flag for flag, is_given in passed_on.items() if is_given],
        more_outputs=shared.outputs,
        **given.keywords(RunOptions),
        **given.keywords(TrainingOptions),
    )
    from ooc_train.training.run.repeating import CONFIG  # noqa: PLC0415 - as above

    COMMAND.save_config(given, files.output / CONFIG, force=True)
    lines = report["trials"]
    say(shared, *_table(columns_of(lines), lines))
    failed = [_failed(line) for line in lines if line["status"] != DONE]
    if failed:
        write_report(given, report)
        said = "" if asked.scheduler else ", as said above"
        raise OocTrainError(
            f"{len(failed)} of {counted(len(lines), 'trial')} failed{said}: {'; '.join(failed)}; "
            "the same command with --resume tries them again"
        )
    return report


def _failed(line: Mapping[str, Any]) -> str:
    """A trial that failed, and what it said if that was not printed."""
    return f"{line['trial']} ({line['error']})" if "error" in line else line["trial"]


def _table(names: Sequence[str], lines: Sequence[Mapping[str, Any]]) -> list[str]:
    table = [names, *([_cell(line.get(name, "")) for name in names] for line in lines)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in table
    ]


def _cell(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    sys.exit(main())
