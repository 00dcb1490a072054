"""Columns whose values are in the names of a file's folders, as Hive and Spark write them.

All rows of ``label=pos/part-0.parquet`` have the value ``pos`` in the column ``label``.  Names and
values are percent-decoded.  Such columns are chosen by name, and are no features unless they are
named.  A column of the file itself comes before one of the same name.
"""

import functools
import itertools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote_to_bytes

import numpy as np

from ooc_train.conversion.sources.columns import Cells, Chosen, ColumnFile, Piece, Table
from ooc_train.conversion.sources.files.ranges import Range, RangeEnd
from ooc_train.conversion.sources.files.rejects import Place
from ooc_train.conversion.sources.numerals import number
from ooc_train.conversion.sources.rows import SpelledLabels
from ooc_train.dtypes import F32
from ooc_train.errors import InputError

_MISSING = b"__HIVE_DEFAULT_PARTITION__"
_OF_CLASS = ("noun", "unit", "is_table", "numbered", "hint")


def partition_of(path: Path) -> dict[str, bytes | None]:
    """The columns, and their values, in the names of the folders that a file is in.

    A value is ``None`` where it is missing.

    >>> partition_of(Path("rows/label=pos/day=1%2F5/part-0.csv"))
    {'label': b'pos', 'day': b'1/5'}
    >>> partition_of(Path("lr=0.1/rows/part-0.csv"))
    {}
    """
    folders = list(itertools.takewhile(lambda name: "=" in name[1:], path.parts[-2::-1]))
    found = {}
    for folder in reversed(folders):
        name, _, value = map(unquote_to_bytes, os.fsencode(folder).partition(b"="))
        found[name.decode("utf-8", "replace")] = None if value == _MISSING else value
    return found


