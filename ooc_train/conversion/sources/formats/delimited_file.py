"""CSV and TSV files: which of their columns are text and which is the label.

Headerless CSV is taken for the layout of Zhang et al. 2015 (arXiv 1509.01626), in which AG News,
DBPedia, Amazon and Yelp reviews are published: the class first, then one or more texts.
"""

import csv
import io
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ooc_train.conversion.sources.cleaning import CLEANINGS
from ooc_train.conversion.sources.files.input_file import InputFile
from ooc_train.conversion.sources.files.rejects import MAX_ROW_BYTES, Reject
from ooc_train.conversion.sources.formats.delimited import Columns, read_rows
from ooc_train.conversion.sources.formats.file_source import FileSource
from ooc_train.conversion.sources.layout import LayoutOptions
from ooc_train.conversion.sources.rows import TextRows
from ooc_train.errors import InputError, OptionError

_SAMPLE_BYTES = 2**16
_SAMPLE_ROWS = 50
_HEADER_WORDS = {"label", "class", "class index", "category", "target", "sentiment", "stars"}


@dataclass(frozen=True)
class DelimitedFile(FileSource):
    """One file of rows, CSV or TSV, plain or compressed."""

    columns: Columns
    has_header: bool
    cleaning: str | None = None

    @property
    def layout(self) -> dict[str, Any]:
        """Columns by their numbers from 1."""
        return {
            "format": "tsv" if self.columns.delimiter == b"\t" else "csv",
            "header": self.has_header,
            "columns": self.columns.count,
            "text": [column + 1 for column in self.columns.text],
            "label": self.columns.label + 1,
            **({"cleaning": self.cleaning} if self.cleaning else {}),
        }

    @property
    def classes_path(self) -> Path | None:
        """``classes.txt`` beside data in the Zhang layout."""
        if self.has_header or self.file.spooled:
            return None
        beside = self.path.parent / "classes.txt"
        return beside if beside.is_file() else None

    @property
    def carried(self) -> tuple[str, ...]:
        """Those that the header names, or numbered ones."""
        return tuple(self.columns.carried)

    def read(self, block_bytes: int) -> Iterator[tuple[TextRows | Reject, int]]:
        """Blocks of rows, and rejects; see ``read_rows``."""
        position = 0
        with self.file.open() as (stream, file):
            pieces = read_rows(
                stream, self.columns, block_bytes=block_bytes, skip_header=self.has_header
            )
            for piece in self.file.readable(pieces):
                progress = file.tell() - position
                position += progress
                if self.cleaning and isinstance(piece, TextRows):
                    yield CLEANINGS[self.cleaning](piece), progress
                else:
                    yield piece, progress


def find_csv(file: InputFile, options: LayoutOptions) -> DelimitedFile:
    """Look into a file and decide which of its columns are text and which is the label."""
    return _find(file, options, ",")


def find_tsv(file: InputFile, options: LayoutOptions) -> DelimitedFile:
    """The same for columns that tabs separate."""
    return _find(file, options, "\t")


def _find(file: InputFile, options: LayoutOptions, delimiter: str) -> DelimitedFile:
    path = file.path
    sample = _sample_rows(file, delimiter)
    if not sample:
        raise InputError(f"{path} is empty; it must hold one row a line")
    first = sample[0]
    if options.has_header:
        if len(sample) == 1:
            raise InputError(f"{path} holds a header and no rows")
        text, label = _named_columns(path, first, options)
    else:
        text, label = _numbered_columns(path, first, options)
        if label >= 0:
            _refuse_header(path, sample, label)
    carried = _others(first, text, options) if options.carry else {}
    columns = Columns(delimiter.encode(), len(first), text, label, carried)
    return DelimitedFile(file, columns, options.has_header, options.cleaning)


def _others(first: Sequence[str], text: Sequence[int], options: LayoutOptions) -> dict[str, int]:
    """The columns that are not text, by their names in the header, or by their numbers."""
    found: dict[str, int] = {}
    for number, name in enumerate(first):
        if number not in text:
            said = name.strip() if options.has_header else ""
            unique = said and said not in found
            found[said if unique else f"column_{number + 1}"] = number
    return found


