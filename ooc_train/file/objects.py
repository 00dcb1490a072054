"""The objects of an HDF5 file, read from its bytes: groups, arrays, attributes.

HDF5's library trusts the files that it opens.  Eight damaged bytes make it allocate gigabytes, a
tree of links that contains itself keeps it busy for ever, and links, virtual arrays and external
storage lead it to other files.  So the structures are read here first, as far as this package
writes them; a file with anything else is refused before the library sees it.

What is known here, by the names that the "HDF5 File Format Specification" gives it:

- a superblock of version 0, for a file that begins with it and has no driver information;
- groups as symbol tables of one B-tree node, whose entries are hard links, and datasets, both with
  object headers of version 1;
- arrays of little-endian numbers, contiguous or chunked, with attributes only at groups;
- attributes that are a number or a text, which lies in a global heap.

Links of other kinds, named types, references, and external or virtual storage are refused, because
each needs a message or a type that is not in these lists.

Every function raises ValueError for what is not as it should be.
"""

import math
import os
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

MAX_TEXT_BYTES = 2**21
"""The longest text of an attribute; it is read into memory."""
_MAX_OBJECTS = 256
_MAX_DEPTH = 6
_MAX_HEADER_BYTES = _MAX_HEAP_BYTES = 2**13
_MAX_DIMENSIONS = 2

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
# Versions, sizes of addresses and lengths, and of the nodes of trees: what HDF5 has by default.
_SUPERBLOCK = _SIGNATURE + bytes([0, 0, 0, 0, 0, 8, 8, 0, 4, 0, 16, 0])
_OPENED = bytes([1, 0, 0, 0])
"""What HDF5 sets behind them while a program has the file open for writing."""
_NOWHERE = 2**64 - 1
NODE = struct.Struct("<4sBBHQQ")
"""The head of a node of a tree."""
_TABLE_ENTRY = struct.Struct("<QQI4x16s")
_HEAP_OBJECT = struct.Struct("<HH4xQ")

_CONSTANT = 1  # a flag of messages, the only one here
_NIL, _SPACE, _TYPE, _FILL, _LAYOUT, _FILTERS = 0, 1, 3, 5, 8, 11
_ATTRIBUTE, _CONTINUATION, _TABLE = 12, 16, 17
_OF_GROUPS = {_NIL, _CONTINUATION, _ATTRIBUTE, _TABLE}
_OF_ARRAYS = {_NIL, _CONTINUATION, _SPACE, _TYPE, _FILL, _LAYOUT, _FILTERS}

_UNUSUAL = {2: "links of another kind", 7: "rows in another file", _ATTRIBUTE: "attributes"}
"""What an object has that files of this package do not have, by the type of its message."""
_NO_FILL = re.compile(rb"\x02[\x01-\x03][\x00-\x02]\x01\x00{4}")
"""The message about values of rows that are not stored, where there are none."""
_TEXT = bytes.fromhex("1901010010000000100000000100000000000800")
"""The type of UTF-8 text of any length."""
_DTYPES = {
    h5py.h5t.py_create(np.dtype(code)).encode()[2:]: np.dtype(code)
    for code in ("<u1", "<u2", "<u4", "<u8", "<i1", "<i2", "<i4", "<i8", "<f2", "<f4", "<f8")
}
"""NumPy's types, by the bytes that stand for them in a file."""


@dataclass(frozen=True)
class StoredArray:
    """Where an array lies in the file.

    ``position`` is that of its first row, or of its tree of chunks of the shape ``chunk``; -1 if no
    row is stored.  ``filters`` are the numbers of HDF5's filters, with their options.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    position: int
    chunk: tuple[int, ...] | None = None
    filters: tuple[tuple[int, tuple[int, ...]], ...] = ()

    @property
    def n_bytes(self) -> int:
        """The bytes of all rows, uncompressed."""
        return math.prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True)
class StoredGroup:
    """A group's attributes, ``None`` for those of other types, and what it contains."""

    attributes: Mapping[str, Any]
    members: "Mapping[str, StoredGroup | StoredArray]"


