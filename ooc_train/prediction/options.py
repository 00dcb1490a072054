"""The options of `predict`."""

from collections.abc import Sequence
from dataclasses import dataclass

from ooc_train.conversion.sources.options import FormatOptions
from ooc_train.options import at_least, check, column_list, columns_named, option
from ooc_train.outputs import OutputOptions
from ooc_train.threads import WorkerOptions
from ooc_train.training.run.options import OpenOptions

OUTPUT_FORMATS = ("csv", "tsv", "jsonl", "parquet")
MOST_USUAL_CLASSES = 100
"""The most classes for which the probability of each is written by default."""
_INPUT, _OUTPUT = "input", "output"


@dataclass(frozen=True, kw_only=True)
class PredictOptions(WorkerOptions, FormatOptions, OutputOptions, OpenOptions):
    """The options of `predict`.  Raises OptionError if one is out of range."""

    text: Sequence[str] = option(
        (),
        "the columns of the text, or of the features, by name or number from 1, separated by "
        "commas",
        fallback="those of the training data",
        spelled=("--text", "--columns"),
        metavar="COLS",
        parse=column_list,
        given=columns_named,
        group=_INPUT,
    )
    output_format: str | None = option(
        None,
        "the format of the output",
        fallback="by the output's name, or csv",
        choices=OUTPUT_FORMATS,
        group=_OUTPUT,
    )
    keep_text: bool = option(
        False,
        "also write the text: in its columns, or for texts on standard input as text",
        group=_OUTPUT,
    )
    top: int = option(0, "also write the N most probable labels", limits=at_least(0), group=_OUTPUT)
    proba: bool | None = option(
        None,
        "write the probability of every class",
        fallback=f"yes, without --top and for at most {MOST_USUAL_CLASSES} classes",
        group=_OUTPUT,
    )

    explain: bool = option(
        False,
        "also write the 10 terms that decided most, with their shares; a term's share is by how "
        "much the log-odds of the predicted class fall without it, divided by the sum of the "
        "absolute values of this for all terms of the row, so that a negative share speaks "
        "against the class; for n-grams, with mlp or another multi-layer perceptron",
        group=_OUTPUT,
    )

    def __post_init__(self) -> None:
        check(self)