def column_names(file: InputFile, delimiter: str) -> list[str]:
    """The fields of the first row; none of an empty file."""
    sample = _sample_rows(file, delimiter)
    return [name.strip() for name in sample[0]] if sample else []


def _sample_rows(file: InputFile, delimiter: str) -> list[list[str]]:
    """The fields of the first rows: at least of one that is whole, if there is any."""
    size = _SAMPLE_BYTES
    while True:
        sample = file.sample(size)
        rows = _split_rows(sample, delimiter)
        if len(sample) < size:
            return rows
        if len(rows) > 1 or size >= MAX_ROW_BYTES:
            return rows[:-1] or rows  # the last may be cut off
        size *= 8


def _split_rows(sample: bytes, delimiter: str) -> list[list[str]]:
    text = sample.decode("utf-8-sig", "replace").replace("\0", "\ufffd")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    limit = csv.field_size_limit(len(text) + 1)
    try:
        return list(itertools.islice((row for row in reader if row), _SAMPLE_ROWS))
    finally:
        csv.field_size_limit(limit)


def _named_columns(
    path: Path, header: Sequence[str], options: LayoutOptions
) -> tuple[tuple[int, ...], int]:
    names = [name.strip() for name in header]

    def position(column: str) -> int:
        if column in names:
            return names.index(column)
        if column.isdigit() and 1 <= int(column) <= len(names):
            return int(column) - 1
        listing = ", ".join(repr(name) for name in names)
        raise InputError(
            f"{path}, line 1: there is no column {column!r}; the columns are {listing}"
        )

    label_name = options.label or ("label" if "label" in names else None)
    if label_name is None and options.needs_label:
        raise OptionError(f"{path} has a header; name the column of the labels with --label")
    label = position(label_name) if label_name is not None and options.needs_label else -1
    if options.text:
        return _distinct(path, [position(column) for column in options.text], label), label
    if "text" in names:
        return (names.index("text"),), label
    raise OptionError(f"{path} has a header; name the columns of the text with --text")


def _numbered_columns(
    path: Path, first: Sequence[str], options: LayoutOptions
) -> tuple[tuple[int, ...], int]:
    def position(column: str) -> int:
        if not 1 <= int(column) <= len(first):
            raise InputError(
                f"{path}, line 1: there is no column {column}; the row has {len(first)} columns "
                f"(is the delimiter right? .tsv files are split at tabs, others at commas)"
            )
        return int(column) - 1

    label = position(options.label or "1") if options.needs_label else -1
    text = [position(column) for column in options.text]
    text = text or [column for column in range(len(first)) if column != label]
    if not text:
        raise InputError(
            f"{path}, line 1: the row has one column; a class and at least one text are expected "
            f"(is the delimiter right? .tsv files are split at tabs, others at commas)"
        )
    return _distinct(path, text, label), label


def _distinct(path: Path, text: Sequence[int], label: int) -> tuple[int, ...]:
    if len(set(text)) < len(text) or label in text:
        raise OptionError(f"{path}: --text and --label must name different columns")
    return tuple(text)


def _refuse_header(path: Path, sample: Sequence[Sequence[str]], label: int) -> None:
    """A header where none is expected would become a class of its own."""
    labels = [row[label].strip() for row in sample if len(row) > label]
    others_are_numbers = len(labels) > 1 and all(_is_integer(value) for value in labels[1:])
    odd_one_out = others_are_numbers and not _is_integer(labels[0])
    if labels and (odd_one_out or labels[0].lower() in _HEADER_WORDS):
        raise InputError(
            f"{path}, line 1 looks like a header ({', '.join(map(repr, sample[0]))}); "
            f"say --header, or name the columns with --text and --label"
        )


def _is_integer(text: str) -> bool:
    return text.removeprefix("-").isdecimal()
