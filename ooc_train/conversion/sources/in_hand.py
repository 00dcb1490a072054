"""Tables, rows, arrays and labels that a program has in hand, in place of files.

Tables become a stream of Arrow's format, and rows one of JSON Lines, as they are read: from there
on they are pipes, which a conversion copies to a file only where it has to read them twice.
Arrays stay where they are.
"""

import itertools
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ooc_train.conversion.sources.files.input_file import Input, InputFile
from ooc_train.conversion.sources.files.pipe import Pieces, Pipe
from ooc_train.errors import InputError, OptionError
from ooc_train.extras import pip_install
from ooc_train.remote.url import located

_PIECE_BYTES = 2**16
_ROWS_AT_ONCE = 1000
_TAKEN = (
    "paths, a table (of pandas, Polars, pyarrow, DuckDB or Hugging Face, or a cursor of ADBC), "
    "dicts, pairs of a text and its label, or an array (n_rows, n_columns) of numbers"
)
_TEXT = "text"  # the column of a text and its label, or of a Series without a name
_UNKNOWN = ("NAType", "NaTType")  # pandas' missing values


def inputs_of(given: Any) -> list[Input]:
    """The inputs that a program gives; a single path is one, and so is a table or an array.

    A Series of pandas or Polars is a table of one column.  Rows are dicts, or pairs of a text and
    its label.  What cannot be read twice is read when it is asked for.  Raises ``InputError`` for
    anything else, and ``OptionError`` where pyarrow is needed and not installed.
    """
    if isinstance(given, str | os.PathLike | InputFile):
        return [_path(given, given)]
    if _is_array(given):
        return [_held_array(given, _name(given))]
    table = _table_of_series(given) if _is_series(given) else table_of(given)
    if table:
        return [table]
    if _has_stream(given):
        raise InputError(
            f"{_name(given)} is one column without a name; give a table with columns of texts and "
            f"labels"
        )
    first, items = _peeked(given)
    if _is_row(first):
        return [_rows(items, _name(given))]
    if _has_columns(first):
        return [_tables(items, _name(given))]
    return [_path(item, given) for item in items]


def rows_of(given: Any) -> tuple[InputFile | None, Any]:
    """The rows that a table, dicts or pairs are, or else ``None``, and then what was given.

    Of an iterator, what follows the first item is still to be read.
    """
    table = given if isinstance(given, InputFile) else table_of(given)
    if table or _is_array(given) or isinstance(given, str | bytes):
        return table, given
    first, items = _peeked(given)
    if _is_row(first):
        return _rows(items, _name(given)), given
    if _has_columns(first):
        return _tables(items, _name(given)), given
    return None, items if isinstance(given, Iterator) else given


def labels_of(given: Any) -> list[str | os.PathLike[str] | InputFile]:
    """The files of labels that a program names, or the labels themselves."""
    if isinstance(given, str | os.PathLike | InputFile):
        return [given]
    if hasattr(given, "__array__"):
        return [_held_array(given, "the labels")]
    items = list(given)
    if all(isinstance(item, str | os.PathLike | InputFile) for item in items):
        return items
    return [held_labels(items)]


def held_labels(labels: Iterable[Any]) -> InputFile:
    """Labels of a program, one for each row."""
    import numpy as np  # noqa: PLC0415 - options are declared without it

    labels = list(labels)
    array = np.empty(len(labels), object)
    array[:] = labels
    return _held_array(array, "the labels")


def table_of(given: Any) -> InputFile | None:
    """The rows of a table with named columns; ``None`` if it is none."""
    if _is_dataset(given):
        types = getattr(getattr(given, "features", None), "arrow_schema", None)
        tables = given.with_format("arrow").iter(_ROWS_AT_ONCE)
        return _tables(tables, _name(given), types.metadata if types else None)
    if not _has_columns(given):
        return None
    return _table(_name(given), _reader(given))


def _table_of_series(given: Any) -> InputFile:
    """The rows of a Series as a table of one column, which has its name."""
    column = _TEXT if given.name in (None, "") else given.name
    return _table(_name(given), _reader(given.to_frame(column)))


def _is_dataset(given: Any) -> bool:
    """Whether it is a data set of Hugging Face, which gives Arrow's tables some rows at a time."""
    return hasattr(given, "with_format") and hasattr(given, "iter")


def _is_series(given: Any) -> bool:
    """Whether it is a column of pandas or Polars; old versions of pandas give no stream of it."""
    return hasattr(given, "to_frame") and hasattr(given, "name") and not isinstance(given, type)


def _has_stream(given: Any) -> bool:
    return hasattr(given, "__arrow_c_stream__") and not isinstance(given, type)


def _has_columns(given: Any) -> bool:
    """Whether it is a stream of Arrow with named columns, or a cursor of a database.

    A column alone, such as pandas' Series, is a stream, too.
    """
    if _has_stream(given):
        named = any(hasattr(given, name) for name in ("columns", "schema", "column_names"))
        return named or not isinstance(given, Iterable)
    return hasattr(given, "fetch_record_batch") and not isinstance(given, type)