class FileBytes:
    """The bytes of a file with this descriptor, up to the size that it has now."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._start(os.fstat(descriptor).st_size)

    def _start(self, size: int) -> None:
        self.size = size
        self._heaps: dict[int, dict[int, bytes]] = {}

    def read(self, position: int, n_bytes: int) -> bytes:
        """Exactly ``n_bytes`` bytes."""
        self.check_place(position, n_bytes)
        found = self._read(position, n_bytes)
        if len(found) < n_bytes:
            raise ValueError("the file is truncated")
        return found

    def _read(self, position: int, n_bytes: int) -> bytes:
        return os.pread(self._descriptor, n_bytes, position)

    def check_place(self, position: int, n_bytes: int) -> None:
        """Raise ValueError unless bytes lie inside the file."""
        if position + n_bytes > self.size:
            raise ValueError(
                f"{n_bytes:,} bytes at {position:,} lie beyond its end, as if it were truncated"
            )

    def text(self, position: int, number: int, n_bytes: int) -> str:
        """A text of ``n_bytes`` bytes: an object of the global heap at a position."""
        if not n_bytes:
            return ""
        if position not in self._heaps:
            self._heaps[position] = dict(self._heap_objects(position))
        found = self._heaps[position].get(number, b"")
        if len(found) != n_bytes:
            raise ValueError(f"a text of {n_bytes:,} bytes is not where it should be")
        return found.decode("utf-8")

    def _heap_objects(self, position: int) -> Iterator[tuple[int, bytes]]:
        mark, size = struct.unpack("<8sQ", self.read(position, 16))
        if mark != b"GCOL\x01\0\0\0" or not 16 <= size <= 2 * MAX_TEXT_BYTES:
            raise ValueError(f"there is no heap of texts at {position:,}")
        heap, at = self.read(position, size), 16
        while at + _HEAP_OBJECT.size <= size:
            number, _, n_bytes = _HEAP_OBJECT.unpack_from(heap, at)
            if number == 0:  # the free space, to the end
                if n_bytes != size - at:
                    raise ValueError(f"the heap of texts at {position:,} is damaged")
                return
            start = at + _HEAP_OBJECT.size
            at = start + n_bytes + -n_bytes % 8
            if at > size:
                raise ValueError(f"the heap of texts at {position:,} is damaged")
            yield number, heap[start : start + n_bytes]


def is_hdf5(content: FileBytes) -> bool:
    """Whether a file begins as all HDF5 files do."""
    n_bytes = len(_SIGNATURE)
    return content.size >= n_bytes and content.read(0, n_bytes) == _SIGNATURE


def is_open_elsewhere(content: FileBytes) -> bool:
    """Whether a program has the file open for writing, or had when it was killed."""
    start = _SUPERBLOCK + _OPENED
    return content.size >= len(start) and content.read(0, len(start)) == start


def root_attributes(content: FileBytes) -> Mapping[str, Any]:
    """The attributes of the file's root, before anything else is looked at."""
    return _Header(content, _root_position(content), _OF_GROUPS).attributes()


def read_objects(content: FileBytes) -> StoredGroup:
    """The root with everything in the file.

    Memory: what a group of at most `_MAX_OBJECTS` objects takes, and texts of attributes.
    """
    found = _Tree(content).object(_root_position(content), 0)
    if not isinstance(found, StoredGroup):
        raise ValueError("its root is no group")
    return found


def _root_position(content: FileBytes) -> int:
    start = content.read(0, 96)
    base, _, end, driver, _, header, cached = struct.unpack_from("<7Q", start, 24)
    usual = start[:20] == _SUPERBLOCK and start[20:24] == bytes(4)
    if not usual or (base, driver, cached) != (0, _NOWHERE, 1):
        raise ValueError("its superblock is of another kind, as if another program had written it")
    if content.size < end:
        raise ValueError(f"it is truncated: {content.size:,} of its {end:,} bytes are left")
    if content.size > end:
        raise ValueError(f"it has {content.size:,} bytes, {content.size - end:,} more than it says")
    if start[80:] != _Header(content, header, _OF_GROUPS).only(_TABLE)[:16]:
        raise ValueError("the entry of its root is damaged")
    return int(header)


