"""Consecutive rows of a file as columns: the interface between formats and rows.

A format opens a file as a `ColumnFile`, which knows the columns' names and reads those that are
chosen.  It gives them as a `Table`: bytes for each cell, or numbers.  `texts` makes rows of text of
these, and `numbers` rows of dense or sparse numbers.
"""

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ooc_train.conversion.sources.files.input_file import InputFile
from ooc_train.conversion.sources.files.ranges import Range, RangeEnd, byte_ranges, row_ranges
from ooc_train.conversion.sources.files.rejects import MAX_ROW_BYTES, Blank, Place, Reject
from ooc_train.conversion.sources.rows import SpelledLabels, distinct_cells, joined
from ooc_train.dtypes import F32, I32, I64, U8
from ooc_train.intrinsics import copy_bytes
from ooc_train.jit import kernel

_COMMA, _SPACE = 44, 32
_INDEX = re.compile(r"|Unnamed: \d+|__index_level_\d+__")


@dataclass(frozen=True)
class Chosen:
    """The columns of a file that are read, counted from 0.

    ``columns`` hold the text, or with ``numbers`` the numbers.  ``label`` is -1 where no label is
    read.  ``carried`` are the columns that rows of text bring along, by their names, if any are
    asked for.  ``label_is_usual`` says that no option named the label.  ``remarks`` say what was
    chosen, where no option did.
    """

    columns: tuple[int, ...]
    label: int = -1
    numbers: bool = False
    carried: Mapping[str, int] | None = None
    label_is_usual: bool = False
    remarks: tuple[str, ...] = ()

    @property
    def used(self) -> tuple[int, ...]:
        """The columns that rows are made of: ``columns``, and that of the label as the last."""
        return self.columns if self.label < 0 else (*self.columns, self.label)

    @property
    def cells(self) -> tuple[int, ...]:
        """The columns whose cells a `Table` has: those that are used, and those that are carried.

        >>> Chosen((2, 1), 0, carried={"id": 3, "class": 0}).cells
        (2, 1, 0, 3)
        """
        return tuple(dict.fromkeys((*self.used, *(self.carried or {}).values())))


class Cells(NamedTuple):
    """The bytes of some columns.

    The cell of row ``i`` and column ``k`` is ``data[starts[i, k]:stops[i, k]]``: ``data`` is uint8,
    the others (n_rows, n_columns) int64.
    """

    data: U8
    starts: I64
    stops: I64

    @classmethod
    def of(cls, cells: Sequence[bytes], n_columns: int) -> "Cells":
        """Cells of Python's bytes, row after row."""
        data, offsets = joined(cells)
        shape = (-1, n_columns)
        return cls(data, offsets[:-1].reshape(shape), offsets[1:].reshape(shape))

    def cell(self, row: int, column: int) -> bytes:
        """The bytes of one cell."""
        return self.data[self.starts[row, column] : self.stops[row, column]].tobytes()

    def joined(self, n_columns: int) -> tuple[U8, I64]:
        """The first columns of each row, joined by ``", "``: all bytes, and each row's offset."""
        lengths = (self.stops - self.starts)[:, :n_columns].sum(axis=1)
        offsets = np.zeros(len(lengths) + 1, np.int64)
        np.cumsum(lengths + 2 * (n_columns - 1), out=offsets[1:])
        text = np.empty(int(offsets[-1]), np.uint8)
        _join(*self, n_columns, text)
        return text, offsets

    def row_bytes(self, row: int, n_columns: int) -> bytes:
        """The first columns of one row, joined by ``", "``."""
        return b", ".join([self.cell(row, column) for column in range(n_columns)])

    def by_name(self, places: Mapping[str, int]) -> list[dict[str, str]]:
        """The cells of some columns, as text and by their names, for each row."""
        columns = [self._texts(k) for k in places.values()]
        return [dict(zip(places, row, strict=True)) for row in zip(*columns, strict=True)]

    def _texts(self, column: int) -> list[str]:
        """The cells of a column as text."""
        data = self.data.tobytes()
        starts, stops = self.starts[:, column].tolist(), self.stops[:, column].tolist()
        if data.isascii():  # so that characters lie where their bytes do
            text = data.decode("ascii")
            return [text[start:stop] for start, stop in zip(starts, stops, strict=True)]
        return [
            data[start:stop].decode("utf-8", "replace")
            for start, stop in zip(starts, stops, strict=True)
        ]

    def labels(self, column: int) -> SpelledLabels:
        """The labels in one column."""
        return SpelledLabels(*distinct_cells(*self, column))


