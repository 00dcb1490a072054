"""The headers of a Parquet file's pages, and its footer: what pyarrow would take memory for.

The footer declares how large columns are, but pyarrow allocates what the headers of their pages
say, which it does not tell.  So they are read here.  Headers and footer are structs in the compact
protocol of Thrift.
"""

import os
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

_HEADER_BYTES = (2**9, 2**14, 2**20)  # some have statistics, which may be long texts
_MOST_PAGES = 10**6
_SLACK_BYTES = 100  # old writers count too few bytes, as pyarrow knows
_VALUES = {0: 5, 2: 7, 3: 8}  # the field with the number of values, by the type of the page
_DICTIONARY = 2

_TAIL = b"PAR1"
_USUAL_MULTIPLE, _MOST_MULTIPLE = 16, 300  # of a footer's size, in memory
_SCHEMA_BYTES, _ITEM_BYTES = 1500, 750  # in memory for an item of the schema, of another list

_TRUE, _FALSE, _BYTE, _INT16, _INT32, _INT64, _DOUBLE, _BINARY = range(1, 9)
_LIST, _STRUCT = 9, 12
_INTEGERS = (_INT16, _INT32, _INT64)
_LONG, _SEVEN_BITS = 15, 127
_MOST_DEPTH, _MOST_VARINT_BITS = 32, 70


class DamagedError(Exception):
    """Why pages cannot be read."""


class Page(NamedTuple):
    """The header of a page, which has ``n_bytes`` in memory and ``n_stored`` in the file.

    Its values, nulls included, are those of a dictionary if ``is_dictionary``, else those of rows.
    """

    n_bytes: int
    n_stored: int
    n_values: int
    encoding: int
    is_dictionary: bool


def read_pages(file: BinaryIO, start: int, n_bytes: int, n_values: int) -> Iterator[Page]:
    """The pages of a column chunk that begins at ``start``, until ``n_values`` of rows are met.

    Memory: a header.  Raises ``DamagedError``.
    """
    place, stop = start, start + n_bytes + _SLACK_BYTES
    for _ in range(_MOST_PAGES):
        if n_values <= 0:
            return
        header, header_bytes = _read_header(file, place, stop)
        page = _page(header)
        place += header_bytes + page.n_stored
        n_values -= 0 if page.is_dictionary else page.n_values
        yield page
    raise DamagedError(f"a column has more than {_MOST_PAGES:,} pages")


def footer_memory(file: BinaryIO, allowed_bytes: int) -> int:
    """The memory that pyarrow takes for a footer, about; 0 if the file has none.

    It is estimated well where it may be near ``allowed_bytes``, which the footer must not exceed to
    be read.  Memory: the footer.  Raises ``DamagedError``.
    """
    n_bytes = file.seek(0, os.SEEK_END)
    file.seek(max(0, n_bytes - 2 * len(_TAIL)))
    tail = file.read(2 * len(_TAIL))
    length = int.from_bytes(tail[: len(_TAIL)], "little")
    place = n_bytes - len(tail) - length
    if place < 0 or not tail.endswith(_TAIL):
        return 0
    if not allowed_bytes // _MOST_MULTIPLE < length <= allowed_bytes:
        return _USUAL_MULTIPLE * length
    file.seek(place)
    reader = _Structs(file.read(length))
    try:
        n_columns = reader.struct().get(2, 0)
    except IndexError:
        raise DamagedError("the footer is damaged") from None
    return (_SCHEMA_BYTES - _ITEM_BYTES) * n_columns + _ITEM_BYTES * reader.n_items + length


def _read_header(file: BinaryIO, place: int, stop: int) -> tuple[dict[int, Any], int]:
    """The header at ``place``, and its size."""
    for n_bytes in _HEADER_BYTES:
        file.seek(place)
        reader = _Structs(file.read(max(0, min(n_bytes, stop - place))))
        try:
            return reader.struct(), reader.place
        except IndexError:  # it is longer, or the file ends
            continue
    raise DamagedError("a page is truncated")


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
        raise DamagedError("the header of a page is damaged")
    return page


class _Structs:
    """Structs one after another; ``n_items`` counts those in lists.

    Raises ``IndexError`` where the data end within one, and ``DamagedError`` for what is none.
    """

    def __init__(self, data: bytes) -> None:
        self.place = 0
        self.n_items = 0
        self._data = data

    def struct(self, depth: int = 0) -> dict[int, Any]:
        """The next one: its numbers, its structs and the lengths of its lists, by their fields."""
        fields: dict[int, Any] = {}
        field = 0
        while head := self._byte():
            field = field + (head >> 4) if head >> 4 else self._integer()
            kind = head & 15
            if kind in _INTEGERS:
                fields[field] = self._integer()
            else:
                fields[field] = self._value(kind, depth, in_list=False)
        return fields

    def _value(self, kind: int, depth: int, *, in_list: bool) -> Any:
        if kind in _INTEGERS:
            return self._integer()
        if kind == _BINARY:
            return self._skip(self._varint())
        if kind in (_TRUE, _FALSE):
            return self._skip(1) if in_list else None
        if kind in (_BYTE, _DOUBLE):
            return self._skip(1 if kind == _BYTE else 8)
        if depth == _MOST_DEPTH or kind not in (_LIST, _STRUCT):  # no footer has a set or a map
            raise DamagedError("a struct of it is damaged")
        return self.struct(depth + 1) if kind == _STRUCT else self._list(depth + 1)

    def _list(self, depth: int) -> int:
        head = self._byte()
        length, kind = head >> 4, head & 15
        length = self._varint() if length == _LONG else length
        self.n_items += length if kind == _STRUCT else 0
        for _ in range(length):
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
                raise DamagedError("a number of it is damaged")
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
