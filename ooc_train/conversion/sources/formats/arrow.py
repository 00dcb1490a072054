"""Arrow's columns as arrays of NumPy, and their sizes; pyarrow is imported when it is needed."""

from typing import Any

import numpy as np
import numpy.typing as npt

from ooc_train.dtypes import I64, U8, AnyArray

_PLACE_BYTES = 8  # of a text, or a list, in its column


def as_binary(column: Any) -> tuple[U8, I64]:
    """The bytes of a column of strings or numbers, null being empty, and where each row's lie."""
    import pyarrow  # noqa: PLC0415 - an extra

    if pyarrow.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if column.type not in (pyarrow.binary(), pyarrow.large_binary(), pyarrow.large_string()):
        column = column.cast(pyarrow.large_string())
    column = column.cast(pyarrow.large_binary())
    _, offset_buffer, data = column.buffers()
    offsets = np.frombuffer(offset_buffer, np.int64, len(column) + 1, 8 * column.offset)
    start, stop = int(offsets[0]), int(offsets[-1])
    text = np.frombuffer(data, np.uint8, stop - start, start) if data else np.empty(0, np.uint8)
    return text, offsets - start


def as_floats(column: Any, dtype: npt.DTypeLike = np.float64) -> AnyArray:
    """A column of numbers, (n_rows,) of a floating ``dtype``, null being NaN."""
    import pyarrow  # noqa: PLC0415 - an extra

    # Through its buffers: pyarrow's own way to NumPy imports pandas where it is installed.
    column = column.cast(pyarrow.from_numpy_dtype(dtype), safe=False)
    valid, data = column.buffers()
    stop = column.offset + len(column)
    values = np.frombuffer(data, dtype, stop)[column.offset :].copy()
    if valid:
        bits = np.unpackbits(np.frombuffer(valid, np.uint8), count=stop, bitorder="little")
        values[bits[column.offset :] == 0] = np.nan
    return values


def text_lengths(column: Any) -> I64:
    """The sizes of a column's texts, (n_rows,)."""
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
    return int(column.nbytes)


def is_text(kind: Any) -> bool:
    """Whether a type is of strings, or of bytes."""
    from pyarrow import types  # noqa: PLC0415 - an extra

    texts = (types.is_string, types.is_large_string, types.is_binary, types.is_large_binary)
    return any(test(kind) for test in texts)
