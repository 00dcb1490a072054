"""``ooc-train``: a converted file to a run folder with a trained model."""

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ooc_train.cli.common import Command, megabytes, progress_of, say, size_argument
from ooc_train.cli.grid import train_grid, trials_of
from ooc_train.errors import OptionError
from ooc_train.training.options import TrainingOptions
from ooc_train.training.run.interval import DEFAULT_EVERY, Interval
from ooc_train.training.train import train

TRAINING_OPTIONS = [
    field.name for field in dataclasses.fields(TrainingOptions) if field.name != "callbacks"
]
_DESCRIPTION = """\
Train a Keras model from a converted file, in memory that does not grow with its rows.

The models are those of Google's text-classification guide: the multi-layer perceptron
(mlp) for n-grams, the separable convolutional network (sepcnn) for sequences.  Or name
a function of your own, --model package.module:function, in an installed module or one in
the current folder: it takes an ooc_train.training.DataShape and returns a Keras model.

With a validation split, training stops when the loss on it, or what --monitor names, has
not been better than before for 2 epochs, and the best weights are kept; without one, say
--epochs.  A training that was broken
off, however, goes on when the same command is given with --resume, and ends with the
very weights that it would have had.  Of sepcnn it is the running
mean of the weights that is validated and kept.  The run folder holds the model,
which plain Keras loads, the vectorizer, the history and the settings: all that
ooc-evaluate and ooc-predict need; and, where matplotlib is installed, report.html, with
the curves of the training and the scores on the validation rows."""

