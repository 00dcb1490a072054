"""``ooc-predict``: labels and probabilities for new text."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ooc_train.cli.bars import progress_of
from ooc_train.cli.command import Command, SharedOptions, remark_replaced
from ooc_train.cli.options import Given
from ooc_train.cli.streams import rows_in, rows_out, tell
from ooc_train.conversion.sources.database import QueryOptions
from ooc_train.errors import OptionError
from ooc_train.memory import default_budget
from ooc_train.options import REQUIRED, option
from ooc_train.prediction.options import PredictOptions

_DESCRIPTION = """\
Predict the classes of new rows with a run.

The rows are texts, one a line on standard input, or in a CSV, JSON Lines or Parquet file.
For a model of dense or sparse features they are the rows of an .npy, .npz, Parquet, CSV
or svmlight file.

The output is CSV, JSON Lines or Parquet, with one row for each row of the input, in the
same order: the input's columns that are not text, the label, the name of the class, the
probability of every class, and the share of the row's words that the vectorizer does not
know.  Memory does not grow with the number of rows."""

_EXAMPLE = """\
  echo "An utterly charming film" | ooc-predict runs/reviews
  ooc-predict runs/reviews --input new.csv -o predictions.csv
  ooc-predict runs/topics --input new.jsonl -o predictions.parquet --top 3"""


@dataclass(frozen=True, kw_only=True)
class PredictFiles:
    """The run to predict with, the rows, and the file to write."""

    run: Path = option(REQUIRED, "a run folder written by ooc-train", positional=True)
    input: Path | None = option(
        None,
        "a file in any format that ooc-convert reads",
        fallback="texts on standard input",
        group="input",
    )
    output: Path | None = option(
        None,
        "the .csv, .tsv, .jsonl or .parquet file to write",
        fallback="CSV on standard output",
        spelled=("-o", "--output"),
        group="output",
    )


COMMAND = Command(
    "ooc-predict", _DESCRIPTION, _EXAMPLE, [PredictFiles, QueryOptions, PredictOptions]
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    return COMMAND.run(_work, arguments)


def _work(given: Given) -> dict[str, Any]:
    from ooc_train.prediction.predict import predict  # noqa: PLC0415 - --help stays instant

    files, shared = given.made(PredictFiles), given.made(SharedOptions)
    query = given.made(QueryOptions)
    rows = query.rows(default_budget(), files.output.parent if files.output else Path())
    if rows and files.input:
        raise OptionError("the rows are those of the query; leave out --input")
    report = predict(
        files.run,
        rows or files.input or rows_in(),
        files.output or rows_out(),
        progress=progress_of(quiet=shared.quiet),
        more_outputs=shared.outputs,
        **given.keywords(PredictOptions),
    )
    remarks = [*report["notes"], *remark_replaced(report["replaced_rows"], report["rows"])]
    if not shared.quiet:
        tell(*remarks)  # where rows are written to standard output, that has rows alone
    return report | query.report


if __name__ == "__main__":
    sys.exit(main())
