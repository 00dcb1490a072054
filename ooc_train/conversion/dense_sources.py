"""Sources of dense rows: arrays, and numeric columns of Parquet and CSV files.

An ``.npz`` file has arrays ``features`` and ``labels``, or ``x`` and ``y``, in small or capital
letters; others can be named.  Of a table's columns one is the label and all others are features,
unless they are named; in Parquet a column may hold a list of numbers, as long in every row.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from ooc_train.conversion.array_files import ArrayStream, open_npy, open_npz
from ooc_train.conversion.delimited_file import DelimitedFile, column_names, find_csv, find_tsv
from ooc_train.conversion.input_file import InputFile
from ooc_train.conversion.label_files import Take, open_labels, taking
from ooc_train.conversion.layout import LayoutOptions, Source
from ooc_train.conversion.numerals import number, parse_table
from ooc_train.conversion.numeric_rows import DenseRows, SpelledLabels
from ooc_train.conversion.parquet import as_floats, batches, open_parquet, spelled_labels
from ooc_train.conversion.source_rows import Place, Reject, Rows
from ooc_train.conversion.sources import format_of
from ooc_train.errors import InputError, OptionError

_VALUE_BYTES = 4
_PAIRS = (("features", "labels"), ("x", "y"), ("X", "Y"), ("X", "y"))

Values = npt.NDArray[np.float32]


class DenseSource(Source, Protocol):
    """Dense rows, all of ``n_columns``."""

    @property
    def n_columns(self) -> int:
        """Numbers in a row."""

    @property
    def n_rows(self) -> int | None:
        """How many rows there are, usable or not, where that is known before they are read."""


class Details(NamedTuple):
    """What is to be known of dense rows beside their layout.

    ``labels`` is a file of them, ``limit`` what all numbers must be smaller than in size.
    """

    labels: Path | None = None
    limit: float = math.inf
    needs_label: bool = True


Opened = tuple[ArrayStream, Take | None]


@dataclass(frozen=True)
class ArraySource:
    """The rows of an array, with labels from another."""

    file: InputFile
    format: str
    names: tuple[str | None, str | None]
    details: Details
    shape: tuple[int, int]
    value_bytes: int
    open: Callable[["ArraySource"], AbstractContextManager[Opened]]

    @property
    def path(self) -> Path:
        """The name of the file."""
        return self.file.path

    @property
    def n_bytes(self) -> int:
        """The size of the file."""
        return self.file.n_bytes

    @property
    def text_bytes(self) -> int:
        """The size of the array as it is converted."""
        return math.prod(self.shape) * _VALUE_BYTES

    @property
    def n_rows(self) -> int:
        """The rows of the array."""
        return self.shape[0]

    @property
    def n_columns(self) -> int:
        """The columns of the array."""
        return self.shape[1]

    @property
    def layout(self) -> dict[str, Any]:
        """The arrays' names, where they have any."""
        features, label = self.names
        return {"format": self.format, "columns": [features] if features else [], "label": label}

    @property
    def classes_path(self) -> Path | None:
        """Where the classes' names may be: nowhere, there is no custom."""
        return None

    def place(self, line: int) -> Place:
        """The number of the row."""
        return Place(self.path, line, "row")

    def read(self, block_bytes: int) -> Iterator[tuple[DenseRows | Reject, int]]:
        """Blocks of rows of about ``block_bytes``, and rejects; ``lines`` are row numbers.

        Memory: a block, and once more where the array is of another type or order.
        """
        a_row = max(1, self.n_columns * max(_VALUE_BYTES, self.value_bytes))
        size = max(1, block_bytes // a_row)
        with self.open(self) as (features, labels):
            for first in range(0, self.n_rows, size):
                values = _as_values(features.take(size))
                n = len(values)
                spelled = labels(n) if labels else SpelledLabels.none(n)
                rows = DenseRows(values, spelled, np.arange(first + 1, first + n + 1))
                progress = self.n_bytes * (first + n) // self.n_rows
                progress -= self.n_bytes * first // self.n_rows
                yield from _usable(rows, self.details.limit, progress)


def find_npy(file: InputFile, options: LayoutOptions, details: Details) -> ArraySource:
    """The one array of a file."""
    if options.text or options.label:
        raise OptionError(
            f"{file.path} is one array, without names; leave out --columns and --label, and give "
            f"a file of labels with --labels"
        )
    if details.labels is None and details.needs_label:
        raise OptionError(f"{file.path} holds no labels; give a file of them with --labels")
    with open_npy(file) as features:
        source = _array_source(file, "npy", (None, None), details, features, _open_one)
        if not file.compression:
            n_bytes = features.row_bytes * features.shape[0]
            if file.n_bytes < n_bytes:
                raise InputError(f"{file.path} is cut short; make the file again")
    return source


def find_npz(file: InputFile, options: LayoutOptions, details: Details) -> ArraySource:
    """Two arrays of a file."""
    with open_npz(file) as archive:
        features, labels = _pair(archive.names)
        features = options.text[0] if options.text else features
        labels = options.label or labels
        needed = [features, *([labels] if details.needs_label and not details.labels else [])]
        if len(options.text) > 1 or not set(needed) <= set(archive.names):
            listing = ", ".join(map(repr, archive.names))
            raise InputError(
                f"{file.path} has no arrays features and labels, or x and y, but {listing}; name "
                f"them with --columns and --label"
            )
        names = (features, None if details.labels or not details.needs_label else labels)
        with archive.open(str(features)) as array:
            source = _array_source(file, "npz", names, details, array, _open_pair)
    return source


def _pair(names: Sequence[str]) -> tuple[str | None, str | None]:
    for features, labels in _PAIRS:
        if features in names:
            return features, labels
    return None, None


def _array_source(
    file: InputFile,
    kind: str,
    names: tuple[str | None, str | None],
    details: Details,
    array: ArrayStream,
    open_arrays: Callable[[ArraySource], AbstractContextManager[Opened]],
) -> ArraySource:
    if len(array.shape) != 2 or array.dtype.kind not in "fiub" or not array.shape[1]:
        raise InputError(
            f"{file.path} has features of the shape {array.shape} and type {array.dtype}; rows of "
            f"numbers, one behind another, are expected"
        )
    if not array.shape[0]:
        raise InputError(f"{file.path} is empty; it holds no rows")
    shape = (array.shape[0], array.shape[1])
    source = ArraySource(file, kind, names, details, shape, array.dtype.itemsize, open_arrays)
    with source.open(source):  # so that labels which do not fit are found now
        return source


@contextmanager
def _open_one(source: ArraySource) -> Iterator[Opened]:
    with ExitStack() as stack:
        yield stack.enter_context(open_npy(source.file)), _labels(source, stack)


@contextmanager
def _open_pair(source: ArraySource) -> Iterator[Opened]:
    features, labels = source.names
    with ExitStack() as stack:
        archive = stack.enter_context(open_npz(source.file))
        array = stack.enter_context(archive.open(str(features)))
        if labels is None:
            yield array, _labels(source, stack)
        else:
            found = stack.enter_context(archive.open(labels))
            yield array, taking(found, f"{source.path}: array {labels!r}", source.n_rows)


def _labels(source: ArraySource, stack: ExitStack) -> Take | None:
    if source.details.labels is None:
        return None
    return stack.enter_context(open_labels(source.details.labels, source.n_rows))


@dataclass(frozen=True)
class ParquetSource:
    """Numeric columns of a Parquet file, and columns of lists of numbers, side by side.

    ``widths`` says how many numbers each has.
    """

    file: InputFile
    columns: tuple[str, ...]
    widths: tuple[int, ...]
    label: str | None
    details: Details
    n_rows: int

    @property
    def path(self) -> Path:
        """The name of the file."""
        return self.file.path

    @property
    def n_bytes(self) -> int:
        """The size of the file."""
        return self.file.n_bytes

    @property
    def n_columns(self) -> int:
        """The numbers of a row."""
        return sum(self.widths)

    @property
    def text_bytes(self) -> int:
        """The size of the numbers as they are converted."""
        return self.n_rows * self.n_columns * _VALUE_BYTES

    @property
    def layout(self) -> dict[str, Any]:
        """Columns by their names."""
        return {"format": "parquet", "columns": list(self.columns), "label": self.label}

    @property
    def classes_path(self) -> Path | None:
        """Where the classes' names may be: nowhere, there is no custom."""
        return None

    def place(self, line: int) -> Place:
        """The number of the row."""
        return Place(self.path, line, "row")

    def read(self, block_bytes: int) -> Iterator[tuple[DenseRows | Reject, int]]:
        """Blocks of rows of about ``block_bytes``, and rejects; ``lines`` are row numbers.

        Memory: some pages of each column, and a block three times.
        """
        wanted = [*self.columns, *([self.label] if self.label else [])]
        with ExitStack() as stack:
            table = stack.enter_context(open_parquet(self.file))
            take = None
            if self.details.labels:
                take = stack.enter_context(open_labels(self.details.labels, self.n_rows))
            for batch, first, progress in batches(self.file, table, wanted, block_bytes):
                yield from self._rows(batch, first, progress, take)

    def _rows(
        self, batch: Any, first: int, progress: int, take: Take | None
    ) -> Iterator[tuple[DenseRows | Reject, int]]:
        reasons: dict[int, str] = {}
        labels = take(batch.num_rows) if take else SpelledLabels.none(batch.num_rows)
        if self.label:
            text, offsets, reasons = spelled_labels(batch.column(self.label))
            labels = SpelledLabels.of_bytes(text, offsets)
        values = np.empty((batch.num_rows, self.n_columns), np.float32)
        start = 0
        for name, width in zip(self.columns, self.widths, strict=True):
            values[:, start : start + width] = _numbers(batch.column(name), name, width, reasons)
            start += width
        rows = DenseRows(values, labels, np.arange(first, first + len(values)))
        yield from _without(rows, reasons, self.details.limit, progress)


def find_dense_parquet(file: InputFile, options: LayoutOptions, details: Details) -> ParquetSource:
    """Look into a file and decide which of its columns are features and which is the label."""
    with open_parquet(file) as table:
        schema = table.schema_arrow
        label = None
        if details.labels is None:
            label = options.label or ("label" if "label" in schema.names else None)
            if label is None and details.needs_label:
                raise OptionError(
                    f"{file.path}: name the column of the labels with --label, or give a file of "
                    f"them with --labels"
                )
        columns = options.text or tuple(name for name in schema.names if name != label)
        chosen = [*columns, *([label] if label and details.needs_label else [])]
        for name in chosen:
            if name not in schema.names:
                listing = ", ".join(map(repr, schema.names))
                raise InputError(f"{file.path}: there is no column {name!r}; there are {listing}")
        widths = _widths(file, table, columns)
        label = label if details.needs_label else None
        return ParquetSource(file, columns, widths, label, details, table.metadata.num_rows)


def _widths(file: InputFile, table: Any, columns: tuple[str, ...]) -> tuple[int, ...]:
    """How many numbers each column has, by its type or else by its first row."""
    from pyarrow import types  # noqa: PLC0415 - an extra

    widths = []
    for name in columns:
        kind = table.schema_arrow.field(name).type
        item = kind.value_type if _is_list(kind) else kind
        if not (types.is_integer(item) or types.is_floating(item) or types.is_boolean(item)):
            raise InputError(
                f"{file.path}: the column {name!r} holds {kind}, where numbers are expected; name "
                f"those of the features with --columns"
            )
        if types.is_fixed_size_list(kind):
            widths.append(kind.list_size)
        elif _is_list(kind):
            first = next(table.iter_batches(1, columns=[name])).column(0)
            widths.append(len(first.flatten()))
        else:
            widths.append(1)
    return tuple(widths)


def _is_list(kind: Any) -> bool:
    from pyarrow import types  # noqa: PLC0415 - an extra

    return types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)


