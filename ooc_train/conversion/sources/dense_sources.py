"""Which sources of dense rows there are: for each format of files what finds its rows."""

from collections.abc import Callable

from ooc_train.conversion.sources.dense_arrays import find_npy, find_npz
from ooc_train.conversion.sources.dense_delimited import find_dense_csv
from ooc_train.conversion.sources.dense_layout import DenseSource, Details
from ooc_train.conversion.sources.dense_parquet import find_dense_parquet
from ooc_train.conversion.sources.input_file import InputFile
from ooc_train.conversion.sources.layout import LayoutOptions
from ooc_train.conversion.sources.sources import format_of
from ooc_train.errors import OptionError

DENSE_FORMATS: dict[str, Callable[[InputFile, LayoutOptions, Details], DenseSource]] = {
    "npy": find_npy,
    "npz": find_npz,
    "parquet": find_dense_parquet,
    "csv": find_dense_csv,
    "tsv": find_dense_csv,
}
"""By the name that ``--format`` takes: what looks into a file of dense rows."""


def find_dense(file: InputFile, options: LayoutOptions, details: Details) -> DenseSource:
    """Look into a file and decide what are the features and what is the label."""
    kind = options.format or format_of(file)
    if kind not in DENSE_FORMATS:
        raise OptionError(
            f"{file.path} is {kind}, and dense features come from {', '.join(DENSE_FORMATS)}"
        )
    return DENSE_FORMATS[kind](file, options, details)
