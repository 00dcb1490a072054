"""Dense rows from columns of CSV and TSV files: all but the label, unless they are named."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ooc_train.conversion.sources.dense_layout import without
from ooc_train.conversion.sources.files.input_file import InputFile
from ooc_train.conversion.sources.files.rejects import Place, Reject
from ooc_train.conversion.sources.formats.delimited_file import (
    DelimitedFile,
    column_names,
    find_csv,
    find_tsv,
)
from ooc_train.conversion.sources.formats.table import format_of
from ooc_train.conversion.sources.layout import LayoutOptions
from ooc_train.conversion.sources.numerals import number, parse_table
from ooc_train.conversion.sources.rows import DenseNumbers, SpelledLabels
from ooc_train.errors import InputError, OptionError


@dataclass(frozen=True)
class DelimitedSource:
    """Numeric columns of a CSV or TSV file: ``rows`` gives them as its text."""

    rows: DelimitedFile
    limit: float
    n_rows: None = None
    carried: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        """The name of the file."""
        return self.rows.path

    @property
    def n_bytes(self) -> int:
        """The size of the file."""
        return self.rows.n_bytes

    @property
    def n_columns(self) -> int:
        """The columns that are features."""
        return len(self.rows.columns.text)

    @property
    def text_bytes(self) -> int:
        """The size of what is in the file; an estimate if it is compressed."""
        return self.rows.text_bytes

    @property
    def layout(self) -> dict[str, Any]:
        """Columns by their numbers from 1."""
        layout = self.rows.layout
        return layout | {"columns": layout["text"], "n_columns": layout["columns"]}

    @property
    def classes_path(self) -> Path | None:
        """``classes.txt`` beside data without a header."""
        return self.rows.classes_path

    def place(self, line: int) -> Place:
        """The very line."""
        return self.rows.place(line)

    def read(self, block_bytes: int) -> Iterator[tuple[DenseNumbers | Reject, int]]:
        """Blocks of rows, and rejects.  Memory: four times ``block_bytes``, and the numbers."""
        for piece, progress in self.rows.read(block_bytes):
            if isinstance(piece, Reject):
                yield piece, progress
                continue
            values, reasons = parse_table(piece.text, piece.text_offsets, self.n_columns)
            labels = SpelledLabels.of_bytes(piece.labels, piece.label_offsets)
            rows = DenseNumbers(values, labels, piece.lines)
            yield from without(rows, reasons, self.limit, progress, piece)


def find_dense_csv(file: InputFile, options: LayoutOptions, limit: float) -> DelimitedSource:
    """Look into a file; all its columns but the label are features, unless some are named."""
    if options.labels:
        raise OptionError(
            f"{file.path} has its labels in a column; name it with --label, and leave out --labels"
        )
    delimiter, find = ("\t", find_tsv) if format_of(file) == "tsv" else (",", find_csv)
    names = column_names(file, delimiter)
    if options.has_header:
        label = options.label or ("label" if "label" in names else None)
        text = options.text or tuple(name for name in names if name != label)
        options = replace(options, text=text, label=label, header=True)
    else:
        _refuse_names(file, names, options)
    found = find(file, options)
    return DelimitedSource(found, limit)


def _refuse_names(file: InputFile, names: list[str], options: LayoutOptions) -> None:
    """Names of columns where numbers are expected would be a row to reject."""
    for column, name in enumerate(names, 1):
        is_feature = str(column) in options.text if options.text else column > 1 or options.label
        if is_feature and str(column) != options.label and number(name.encode()) is None:
            raise InputError(
                f"{file.path}, line 1: {name!r} is not a number; say --header if the first row "
                f"names the columns, or name those of the features with --columns"
            )