class SparseEntries(NamedTuple):
    """Sparse numbers: row ``i`` has the entries ``offsets[i]:offsets[i + 1]``.

    ``columns`` int32 ascend within a row; ``values`` are float32.
    """

    offsets: I64
    columns: I32
    values: F32


@dataclass(frozen=True)
class Table:
    """Consecutive rows of a file, as the columns that were chosen.

    ``lines`` are the places of the rows, from 1; ``labels`` has one for each row.  ``columns`` are
    the cells of `Chosen.cells`, in that order.  Where numbers are chosen, a format may give the
    numbers of each column instead, (n_rows, width) float32, one column at a time; a sparse format
    gives entries.

    ``reasons`` tells why rows cannot be used, by their positions.  ``raw`` gives the bytes of such
    a row, where they are not those of its columns.  ``carried`` has the columns that rows bring
    along, where they are not cells.  ``is_clean`` says that the format has rejected rows that are
    too long or hold a NUL byte.
    ``missing`` are the positions of rows none of whose texts is there: all are null, NaN, left out
    or, where a format has no word for that, not written.

    A table is valid until the next one is asked for.
    """

    lines: I64
    labels: SpelledLabels
    columns: Cells | Iterable[F32] | SparseEntries
    reasons: Mapping[int, str] = field(default_factory=dict)
    raw: Callable[[int], bytes] | None = None
    carried: Sequence[dict[str, Any]] | None = None
    is_clean: bool = False
    missing: Sequence[int] = ()


Piece = Table | Reject | Blank
"""What reading a file gives."""


