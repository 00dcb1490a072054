"""CSV and TSV files, in the dialect that is given or found.

Headerless CSV is taken for the layout of Zhang et al. 2015 (arXiv 1509.01626), in which AG News,
DBPedia, Amazon and Yelp reviews are published: the class first, then one or more texts.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import numpy as np

from ooc_train.conversion.sources.class_names import CLASSES_NAME
from ooc_train.conversion.sources.columns import Cells, Chosen, ColumnFile, Piece, Table
from ooc_train.conversion.sources.files.input_file import InputFile
from ooc_train.conversion.sources.files.ranges import Range, RangeEnd
from ooc_train.conversion.sources.files.rejects import Blank, Reject, UnfitError, too_long
from ooc_train.conversion.sources.formats.delimited_kernel import (
    Dialect,
    Parsed,
    Parser,
    read_rows,
)
from ooc_train.conversion.sources.formats.delimited_sample import FirstRows, Sample
from ooc_train.conversion.sources.formats.dialects import TAB, find_dialect, remarks
from ooc_train.conversion.sources.labels import NULL
from ooc_train.conversion.sources.layout import LayoutOptions
from ooc_train.conversion.sources.numerals import number
from ooc_train.conversion.sources.rows import SpelledLabels
from ooc_train.errors import EmptyInputError, InputError

_SAMPLE_ROWS = 50
_QUOTE = 34
_HINT = " (--delimiter and --quoting say how fields are told apart)"
_SEPARATOR_LINE = re.compile(rb"sep=([ -~\t])\r?\n")  # as Excel writes and reads it
_LABEL_WORDS = {"label", "class", "class index", "category", "target", "sentiment", "stars"}
_COLUMN_WORDS = {
    "body", "category", "class", "comment", "content", "description", "document", "id", "index",
    "label", "labels", "message", "polarity", "question", "rating", "review", "sentence",
    "sentiment", "stars", "summary", "target", "text", "title", "topic", "tweet",
}  # fmt: skip
_PARTS = re.compile(r"[\s_-]+")


@dataclass(frozen=True, kw_only=True)
class DelimitedFile(ColumnFile):
    """One file of rows of ``n_fields`` fields in some ``dialect``.

    ``first_line`` is 2 where the first one names the delimiter.
    """

    dialect: Dialect
    n_fields: int
    first_line: int = 1

    numbered = True
    hint = _HINT

    @property
    def n_columns(self) -> int:
        """The number of columns, which may have no names."""
        return self.n_fields

    @property
    def where(self) -> str:
        """The first line, which names the columns or would."""
        return f"{self.file.path}, line {self.first_line}"

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
        found = _look(self.file, self.max_row_bytes, lambda _: self.dialect)
        sample = [_texts(fields) for fields in found.rows.fields]
        if chosen.numbers:
            self._refuse_names(sample[0], chosen)
        columns = [chosen.label] if chosen.label >= 0 else range(self.n_columns)
        if looks_like_header(sample, columns):
            with_label = " and --label" if chosen.label >= 0 else ""
            raise InputError(
                f"{self.where} looks like a header ({', '.join(map(repr, sample[0]))}); "
                f"say --header, or name the columns with --text{with_label}"
            )

    def _refuse_names(self, first: Sequence[str], chosen: Chosen) -> None:
        for column in chosen.columns:
            if number(first[column].strip().encode()) is None:
                raise InputError(
                    f"{self.where}: {first[column].strip()!r} is not a number; say --header if the "
                    f"first row names the columns, or name those of the features with --columns"
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
        """The layout as a converted file's provenance has it: columns by their numbers from 1.

        With a header also by their ``names``.
        """
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
        if self.names:
            layout["names"] = [self.names[k] for k in chosen.columns]
            layout["label_name"] = self.names[chosen.label] if chosen.label >= 0 else None
        return layout

    @property
    def is_divisible(self) -> bool:
        """Whether its text can be read from any byte on; of one that names its delimiter, not."""
        return self.first_line == 1 and self.file.is_divisible

    def read_range(
        self, chosen: Chosen, block_bytes: int, part: Range
    ) -> Iterator[tuple[Piece | RangeEnd, int]]:
        """The rows that begin in a range, and where they are; with the first byte the header."""
        is_header = bool(self.names) and part.start == 0
        first_line = part.first_line + self.first_line - 1
        parser = Parser(self.dialect, self.n_columns, chosen.cells, self.max_row_bytes, first_line)

        def rows(stream: BinaryIO) -> Iterator[Parsed | Reject | Blank | RangeEnd]:
            if self.first_line > 1:
                stream.readline()
            return read_rows(stream, parser, block_bytes, part, n_least=int(is_header))

        for piece, progress in self.file.parsed(rows, part.first_byte):
            if not isinstance(piece, Parsed):
                yield piece, progress
                continue
            lines, cells = piece.without_first() if is_header else piece
            is_header = False
            labels = SpelledLabels.none(len(lines))
            if chosen.label >= 0:
                labels = cells.labels(len(chosen.columns))
            reasons = dict.fromkeys(self._headers_in(cells, chosen), "the header again")
            missing = () if chosen.numbers else _missing(cells, len(chosen.columns))
            yield Table(lines, labels, cells, reasons, is_clean=True, missing=missing), progress

    def _headers_in(self, cells: Cells, chosen: Chosen) -> Iterator[int]:
        """The rows that repeat the header, as files that are joined have them.

        One cell alone may be a text that happens to be the column's name.
        """
        if self.names and len(chosen.cells) > 1:
            names = [self.names[k].encode() for k in chosen.cells]
            lengths = np.array([len(name) for name in names])
            same = ((cells.stops - cells.starts) == lengths).all(axis=1)
            for row in np.flatnonzero(same).tolist():
                if all(cells.cell(row, k) == name for k, name in enumerate(names)):
                    yield row


def _missing(cells: Cells, n_columns: int) -> Sequence[int]:
    """The rows in whose first columns nothing is written, not even two quotes, or `NULL`."""
    data, starts, stops = cells
    for k in range(n_columns):
        for row in np.flatnonzero(stops[:, k] - starts[:, k] == len(NULL)).tolist():
            if cells.cell(row, k) == NULL:
                stops[row, k] = starts[row, k]
    rows = np.flatnonzero(starts[:, 0] == stops[:, 0])
    for k in range(n_columns):
        found = starts[rows, k]
        # A quote before an empty field is its own.
        rows = rows[(found == stops[rows, k]) & ((found == 0) | (data[found - 1] != _QUOTE))]
    return cast(list[int], rows.tolist())


def open_csv(file: InputFile, options: LayoutOptions) -> DelimitedFile:
    """Look into a file whose fields are separated, as a rule by commas."""
    return _open(file, options, "csv", ",")


def open_tsv(file: InputFile, options: LayoutOptions) -> DelimitedFile:
    """Look into a file whose fields are separated, as a rule by tabs."""
    return _open(file, options, "tsv", TAB)


def _open(file: InputFile, options: LayoutOptions, kind: str, usual: str) -> DelimitedFile:
    found = _look(file, options.max_row_bytes, lambda sample: find_dialect(sample, options, usual))
    names: tuple[str, ...] = ()
    if options.has_header:
        _check_header(file, found.rows)
        names = tuple(name.strip() for name in _texts(found.rows.fields[0]))
    return DelimitedFile(
        file=file,
        format=kind,
        names=names,
        max_row_bytes=options.max_row_bytes,
        remarks=remarks(found.dialect, options, usual),
        dialect=found.dialect,
        n_fields=found.rows.n_columns,
        first_line=found.first_line,
    )


def _check_header(file: InputFile, found: FirstRows) -> None:
    """Refuse a first row that cannot be read, behind which a row would be taken for the header."""
    if found.rejects and found.rejects[0].line < found.lines[0]:
        first = found.rejects[0]
        raise InputError(
            f"{file.path}, line {first.line} is no header: {first.reason}; the header "
            f"names each column of the rows, and nothing stands above it"
        )
    if len(found.lines) == 1 and not found.rejects and found.is_all:
        raise EmptyInputError(f"{file.path} holds a header and no rows")


def _texts(fields: Sequence[bytes]) -> list[str]:
    return [field.decode("utf-8", "replace") for field in fields]


class _Beginning(NamedTuple):
    """The first rows of a file, their dialect, and the line on which they begin."""

    dialect: Dialect
    first_line: int
    rows: FirstRows


def _look(file: InputFile, max_row_bytes: int, find: Callable[[Sample], Dialect]) -> _Beginning:
    """The first rows of a file: at least one, if there is any, in the dialect of a sample.

    Raises ``InputError`` where no row is found in as many bytes as the longest row may have.
    """
    for text, is_whole in file.beginnings(max_row_bytes):
        separator = _SEPARATOR_LINE.match(text)
        rest = text[separator.end() :] if separator else text
        first_line = 2 if separator else 1
        sample = Sample(rest, max_row_bytes, is_whole=is_whole, first_line=first_line)
        dialect = find(sample)
        try:
            rows = sample.rows(dialect, _SAMPLE_ROWS)
        except UnfitError as error:
            raise InputError(f"{file.path}: {error}{_HINT}") from error
        if rows.fields:
            return _Beginning(dialect, first_line, rows)
    if rows.rejects:
        first = rows.rejects[0]
        raise InputError(f"{file.path}, line {first.line}: {first.reason}; no row can be used")
    if is_whole:
        raise EmptyInputError(f"{file.path} is empty; it must hold one row a line")
    if not rest.strip():
        raise file.begins_blank(len(rest))
    blank = len(rest) - len(rest.lstrip(b"\r\n"))
    line = first_line + rest.count(b"\n", 0, blank)
    raise InputError(
        f"{file.path}, line {line}: {too_long('row', max_row_bytes)}; take it out, or allow longer "
        f"ones with --max-row-bytes"
    )


def looks_like_header(sample: Sequence[Sequence[str]], columns: Iterable[int]) -> bool:
    """Whether the first of some rows names the columns, as far as its words or some columns tell.

    In a column whose other fields are whole numbers, a name stands out.

    >>> looks_like_header([["id", "phrase"], ["1", "so it is"]], [0])
    True
    >>> looks_like_header([["Comment_Text", "id"], ["so it is", "x1"]], [])
    True
    >>> looks_like_header([["good", "so it is"], ["bad", "so it was"]], [0])
    False
    """
    first = [cell.strip() for cell in sample[0]]
    if all(set(_PARTS.split(cell.lower())) <= _COLUMN_WORDS for cell in first):
        return True
    for column in columns:
        others = [row[column].strip() for row in sample[1:]]
        odd_one_out = bool(others) and all(map(_is_integer, others))
        if odd_one_out and first[column][:1].isalpha():
            return True
        if first[column].lower() in _LABEL_WORDS:
            return True
    return False


def _is_integer(text: str) -> bool:
    return text.removeprefix("-").isdecimal()
