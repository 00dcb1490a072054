"""The table of the formats of files: one entry each, which everything else follows from.

To add a format, write a module that opens its files, and add an entry here.  A format's module is
imported when a file of the format is opened, so that this table costs nothing to look at.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ooc_train.conversion.sources.files.input_file import InputFile

Gives = Literal["text", "dense", "sparse"]
"""What rows can be made of: text, dense numbers, or sparse numbers."""


@dataclass(frozen=True)
class Format:
    """One format of files.

    ``suffixes`` are those of the files' names, in small letters.  ``finders`` are, for each that
    the format gives, the usual first, the function that looks into a file, as ``module:function``.
    ``named``: the columns always have names.  ``of_folders``: it is the layout of a folder, not the
    format of a file.
    """

    suffixes: tuple[str, ...] = ()
    finders: Mapping[Gives, str] = field(default_factory=dict)
    named: bool = False
    of_folders: bool = False

    @property
    def gives(self) -> tuple[Gives, ...]:
        """What the rows can be, the usual first."""
        return tuple(self.finders)

    def finder(self, gives: Gives) -> Any:
        """The function that looks into a file."""
        module, _, name = self.finders[gives].partition(":")
        return getattr(importlib.import_module(f"{__package__}.{module}"), name)


FORMATS = {
    "csv": Format(
        (".csv",), {"text": "delimited_file:find_csv", "dense": "dense_delimited:find_dense_csv"}
    ),
    "tsv": Format(
        (".tsv", ".tab"),
        {"text": "delimited_file:find_tsv", "dense": "dense_delimited:find_dense_csv"},
    ),
    "jsonl": Format(
        (".jsonl", ".ndjson", ".json"), {"text": "json_lines:find_json_lines"}, named=True
    ),
    "parquet": Format(
        (".parquet", ".pq"),
        {"text": "parquet:find_parquet", "dense": "dense_parquet:find_dense_parquet"},
        named=True,
    ),
    "npy": Format((".npy",), {"dense": "dense_arrays:find_npy"}),
    "npz": Format((".npz",), {"dense": "dense_arrays:find_npz"}),
    "svmlight": Format((".svm", ".svmlight", ".libsvm"), {"sparse": "svmlight:find_svmlight"}),
    "folder": Format(finders={"text": "folder:find_folder"}, of_folders=True),
}
"""By the name that ``--format`` takes, and that a converted file's layout has."""


def file_formats() -> list[str]:
    """The formats that ``--format`` can name.

    >>> file_formats()
    ['csv', 'tsv', 'jsonl', 'parquet', 'npy', 'npz', 'svmlight']
    """
    return [name for name, kind in FORMATS.items() if not kind.of_folders]


def formats_of(gives: Gives) -> list[str]:
    """The formats of files that give it.

    >>> formats_of("text"), formats_of("sparse")
    (['csv', 'tsv', 'jsonl', 'parquet'], ['svmlight'])
    """
    return [name for name in file_formats() if gives in FORMATS[name].gives]


def format_of(file: InputFile) -> str:
    """The format of a file by its name; CSV if that says nothing.

    >>> from pathlib import Path
    >>> format_of(InputFile(Path("rows.jsonl.gz"))), format_of(InputFile(Path("-")))
    ('jsonl', 'csv')
    """
    for suffix in file.suffixes:
        for name, kind in FORMATS.items():
            if suffix in kind.suffixes:
                return name
    return "csv"
