"""The footer of a Parquet file and the headers of its pages: what pyarrow would take memory for.

The footer declares how large columns are, but pyarrow allocates what the headers of their pages
say, which it does not tell.  And some footers that are damaged would end the process when pyarrow
is asked about their columns.  So both are read here.  They are structs in the compact protocol of
Thrift.
"""

import os
from array import array
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from ooc_train.dtypes import I64

_HEADER_BYTES = (2**9, 2**14, 2**20)  # some have statistics, which may be long texts
_MOST_PAGES = 10**6
_SLACK_BYTES = 100  # old writers count too few bytes, as pyarrow knows
_VALUES = {0: 5, 2: 7, 3: 8}  # the field with the number of values, by the type of the page
_DICTIONARY = 2

_TAIL = b"PAR1"
_SCHEMA_BYTES, _ITEM_BYTES = 1500, 750  # in memory for an item of the schema, of another list

_TRUE, _FALSE, _BYTE, _INT16, _INT32, _INT64, _DOUBLE, _BINARY = range(1, 9)
_LIST, _STRUCT = 9, 12
_INTEGERS = (_INT16, _INT32, _INT64)
_LONG, _SEVEN_BITS = 15, 127
_MOST_DEPTH, _MOST_VARINT_BITS = 32, 70


Reader = Callable[[], None]
_NONE: Mapping[int, Reader] = {}


class ParquetError(Exception):
    """Why a file cannot be read."""


class StoredColumn(NamedTuple):
    """A column in a row group: where its pages are, and what the footer says of them."""

    place: int
    n_stored: int
    n_bytes: int
    n_values: int


class Footer(NamedTuple):
    """The row groups of a file: their numbers of rows, and their columns.

    ``columns`` is (n_groups, n_columns, 4), the fields of `StoredColumn`.  ``memory_bytes`` is what
    pyarrow takes for the footer.
    """

    n_rows: list[int]
    columns: I64
    memory_bytes: int

    def column(self, group: int, column: int) -> StoredColumn:
        """A column in a row group."""
        return StoredColumn(*self.columns[group, column].tolist())


class Page(NamedTuple):
    """The header of a page, which has ``n_bytes`` in memory and ``n_stored`` in the file.

    Its values, nulls included, are those of a dictionary if ``is_dictionary``, else those of rows.
    """

    n_bytes: int
    n_stored: int
    n_values: int
    encoding: int
    is_dictionary: bool


def footer_length(file: BinaryIO) -> int:
    """The size of a file's footer; 0 if it has none."""
    n_bytes = file.seek(0, os.SEEK_END)
    file.seek(max(0, n_bytes - 2 * len(_TAIL)))
    tail = file.read(2 * len(_TAIL))
    length = int.from_bytes(tail[: len(_TAIL)], "little")
    return length if tail.endswith(_TAIL) and length <= n_bytes - len(tail) else 0


def read_footer(file: BinaryIO, length: int) -> Footer:
    """The footer of ``length`` bytes.  Memory: some times as much.  Raises ``ParquetError``."""
    file.seek(-length - 2 * len(_TAIL), os.SEEK_END)
    reader = _Structs(file.read(length))
    n_rows, columns = array("q"), array("q")

    def read_column() -> None:
        found = reader.struct()[3]
        pages, dictionary = found[9], found.get(11, 0)
        place = dictionary if 0 < dictionary < pages else pages
        columns.extend((place, found[7], found[6], found[5]))

    def read_group() -> None:
        n_rows.append(reader.struct({1: read_column})[3])

    try:
        n_in_schema = reader.struct({4: read_group}).get(2, 0)
        memory_bytes = length + _ITEM_BYTES * reader.n_items
        memory_bytes += (_SCHEMA_BYTES - _ITEM_BYTES) * n_in_schema
        shape = (len(n_rows), -1, len(StoredColumn._fields)) if columns else (len(n_rows), 0, 0)
        all_columns = np.array(columns, np.int64).reshape(shape)
    except (LookupError, TypeError, ValueError, OverflowError) as error:
        raise ParquetError("the footer is damaged") from error
    return Footer(n_rows.tolist(), all_columns, memory_bytes)


