"""The table of the formats of files: one entry each, which everything else follows from.

To add a format, write a module that opens its files, and add an entry here.  A format's module is
imported when a file of the format is opened, so that this table costs nothing to look at.
"""

import importlib
import re
from collections.abc import Callable, Iterable
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
    ``signature`` matches the first bytes: of a ``binary`` format whatever the file is called, of
    others where its name says nothing.  ``named``: the columns always have names.  ``seeks``: files
    are not read from their beginning to their end.  ``of_folders``: it is the layout of a folder,
    not the format of a file.
    """

    suffixes: tuple[str, ...]
    gives: tuple[MadeOf, ...]
    opener: str
    signature: bytes | None = None
    named: bool = False
    binary: bool = False
    seeks: bool = False
    of_folders: bool = False

    @property
    def open(self) -> Callable[[InputFile, LayoutOptions], Any]:
        """The function that opens a file."""
        module, _, name = self.opener.partition(":")
        return cast(Callable[..., Any], getattr(importlib.import_module(module), name))


_BEGINNING_BYTES = 512
_HERE = "ooc_train.conversion.sources.formats"

FORMATS = {
    "csv": Format((".csv",), ("text", "dense"), f"{_HERE}.delimited:open_csv"),
    "tsv": Format((".tsv", ".tab"), ("text", "dense"), f"{_HERE}.delimited:open_tsv"),
    "jsonl": Format(
        (".jsonl", ".ndjson", ".json"),
        ("text",),
        f"{_HERE}.json_lines:open_json_lines",
        rb"\s*[\[{]",
        named=True,
    ),
    "parquet": Format(
        (".parquet", ".pq"),
        ("text", "dense"),
        f"{_HERE}.parquet:open_parquet",
        b"PAR1",
        named=True,
        binary=True,
        seeks=True,
    ),
    "arrow": Format(
        (".arrow", ".arrows", ".feather"),
        ("text", "dense"),
        f"{_HERE}.arrow_stream:open_arrow",
        rb"ARROW1|\xff\xff\xff\xff.{2}\0\0",
        named=True,
        binary=True,
    ),
    "npy": Format(
        (".npy",),
        ("dense",),
        f"{_HERE}.arrays:open_npy_file",
        rb"\x93NUMPY",
        binary=True,
        seeks=True,
    ),
    "npz": Format(
        (".npz",),
        ("dense",),
        f"{_HERE}.arrays:open_npz_file",
        rb"PK\x03\x04.{26}[^\0]*\.npy",
        binary=True,
        seeks=True,
    ),
    "svmlight": Format(
        (".svm", ".svmlight", ".libsvm"), ("sparse",), f"{_HERE}.svmlight:open_svmlight"
    ),
    "fasttext": Format(
        (), ("text",), f"{_HERE}.fasttext:open_fasttext", rb"\s*__label__\S", named=True
    ),
    "folder": Format((), ("text",), f"{_HERE}.folder:open_folder", of_folders=True),
}
"""By the name that ``--format`` takes, and that a converted file's layout has."""


def file_formats() -> list[str]:
    """The formats that ``--format`` can name.

    >>> file_formats()
    ['csv', 'tsv', 'jsonl', 'parquet', 'arrow', 'npy', 'npz', 'svmlight', 'fasttext']
    """
    return [name for name, kind in FORMATS.items() if not kind.of_folders]


def formats_of(gives: MadeOf) -> list[str]:
    """The formats of files that give it.

    >>> formats_of("text"), formats_of("sparse")
    (['csv', 'tsv', 'jsonl', 'parquet', 'arrow', 'fasttext'], ['svmlight'])
    """
    return [name for name in file_formats() if gives in FORMATS[name].gives]


def format_of(file: InputFile) -> str:
    """The format of a file by its name or its first bytes, or that of what a program holds.

    CSV if nothing says it.

    >>> from pathlib import Path
    >>> format_of(InputFile(Path("rows.jsonl.gz"))), format_of(InputFile(Path("-")))
    ('jsonl', 'csv')
    """
    if file.format:
        return file.format
    binary = _by_signature(file.beginning, [name for name, kind in FORMATS.items() if kind.binary])
    if binary:
        return binary
    named = named_format(file)
    if named or not file.beginning:
        return named or "csv"
    return _by_signature(file.sample(_BEGINNING_BYTES), FORMATS) or "csv"


def named_format(file: InputFile) -> str | None:
    """The format that the suffix of a file's name tells, if it tells one.

    >>> from pathlib import Path
    >>> named_format(InputFile(Path("rows.csv.gz"))), named_format(InputFile(Path("rows.txt")))
    ('csv', None)
    """
    for suffix in file.suffixes:
        for name, kind in FORMATS.items():
            if suffix in kind.suffixes:
                return name
    return None


def _by_signature(beginning: bytes, names: Iterable[str]) -> str | None:
    for name in names:
        signature = FORMATS[name].signature
        if signature and re.match(signature, beginning, re.DOTALL):
            return name
    return None
