"""``ooc-evaluate``: how well a run does on a split."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ooc_train.cli.bars import LOADING, begun
from ooc_train.cli.command import Command, SharedOptions, measured, say
from ooc_train.cli.options import Given
from ooc_train.counts import counted
from ooc_train.options import REQUIRED, option
from ooc_train.training.scores.options import EvaluateOptions

_DESCRIPTION = """\
Evaluate a run on a split of a converted file: accuracy, loss, scores of each class and
the confusion matrix.  The split is read once, a batch at a time.

For two classes the scores include the areas under the ROC curve and the precision-recall
curves, and the threshold of each class that gives the highest F1: choose a threshold with
--split validation, so that the test rows stay an honest test.  For 20 classes or more
they include how often a row's class is among the 5 most probable ones."""

_EXAMPLE = """\
  ooc-evaluate runs/reviews reviews.h5 --split test
  ooc-evaluate runs/reviews reviews.h5 --html test.html"""
MAX_MATRIX_CLASSES = 20
MAX_CLASSES_SHOWN = 60
PAIRS_SHOWN = 10


@dataclass(frozen=True, kw_only=True)
class EvaluateFiles:
    """The run to evaluate, and the file to evaluate it on."""

    run: Path = option(REQUIRED, "a run folder written by ooc-train", positional=True)
    data: Path = option(REQUIRED, "a file written by ooc-convert", positional=True)


COMMAND = Command("ooc-evaluate", _DESCRIPTION, _EXAMPLE, [EvaluateFiles, EvaluateOptions])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    return COMMAND.run(_work, arguments)


def _work(given: Given) -> dict[str, Any]:
    files, shared = given.made(EvaluateFiles), given.made(SharedOptions)
    progress = begun(LOADING, quiet=shared.quiet)
    from ooc_train.training.scores.evaluate import evaluate  # noqa: PLC0415 - --help stays instant

    report = measured(
        lambda: evaluate(
            files.run,
            files.data,
            progress=progress,
            more_outputs=shared.outputs,
            **given.keywords(EvaluateOptions),
        )
    )
    say(shared, *_lines(report))
    return report


def _lines(report: dict[str, Any]) -> list[str]:
    said = f"{report['split']} row"
    lines = [
        f"accuracy {report['accuracy']:.4f} ({report['baseline_accuracy']:.4f} by naming the most "
        f"frequent class), loss {report['loss']:.4f}, macro F1 {report['macro_f1']:.4f} on "
        f"{counted(report['rows'], said)}"
    ]
    if "top_k_accuracy" in report:
        top = report["top_k_accuracy"]
        lines.append(
            f"{top['accuracy']:.4f} of the rows have their class among the {top['k']} most probable"
        )
    lines += ["", *_score_lines(report["classes"])]
    if report.get("roc_auc") is not None:
        lines += ["", *_ranking_lines(report)]
    if len(report["classes"]) <= MAX_MATRIX_CLASSES:
        lines += ["", "rows by class (down) and predicted class (across):"]
        lines += _matrix_lines([score["label"] for score in report["classes"]], report["confusion"])
    elif report["confused_pairs"]:
        lines += ["", "most confused:", *_pair_lines(report)]
    return lines


def _score_lines(scores: Sequence[dict[str, Any]]) -> list[str]:
    """A line for each class; of too many, for those with the lowest F1."""
    shown, hidden = list(scores), len(scores) - MAX_CLASSES_SHOWN
    if hidden > 0:
        met = [score for score in scores if score["support"]]
        shown = sorted(met, key=lambda score: score["f1"])[:MAX_CLASSES_SHOWN]
    width = max(5, *(len(score["name"]) for score in shown))
    lines = [f"{'class':<{width}}  precision  recall     f1      rows"] + [
        f"{score['name']:<{width}}  {score['precision']:9.4f}  {score['recall']:.4f} "
        f"{score['f1']:.4f} {score['support']:9,}"
        for score in shown
    ]
    if hidden > 0:
        lines.append(
            f"those with the lowest F1 of {len(scores):,} classes; --report writes all of them"
        )
    return lines


def _ranking_lines(report: dict[str, Any]) -> list[str]:
    """The areas, and for each class the threshold with the highest F1."""
    lines = [f"area under the ROC curve {report['roc_auc']:.4f}"]
    for score in report["classes"]:
        best = score["best_threshold"]
        lines.append(
            f"{score['name']}: average precision {score['average_precision']:.4f}; highest F1 "
            f"{best['f1']:.4f} from probability {best['probability']:.4f} on (precision "
            f"{best['precision']:.4f}, recall {best['recall']:.4f})"
        )
    return lines


def _pair_lines(report: dict[str, Any]) -> list[str]:
    names = [score["name"] for score in report["classes"]]
    return [
        f"{pair['rows']:9,} rows of {names[pair['class']]} taken for {names[pair['predicted']]}"
        for pair in report["confused_pairs"][:PAIRS_SHOWN]
    ]


def _matrix_lines(labels: Sequence[str], confusion: Sequence[Sequence[int]]) -> list[str]:
    cells = [[str(count) for count in row] for row in confusion]
    width = max(len(text) for text in [*labels, *(cell for row in cells for cell in row)])
    head = " " * width + "".join(f"  {label:>{width}}" for label in labels)
    return [head] + [
        f"{label:>{width}}" + "".join(f"  {cell:>{width}}" for cell in row)
        for label, row in zip(labels, cells, strict=True)
    ]


if __name__ == "__main__":
    sys.exit(main())