_EXAMPLE = """\
  ooc-train reviews.h5 -o runs/reviews
  ooc-train reviews.h5 -o runs/reviews --resume
  ooc-train reviews.h5 -o runs/grid --grid layers=1,2 units=32,64 learning-rate=1e-3,1e-4
  ooc-train sequences.h5 -o runs/cnn --bucket-by-length --embeddings glove.6B.200d.txt
  ooc-train sequences.h5 -o runs/mine --model my_models:lstm"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    command = Command("ooc-train", _DESCRIPTION, _EXAMPLE)
    add = command.add
    add("data", type=Path, help="a file written by ooc-convert")
    add("-o", "--output", required=True, type=Path, help="the run folder to write")
    add(
        "--model",
        default="auto",
        metavar="NAME",
        help="mlp, sepcnn, a function as package.module:function, or auto: mlp for n-grams, sepcnn "
        "for sequences (default: auto)",
    )
    add(
        "--epochs",
        type=int,
        metavar="N",
        help="epochs at the most (default: 1000; required without a validation split)",
    )
    add("--batch-size", type=int, default=128, metavar="N", help="rows a step (default: 128)")
    add("--learning-rate", type=float, default=1e-3, metavar="F", help="Adam's (default: 0.001)")
    add(
        "--optimizer",
        default="auto",
        metavar="NAME",
        help="adam, Keras's; deferred-adam, several times as fast, for mlp on sparse rows; or "
        "auto, the latter where it can be (default: auto)",
    )
    add(
        "--monitor",
        default="val_loss",
        metavar="NAME",
        help="what says when to stop and which weights are best: val_loss, val_accuracy, "
        "val_macro_f1, or of 20 classes or more val_top_5_accuracy (default: val_loss)",
    )
    add(
        "--patience",
        type=int,
        default=2,
        metavar="N",
        help="epochs without a better one that end the training (default: 2)",
    )
    add(
        "--class-weight",
        metavar="WEIGHTS",
        help="what the rows of each class count for in the loss: balanced, so that each class "
        "counts for the same in all, or weights by label, such as 1=2,2=0.5; others are 1 "
        "(default: 1 for all)",
    )
    add(
        "--label-smoothing",
        type=float,
        default=0.0,
        metavar="F",
        help="the share of each row's probability that is wanted for all classes alike, such as "
        "0.1; validation is scored without it (default: 0)",
    )
    add(
        "--weight-decay",
        type=float,
        default=0.0,
        metavar="F",
        help="decoupled, as in AdamW: each step takes this share off all weights, times the "
        "learning rate (default: 0)",
    )
    add(
        "--global-clipnorm",
        type=float,
        metavar="F",
        help="scale gradients down to this norm of all together (default: as they are)",
    )
    add(
        "--lr-schedule",
        default="constant",
        metavar="NAME",
        help="constant; cosine, which falls to 0 until the last of --epochs; or plateau, which "
        "lowers the learning rate when validation gains nothing (default: constant)",
    )
    add(
        "--warmup-steps",
        type=int,
        default=0,
        metavar="N",
        help="steps in which the learning rate rises from 0, in any schedule (default: 0)",
    )
    add(
        "--lr-factor",
        type=float,
        metavar="F",
        help="what a plateau multiplies the learning rate by (default: 0.1)",
    )
    add(
        "--lr-patience",
        type=int,
        metavar="N",
        help="epochs in vain that are a plateau; fewer than those that end the training "
        "(default: 1)",
    )
    add(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help="seed of the weights, the order of rows and dropout (default: 0)",
    )
    add(
        "--layers",
        type=int,
        metavar="N",
        help="of mlp, the output's included, as the guide counts them (default: 2)",
    )
    add("--units", type=int, metavar="N", help="of each hidden layer of mlp (default: 64)")
    add(
        "--dropout-rate",
        type=float,
        metavar="F",
        help="the share of values that mlp and sepcnn drop in training (default: 0.2)",
    )
    add(
        "--bucket-by-length",
        action="store_true",
        help="put rows of near length into a batch and pad them no further: faster; for sequences",
    )
    add(
        "--embedding-dimension",
        type=int,
        metavar="N",
        help="numbers that sepcnn has for a word, random to begin with (default: 200)",
    )
    add(
        "--embeddings",
        type=Path,
        metavar="FILE",
        help="word vectors that sepcnn begins with, as text of GloVe, word2vec or fastText, plain "
        "or .gz",
    )
    add(
        "--freeze-embeddings",
        type=int,
        metavar="N",
        help="epochs for which the word vectors stay as they are; afterwards they are trained with "
        "the rest (default: 1)",
    )
    add(
        "--memory",
        type=size_argument,
        dest="memory_bytes",
        metavar="SIZE",
        help="memory for a window of rows and the batches made ahead, such as 64MB; TensorFlow and "
        "the model come on top (default: up to 48 MB)",
    )
    add(
        "--no-verify",
        action="store_true",
        help="do not compare rows with their checksums when they are first read",
    )
    add(
        "--checkpoint-every",
        type=interval_argument,
        default=DEFAULT_EVERY,
        metavar="TIME|STEPS",
        help="how often the training's state is saved, beside the end of each epoch: 30s, 5m, 1h, "
        f"or 500 for every 500 steps (default: {DEFAULT_EVERY})",
    )
    add(
        "--resume",
        action="store_true",
        help="go on where the run's last checkpoint was; only --epochs may be more than before",
    )
    add(
        "--tensorboard",
        action="store_true",
        help="write the figures of each epoch for TensorBoard, too, to a folder in the run's",
    )
    add("--force", action="store_true", help="overwrite the run folder if it exists")
    add(
        "--grid",
        nargs="+",
        metavar="NAME=VALUE,...",
        help="train with each combination of these options' values, such as layers=1,2 "
        "units=32,64; each in a folder in that of --output, and a process of its own, which takes "
        "5 seconds more; a table in the end",
    )
    given = sys.argv[1:] if arguments is None else arguments
    return command.run(lambda options: _work(command.parser, given, options), given)


def interval_argument(text: str) -> str:
    """An interval of checkpoints, as it is, if it is one; for ``argparse``."""
    try:
        Interval.parse(text)
    except OptionError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def _work(
    parser: argparse.ArgumentParser, arguments: Sequence[str], options: argparse.Namespace
) -> dict[str, Any]:
    if not options.grid:
        return _train(options)
    trials = trials_of(options.grid, TRAINING_OPTIONS)
    for trial in trials:  # so that what is wrong with one is said before the first begins
        checked = parser.parse_args([*arguments, *trial.arguments(options.output)])
        TrainingOptions(**_training_options(checked))
    return train_grid(trials, arguments, options)


def _training_options(options: argparse.Namespace) -> dict[str, Any]:
    return {name: getattr(options, name) for name in TRAINING_OPTIONS}


def _train(options: argparse.Namespace) -> dict[str, Any]:
    report = train(
        options.data,
        options.output,
        force=options.force,
        resume=options.resume,
        checkpoint_every=options.checkpoint_every,
        memory_bytes=options.memory_bytes,
        verify=not options.no_verify,
        tensorboard=options.tensorboard,
        progress=progress_of(options),
        **_training_options(options),
    )
    best = report["epochs"][report["best_epoch"] - 1]
    scored = "val_accuracy" if best["val_accuracy"] is not None else "accuracy"
    kind = "validation" if scored == "val_accuracy" else "training"
    say(
        options,
        f"{options.output}: {kind} accuracy {best[scored]:.4f} after epoch {report['best_epoch']} "
        f"of {len(report['epochs'])} ({report['seconds']:.1f} s, "
        f"{megabytes(report['peak_anon_bytes'])} of memory)",
    )
    return report


if __name__ == "__main__":
    sys.exit(main())