def _reader(given: Any) -> Any:
    """Arrow's reader of a table."""
    pyarrow = _pyarrow(_name(given))
    if isinstance(given, pyarrow.RecordBatch):
        given = pyarrow.Table.from_batches([given])
    if isinstance(given, pyarrow.Table):  # whose stream of short texts in views ends pyarrow 21
        return given.to_reader()
    try:
        if _has_stream(given):
            return pyarrow.RecordBatchReader.from_stream(given)
        return given.fetch_record_batch()
    except (pyarrow.ArrowException, ValueError) as error:  # such as pandas' for columns of one name
        raise InputError(
            f"{_name(given)} cannot be read as a table of Arrow: {error!s:.300}"
        ) from error


def _table(name: str, reader: Any) -> InputFile:
    from ooc_train.conversion.sources.formats.arrow import serialized  # noqa: PLC0415

    pieces = serialized(reader.schema, reader)
    return InputFile(Path(name), pipe=Pipe(Pieces(pieces), name), format="arrow")


def _tables(
    tables: Iterable[Any], name: str, metadata: dict[bytes, bytes] | None = None
) -> InputFile:
    """Several tables, one behind another, as one: with the columns of the first.

    ``metadata`` describes the columns, where the tables have none.
    """
    pyarrow = _pyarrow(name)
    readers = map(_reader, tables)
    first = next(readers, None)
    if first is None:
        raise InputError(f"{name} is empty; it holds no rows")

    def batches() -> Iterator[Any]:
        for number, reader in enumerate(itertools.chain([first], readers), 1):
            for batch in reader:
                try:
                    yield batch.select(first.schema.names).cast(first.schema)
                except (KeyError, pyarrow.ArrowException) as error:
                    raise InputError(
                        f"{name}: table {number} has not the columns of the first: {error!s:.300}"
                    ) from error

    from ooc_train.conversion.sources.formats.arrow import serialized  # noqa: PLC0415

    schema = first.schema.with_metadata(first.schema.metadata or metadata)
    pieces = serialized(schema, batches())
    return InputFile(Path(name), pipe=Pipe(Pieces(pieces), name), format="arrow")


def _pyarrow(name: str) -> Any:
    try:
        import pyarrow  # noqa: PLC0415 - an extra
    except ImportError:
        raise OptionError(
            f"{name} is read through Arrow, which needs the package pyarrow; "
            f"{pip_install(extra='parquet')}"
        ) from None
    return pyarrow


def _is_row(item: Any) -> bool:
    return isinstance(item, Mapping) or (isinstance(item, tuple | list) and len(item) == 2)


def _rows(rows: Iterable[Any], name: str) -> InputFile:
    """Dicts, or pairs of a text and its label, as JSON Lines."""
    return InputFile(Path(name), pipe=Pipe(Pieces(_lines(rows, name)), name), format="jsonl")


def _lines(rows: Iterable[Any], name: str) -> Iterator[bytes]:
    """The rows as lines, some at a time."""
    lines: list[bytes] = []
    n_bytes = 0
    for number, row in enumerate(rows, 1):
        if not _is_row(row):
            raise InputError(
                f"{name}, row {number} is {row!r:.50}, {_a(row)}, and neither a dict nor a pair of "
                f"a text and its label"
            )
        fields = row if isinstance(row, Mapping) else {_TEXT: row[0], "label": row[1]}
        lines.append(_line(dict(fields)))
        n_bytes += len(lines[-1])
        if n_bytes >= _PIECE_BYTES:
            yield b"".join(lines)
            lines, n_bytes = [], 0
    yield b"".join(lines)


def _line(fields: dict[Any, Any]) -> bytes:
    import orjson  # noqa: PLC0415 - options are declared without it

    how = orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY
    try:
        return orjson.dumps(fields, _as_json, how)
    except TypeError:  # half of a surrogate pair, or a number of more than 64 bits
        import json  # noqa: PLC0415

        return json.dumps(fields, default=_as_json).encode() + b"\n"


def _as_json(value: Any) -> Any:
    """A value of another type: one of NumPy, or bytes; an object where it is none of JSON's."""
    if type(value).__name__ in _UNKNOWN:
        return None
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value.tolist() if hasattr(value, "tolist") else {}


def _is_array(given: Any) -> bool:
    return hasattr(given, "__array__") and getattr(given, "ndim", 0) > 1 and not _has_stream(given)


def _held_array(array: Any, name: str) -> InputFile:
    import numpy as np  # noqa: PLC0415 - options are declared without it

    return InputFile(Path(name), array=np.asarray(array), format="npy")


def _peeked(given: Any) -> tuple[Any, Iterable[Any]]:
    """The first item, and all items; ``None`` where there is none."""
    is_taken_apart = isinstance(given, str | bytes | Mapping) or hasattr(given, "readline")
    if is_taken_apart or not isinstance(given, Iterable):
        raise not_taken(given)
    items = iter(given)
    first = list(itertools.islice(items, 1))
    return (first[0] if first else None), itertools.chain(first, items)


def _path(item: Any, given: Any) -> Input:
    if isinstance(item, InputFile):
        return item
    if isinstance(item, str | os.PathLike):
        return located(item)
    raise not_taken(given, f" of {type(item).__name__}")


def not_taken(given: Any, of: str = "") -> InputError:
    """The error for what no rows can be read from."""
    return InputError(f"rows cannot be read from {_a(given)}{of}; give {_TAKEN}")


def _a(given: Any) -> str:
    kind = type(given).__name__
    return f"{'an' if kind[0] in 'AEIOUaeiou' else 'a'} {kind}"


def _name(given: Any) -> str:
    """The name that messages and the report give it."""
    return f"the {type(given).__name__}"
