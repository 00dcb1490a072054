"""``ooc-predict``: labels and probabilities for new text."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ooc_train.cli.bars import LOADING, begun
from ooc_train.cli.command import Command, SharedOptions, row_remarks
from ooc_train.cli.options import Given
from ooc_train.cli.streams import rows_out, tell
from ooc_train.conversion.options import Paths
from ooc_train.conversion.sources.database import QueryOptions
from ooc_train.conversion.sources.files.paths import STANDARD_INPUT
from ooc_train.errors import OptionError
from ooc_train.memory import default_budget
from ooc_train.options import REQUIRED, option
from ooc_train.prediction.options import PredictOptions

_DESCRIPTION = """\
Predict the classes of new rows with a run.

The rows are texts, one a line on standard input, or those of CSV, JSON Lines or Parquet
files, one after another.  For a model of dense or sparse features they are the rows of
.npy, .npz, Parquet, CSV or svmlight files.

The output is CSV, JSON Lines or Parquet, with one row for each row of the input, in the
same order: the input's columns that are not text (--keep-text: all of them), the label,
the name of the class, the probability of every class, and the share of the row's words
that the vectorizer does not know.  Memory does not grow with the number of rows."""

_EXAMPLE = """\
  echo "An utterly charming film" | ooc-predict runs/reviews
  ooc-predict runs/reviews new.csv -o predictions.csv
  ooc-predict runs/topics monday.jsonl tuesday.jsonl -o predictions.parquet --top 3"""


@dataclass(frozen=True, kw_only=True)
class PredictFiles:
    """The run to predict with, the rows, and the file to write."""

    run: Path = option(REQUIRED, "a run folder written by ooc-train", positional=True)
    files: Paths = option(
        (),
        "files or folders in any format that ooc-convert reads, patterns, or - for standard input",
        fallback="texts on standard input",
        positional=True,
    )
    input: Path | None = option(
        None, "the one file, in place of files behind the run", group="input"
    )
    output: Path | None = option(
        None,
        "the .csv, .tsv, .jsonl or .parquet file to write",
        fallback="CSV on standard output",
        spelled=("-o", "--output"),
        group="output",
    )


COMMAND = Command(
    "ooc-predict",
    _DESCRIPTION,
    _EXAMPLE,
    [PredictFiles, QueryOptions, PredictOptions],
    first=("output", "text", "keep_text", "top", "explain"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    return COMMAND.run(_work, arguments)


def _work(given: Given) -> dict[str, Any]:
    files, shared = given.made(PredictFiles), given.made(SharedOptions)
    progress = begun(LOADING, quiet=shared.quiet)
    from ooc_train.prediction.predict import predict  # noqa: PLC0415 - --help stays instant

    query = given.made(QueryOptions)
    rows = query.rows(default_budget(), files.output.parent if files.output else Path())
    named = [*files.files, *([files.input] if files.input else [])]
    if files.input and files.files:
        raise OptionError("name all files behind the run, and leave out --input")
    if rows and named:
        raise OptionError(f"the rows are those of the query; leave out {named[0]}")
    report = predict(
        files.run,
        rows or named or STANDARD_INPUT,
        files.output or rows_out(),
        progress=progress,
        more_outputs=shared.outputs,
        **given.keywords(PredictOptions),
    )
    if not shared.quiet:
        tell(
            *report["notes"], *row_remarks(report)
        )  # where rows are written to standard output, that has rows alone
    return report | query.report


if __name__ == "__main__":
    sys.exit(main())
