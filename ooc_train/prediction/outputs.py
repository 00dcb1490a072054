"""Rows out: predictions as CSV, JSON Lines or Parquet, behind the columns that rows carry."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import orjson

from ooc_train.atomic import output_file
from ooc_train.errors import InputError, OptionError
from ooc_train.extras import pip_install
from ooc_train.outputs import check_suffix
from ooc_train.prediction.explanation import Explanations

_SUFFIXES = {
    ".csv": "csv", ".tsv": "tsv", ".tab": "tsv",
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl",
    ".parquet": "parquet", ".pq": "parquet",
}  # fmt: skip
Columns = Mapping[str, Any]
"""Columns by their names, with a value for each row: a list of strings, an array of float32, or
`Explanations`."""


class Writer(ABC):
    """Writes the predicted columns behind the columns that the same rows carry.

    ``carried`` and ``predicted`` are the names of the columns.  If a carried column has the name of
    a predicted one, ``input_`` precedes its name in the output.
    """

    def __init__(self, carried: Sequence[str], predicted: Sequence[str]) -> None:
        self._carried = tuple(carried)
        self._names = {name: f"input_{name}" if name in predicted else name for name in carried}

    @abstractmethod
    def write(self, carried: Sequence[Mapping[str, Any]] | None, columns: Columns) -> None:
        """Write some rows, given the columns that each carries and the predicted columns."""

    def _carried_columns(
        self, carried: Sequence[Mapping[str, Any]] | None, columns: Columns
    ) -> dict[str, list[Any]]:
        """The carried columns, by their names in the output; rows may carry none.

        Raises InputError for a column that the first rows do not have.
        """
        rows = [{}] * len(columns["label"]) if carried is None else carried
        if set().union(*rows) - self._names.keys():
            name = next(name for row in rows for name in row if name not in self._names)
            raise InputError(
                f"the field {name!r} is not in the first rows, which decide the output's "
                "columns; write JSON Lines, --output-format jsonl"
            )
        return {self._names[name]: [row.get(name) for row in rows] for name in self._carried}


class DelimitedWriter(Writer):
    """Writes CSV, or values separated by tabs, with a header."""

    def __init__(
        self, file: TextIO, carried: Sequence[str], predicted: Sequence[str], delimiter: str = ","
    ) -> None:
        super().__init__(carried, predicted)
        self._file, self._delimiter = file, delimiter
        self._special = re.compile(f'[{delimiter}"\r\n]')
        self._write_lines([[name] for name in (*self._names.values(), *predicted)])

    def write(self, carried: Sequence[Mapping[str, Any]] | None, columns: Columns) -> None:
        """Write a line for each row.  Nested values are JSON."""
        others = self._carried_columns(carried, columns).values()
        self._write_lines([*others, *columns.values()])
        self._file.flush()

    def _write_lines(self, columns: Sequence[Any]) -> None:
        lines = map(self._delimiter.join, zip(*map(self._fields, columns), strict=True))
        self._file.write("".join(f"{line}\n" for line in lines))

    def _fields(self, column: Any) -> Sequence[str]:
        """The fields of a column, quoted where they have to be, as Python's ``csv`` does."""
        if isinstance(column, np.ndarray):
            values = column.tolist()
            return ("%.6g\n" * len(values) % tuple(values)).splitlines()
        texts = column if set(map(type, column)) == {str} else [*map(_plain, column)]
        if not self._special.search("".join(texts)):
            return texts
        return [self._quoted(text) if self._special.search(text) else text for text in texts]

    def _quoted(self, text: str) -> str:
        return '"' + text.replace('"', '""') + '"'


class JsonLinesWriter(Writer):
    """Writes a JSON object a line."""

    def __init__(self, file: TextIO, carried: Sequence[str], predicted: Sequence[str]) -> None:
        super().__init__(carried, predicted)
        self._file = file

    def write(self, carried: Sequence[Mapping[str, Any]] | None, columns: Columns) -> None:
        """Write a line for each row.  Rows may have different fields."""
        values = [
            list(column) if isinstance(column, np.ndarray) else column
            for column in columns.values()
        ]
        lines = []
        for number, row in enumerate(zip(*values, strict=True)):
            others = carried[number] if carried else {}
            given = {
                f"input_{name}" if name in columns else name: value
                for name, value in others.items()
            }
            lines.append(_json(given | dict(zip(columns, row, strict=True))))
        self._file.write("".join(f"{line}\n" for line in lines))
        self._file.flush()


