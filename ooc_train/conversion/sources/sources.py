"""Which sources of labelled text there are: for each format of files what finds its rows."""

from collections.abc import Callable
from pathlib import Path

from ooc_train.conversion.sources.delimited_file import find_csv, find_tsv
from ooc_train.conversion.sources.folders import find_folder
from ooc_train.conversion.sources.input_file import InputFile
from ooc_train.conversion.sources.json_lines import find_json_lines
from ooc_train.conversion.sources.layout import LayoutOptions, TextSource
from ooc_train.conversion.sources.parquet import find_parquet
from ooc_train.errors import OptionError

FORMATS: dict[str, Callable[[InputFile, LayoutOptions, bool], TextSource]] = {
    "csv": find_csv,
    "tsv": find_tsv,
    "jsonl": find_json_lines,
    "parquet": find_parquet,
}
"""By the name that ``--format`` takes: what looks into a file, given whether labels are needed."""

_SUFFIXES = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".npy": "npy",
    ".npz": "npz",
    ".svm": "svmlight",
    ".svmlight": "svmlight",
    ".libsvm": "svmlight",
}
NUMERIC_FORMATS = {"npy": "dense", "npz": "dense", "svmlight": "sparse"}
"""Formats that hold numbers alone, and the kind of features that these are."""


def find_source(
    path: Path | InputFile, options: LayoutOptions, *, needs_label: bool = True
) -> TextSource:
    """Look into a file or a folder and decide what is text and what is the label."""
    file = path if isinstance(path, InputFile) else InputFile(path)
    if file.path.is_dir():
        if options.text or options.label or options.header or options.format:
            raise OptionError(
                f"{file.path} is a folder of text files, which have no columns; leave out --text, "
                f"--label, --header and --format"
            )
        return find_folder(file.path, options.folders)
    kind = options.format or format_of(file)
    if kind not in FORMATS:
        raise OptionError(
            f"{file.path} is {kind}, which holds no text; its features are {NUMERIC_FORMATS[kind]}"
        )
    return FORMATS[kind](file, options, needs_label)


def format_of(file: InputFile) -> str:
    """The format of a file by its name; CSV if that says nothing."""
    return next((_SUFFIXES[suffix] for suffix in file.suffixes if suffix in _SUFFIXES), "csv")