@dataclass(frozen=True, kw_only=True)
class ColumnFile:
    """A file whose columns are known.  The module of a format defines a subclass.

    ``format`` is the name in the table of formats.  ``names`` are the names of the columns; where
    they have none, `n_columns` says how many there are.  Names behind these are of fields within
    columns, which are read where they are chosen.  ``n_rows`` is the number of rows, where it
    is known before they are read.  ``value_bytes`` is the size of a number while it is read.  A row
    of more than ``max_row_bytes`` is rejected.  ``remarks`` say what was found out about the file,
    where it is not what a reader expects.

    A subclass has to define `read`, or `read_range` if it can be divided.  An instance follows from
    the path and the options alone, and holds no open file.
    """

    file: InputFile
    format: str
    names: tuple[str, ...]
    n_rows: int | None = None
    value_bytes: int = 4
    max_row_bytes: int = MAX_ROW_BYTES
    remarks: tuple[str, ...] = ()

    noun: ClassVar[str] = "column"
    """What columns are called in messages."""
    unit: ClassVar[str] = "line"
    """What the places of rows count."""
    is_table: ClassVar[bool] = True
    """Whether names are those of columns, and not of whole arrays."""
    numbered: ClassVar[bool] = False
    """Whether columns can be called by their numbers, from 1."""
    hint: ClassVar[str] = ""
    """What may be wrong where the number of columns is not what is expected."""

    def read(self, chosen: Chosen, block_bytes: int) -> Iterator[tuple[Piece, int]]:
        """The rows in tables of about ``block_bytes``, and rejects, each with its progress.

        A format of lines also tells how many of them are blank, where some are.
        """
        for piece, progress in self.read_range(chosen, block_bytes, Range()):
            if not isinstance(piece, RangeEnd):
                yield piece, progress

    @property
    def is_divisible(self) -> bool:
        """Whether `read_range` reads a part of it alone."""
        return False

    @property
    def borders(self) -> Sequence[int]:
        """The rows of a table that can be read without those before them, from 0, and `n_rows`."""
        return (0, self.n_rows or 0)

    def ranges(self, n_bytes: int) -> Iterator[Range]:
        """All of it, in ranges of about ``n_bytes`` of the file.

        Between the `borders` of a table there may be more.
        """
        if self.n_rows is None:
            return byte_ranges(self.n_bytes, n_bytes)
        return row_ranges(self.borders, max(1, self.n_rows * n_bytes // max(1, self.n_bytes)))

    def byte_at(self, border: int) -> int:
        """How many bytes of the file are before a border, of a table about so many."""
        return border if self.n_rows is None else self.n_bytes * border // self.n_rows

    def read_range(
        self, chosen: Chosen, block_bytes: int, part: Range
    ) -> Iterator[tuple[Piece | RangeEnd, int]]:
        """The rows that begin in a range, as `read` gives them, and where they are."""
        raise NotImplementedError

    def forget(self) -> None:
        """Drop what is kept in memory from one part to the next."""

    @property
    def n_columns(self) -> int:
        """The number of columns."""
        return len(self.names)

    @functools.cached_property
    def places(self) -> dict[str, list[int]]:
        """The places of the columns of each name, one unless columns share it."""
        found: dict[str, list[int]] = {}
        for k, name in enumerate(self.names):
            found.setdefault(name, []).append(k)
        return found

    @property
    def indexes(self) -> frozenset[int]:
        """The columns that number the rows, as pandas writes them, and are no features."""
        return frozenset(k for k, name in enumerate(self.names) if _INDEX.fullmatch(name))

    @property
    def n_bytes(self) -> int:
        """The size on the disk."""
        return self.file.n_bytes

    @property
    def where(self) -> str:
        """The place of the columns' names, for messages."""
        return str(self.file.path)

    @property
    def usual_label(self) -> str | None:
        """The name of the column of the labels where nothing is said."""
        return "label" if "label" in self.names else None

    @property
    def classes_path(self) -> Path | None:
        """The file with the classes' names, if the format has a custom for it, and it exists."""
        return None

    def class_names(self, chosen: Chosen) -> Sequence[str]:  # noqa: ARG002 - few formats know
        """The names that the file tells of the classes, in their order; none if it does not."""
        return ()

    def check(self, chosen: Chosen) -> None:
        """Raise ``InputError`` if the columns cannot be read as they are chosen."""

    def widths(self, columns: Sequence[int]) -> tuple[int, ...]:
        """The number of numbers in each of some columns."""
        return (1,) * len(columns)

    def held_bytes(self, chosen: Chosen) -> int:  # noqa: ARG002 - few formats hold much
        """The memory that is taken beside blocks while columns are read as they are chosen."""
        return 0

    def content_bytes(self, columns: Sequence[int]) -> int:  # noqa: ARG002 - some formats know
        """The size of some columns when they are decompressed, an estimate."""
        return self.file.text_bytes

    def others(self, columns: Sequence[int]) -> dict[str, int]:
        """All but some columns, by their names."""
        names = self.names[: self.n_columns]
        return {name: k for k, name in enumerate(names) if k not in columns}

    def layout(self, chosen: Chosen) -> dict[str, Any]:
        """The layout as a converted file's provenance has it: columns by their names."""
        return {
            "format": self.format,
            "columns" if chosen.numbers else "text": [self.names[k] for k in chosen.columns],
            "label": self.names[chosen.label] if chosen.label >= 0 else None,
        }

    def place(self, line: int) -> Place:
        """The place of the row that has ``line`` among ``Table.lines``."""
        return Place(self.file.path, line, "row" if self.file.is_held else self.unit)


@kernel
def _join(data: U8, starts: I64, stops: I64, n_columns: int, text: U8) -> None:
    end = 0
    for row in range(len(starts)):
        for column in range(n_columns):
            if column:
                text[end], text[end + 1] = _COMMA, _SPACE
                end += 2
            start = starts[row, column]
            length = stops[row, column] - start
            copy_bytes(data, start, text, end, length)
            end += length
