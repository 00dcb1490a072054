"""Which files there are, how their rows are laid out, and their bytes.

Headerless CSV is taken for the layout of Zhang et al. 2015 (arXiv 1509.01626), in which AG News,
DBPedia, Amazon and Yelp reviews are published: the class first, then one or more texts.
"""

import csv
import io
import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeVar

from ooc_train.conversion.cleaning import CLEANINGS
from ooc_train.conversion.delimited import MAX_ROW_BYTES, Columns, Reject, Rows, read_rows
from ooc_train.conversion.folders import find_folder
from ooc_train.errors import InputError, OptionError

Piece = TypeVar("Piece")

_SAMPLE_BYTES = 2**16
_SAMPLE_ROWS = 50
_GZIP_RATIO = 4  # text seldom shrinks more
_TAB_SUFFIXES = {".tsv", ".tab"}
_HEADER_WORDS = {"label", "class", "class index", "category", "target", "sentiment", "stars"}


@dataclass(frozen=True)
class LayoutOptions:
    """How rows are laid out: columns by name, or by number from 1; or the classes' folders.

    ``cleaning`` names what is done to the texts, see ``CLEANINGS``; ``folders``, where the source
    is a folder, those of its subfolders that are classes, all if there are none.
    """

    text: tuple[str, ...] = ()
    label: str | None = None
    header: bool = False
    cleaning: str | None = None
    folders: tuple[str, ...] = ()

    @property
    def has_header(self) -> bool:
        """Whether the first row names the columns: said so, or implied by a name."""
        named = [column for column in (*self.text, self.label or "1") if not column.isdigit()]
        return self.header or bool(named)


class Source(Protocol):
    """Some rows: a file of them, or a folder."""

    @property
    def path(self) -> Path:
        """Where it is."""

    @property
    def n_bytes(self) -> int:
        """Its size on the disk."""

    @property
    def text_bytes(self) -> int:
        """Its size; if compressed, an estimate of what is in it."""

    @property
    def layout(self) -> dict[str, Any]:
        """As the file's provenance has it, see ``prediction``."""

    @property
    def classes_path(self) -> Path | None:
        """Where the classes' names are by the layout's custom, if anywhere."""

    def place(self, line: int) -> tuple[Path, int]:
        """The file and the line in it of the row that has ``line`` among ``Rows.lines``."""

    def read(self, block_bytes: int) -> Iterator[tuple[Rows | Reject, int]]:
        """Blocks of rows and rejects where they occur, each with the progress in bytes."""


@dataclass(frozen=True)
class DelimitedFile:
    """One file of rows, CSV or TSV, plain or compressed."""

    path: Path
    columns: Columns
    has_header: bool
    cleaning: str | None = None

    @property
    def n_bytes(self) -> int:
        """The size of the file."""
        return self.path.stat().st_size

    @property
    def text_bytes(self) -> int:
        """The size of the file; of a compressed one an estimate of what is in it."""
        return self.n_bytes * _GZIP_RATIO if self.path.suffix == ".gz" else self.n_bytes

    @property
    def layout(self) -> dict[str, Any]:
        """Columns by their numbers from 1."""
        return {
            "header": self.has_header,
            "columns": self.columns.count,
            "text": [column + 1 for column in self.columns.text],
            "label": self.columns.label + 1,
            **({"cleaning": self.cleaning} if self.cleaning else {}),
        }

    @property
    def classes_path(self) -> Path | None:
        """``classes.txt`` beside data in the Zhang layout."""
        beside = self.path.parent / "classes.txt"
        return beside if not self.has_header and beside.is_file() else None

    def place(self, line: int) -> tuple[Path, int]:
        """The one file, and the very line."""
        return self.path, line

    def read(self, block_bytes: int) -> Iterator[tuple[Rows | Reject, int]]:
        """Blocks of rows, and rejects; see ``read_rows``."""
        position = 0
        with self.open() as (stream, file):
            pieces = read_rows(
                stream, self.columns, block_bytes=block_bytes, skip_header=self.has_header
            )
            for piece in readable(self.path, pieces):
                progress = file.tell() - position
                position += progress
                if self.cleaning and isinstance(piece, Rows):
                    yield CLEANINGS[self.cleaning](piece), progress
                else:
                    yield piece, progress

    @contextmanager
    def open(self) -> Iterator[tuple[BinaryIO, BinaryIO]]:
        """The decompressed stream, and the file under it, whose position is the progress."""
        with open_file(self.path) as file:
            if self.path.suffix == ".gz":
                from isal import igzip, isal_zlib  # noqa: PLC0415 - few files need it

                try:
                    with igzip.GzipFile(fileobj=file) as stream:
                        yield io.BufferedReader(stream, 2**18), file
                except isal_zlib.IsalError as error:  # type: ignore[misc]
                    raise InputError(f"{self.path} cannot be decompressed: {error}") from error
            else:
                yield file, file