def _numbers(column: Any, name: str, width: int, reasons: dict[int, str]) -> Values:
    """A column's numbers, (n_rows, width); rows that have another number are given a reason."""
    from pyarrow import types  # noqa: PLC0415 - an extra

    if not _is_list(column.type):
        return as_floats(column, np.float32).reshape(-1, 1)
    if types.is_fixed_size_list(column.type):
        flat = column.values.slice(column.offset * width, len(column) * width)
        values = as_floats(flat, np.float32).reshape(-1, width)
        if column.null_count:
            for row, value in enumerate(column.is_null().to_pylist()):
                if value:
                    reasons.setdefault(row, f"column {name!r} is null")
        return values
    offsets = np.array(column.offsets.to_pylist(), np.int64)
    lengths = offsets[1:] - offsets[:-1]
    fits = lengths == width
    for row in np.flatnonzero(~fits).tolist():
        reasons.setdefault(row, f"column {name!r} has {lengths[row]} numbers, not {width}")
    values = np.zeros((len(column), width), np.float32)
    flat = as_floats(column.flatten(), np.float32)
    values[fits] = flat[np.repeat(fits, lengths)].reshape(-1, width)
    return values


@dataclass(frozen=True)
class DelimitedSource:
    """Numeric columns of a CSV or TSV file: ``rows`` gives them as its text."""

    rows: DelimitedFile
    details: Details
    n_rows: None = None

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

    def read(self, block_bytes: int) -> Iterator[tuple[DenseRows | Reject, int]]:
        """Blocks of rows, and rejects.  Memory: four times ``block_bytes``, and the numbers."""
        for piece, progress in self.rows.read(block_bytes):
            if isinstance(piece, Reject):
                yield piece, progress
                continue
            values, reasons = parse_table(piece.text, piece.text_offsets, self.n_columns)
            labels = SpelledLabels.of_bytes(piece.labels, piece.label_offsets)
            rows = DenseRows(values, labels, piece.lines)
            yield from _without(rows, reasons, self.details.limit, progress, piece)


