"""Arrow's columns as arrays of NumPy, their types and sizes; pyarrow is imported when needed."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ooc_train.dtypes import I64, U8, AnyArray, Bools

_VIEWS = ("string_view", "binary_view")
_TEXTS = ("string", "large_string", "binary", "large_binary", *_VIEWS)
"""The types of text, as pyarrow calls them; its first versions have no views."""
_PIECE_BYTES = 2**20
_END = b"\xff\xff\xff\xff\0\0\0\0"  # of a stream
_PLACE_BYTES = 8  # of a text, or a list, in its column
_MOST_DEPTH = 16  # of structs within structs
_MOST_OF_A_BLOCK = 1.25  # so that blocks of usual rows are not halved


class Field(NamedTuple):
    """A column of a schema, or a field within its structs.

    ``path`` are the names that lead to it, ``kind`` is its type, and ``leaves`` are the numbers of
    the columns without parts that it is made of.
    """

    path: tuple[str, ...]
    kind: Any
    leaves: range

    @property
    def name(self) -> str:
        """The names, separated by dots."""
        return ".".join(self.path)


def fields_of(schema: Any) -> list[Field]:
    """The columns of a schema, and behind all of them the fields within structs.

    A field that has the name of a column is left out.
    """
    columns = _fields(schema, (), 0)
    names = {column.name for column in columns}
    within = [field for column in columns for field in _within(column)]
    return columns + [field for field in within if field.name not in names]


def _fields(parts: Iterable[Any], path: tuple[str, ...], first: int) -> list[Field]:
    """Consecutive fields, whose first leaf has the number ``first``."""
    found = []
    for part in parts:
        kind = part.type
        stop = first + _n_leaves(kind)
        found.append(Field((*path, part.name), kind, range(first, stop)))
        first = stop
    return found


def _within(field: Field) -> Iterator[Field]:
    """The fields within a struct, and within those of them that are structs."""
    from pyarrow import types  # noqa: PLC0415 - an extra

    if types.is_struct(field.kind) and len(field.path) < _MOST_DEPTH:
        for part in _fields(field.kind, field.path, field.leaves.start):
            yield part
            yield from _within(part)


def _n_leaves(kind: Any) -> int:
    from pyarrow import BaseExtensionType  # noqa: PLC0415 - an extra

    if isinstance(kind, BaseExtensionType):
        kind = kind.storage_type
    parts = [kind.field(i).type for i in range(kind.num_fields)]
    return sum(map(_n_leaves, parts)) if parts else 1


def column_at(batch: Any, path: Sequence[str]) -> Any:
    """A column of a record batch, or a field within its structs, null where one of these is."""
    column = batch.column(path[0])
    for name in path[1:]:
        column = column.flatten()[column.type.get_field_index(name)]
    return column


def as_binary(column: Any) -> tuple[U8, I64]:
    """The bytes of a column of strings or numbers, null being empty, and where each row's lie."""
    import pyarrow  # noqa: PLC0415 - an extra

    if pyarrow.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if str(column.type) not in ("binary", "large_binary", "large_string", "binary_view"):
        column = column.cast(pyarrow.large_string())
    column = column.cast(pyarrow.large_binary())
    _, offset_buffer, data = column.buffers()
    offsets = np.frombuffer(offset_buffer, np.int64, len(column) + 1, 8 * column.offset)
    start, stop = int(offsets[0]), int(offsets[-1])
    text = np.frombuffer(data, np.uint8, stop - start, start) if data else np.empty(0, np.uint8)
    return text, offsets - start


def without_nan(column: Any) -> Any:
    """A column whose numbers that are NaN are null; numbers in a dictionary as themselves."""
    from pyarrow import types  # noqa: PLC0415 - an extra

    if types.is_dictionary(column.type) and is_numeric(column.type.value_type):
        column = column.dictionary_decode()
    if types.is_floating(column.type):
        from pyarrow.compute import if_else  # noqa: PLC0415 - casts import it, too

        column = if_else(column.is_null(nan_is_null=True), None, column)
    return column


def as_floats(column: Any, dtype: npt.DTypeLike = np.float64) -> AnyArray:
    """A column of numbers, (n_rows,) of a floating ``dtype``, null being NaN."""
    import pyarrow  # noqa: PLC0415 - an extra

    # Through its buffers: pyarrow's own way to NumPy imports pandas where it is installed.
    column = column.cast(pyarrow.from_numpy_dtype(dtype), safe=False)
    valid, data = column.buffers()
    stop = column.offset + len(column)
    values = np.frombuffer(data, dtype, stop)[column.offset :].copy()
    if valid:
        values[~_are_valid(valid, column.offset, stop)] = np.nan
    return values


def _are_valid(valid: Any, start: int, stop: int) -> Bools:
    """Which rows are not null, by the bits of a column; without any, all."""
    if valid is None:
        return np.ones(stop - start, np.bool_)
    bits = np.unpackbits(np.frombuffer(valid, np.uint8), count=stop, bitorder="little")
    return bits[start:].astype(np.bool_)


def text_lengths(column: Any) -> I64:
    """The sizes of a column's texts, (n_rows,)."""
    if str(column.type) in _VIEWS:  # which begin with the length, of null with any
        valid, views, *_ = column.buffers()
        stop = column.offset + len(column)
        lengths = np.frombuffer(views, np.int32, 4 * stop)[4 * column.offset :: 4]
        return np.where(_are_valid(valid, column.offset, stop), lengths, np.int64(0))
    return np.diff(as_binary(column)[1])


