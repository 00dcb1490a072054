"""``ooc-predict``: labels and probabilities for new text."""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from ooc_train.cli.common import Command, progress_of
from ooc_train.errors import OutputError

_DESCRIPTION = """\
Predict the class of new rows with a run: of texts, one a line on standard input, or in a
CSV, JSON Lines or Parquet file; for a model of dense or sparse features, of the rows of
an .npy, .npz, Parquet, CSV or svmlight file.  Writes CSV, one line a row in the order of
the input: the label, the class's name, and the probability of every class.  Any number of
rows; memory does not grow with them."""

_EXAMPLE = """\
  echo "An utterly charming film" | ooc-predict runs/reviews
  ooc-predict runs/reviews --input new.csv -o predictions.csv"""


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
        help="the CSV to write (default: standard output)",
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
    from ooc_train.prediction import predict  # noqa: PLC0415 - --help stays instant

    with _output(options.output, options.force) as output:
        return predict(
            options.run,
            options.input or sys.stdin.buffer,
            output,
            text=[column.strip() for column in options.text.split(",") if column.strip()],
            header=options.header,
            progress=progress_of(options),
        )


@contextmanager
def _output(path: Path | None, force: bool) -> Iterator[TextIO]:
    """Standard output, or a file that appears under its name when it is complete."""
    if path is None:
        yield sys.stdout
        return
    if path.exists() and not force:
        raise OutputError(f"{path} exists; give --force to overwrite it, or another name")
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with unfinished.open("w", encoding="utf-8", newline="") as file:
            yield file
        unfinished.replace(path)
    except OSError as error:
        raise OutputError(f"{path} could not be written: {error}") from error
    finally:
        unfinished.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
