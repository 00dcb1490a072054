"""CSV and TSV files.

Headerless CSV is taken for the layout of Zhang et al. 2015 (arXiv 1509.01626), in which AG News,
DBPedia, Amazon and Yelp reviews are published: the class first, then one or more texts.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ooc_train.conversion.sources.class_names import CLASSES_NAME
from ooc_train.conversion.sources.columns import Chosen, ColumnFile, Table
from ooc_train.conversion.sources.files.input_file import InputFile
from ooc_train.conversion.sources.files.rejects import Reject, UnfitError, too_long
from ooc_train.conversion.sources.formats.delimited_kernel import (
    FirstRows,
    Parser,
    first_rows,
    read_rows,
)
from ooc_train.conversion.sources.layout import LayoutOptions
from ooc_train.conversion.sources.numerals import number
from ooc_train.conversion.sources.rows import SpelledLabels
from ooc_train.errors import InputError

_SAMPLE_ROWS = 50
_HINT = " (is the delimiter right? .tsv files are split at tabs, others at commas)"
_HEADER_WORDS = {"label", "class", "class index", "category", "target", "sentiment", "stars"}


@dataclass(frozen=True, kw_only=True)
class DelimitedFile(ColumnFile):
    """One file of rows whose fields a ``delimiter`` separates, ``n_fields`` in each."""

    delimiter: str
    n_fields: int

    numbered = True
    hint = _HINT

    @property
    def n_columns(self) -> int:
        """The number of columns, which may have no names."""
        return self.n_fields

    @property
    def where(self) -> str:
        """The first line, which names the columns or would."""
        return f"{self.file.path}, line 1"

    @property
    def classes_path(self) -> Path | None:
        """``classes.txt`` beside data in the Zhang layout."""
        if self.names or self.file.is_pipe:
            return None
        beside = self.file.path.parent / CLASSES_NAME
        return beside if beside.is_file() else None

    def check(self, chosen: Chosen) -> None:
        """Refuse a header where none is expected, since it would become a row or a class."""
        if self.names:
            return
        found = _first_rows(self.file, self.delimiter, self.max_row_bytes)
        sample = [_texts(fields) for fields in found.fields]
        if chosen.numbers:
            self._refuse_names(sample[0], chosen)
        if chosen.label >= 0:
            self._refuse_header(sample, chosen.label)

    def _refuse_names(self, first: Sequence[str], chosen: Chosen) -> None:
        for column in chosen.columns:
            if number(first[column].strip().encode()) is None:
                raise InputError(
                    f"{self.where}: {first[column].strip()!r} is not a number; say --header if the "
                    f"first row names the columns, or name those of the features with --columns"
                )

    def _refuse_header(self, sample: Sequence[Sequence[str]], label: int) -> None:
        labels = [row[label].strip() for row in sample if len(row) > label]
        others_are_numbers = len(labels) > 1 and all(_is_integer(value) for value in labels[1:])
        odd_one_out = others_are_numbers and not _is_integer(labels[0])
        if labels and (odd_one_out or labels[0].lower() in _HEADER_WORDS):
            raise InputError(
                f"{self.where} looks like a header ({', '.join(map(repr, sample[0]))}); "
                f"say --header, or name the columns with --text and --label"
            )

    def others(self, columns: Sequence[int]) -> dict[str, int]:
        """All but some columns, by their names, or by their numbers if these are not unique."""
        found: dict[str, int] = {}
        for k in range(self.n_columns):
            if k not in columns:
                name = self.names[k] if self.names else ""
                found[name if name and name not in found else f"column_{k + 1}"] = k
        return found

    def layout(self, chosen: Chosen) -> dict[str, Any]:
        """The layout as a converted file's provenance has it: columns by their numbers from 1."""
        columns = [column + 1 for column in chosen.columns]
        layout = {
            "format": self.format,
            "header": bool(self.names),
            "columns": self.n_columns,
            "text": columns,
            "label": chosen.label + 1,
        }
        if chosen.numbers:
            layout |= {"columns": columns, "n_columns": self.n_columns}
        return layout

    def read(self, chosen: Chosen, block_bytes: int) -> Iterator[tuple[Table | Reject, int]]:
        """The rows in tables of about ``block_bytes``, and rejects, each with the progress."""
        is_header = bool(self.names)
        parser = Parser(self.delimiter, self.n_columns, chosen.cells, self.max_row_bytes)
        for piece, progress in self.file.parsed(
            lambda stream: read_rows(stream, parser, block_bytes)
        ):
            if isinstance(piece, Reject):
                yield piece, progress
                continue
            lines, cells = piece.without_first() if is_header else piece
            is_header = False
            labels = SpelledLabels.none(len(lines))
            if chosen.label >= 0:
                labels = cells.labels(len(chosen.columns))
            yield Table(lines, labels, cells, is_clean=True), progress


def open_csv(file: InputFile, options: LayoutOptions) -> DelimitedFile:
    """Look into a file whose fields are separated by commas."""
    return _open(file, options, "csv", ",")


def open_tsv(file: InputFile, options: LayoutOptions) -> DelimitedFile:
    """Look into a file whose fields are separated by tabs."""
    return _open(file, options, "tsv", "\t")


def _open(file: InputFile, options: LayoutOptions, kind: str, delimiter: str) -> DelimitedFile:
    found = _first_rows(file, delimiter, options.max_row_bytes)
    names: tuple[str, ...] = ()
    if options.has_header:
        _check_header(file, found)
        names = tuple(name.strip() for name in _texts(found.fields[0]))
    return DelimitedFile(
        file=file,
        format=kind,
        names=names,
        max_row_bytes=options.max_row_bytes,
        delimiter=delimiter,
        n_fields=len(found.fields[0]),
    )


def _check_header(file: InputFile, found: FirstRows) -> None:
    """Refuse a first row that cannot be read, behind which a row would be taken for the header."""
    if found.rejects and found.rejects[0].line < found.lines[0]:
        first = found.rejects[0]
        raise InputError(f"{file.path}, line {first.line} is no header: {first.reason}")
    if len(found.lines) == 1 and not found.rejects and found.is_all:
        raise InputError(f"{file.path} holds a header and no rows")


def _texts(fields: Sequence[bytes]) -> list[str]:
    return [field.decode("utf-8", "replace") for field in fields]


def _first_rows(file: InputFile, delimiter: str, max_row_bytes: int) -> FirstRows:
    """The fields of the first rows: at least of one, if there is any.

    Raises ``InputError`` where no row is found in as many bytes as the longest row may have.
    """
    for sample, is_whole in file.beginnings(max_row_bytes):
        try:
            rows = first_rows(
                sample,
                delimiter,
                is_whole=is_whole,
                max_row_bytes=max_row_bytes,
                n_rows=_SAMPLE_ROWS,
            )
        except UnfitError as error:
            raise InputError(f"{file.path}: {error}{_HINT}") from error
        if rows.fields:
            return rows
    if rows.rejects:
        first = rows.rejects[0]
        raise InputError(f"{file.path}, line {first.line}: {first.reason}; no row can be used")
    if is_whole:
        raise InputError(f"{file.path} is empty; it must hold one row a line")
    if not sample.strip():
        raise file.begins_blank(len(sample))
    blank = len(sample) - len(sample.lstrip(b"\r\n"))
    line = 1 + sample.count(b"\n", 0, blank)
    raise InputError(
        f"{file.path}, line {line}: {too_long('row', max_row_bytes)}; take it out, or allow longer "
        f"ones with --max-row-bytes"
    )


def _is_integer(text: str) -> bool:
    return text.removeprefix("-").isdecimal()