def n_bytes(column: Any) -> int:
    """The size of a column of any type, with a dictionary's texts as often as rows have them.

    Raises ``ArrowInvalid`` for a value that its dictionary does not have, which Arrow would not
    notice.
    """
    from pyarrow import ArrowInvalid, ExtensionArray, types  # noqa: PLC0415 - an extra

    if isinstance(column, ExtensionArray):
        column = column.storage
    if types.is_struct(column.type):
        return sum(map(n_bytes, column.flatten()))
    if types.is_map(column.type):
        start, stop = (column.offsets[place].as_py() for place in (0, len(column)))
        return sum(n_bytes(part[start:stop]) for part in (column.keys, column.items))
    if types.is_nested(column.type):
        return n_bytes(column.flatten()) + _PLACE_BYTES * len(column)
    if types.is_dictionary(column.type):
        places = column.indices.drop_null().cast("int64")
        rows = np.frombuffer(places.buffers()[1], np.int64, len(places), 8 * places.offset)
        if len(rows) and not 0 <= rows.min() <= rows.max() < len(column.dictionary):
            raise ArrowInvalid("a value lies outside its dictionary")
        if is_text(column.type.value_type):
            return int(text_lengths(column.dictionary)[rows].sum()) + _PLACE_BYTES * len(column)
    if str(column.type) in _VIEWS:  # whose bytes a part has in common with all others
        return int(text_lengths(column).sum()) + _PLACE_BYTES * len(column)
    return int(column.nbytes)


def is_text(kind: Any) -> bool:
    """Whether a type is of strings, or of bytes."""
    return str(kind) in _TEXTS


def is_decimal(kind: Any) -> bool:
    """Whether a type is of decimal numbers."""
    from pyarrow import types  # noqa: PLC0415 - an extra

    return bool(types.is_decimal(kind))


def is_plain(kind: Any) -> bool:
    """Whether a type is of strings or numbers."""
    from pyarrow import types  # noqa: PLC0415 - an extra

    if types.is_dictionary(kind):
        kind = kind.value_type
    return is_numeric(kind) or is_text(kind) or types.is_null(kind)


def is_numeric(kind: Any) -> bool:
    """Whether a type is of numbers, or of true and false."""
    from pyarrow import types  # noqa: PLC0415 - an extra

    return is_number(kind) or bool(types.is_boolean(kind))


def is_number(kind: Any) -> bool:
    """Whether a type is of numbers."""
    from pyarrow import types  # noqa: PLC0415 - an extra

    return any(test(kind) for test in (types.is_integer, types.is_floating, types.is_decimal))


def item_of(kind: Any) -> Any:
    """The type of a list's items; the type itself where it is none of lists."""
    return kind.value_type if is_list(kind) else kind


def is_list(kind: Any) -> bool:
    """Whether a type is of lists."""
    from pyarrow import types  # noqa: PLC0415 - an extra

    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def has_parts(kind: Any) -> bool:
    """Whether a type is of lists, or of structs, which may hold some."""
    from pyarrow import types  # noqa: PLC0415 - an extra

    return is_list(kind) or bool(types.is_struct(kind))


def gathered(batches: Iterable[Any], block_bytes: int) -> Iterator[list[Any]]:
    """Batches that make a block together."""
    block: list[Any] = []
    n_block_bytes = 0
    for whole in batches:
        for batch, n_batch_bytes in _halved(whole, int(_MOST_OF_A_BLOCK * block_bytes)):
            if block and n_block_bytes + n_batch_bytes > block_bytes:
                yield block
                block, n_block_bytes = [], 0
            block.append(batch)
            n_block_bytes += n_batch_bytes
    if block:
        yield block


def _halved(batch: Any, most_bytes: int) -> Iterator[tuple[Any, int]]:
    """Parts of at most so many bytes, or of one row, with their sizes."""
    n_rows, n_batch_bytes = batch.num_rows, sum(map(n_bytes, batch.columns))
    if n_batch_bytes <= most_bytes or n_rows == 1:
        yield batch, n_batch_bytes
        return
    for part in (batch.slice(0, n_rows // 2), batch.slice(n_rows // 2)):
        yield from _halved(part, most_bytes)


def serialized(schema: Any, batches: Iterable[Any]) -> Iterator[bytes]:
    """Record batches in Arrow's format of streams, in pieces of about a megabyte.

    Columns of places in a dictionary, and of views, are written as what they stand for.
    """
    import pyarrow  # noqa: PLC0415 - an extra

    plain = pyarrow.schema([field.with_type(_plain(field.type)) for field in schema])
    yield plain.with_metadata(schema.metadata).serialize().to_pybytes()
    for whole in batches:
        for batch, _ in _halved(whole, _PIECE_BYTES):
            columns = map(_as, batch.columns, plain.types)
            if batch.num_rows:
                part = pyarrow.RecordBatch.from_arrays(list(columns), schema=plain)
                yield part.serialize().to_pybytes()
    yield _END


def _plain(kind: Any) -> Any:
    """The type of what dictionaries and views stand for."""
    import pyarrow  # noqa: PLC0415 - an extra

    if pyarrow.types.is_dictionary(kind):
        return _plain(kind.value_type)
    if str(kind) in _VIEWS:
        return pyarrow.type_for_alias(f"large_{str(kind).removesuffix('_view')}")
    if pyarrow.types.is_list(kind) or pyarrow.types.is_large_list(kind):
        return pyarrow.large_list(_plain(kind.value_type))
    if pyarrow.types.is_struct(kind):
        return pyarrow.struct([field.with_type(_plain(field.type)) for field in kind])
    return kind


def _as(column: Any, kind: Any) -> Any:
    """A column as another type."""
    from pyarrow import DictionaryArray, types  # noqa: PLC0415 - an extra

    if types.is_dictionary(column.type):
        texts = column.dictionary.cast(kind)
        column = DictionaryArray.from_arrays(column.indices, texts).dictionary_decode()
    return column if column.type == kind else column.cast(kind)