class _Header:
    """An object's header: its messages, which are among those that are ``allowed``."""

    def __init__(self, content: FileBytes, position: int, allowed: set[int] | None = None) -> None:
        self._content = content
        self.messages: dict[int, list[bytes]] = {}
        version, n_messages, n_bytes = struct.unpack("<BxH4xI4x", content.read(position, 16))
        if version != 1:
            raise ValueError(f"there is no object header at {position:,}")
        blocks, n_left = [(position + 16, n_bytes)], _MAX_HEADER_BYTES
        for start, size in blocks:  # continuations are added on the way
            n_left -= size
            if n_left < 0:
                raise ValueError(f"the object header at {position:,} is too long")
            for kind, message in self._block(content.read(start, size)):
                self.messages.setdefault(kind, []).append(message)
                if kind == _CONTINUATION:
                    blocks.append(_unpacked("<QQ", message))
        if sum(map(len, self.messages.values())) != n_messages:
            raise ValueError(f"the object header at {position:,} has not {n_messages} messages")
        usual = _OF_GROUPS if _TABLE in self.messages else _OF_ARRAYS
        unknown = self.messages.keys() - (allowed or usual)
        if unknown:
            what = _UNUSUAL.get(min(unknown), f"messages of the types {sorted(unknown)}")
            raise ValueError(f"an object has {what}")

    def _block(self, block: bytes) -> Iterator[tuple[int, bytes]]:
        at = 0
        while at < len(block):
            kind, n_bytes, flags = _unpacked("<HHB3x", block[at:])
            at += 8 + n_bytes
            if at > len(block) or flags | _CONSTANT != _CONSTANT:
                raise ValueError("an object's header has a message that is shared or cut off")
            yield kind, block[at - n_bytes : at]

    def only(self, kind: int) -> bytes:
        """The one message of a kind."""
        found = self.messages.get(kind, [])
        if len(found) != 1:
            raise ValueError(f"an object has {len(found)} messages of the type {kind}")
        return found[0]

    def attributes(self) -> dict[str, Any]:
        """A group's attributes."""
        found = [
            _attribute(message, self._content) for message in self.messages.get(_ATTRIBUTE, [])
        ]
        if len(dict(found)) < len(found):
            raise ValueError("two attributes have the same name")
        return dict(found)

    def array(self) -> StoredArray:
        """The array, if the object is one."""
        shape, dtype = _shape(self.only(_SPACE)), _DTYPES.get(_type(self.only(_TYPE)))
        if dtype is None:
            raise ValueError("an array is of a type that files of this package do not have")
        if not _NO_FILL.fullmatch(self.only(_FILL)):
            raise ValueError("an array has a value for rows that are not stored")
        layout, n_rows_bytes = self.only(_LAYOUT), math.prod(shape) * dtype.itemsize
        if layout[:2] == b"\x03\x01":
            position, n_bytes = _unpacked("<QQ", layout[2:])
            if n_bytes != n_rows_bytes or _FILTERS in self.messages:
                raise ValueError(f"an array of {n_rows_bytes:,} bytes is stored in {n_bytes:,}")
            if n_bytes == 0:
                return StoredArray(shape, dtype, -1)
            if position == _NOWHERE:
                raise ValueError(f"an array of {n_bytes:,} bytes is not stored")
            self._content.check_place(position, n_bytes)
            return StoredArray(shape, dtype, position)
        if layout[:2] != b"\x03\x02":
            raise ValueError("an array is neither contiguous nor in chunks in the file itself")
        _, position, *chunk = _unpacked(f"<BQ{len(shape) + 1}I", layout[2:])
        if layout[2] != len(chunk) or chunk.pop() != dtype.itemsize or 0 in chunk:
            raise ValueError("the chunks of an array are of another shape")
        position = -1 if position == _NOWHERE else position
        filters = _filters(self.only(_FILTERS)) if _FILTERS in self.messages else ()
        return StoredArray(shape, dtype, position, tuple(chunk), filters)


class _Tree:
    """The groups of a file, with a limit to the number of their members."""

    def __init__(self, content: FileBytes) -> None:
        self._content = content
        self._n_objects = 0

    def object(self, position: int, depth: int) -> StoredGroup | StoredArray:
        self._n_objects += 1
        if self._n_objects > _MAX_OBJECTS or depth > _MAX_DEPTH:
            raise ValueError("it has more objects than files of this package have")
        header = _Header(self._content, position)
        if _TABLE not in header.messages:
            return header.array()
        tree, heap = _unpacked("<QQ", header.only(_TABLE))
        members = {}
        for name, place, cached, scratch in self._entries(tree, self._names(heap)):
            if cached not in (0, 1) or name in members:
                raise ValueError(f"the member {name!r} of a group is no link of its own")
            members[name] = self.object(place, depth + 1)
            # The library takes the copy in the entry for the header's.
            if cached and scratch != _Header(self._content, place).only(_TABLE)[:16]:
                raise ValueError(f"the entry of the group {name!r} is damaged")
        return StoredGroup(header.attributes(), members)

    def _entries(self, tree: int, names: bytes) -> Iterator[tuple[str, int, int, bytes]]:
        """The members of a group: name, position, and a copy of what their headers say."""
        mark, kind, level, n_nodes, *beside = NODE.unpack(self._content.read(tree, NODE.size))
        if mark != b"TREE" or kind or level or n_nodes > 32 or beside != [_NOWHERE, _NOWHERE]:
            raise ValueError(f"there is no group of a few members at {tree:,}")
        keys = struct.unpack(
            f"<{2 * n_nodes + 1}Q", self._content.read(tree + NODE.size, 16 * n_nodes + 8)
        )
        before = _name(names, keys[0])
        for node, key in zip(keys[1::2], keys[2::2], strict=True):
            mark, n_entries = struct.unpack("<6sH", self._content.read(node, 8))
            if mark != b"SNOD\x01\0" or n_entries > 8:
                raise ValueError(f"there are no members of a group at {node:,}")
            entries = self._content.read(node + 8, 40 * n_entries)
            for name_at, *found in _TABLE_ENTRY.iter_unpack(entries):
                name = _name(names, name_at)
                if name <= before:
                    raise ValueError(f"the members of the group at {tree:,} are not in order")
                before = name
                yield name.decode("utf-8"), *found
            if before > _name(names, key):
                raise ValueError(f"the members of the group at {tree:,} are not in order")

    def _names(self, heap: int) -> bytes:
        """The names of a group's members: the content of its local heap, its free list checked."""
        mark, size, free, position = struct.unpack("<8s3Q", self._content.read(heap, 32))
        if mark != b"HEAP\0\0\0\0" or size > _MAX_HEAP_BYTES:
            raise ValueError(f"there are no names of a group's members at {heap:,}")
        names, seen = self._content.read(position, size), set[int]()
        while free not in (1, _NOWHERE):
            behind, n_free = struct.unpack_from("<QQ", names, free) if free + 16 <= size else (0, 0)
            if free in seen or not 16 <= n_free <= size - free:
                raise ValueError(f"the names of a group's members at {heap:,} are damaged")
            seen.add(free)
            free = behind
        return names


