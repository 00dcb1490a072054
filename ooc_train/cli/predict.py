"""``ooc-predict``: labels and probabilities for new text."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ooc_train.cli.common import Command, progress_of

_DESCRIPTION = """\
Predict the class of new rows with a run: of texts, one a line on standard input, or in a
CSV, JSON Lines or Parquet file; for a model of dense or sparse features, of the rows of
an .npy, .npz, Parquet, CSV or svmlight file.  Writes CSV, JSON Lines or Parquet, one row
each in the order of the input: the input's columns that are not text, the label, the
class's name, the probability of every class, and the share of the row's words that the
vectorizer does not know.  Any number of rows; memory does not grow with them."""

_EXAMPLE = """\
  echo "An utterly charming film" | ooc-predict runs/reviews
  ooc-predict runs/reviews --input new.csv -o predictions.csv
  ooc-predict runs/topics --input new.jsonl -o predictions.parquet --top 3"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    command = Command("ooc-predict", _DESCRIPTION, _EXAMPLE)
    add = command.add
    add("run", type=Path, help="a run folder written by ooc-train")
    add(
        "--input",
        type=Path,
        metavar="FILE",
        help="a file in any format that ooc-convert reads (default: texts on standard input)",
    )
    add(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="the .csv, .tsv, .jsonl or .parquet to write (default: CSV to standard output)",
    )
    add(
        "--output-format",
        metavar="NAME",
        help="csv, tsv, jsonl or parquet (default: what the output's name says)",
    )
    add("--top", type=int, default=0, metavar="N", help="the N most probable labels, too")
    add(
        "--proba",
        action=argparse.BooleanOptionalAction,
        help="the probability of every class (default: yes, without --top and up to 100 classes)",
    )
    add(
        "--text",
        "--columns",
        default="",
        metavar="COLS",
        help="the columns of the text, or the features, by name or number from 1, separated by "
        "commas (default: those of the training data)",
    )
    add("--header", action="store_true", help="the first row names the columns")
    add("--force", action="store_true", help="overwrite the output if it exists")
    return command.run(_work, arguments)


def _work(options: argparse.Namespace) -> dict[str, Any]:
    from ooc_train.prediction.predicting import predict  # noqa: PLC0415 - --help stays instant

    return predict(
        options.run,
        options.input or sys.stdin.buffer,
        options.output or sys.stdout,
        text=[column.strip() for column in options.text.split(",") if column.strip()],
        header=options.header,
        top=options.top,
        proba=options.proba,
        output_format=options.output_format,
        force=options.force,
        progress=progress_of(options),
    )


if __name__ == "__main__":
    sys.exit(main())
