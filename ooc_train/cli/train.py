"""``ooc-train``: a converted file to a run folder with a trained model."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ooc_train.cli.bars import progress_of
from ooc_train.cli.command import Command, SharedOptions, megabytes, say
from ooc_train.cli.options import Given
from ooc_train.options import REQUIRED, declarations, option
from ooc_train.training.options import RunOptions, TrainingOptions

_DESCRIPTION = """\
Train a Keras model from a converted file, in memory that does not grow with its rows.

The models are those of Google's text-classification guide: the multi-layer perceptron
(mlp) for n-grams and numbers, the separable convolutional network (sepcnn) for sequences.
For your own model, name a function, --model package.module:function, in an installed
module or one in the current folder: it takes an ooc_train.training.DataShape and returns
a Keras model.

With a validation split, training stops after 2 epochs in which the loss on it, or the
figure of --monitor, has not improved, and the weights of the best epoch are kept.
Without one, give --epochs; the last weights are kept.  For sepcnn, the moving average of
the weights is validated and kept.

An interrupted run continues when the same command is given with --resume, and ends with
the very weights that it would have had.

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
    """What is trained from, and where the run is written to."""

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
        "each trial has a folder in that of --output and a process of its own, which takes 5 "
        "seconds more; a table compares them",
        metavar="NAME=VALUE,...",
        group="grid",
    )


COMMAND = Command(
    "ooc-train", _DESCRIPTION, _EXAMPLE, [TrainFiles, TrainingOptions, RunOptions, GridOptions]
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    words = sys.argv[1:] if arguments is None else arguments
    return COMMAND.run(lambda given: _work(given, words), words)


def _work(given: Given, arguments: Sequence[str]) -> dict[str, Any]:
    if given.made(GridOptions).grid:
        return _train_grid(given, arguments)
    from ooc_train.training.train import train  # noqa: PLC0415 - --help stays instant

    files, shared = given.made(TrainFiles), given.made(SharedOptions)
    report = train(
        files.data,
        files.output,
        progress=progress_of(quiet=shared.quiet),
        **given.keywords(RunOptions),
        **given.keywords(TrainingOptions),
    )
    best = report["epochs"][report["best_epoch"] - 1]
    scored = "val_accuracy" if best["val_accuracy"] is not None else "accuracy"
    kind = "validation" if scored == "val_accuracy" else "training"
    say(
        shared,
        f"{files.output}: {kind} accuracy {best[scored]:.4f} after epoch {report['best_epoch']} "
        f"of {len(report['epochs'])} ({report['seconds']:.1f} s, "
        f"{megabytes(report['peak_anon_bytes'])} of memory)",
    )
    return report


def _train_grid(given: Given, arguments: Sequence[str]) -> dict[str, Any]:
    from ooc_train.cli.grid import train_grid, trials_of  # noqa: PLC0415 - as above

    folder, shared = Path(given.made(TrainFiles).output), given.made(SharedOptions)
    known = [one.name for one in declarations(TrainingOptions) if one.on_command_line]
    trials = trials_of(given.made(GridOptions).grid, known)
    for trial in trials:  # an error in any of them is found before the first begins
        COMMAND.given([*arguments, *trial.arguments(folder)]).made(TrainingOptions)
    return train_grid(
        trials,
        arguments,
        folder=folder,
        monitor=given.made(TrainingOptions).monitor,
        run=given.made(RunOptions),
        shared=shared,
    )


if __name__ == "__main__":
    sys.exit(main())