def _name(names: bytes, position: int) -> bytes:
    end = names.find(b"\0", min(position, len(names)))
    if end < 0:
        raise ValueError("the names of a group's members are damaged")
    return names[position:end]


def _attribute(message: bytes, content: FileBytes) -> tuple[str, Any]:
    """The name and the value of an attribute, ``None`` if it is of another type."""
    version, *sizes = _unpacked("<Bx3H", message)
    padded = [size + -size % 8 for size in sizes]
    name_at, type_at, space_at = 8, 8 + padded[0], 8 + padded[0] + padded[1]
    value_at = space_at + padded[2]
    if version != 1 or value_at > len(message):
        raise ValueError("an attribute is damaged")
    name = message[name_at : name_at + sizes[0]].rstrip(b"\0").decode("utf-8")
    kind, value = message[type_at : type_at + sizes[1]], message[value_at:]
    if _shape(message[space_at:value_at]) != ():
        return name, None
    if _type(kind) == _TEXT:
        n_bytes, position, number = _unpacked("<IQI", value)
        return name, content.text(position, number, n_bytes)
    dtype = _DTYPES.get(_type(kind))
    if dtype is None:
        return name, None
    if len(value) < dtype.itemsize:
        raise ValueError(f"the attribute {name!r} is damaged")
    return name, np.frombuffer(value, dtype, 1)[0].item()


def _shape(space: bytes) -> tuple[int, ...]:
    version, rank, has_limits = _unpacked("<BBB5x", space)
    if version != 1 or rank > _MAX_DIMENSIONS or has_limits > 1:
        raise ValueError("an array has a shape of another kind")
    shape = _unpacked(f"<{rank}Q", space[8:])
    if has_limits and _unpacked(f"<{rank}Q", space[8 + 8 * rank :]) != shape:
        raise ValueError("an array has a shape that may grow")
    if math.prod(shape) >= 2**60 or max(shape, default=0) >= 2**60:
        raise ValueError(f"an array has the shape {shape}")
    return shape


def _type(message: bytes) -> bytes:
    """A type without the zeros that fill it up."""
    return next((known for known in (*_DTYPES, _TEXT) if _is_padded(message, known)), message)


def _is_padded(message: bytes, known: bytes) -> bool:
    return message[: len(known)] == known and not message[len(known) :].strip(b"\0")


def _filters(message: bytes) -> tuple[tuple[int, tuple[int, ...]], ...]:
    version, n_filters = _unpacked("<BB6x", message)
    if version != 1 or n_filters > 4:
        raise ValueError("the chunks of an array are compressed in an unknown way")
    found, at = [], 8
    for _ in range(n_filters):
        number, n_name, _, n_options = _unpacked("<4H", message[at:])
        at += 8 + n_name + -n_name % 8
        options = _unpacked(f"<{n_options}I", message[at:])
        at += 4 * (n_options + n_options % 2)
        found.append((number, options))
    return tuple(found)


def _unpacked(form: str, content: bytes) -> Any:
    try:
        return struct.unpack_from(form, content)
    except struct.error as error:
        raise ValueError("a structure is cut off") from error