def read_pages(file: BinaryIO, column: StoredColumn) -> Iterator[Page]:
    """The pages of a column in a row group, until all its values are met.

    Memory: a header.  Raises ``ParquetError``.
    """
    place, stop = column.place, column.place + column.n_stored + _SLACK_BYTES
    n_values = column.n_values
    for _ in range(_MOST_PAGES):
        if n_values <= 0:
            return
        header, header_bytes = _read_header(file, place, stop)
        page = _page(header)
        place += header_bytes + page.n_stored
        n_values -= 0 if page.is_dictionary else page.n_values
        yield page
    raise ParquetError(f"a column has more than {_MOST_PAGES:,} pages")


def _read_header(file: BinaryIO, place: int, stop: int) -> tuple[dict[int, Any], int]:
    """The header at ``place``, and its size."""
    for n_bytes in _HEADER_BYTES:
        file.seek(place)
        reader = _Structs(file.read(max(0, min(n_bytes, stop - place))))
        try:
            return reader.struct(), reader.place
        except IndexError:  # it is longer, or the file ends
            continue
    raise ParquetError("a page is truncated")


def _page(header: dict[int, Any]) -> Page:
    try:
        kind, n_bytes, n_stored = header[1], header[2], header[3]
        about = header[_VALUES[kind]] if kind in _VALUES else {1: 0}
        n_values, encoding = about[1], about.get(4 if kind == 3 else 2, 0)
        page = Page(n_bytes, n_stored, n_values, encoding, kind == _DICTIONARY)
        is_sound = 0 <= min(n_bytes, n_stored, n_values) <= max(n_bytes, n_stored) < 2**31
    except (KeyError, TypeError):
        is_sound = False
    if not is_sound:
        raise ParquetError("the header of a page is damaged")
    return page


class _Structs:
    """Structs one after another; ``n_items`` counts those that are items of lists.

    Raises ``IndexError`` where the data end within one, and ``ParquetError`` for what is none.
    """

    def __init__(self, data: bytes) -> None:
        self.place = 0
        self.n_items = 0
        self._data = data

    def struct(self, readers: Mapping[int, Reader] = _NONE, depth: int = 0) -> dict[int, Any]:
        """The next one: its numbers, its structs and the lengths of its lists, by their fields.

        The items of lists that have ``readers`` are read by these.
        """
        fields: dict[int, Any] = {}
        field = 0
        while head := self._byte():
            field = field + (head >> 4) if head >> 4 else self._integer()
            kind = head & 15
            if kind in _INTEGERS:
                fields[field] = self._integer()
            else:
                fields[field] = self._value(kind, depth, readers.get(field))
        return fields

    def _value(
        self, kind: int, depth: int, read: Reader | None = None, *, in_list: bool = False
    ) -> Any:
        if kind in _INTEGERS:
            return self._integer()
        if kind == _BINARY:
            return self._skip(self._varint())
        if kind in (_TRUE, _FALSE):
            return self._skip(1) if in_list else None
        if kind in (_BYTE, _DOUBLE):
            return self._skip(1 if kind == _BYTE else 8)
        if depth == _MOST_DEPTH or kind not in (_LIST, _STRUCT):  # no footer has a set or a map
            raise ParquetError("a struct of it is damaged")
        return self.struct(_NONE, depth + 1) if kind == _STRUCT else self._list(depth + 1, read)

    def _list(self, depth: int, read: Reader | None) -> int:
        head = self._byte()
        length, kind = head >> 4, head & 15
        length = self._varint() if length == _LONG else length
        self.n_items += length if kind == _STRUCT else 0
        for _ in range(length):
            if read and kind == _STRUCT:
                read()
            else:
                self._value(kind, depth, in_list=True)
        return length

    def _integer(self) -> int:
        number = self._varint()
        return (number >> 1) ^ -(number & 1)

    def _varint(self) -> int:
        data, place = self._data, self.place
        byte = data[place]
        number, shift = byte & _SEVEN_BITS, 7
        while byte > _SEVEN_BITS:
            place += 1
            byte = data[place]
            number |= (byte & _SEVEN_BITS) << shift
            shift += 7
            if shift > _MOST_VARINT_BITS:
                raise ParquetError("a number of it is damaged")
        self.place = place + 1
        return number

    def _byte(self) -> int:
        byte = self._data[self.place]
        self.place += 1
        return byte

    def _skip(self, n_bytes: int) -> None:
        self.place += n_bytes
        if self.place > len(self._data):
            raise IndexError
