"""The table of the formats of files: one entry each, which everything else follows from.

To add a format, write a module that opens its files, and add an entry here.  A format's module is
imported when a file of the format is opened, so that this table costs nothing to look at.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from ooc_train.conversion.sources.files.input_file import InputFile
from ooc_train.conversion.sources.layout import LayoutOptions
from ooc_train.kinds import MadeOf


@dataclass(frozen=True)
class Format:
    """One format of files.

    ``suffixes`` are those of the files' names, in small letters.  ``gives`` is what the rows can be
    made into, the usual first.  ``opener`` is the function that opens a file, as
    ``module:function``: it takes an `InputFile` and `LayoutOptions` and returns a ``ColumnFile``.
    ``named``: the columns always have names.  ``seeks``: files are not read from their beginning to
    their end.  ``of_folders``: it is the layout of a folder, not the format of a file.
    """

    suffixes: tuple[str, ...]
    gives: tuple[MadeOf, ...]
    opener: str
    named: bool = False
    seeks: bool = False
    of_folders: bool = False

    @property
    def open(self) -> Callable[[InputFile, LayoutOptions], Any]:
        """The function that opens a file."""
        module, _, name = self.opener.partition(":")
        return cast(Callable[..., Any], getattr(importlib.import_module(module), name))


_HERE = "ooc_train.conversion.sources.formats"

FORMATS = {
    "csv": Format((".csv",), ("text", "dense"), f"{_HERE}.delimited:open_csv"),
    "tsv": Format((".tsv", ".tab"), ("text", "dense"), f"{_HERE}.delimited:open_tsv"),
    "jsonl": Format(
        (".jsonl", ".ndjson", ".json"), ("text",), f"{_HERE}.json_lines:open_json_lines", named=True
    ),
    "parquet": Format(
        (".parquet", ".pq"),
        ("text", "dense"),
        f"{_HERE}.parquet:open_parquet",
        named=True,
        seeks=True,
    ),
    "arrow": Format(
        (".arrow", ".arrows", ".feather"),
        ("text", "dense"),
        f"{_HERE}.arrow_stream:open_arrow",
        named=True,
    ),
    "npy": Format((".npy",), ("dense",), f"{_HERE}.arrays:open_npy_file", seeks=True),
    "npz": Format((".npz",), ("dense",), f"{_HERE}.arrays:open_npz_file", seeks=True),
    "svmlight": Format(
        (".svm", ".svmlight", ".libsvm"), ("sparse",), f"{_HERE}.svmlight:open_svmlight"
    ),
    "folder": Format((), ("text",), f"{_HERE}.folder:open_folder", of_folders=True),
}
"""By the name that ``--format`` takes, and that a converted file's layout has."""


def file_formats() -> list[str]:
    """The formats that ``--format`` can name.

    >>> file_formats()
    ['csv', 'tsv', 'jsonl', 'parquet', 'arrow', 'npy', 'npz', 'svmlight']
    """
    return [name for name, kind in FORMATS.items() if not kind.of_folders]


def formats_of(gives: MadeOf) -> list[str]:
    """The formats of files that give it.

    >>> formats_of("text"), formats_of("sparse")
    (['csv', 'tsv', 'jsonl', 'parquet', 'arrow'], ['svmlight'])
    """
    return [name for name in file_formats() if gives in FORMATS[name].gives]


def format_of(file: InputFile) -> str:
    """The format of a file by its name, or that of what a program holds; CSV if nothing says it.

    >>> from pathlib import Path
    >>> format_of(InputFile(Path("rows.jsonl.gz"))), format_of(InputFile(Path("-")))
    ('jsonl', 'csv')
    """
    if file.format:
        return file.format
    for suffix in file.suffixes:
        for name, kind in FORMATS.items():
            if suffix in kind.suffixes:
                return name
    return "csv"