def find_dense_csv(file: InputFile, options: LayoutOptions, details: Details) -> DelimitedSource:
    """Look into a file; all its columns but the label are features, unless some are named."""
    if details.labels:
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
    found = find(file, options, details.needs_label)
    return DelimitedSource(found, details)


def _refuse_names(file: InputFile, names: list[str], options: LayoutOptions) -> None:
    """Names of columns where numbers are expected would be a row to reject."""
    for column, name in enumerate(names, 1):
        is_feature = str(column) in options.text if options.text else column > 1 or options.label
        if is_feature and str(column) != options.label and number(name.encode()) is None:
            raise InputError(
                f"{file.path}, line 1: {name!r} is not a number; say --header if the first row "
                f"names the columns, or name those of the features with --columns"
            )


def _as_values(array: npt.NDArray[Any]) -> Values:
    with np.errstate(over="ignore"):  # infinity is found afterwards
        return np.ascontiguousarray(array, np.float32)


def _without(
    rows: DenseRows,
    reasons: dict[int, str],
    limit: float,
    progress: int,
    source: Rows | None = None,
) -> Iterator[tuple[DenseRows | Reject, int]]:
    """The rows that have no reason against them, and the others as rejects."""
    for row, reason in sorted(reasons.items()):
        raw = source.text_bytes(row) if source else rows.text_bytes(row)
        yield Reject(int(rows.lines[row]), reason, raw), 0
    if reasons:
        keep = np.ones(len(rows), np.bool_)
        keep[list(reasons)] = False
        rows = rows.take(keep)
    yield from _usable(rows, limit, progress)


def _usable(
    rows: DenseRows, limit: float, progress: int
) -> Iterator[tuple[DenseRows | Reject, int]]:
    rows, rejects = rows.usable(limit)
    for reject in rejects:
        yield reject, 0
    yield rows, progress


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
