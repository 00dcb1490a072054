"""``ooc-evaluate``: how well a run does on a split."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ooc_train.cli.common import Command, measured, progress_of
from ooc_train.training import evaluate

_DESCRIPTION = """\
Evaluate a run on a split of a converted file: accuracy, loss, scores of each class and
the confusion matrix, reading the split once, a batch at a time."""

_EXAMPLE = "  ooc-evaluate runs/reviews reviews.h5 --split test"
MAX_MATRIX_CLASSES = 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    command = Command("ooc-evaluate", _DESCRIPTION, _EXAMPLE)
    add = command.add
    add("run", type=Path, help="a run folder written by ooc-train")
    add("data", type=Path, help="a file written by ooc-convert")
    add(
        "--split",
        default="test",
        choices=["train", "validation", "test"],
        help="the rows to evaluate on (default: test)",
    )
    add("--batch-size", type=int, metavar="N", help="rows at a time (default: the training's)")
    return command.run(_work, arguments)


def _work(options: argparse.Namespace) -> dict[str, Any]:
    report = measured(
        lambda: evaluate(
            options.run,
            options.data,
            split=options.split,
            batch_size=options.batch_size,
            progress=progress_of(options),
        )
    )
    if not options.quiet:
        print(_text(report))
    return report


def _text(report: dict[str, Any]) -> str:
    lines = [
        f"accuracy {report['accuracy']:.4f}, loss {report['loss']:.4f}, macro F1 "
        f"{report['macro_f1']:.4f} on {report['rows']:,} {report['split']} rows",
        "",
        *_score_lines(report["classes"]),
    ]
    if len(report["classes"]) <= MAX_MATRIX_CLASSES:
        lines += ["", "rows by class (down) and predicted class (across):"]
        lines += _matrix_lines([score["label"] for score in report["classes"]], report["confusion"])
    return "\n".join(lines)


def _score_lines(scores: Sequence[dict[str, Any]]) -> list[str]:
    width = max(5, *(len(score["name"]) for score in scores))
    head = f"{'class':<{width}}  precision  recall     f1      rows"
    return [head] + [
        f"{score['name']:<{width}}  {score['precision']:9.4f}  {score['recall']:.4f} "
        f"{score['f1']:.4f} {score['support']:9,}"
        for score in scores
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