def open_file(path: Path) -> BinaryIO:
    """The file at ``path``, unbuffered, or an ``InputError`` that says why not."""
    try:
        return path.open("rb", buffering=0)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; check the path") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder; name the files in it") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None


def readable(path: Path, pieces: Iterator[Piece]) -> Iterator[Piece]:
    """``pieces``, with errors of the file and its compression as an ``InputError``."""
    try:
        yield from pieces
    except (OSError, EOFError) as error:  # gzip raises both for damaged and cut files
        raise InputError(f"{path} cannot be read to its end: {error}") from error


def find_source(path: Path, options: LayoutOptions, *, needs_label: bool = True) -> Source:
    """Look into a file or a folder and decide what is text and what is the label."""
    if path.is_dir():
        if options.text or options.label or options.header:
            raise OptionError(
                f"{path} is a folder of text files, which have no columns; leave out --text, "
                f"--label and --header"
            )
        return find_folder(path, options.folders)
    return find_file(path, options, needs_label=needs_label)


def find_file(path: Path, options: LayoutOptions, *, needs_label: bool = True) -> DelimitedFile:
    """Look into a file and decide which of its columns are text and which is the label."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    delimiter = "\t" if _TAB_SUFFIXES & set(suffixes[-2:]) else ","
    sample = _sample_rows(path, delimiter)
    if not sample:
        raise InputError(f"{path} is empty; it must hold one row a line")
    first = sample[0]
    if options.has_header:
        if len(sample) == 1:
            raise InputError(f"{path} holds a header and no rows")
        text, label = _named_columns(path, first, options, needs_label)
    else:
        text, label = _numbered_columns(path, first, options, needs_label)
        if label >= 0:
            _refuse_header(path, sample, label)
    columns = Columns(delimiter.encode(), len(first), text, label)
    return DelimitedFile(path, columns, options.has_header, options.cleaning)


def _sample_rows(path: Path, delimiter: str) -> list[list[str]]:
    """The fields of the first rows: at least of one that is whole, if there is any."""
    columns = Columns(delimiter.encode(), 1, (0,), -1)
    size = _SAMPLE_BYTES
    while True:
        with DelimitedFile(path, columns, has_header=False).open() as (stream, _):
            try:
                sample = stream.read(size)
            except (EOFError, OSError) as error:  # gzip raises both for damaged and cut files
                raise InputError(f"{path} cannot be decompressed: {error}") from error
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
    path: Path, header: Sequence[str], options: LayoutOptions, needs_label: bool
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
    if label_name is None and needs_label:
        raise OptionError(f"{path} has a header; name the column of the labels with --label")
    label = position(label_name) if label_name is not None and needs_label else -1
    if options.text:
        return _distinct(path, [position(column) for column in options.text], label), label
    if "text" in names:
        return (names.index("text"),), label
    raise OptionError(f"{path} has a header; name the columns of the text with --text")


def _numbered_columns(
    path: Path, first: Sequence[str], options: LayoutOptions, needs_label: bool
) -> tuple[tuple[int, ...], int]:
    def position(column: str) -> int:
        if not 1 <= int(column) <= len(first):
            raise InputError(
                f"{path}, line 1: there is no column {column}; the row has {len(first)} columns "
                f"(is the delimiter right? .tsv files are split at tabs, others at commas)"
            )
        return int(column) - 1

    label = position(options.label or "1") if needs_label else -1
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