class ParquetWriter(Writer):
    """Writes Parquet.  The first rows decide the types of the carried columns.

    A column that is null in all of these holds texts.
    """

    def __init__(self, path: Path, carried: Sequence[str], predicted: Sequence[str]) -> None:
        super().__init__(carried, predicted)
        self._path = path
        self._file: Any = None

    def write(self, carried: Sequence[Mapping[str, Any]] | None, columns: Columns) -> None:
        """Write a row group."""
        import pyarrow as pa  # noqa: PLC0415 - an extra
        import pyarrow.parquet as pq  # noqa: PLC0415

        predicted = {
            name: pa.array([[*row.items()] for row in column], pa.map_(pa.string(), pa.float32()))
            if isinstance(column, Explanations)
            else column
            for name, column in columns.items()
        }
        values = self._carried_columns(carried, columns) | predicted
        schema = self._file.schema if self._file else None
        try:
            table = pa.table(values, schema=schema)
        except pa.ArrowException as error:
            raise InputError(
                f"the input's columns cannot be written as Parquet: {error}; write JSON Lines"
            ) from error
        if self._file is None:
            fields = [
                field.with_type(pa.string()) if pa.types.is_null(field.type) else field
                for field in table.schema
            ]
            table = table.cast(pa.schema(fields))
            self._file = pq.ParquetWriter(self._path, table.schema)
        self._file.write_table(table)

    def close(self) -> None:
        """Write the end of the file, without which it cannot be read."""
        if self._file:
            self._file.close()


def format_for(path: Path | None, asked: str | None) -> str:
    """The format of an output: the one asked for, else that of the suffix, else CSV.

    ``path`` is ``None`` for a stream.  Raises OptionError for a format that a stream cannot take,
    or whose package is missing, and for a name of another format than those that are written.
    """
    if path and not asked:
        remedy = f"name a file {', '.join(sorted(_SUFFIXES))}, or give --output-format"
        check_suffix(path, "predictions are", _SUFFIXES, remedy)
    kind = asked or (_SUFFIXES.get(path.suffix.lower(), "csv") if path else "csv")
    if kind == "parquet":
        if path is None:
            raise OptionError("Parquet is written to a file; name one with --output")
        try:
            import pyarrow  # noqa: F401, PLC0415 - an extra
        except ImportError:
            raise OptionError(
                f"Parquet needs the package pyarrow; {pip_install(extra='parquet')}"
            ) from None
    return kind


@contextmanager
def open_writer(
    output: Path | TextIO,
    kind: str,
    carried: Sequence[str],
    predicted: Sequence[str],
    *,
    force: bool,
) -> Iterator[Writer]:
    """A writer to a stream, or to a file that appears under its name when it is complete.

    A file that exists is replaced with ``force`` only.  Raises OutputError if the file cannot be
    written.
    """
    if not isinstance(output, Path):
        yield _text_writer(output, kind, carried, predicted)
        return
    with output_file(output, "the output", force=force) as part:
        if kind == "parquet":
            with closing(ParquetWriter(part, carried, predicted)) as writer:
                yield writer
        else:
            with part.open("w", encoding="utf-8", newline="") as file:
                yield _text_writer(file, kind, carried, predicted)


def _text_writer(
    file: TextIO, kind: str, carried: Sequence[str], predicted: Sequence[str]
) -> Writer:
    if kind == "jsonl":
        return JsonLinesWriter(file, carried, predicted)
    return DelimitedWriter(file, carried, predicted, "\t" if kind == "tsv" else ",")


def _plain(value: Any) -> str:
    """A value as a field of a delimited line: nested values and booleans are JSON."""
    if value is None:
        return ""
    return _json(value) if isinstance(value, dict | list | bool) else str(value)


def _json(value: Any) -> str:
    options = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS
    return orjson.dumps(value, default=str, option=options).decode()