@dataclass(frozen=True, kw_only=True)
class PartitionedFile(ColumnFile):
    """A file, ``inner``, with further columns behind its own: each has one of ``values``."""

    inner: ColumnFile
    values: Mapping[str, bytes | None]

    def __post_init__(self) -> None:
        for name in _OF_CLASS:
            object.__setattr__(self, name, getattr(self.inner, name))

    @classmethod
    def of(cls, inner: ColumnFile, values: Mapping[str, bytes | None]) -> "PartitionedFile":
        """A file with the columns that it has not itself."""
        more = {name: value for name, value in values.items() if name not in inner.places}
        columns = ", ".join(map(repr, values))
        return cls(
            file=inner.file,
            format=inner.format,
            names=(*inner.names, *more) if inner.names else (),
            n_rows=inner.n_rows,
            value_bytes=inner.value_bytes,
            max_row_bytes=inner.max_row_bytes,
            remarks=(*inner.remarks, f"the names of its folders have columns, {columns}"),
            inner=inner,
            values=more,
        )

    @property
    def n_columns(self) -> int:
        """The number of the file's own columns."""
        return self.inner.n_columns

    @functools.cached_property
    def places(self) -> dict[str, list[int]]:
        """The places of the columns of each name."""
        more = {name: [self._first + k] for k, name in enumerate(self.values)}
        return self.inner.places | more

    @property
    def indexes(self) -> frozenset[int]:
        """The columns that number the rows."""
        return self.inner.indexes

    @property
    def n_bytes(self) -> int:
        """The size on the disk."""
        return self.inner.n_bytes

    @property
    def where(self) -> str:
        """The place of the columns' names, for messages."""
        return self.inner.where

    @property
    def usual_label(self) -> str | None:
        """The name of the column of the labels where nothing is said."""
        return "label" if "label" in self.values else self.inner.usual_label

    @property
    def classes_path(self) -> Path | None:
        """The file with the classes' names, if it exists."""
        return self.inner.classes_path

    def class_names(self, chosen: Chosen) -> Sequence[str]:
        """The names that the file tells of the classes."""
        return self.inner.class_names(self._own(chosen))

    def check(self, chosen: Chosen) -> None:
        """Refuse columns that cannot be read, and text as numbers."""
        for name in self._named(chosen.columns) if chosen.numbers else ():
            value = self.values[name]
            if value is not None and number(value) is None:
                shown = value.decode("utf-8", "replace")
                raise InputError(
                    f"{self.file.path}: {name}={shown} is no number; name other columns with "
                    f"--columns"
                )
        own = self._own(chosen)
        if not own.columns:
            raise InputError(
                f"{self.file.path}: rows have no {self.noun} but those in the names of folders; "
                f"name at least one of the file itself"
            )
        self.inner.check(own)

    def widths(self, columns: Sequence[int]) -> tuple[int, ...]:
        """The number of numbers in each of some columns."""
        widths = iter(self.inner.widths([k for k in columns if k < self._first]))
        return tuple(next(widths) if k < self._first else 1 for k in columns)

    def held_bytes(self, chosen: Chosen) -> int:
        """The memory that is taken beside blocks while columns are read."""
        return self.inner.held_bytes(self._own(chosen))

    def content_bytes(self, columns: Sequence[int]) -> int:
        """The size of the file's own among some columns."""
        return self.inner.content_bytes([k for k in columns if k < self._first])

    def others(self, columns: Sequence[int]) -> dict[str, int]:
        """All but some columns, by their names."""
        more = {name: places[0] for name, places in self.places.items() if name in self.values}
        return self.inner.others(columns) | {n: k for n, k in more.items() if k not in columns}

    def layout(self, chosen: Chosen) -> dict[str, Any]:
        """The layout as a converted file's provenance has it: these columns by their names."""
        found = self.inner.layout(self._own(chosen))
        for field in ("text", "columns", "names"):
            if isinstance(found.get(field), list):
                own = iter(found[field])
                found[field] = [self._name(k) or next(own) for k in chosen.columns]
        label = self._name(chosen.label)
        if label:
            found |= {field: label for field in ("label", "label_name") if field in found}
        return found

    def place(self, line: int) -> Place:
        """The place of a row."""
        return self.inner.place(line)

    def read(self, chosen: Chosen, block_bytes: int) -> Iterator[tuple[Piece, int]]:
        """The rows as the file itself gives them, with these columns."""
        return self._completed(self.inner.read(self._own(chosen), block_bytes), chosen)

    @property
    def is_divisible(self) -> bool:
        """Whether `read_range` reads a part of the file alone."""
        return self.inner.is_divisible

    @property
    def borders(self) -> Sequence[int]:
        """The rows of a table that can be read without those before them."""
        return self.inner.borders

    def read_range(
        self, chosen: Chosen, block_bytes: int, part: Range
    ) -> Iterator[tuple[Piece | RangeEnd, int]]:
        """The rows in a range as the file itself gives them, with these columns."""
        return self._completed(self.inner.read_range(self._own(chosen), block_bytes, part), chosen)

    def forget(self) -> None:
        """Drop what is kept in memory from one part to the next."""
        self.inner.forget()

    def _completed(
        self, pieces: Iterable[tuple[Any, int]], chosen: Chosen
    ) -> Iterator[tuple[Any, int]]:
        """The pieces of the file itself, with the columns that it has not."""
        own = self._own(chosen)
        for piece, progress in pieces:
            is_table = isinstance(piece, Table)
            yield self._table(cast(Table, piece), chosen, own) if is_table else piece, progress

    @property
    def _first(self) -> int:
        """The place of the first of these columns."""
        return max(self.inner.n_columns, len(self.inner.names))

    def _name(self, column: int) -> str:
        """The name of one of these columns; nothing for another."""
        return list(self.values)[column - self._first] if column >= self._first else ""

    def _named(self, columns: Iterable[int]) -> list[str]:
        return [self._name(k) for k in columns if k >= self._first]

    def _value(self, column: int) -> bytes:
        return self.values[self._name(column)] or b""

    def _own(self, chosen: Chosen) -> Chosen:
        """The columns of the file itself among those that are chosen."""
        carried = chosen.carried
        if carried is not None:
            carried = {name: k for name, k in carried.items() if k < self._first}
        return replace(
            chosen,
            columns=tuple(k for k in chosen.columns if k < self._first),
            label=chosen.label if chosen.label < self._first else -1,
            carried=carried,
        )

    def _table(self, table: Table, chosen: Chosen, own: Chosen) -> Table:
        """The rows with the columns that the file has not itself."""
        labels, carried, missing = table.labels, table.carried, table.missing
        if chosen.label >= self._first:
            numbers = np.zeros(len(table.lines), np.int32)
            labels = SpelledLabels([self._value(chosen.label)], numbers)
        if carried is not None:
            names = self._named((chosen.carried or {}).values())
            texts = {name: self.values[name] for name in names}
            more = {n: text and text.decode("utf-8", "replace") for n, text in texts.items()}
            carried = [row | {n: more[n] for n in names if n not in row} for row in carried]
        if any(self.values[name] is not None for name in self._named(chosen.columns)):
            missing = ()
        columns = table.columns
        if chosen.numbers and not isinstance(columns, Cells):
            columns = self._with_numbers(cast(Iterable[F32], columns), chosen, len(table.lines))
        elif self._named(chosen.cells):
            with_carried = chosen.carried and carried is None
            cells = chosen.cells if with_carried else chosen.columns
            columns = self._with_cells(cast(Cells, columns), own, cells)
        return replace(table, labels=labels, columns=columns, carried=carried, missing=missing)

    def _with_cells(self, found: Cells, own: Chosen, columns: Sequence[int]) -> Cells:
        """The cells of some columns."""
        starts, stops = np.empty((2, len(found.starts), len(columns)), np.int64)
        data = [found.data]
        n_bytes = len(found.data)
        for place, k in enumerate(columns):
            if k < self._first:
                starts[:, place] = found.starts[:, own.cells.index(k)]
                stops[:, place] = found.stops[:, own.cells.index(k)]
                continue
            data.append(np.frombuffer(self._value(k), np.uint8))
            starts[:, place], stops[:, place] = n_bytes, n_bytes + len(data[-1])
            n_bytes += len(data[-1])
        return Cells(np.concatenate(data), starts, stops)

    def _with_numbers(self, found: Iterable[F32], chosen: Chosen, n_rows: int) -> Iterator[F32]:
        """The numbers of the columns, one at a time."""
        own = iter(found)
        for k in chosen.columns:
            if k < self._first:
                yield next(own)
            else:
                value = number(self._value(k))
                yield np.full((n_rows, 1), np.nan if value is None else value, np.float32)
