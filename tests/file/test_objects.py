"""The structures of HDF5's files, read by hand: as h5py has them, and no damaged one."""

import contextlib
import os
import struct
import tempfile

import h5py
import numpy as np
import pytest

from ooc_train.file import objects, schema
from ooc_train.file.objects import (
    MAX_TEXT_BYTES,
    FileBytes,
    StoredArray,
    is_hdf5,
    read_objects,
    root_attributes,
)
from tests.files import add_array

NOWHERE = 2**64 - 1
DTYPES = ("<u1", "<u2", "<u4", "<u8", "<i1", "<i2", "<i4", "<i8", "<f2", "<f4", "<f8")


@contextlib.contextmanager
def held(content):
    """The bytes of a file without a name."""
    with tempfile.TemporaryFile(buffering=0) as file:
        file.write(content)
        yield FileBytes(file.fileno())


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The bytes of a file with some of everything, and h5py's view of it."""
    path = tmp_path_factory.mktemp("objects") / "small.h5"
    with schema.create_file(str(path), compression="zstd") as file:
        group = file.create_group("group")
        group.attrs["number"], group.attrs["half"], group.attrs["text"] = -7, 0.5, "ä" * 50
        group.attrs["empty"] = ""
        group.attrs["list"] = [1, 2]
        group.attrs["bytes"] = np.bytes_(b"abc")
        for code in DTYPES:
            add_array(group, f"array{code[1:]}", np.arange(5, dtype=code), "none")
        add_array(group, "none", np.empty((0, 3), "<f4"), "zstd")
        add_array(group, "wide", np.arange(60_000, dtype="<f4").reshape(-1, 3), "zstd")
    return path


def test_objects_are_those_that_h5py_has(small):
    with h5py.File(small) as file, held(small.read_bytes()) as content:
        assert is_hdf5(content)
        assert root_attributes(content) == {"compression": "zstd"}
        root = read_objects(content)
        assert root.members.keys() == {"group", "checksums"}
        found, group = root.members["group"], file["group"]
        texts = {"text": "ä" * 50, "empty": ""}
        assert found.attributes == texts | {"number": -7, "half": 0.5, "list": None, "bytes": None}
        assert found.members.keys() == group.keys()
        for name, array in found.members.items():
            dataset = group[name]
            assert (array.shape, array.dtype) == (dataset.shape, dataset.dtype)
            assert array.n_bytes == dataset.nbytes
            assert array.chunk == dataset.chunks
            if array.chunk:
                assert [number for number, _ in array.filters] == [2, 32015]
                assert array.filters[0][1] == (4,)
            else:
                place = dataset.id.get_offset()
                assert array.position == (-1 if place is None else place)


def is_refused(content):
    with held(content) as file:
        try:
            read_objects(file)
        except ValueError:
            return True
        return False


# Bytes that do not say what is in the file: the places of its free space and of its root's name.
FREE = {*range(32, 40), *range(56, 64)}


def test_each_bit_of_the_beginning_counts(small):
    content = small.read_bytes()
    for place in range(96):
        for bit in range(8):
            flipped = bytearray(content)
            flipped[place] ^= 1 << bit
            assert is_refused(bytes(flipped)) == (place not in FREE), place
    for other in (content[:-1], content + b"\0", content[:95], b""):
        assert is_refused(other)


def places(content, mark):
    """Where structures with this mark lie."""
    found = [content.find(mark)]
    while found[-1] >= 0:
        found.append(content.find(mark, found[-1] + 1))
    return found[:-1]


@pytest.mark.parametrize(
    ("mark", "n_bytes"), [(b"TREE", 24), (b"HEAP", 8), (b"SNOD\x01\0", 8), (b"GCOL", 16)]
)
def test_each_bit_of_the_nodes_of_groups_counts(small, mark, n_bytes):
    """A flipped one is refused; or there are fewer members, which the format then misses."""
    content = small.read_bytes()
    with held(content) as file:
        members = read_objects(file).members["group"].members.values()
        chunks = {array.position for array in members if array.chunk}
    nodes = [place for place in places(content, mark) if place not in chunks]
    assert nodes
    for node in nodes:
        for place in range(node, node + n_bytes):
            for bit in range(8):
                flipped = bytearray(content)
                flipped[place] ^= 1 << bit
                is_number = mark != b"GCOL" and place - node in (6, 7)
                assert is_refused(bytes(flipped)) or is_number, (node, place - node)


def numbers(content, place, form, value):
    edited = bytearray(content)
    struct.pack_into(form, edited, place, value)
    return bytes(edited)


def test_members_of_groups(small):
    content = small.read_bytes()
    node = places(content, b"SNOD\x01\0")[0]
    (n_entries,) = struct.unpack_from("<H", content, node + 6)
    assert n_entries == 2
    first, second = (content[node + 8 + 40 * k :][:40] for k in range(2))
    whole = content[: node + 8], content[node + 88 :]
    assert not is_refused(first.join(whole).replace(first, first + second))
    assert is_refused(whole[0] + second + first + whole[1])  # not in order
    assert is_refused(whole[0] + first + first + whole[1])  # twice
    for cached in (2, 3, 2**31):  # links of other kinds
        assert is_refused(numbers(content, node + 8 + 16, "<I", cached))
    with (
        pytest.raises(ValueError, match="there are no members of a group at"),
        held(numbers(content, node + 6, "<H", 9)) as file,
    ):
        read_objects(file)  # a node has room for eight
    for name_at in (2**13, 2**62):  # beyond the heap
        assert is_refused(numbers(content, node + 8, "<Q", name_at))
    for scratch in (24, 39):  # the copy of what the header of a group says
        assert is_refused(
            numbers(content, node + 8 + scratch, "B", content[node + 8 + scratch] ^ 1)
        )


def test_free_lists_of_names(small):
    """They lie inside the heap, and end."""
    content = small.read_bytes()
    heap = places(content, b"HEAP")[0]
    size, free, names = struct.unpack_from("<3Q", content, heap + 8)
    assert free != 1
    _, n_free = struct.unpack_from("<QQ", content, names + free)
    assert free + n_free == size

    def with_free(at, behind, n_bytes):
        edited = numbers(content, heap + 16, "<Q", at)
        edited = numbers(edited, names + at, "<Q", behind) if at + 16 <= size else edited
        return numbers(edited, names + at + 8, "<Q", n_bytes) if at + 16 <= size else edited

    for end in (1, NOWHERE):
        assert not is_refused(with_free(free, end, n_free))
        assert not is_refused(with_free(size - 16, end, 16))
        assert is_refused(with_free(size - 16, end, 17))
        assert is_refused(with_free(size - 8, end, 8))
        assert is_refused(with_free(size, end, 0))
        assert is_refused(with_free(free, end, 15))
        assert is_refused(with_free(free, end, n_free + 1))
        assert not is_refused(with_free(free, end, 16))
    assert is_refused(with_free(free, free, n_free))  # again and again


# ---- Structures alone.


def test_bytes_of_a_file():
    with held(b"0123456789") as content:
        assert content.size == 10
        assert content.read(4, 6) == b"456789"
        assert content.read(10, 0) == b""
        for place in ((4, 7), (11, 0), (0, 2**62)):
            with pytest.raises(ValueError, match="beyond its end, as if it were truncated"):
                content.read(*place)
        os.ftruncate(content._descriptor, 5)
        with pytest.raises(ValueError, match="the file is truncated"):
            content.read(4, 2)
    for content, wanted in (
        (b"", False),
        (b"\x89HDF\r\n\x1a", False),
        (b"\x88HDF\r\n\x1a\n", False),
        (b"\x89HDF\r\n\x1a\n", True),
    ):
        with held(content) as file:
            assert is_hdf5(file) == wanted


def heap_of(*texts, free=None, size=None):
    """A heap of texts, and its free space of as many bytes as ``free`` says."""
    parts = [
        struct.pack("<HH4xQ", k + 1, 0, len(t)) + t + bytes(-len(t) % 8)
        for k, t in enumerate(texts)
    ]
    body = b"".join(parts) + (b"" if free is None else struct.pack("<HH4xQ", 0, 0, free))
    size = 16 + len(body) if size is None else size
    return struct.pack("<8sQ", b"GCOL\x01\0\0\0", size) + body


@pytest.mark.parametrize(
    ("heap", "wanted"),
    [
        (heap_of(b"alpha", b"12345678", b"b"), {1: b"alpha", 2: b"12345678", 3: b"b"}),
        (heap_of(b"alpha", free=16), {1: b"alpha"}),
        (heap_of(b"alpha", free=24) + bytes(8), None),
        (heap_of(b"alpha", free=15), None),
        (heap_of(b"alpha", free=0), None),
        (heap_of(size=16), {}),
        (heap_of(size=15) + bytes(99), None),
        (heap_of(b"alpha", size=39), None),
        (heap_of(b"alpha", size=48) + bytes(8), {1: b"alpha"}),  # no room for another
        (heap_of(b"alpha", size=41), None),
        (heap_of(size=2 * MAX_TEXT_BYTES) + bytes(2 * MAX_TEXT_BYTES), None),
        (heap_of(b"x" * (2 * MAX_TEXT_BYTES - 32)), {1: b"x" * (2 * MAX_TEXT_BYTES - 32)}),
        (heap_of(b"x" * (2 * MAX_TEXT_BYTES - 24)), None),
    ],
)
def test_heaps_of_texts(heap, wanted):
    with held(b"12345678" + heap) as content:
        try:
            found = dict(content._heap_objects(8))
        except ValueError:
            found = None
        assert found == wanted
        for number, text in (wanted or {}).items():
            assert content.text(8, number, len(text)) == text.decode()
            with pytest.raises(ValueError, match="is not where it should be"):
                content.text(8, number, len(text) + 1)
        assert content.text(2**40, 1, 0) == ""


def space(*shape, limits=None, version=1, rank=None):
    rank, has_limits = len(shape) if rank is None else rank, limits is not None
    numbers = [*shape, *(limits or ())]
    return struct.pack(f"<BBB5x{len(numbers)}Q", version, rank, has_limits, *numbers)


@pytest.mark.parametrize(
    ("message", "wanted"),
    [
        (space(), ()),
        (space(0), (0,)),
        (space(3, 4), (3, 4)),
        (space(3, 4, limits=(3, 4)), (3, 4)),
        (space(2**60 - 1), (2**60 - 1,)),
        (space(3, 4, limits=(3, NOWHERE)), None),
        (space(3, 4, limits=(3,)), None),
        (space(3, 4, 5), None),
        (space(3, rank=2), None),
        (space(3, version=2), None),
        (space(3, version=0), None),
        (space(3)[:2] + b"\x02" + space(3)[3:], None),
        (space(2**60), None),
        (space(2**60, 0), None),
        (space(2**30, 2**30), None),
        (space(2**30, 2**30 - 1), (2**30, 2**30 - 1)),
        (space(3)[:-1], None),
        (b"\x01", None),
    ],
)
def test_shapes(message, wanted):
    try:
        assert objects._shape(message) == wanted
    except ValueError:
        assert wanted is None


def pipeline(*filters, version=1, n_filters=None):
    n_filters = len(filters) if n_filters is None else n_filters
    content = struct.pack("<BB6x", version, n_filters)
    for number, name, options in filters:
        content += struct.pack("<4H", number, len(name), 0, len(options)) + name
        content += bytes(-len(name) % 8) + struct.pack(f"<{len(options)}I", *options)
        content += bytes(4 * (len(options) % 2))
    return content


@pytest.mark.parametrize(
    ("message", "wanted"),
    [
        (pipeline(), ()),
        (pipeline((2, b"shuffle\0", (4,)), (32015, b"", ())), ((2, (4,)), (32015, ()))),
        (pipeline((7, b"abc", (1, 2)), (8, b"12345678", (3,))), ((7, (1, 2)), (8, (3,)))),
        (pipeline(*[(7, b"", (1,))] * 4), ((7, (1,)),) * 4),
        (pipeline(*[(7, b"", (1,))] * 5), None),
        (pipeline((7, b"", (1,)), version=2), None),
        (pipeline((7, b"", (1,)), n_filters=2), None),
        (pipeline((7, b"", (1, 2)))[:-1], None),
    ],
)
def test_filters(message, wanted):
    try:
        assert objects._filters(message) == wanted
    except ValueError:
        assert wanted is None


INT64 = next(known for known, dtype in objects._DTYPES.items() if dtype == np.dtype("<i8"))


def padded(part):
    return part + bytes(-len(part) % 8)


def attribute(name, kind, shape, value, *, version=1, sizes=None):
    parts = name + b"\0", kind, shape
    sizes = map(len, parts) if sizes is None else sizes
    return struct.pack("<Bx3H", version, *sizes) + b"".join(map(padded, parts)) + value


@pytest.mark.parametrize(
    ("message", "wanted"),
    [
        (attribute(b"a", INT64, space(), struct.pack("<q", -5)), ("a", -5)),
        (attribute(b"1234567", INT64, space(), struct.pack("<q", 5)), ("1234567", 5)),
        (attribute(b"12345678", INT64, space(), struct.pack("<q", 5)), ("12345678", 5)),
        (attribute("ä".encode(), INT64 + b"\0", space(), struct.pack("<q", 5) * 2), ("ä", 5)),
        (attribute(b"a", INT64, space(1), struct.pack("<q", 5)), ("a", None)),
        (attribute(b"a", b"\x01" * 12, space(), struct.pack("<q", 5)), ("a", None)),
        (attribute(b"a", INT64 + b"\1", space(), struct.pack("<q", 5)), ("a", None)),
        (attribute(b"a", INT64, space(), bytes(7)), ValueError),
        (attribute(b"a", INT64, space(), bytes(8), version=2), ValueError),
        (attribute(b"a", INT64, space(), b"", sizes=(2, len(INT64), 17)), ValueError),
        (attribute(b"\xff", INT64, space(), bytes(8)), ValueError),
        (attribute(b"a", objects._TEXT, space(), struct.pack("<IQI", 5, 8, 1)), ("a", "alpha")),
        (attribute(b"a", objects._TEXT, space(), struct.pack("<IQI", 4, 8, 1)), ValueError),
        (attribute(b"a", objects._TEXT, space(), struct.pack("<IQI", 5, 8, 2)), ValueError),
        (attribute(b"a", objects._TEXT, space(), bytes(15)), ValueError),
    ],
)
def test_attributes(message, wanted):
    with held(b"12345678" + heap_of(b"alpha")) as content:
        if wanted is ValueError:
            with pytest.raises(ValueError):  # noqa: PT011 - of each of its parts
                objects._attribute(message, content)
        else:
            assert objects._attribute(message, content) == wanted


# ---- Headers of objects.


def message(kind, content, flags=0):
    return struct.pack("<HHB3x", kind, len(content), flags) + content


def header(*messages, version=1, n_messages=None, n_bytes=None):
    block = b"".join(messages)
    n_messages = len(messages) if n_messages is None else n_messages
    n_bytes = len(block) if n_bytes is None else n_bytes
    return struct.pack("<BxH4xI4x", version, n_messages, n_bytes) + block


SPACE, TYPE = message(1, space(2)), message(3, INT64)
FILL = message(5, b"\x02\x01\x02\x01\0\0\0\0")


def flat(position=0, n_bytes=16):
    return message(8, b"\x03\x01" + struct.pack("<QQ", position, n_bytes))


def chunked(*chunk, position=NOWHERE, rank=None, item=8):
    rank = len(chunk) + 1 if rank is None else rank
    return message(
        8, b"\x03\x02" + struct.pack(f"<BQ{len(chunk) + 1}I", rank, position, *chunk, item)
    )


FILTER = message(11, pipeline((2, b"", (8,))))
LONG = message(0, bytes(objects._MAX_HEADER_BYTES - 8 - sum(map(len, (SPACE, TYPE, FILL, flat())))))
ARRAY, EMPTY = (StoredArray((n,), np.dtype("<i8"), place) for n, place in ((2, 0), (0, -1)))


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (header(SPACE, TYPE, FILL, flat()), ARRAY),
        (header(flat(), message(0, b""), FILL, TYPE, SPACE), ARRAY),
        (header(message(1, space(2), 1), TYPE, FILL, flat()), ARRAY),
        (header(SPACE, TYPE, FILL, flat(), LONG), ARRAY),
        (header(SPACE, TYPE, FILL, flat(), LONG + b"\0" * 8), "is too long"),
        (header(message(1, space(2), 2), TYPE, FILL, flat()), "shared or cut off"),
        (header(SPACE, TYPE, FILL, flat(), version=2), "no object header"),
        (header(SPACE, TYPE, FILL, flat(), version=0), "no object header"),
        (header(SPACE, TYPE, FILL, flat(), n_messages=3), "has not 3 messages"),
        (header(SPACE, TYPE, FILL, flat(), n_messages=5), "has not 5 messages"),
        (header(SPACE, TYPE, FILL, flat()[:-1]), "shared or cut off"),
        (header(SPACE, TYPE, FILL, flat(), b"\0" * 7), "is cut off"),
        (header(SPACE, TYPE, FILL, flat(), n_bytes=2**31), "is too long"),
        (header(SPACE, TYPE, FILL), "has 0 messages of the type 8"),
        (header(SPACE, SPACE, TYPE, FILL, flat()), "has 2 messages of the type 1"),
        (header(SPACE, TYPE, FILL, flat(), message(2, b"")), "links of another kind"),
        (header(SPACE, TYPE, FILL, flat(), message(7, b"")), "rows in another file"),
        (header(SPACE, TYPE, FILL, flat(), message(12, b"")), "an object has attributes"),
        (header(SPACE, TYPE, FILL, flat(), message(99, b"")), r"messages of the types \[99\]"),
        (header(SPACE, message(3, bytes(8)), FILL, flat()), "is of a type"),
        (header(SPACE, TYPE, message(5, b"\x02\x01\x02\x01\x01\0\0\0"), flat()), "has a value for"),
        (header(SPACE, TYPE, message(5, b"\x02\x01\x02\x01\0\0\0\0\0"), flat()), "has a value for"),
        (header(SPACE, TYPE, FILL, flat(n_bytes=15)), "of 16 bytes is stored in 15"),
        (header(SPACE, TYPE, FILL, flat(n_bytes=17)), "of 16 bytes is stored in 17"),
        (header(SPACE, TYPE, FILL, flat(), FILTER), "of 16 bytes is stored in 16"),
        (header(SPACE, TYPE, FILL, flat(NOWHERE)), "of 16 bytes is not stored"),
        (header(SPACE, TYPE, FILL, flat(2**14)), "beyond its end"),
        (header(message(1, space(0)), TYPE, FILL, flat(NOWHERE, 0)), EMPTY),
        (header(SPACE, TYPE, FILL, message(8, b"\x03\0" + bytes(20))), "neither contiguous nor"),
        (header(SPACE, TYPE, FILL, message(8, b"\x04\x02" + bytes(20))), "neither contiguous nor"),
        (header(SPACE, TYPE, FILL, chunked(2)), StoredArray((2,), np.dtype("<i8"), -1, (2,))),
        (
            header(SPACE, TYPE, FILL, chunked(3, position=5), FILTER),
            StoredArray((2,), np.dtype("<i8"), 5, (3,), ((2, (8,)),)),
        ),
        (header(SPACE, TYPE, FILL, chunked(0)), "of another shape"),
        (header(SPACE, TYPE, FILL, chunked(2, rank=1)), "of another shape"),
        (header(SPACE, TYPE, FILL, chunked(2, item=4)), "of another shape"),
        (header(SPACE, TYPE, FILL, chunked(2, 2)), "of another shape"),
        (header(SPACE, TYPE, FILL, chunked()), "is cut off"),
    ],
)  # fmt: skip
def test_headers_of_arrays(content, wanted):
    with held(content + bytes(9000)) as file:
        if isinstance(wanted, str):
            with pytest.raises(ValueError, match=wanted):
                objects._Header(file, 0).array()
        else:
            assert objects._Header(file, 0).array() == wanted


def test_headers_go_on_elsewhere():
    first = header(
        SPACE, message(16, struct.pack("<QQ", 500, len(TYPE + FILL + flat()))), n_messages=5
    )
    content = first + bytes(500 - len(first)) + TYPE + FILL + flat() + bytes(99)
    with held(content) as file:
        assert objects._Header(file, 0).array() == ARRAY
    again = header(message(16, struct.pack("<QQ", 16, 24)))  # in itself
    with held(again + bytes(99)) as file, pytest.raises(ValueError, match="is too long"):
        objects._Header(file, 0)
    empty = header(message(16, struct.pack("<QQ", 0, 0)) * 300)
    with held(empty + bytes(99)) as file, pytest.raises(ValueError, match="has not 1 messages"):
        objects._Header(file, 0)


def test_attributes_have_names_of_their_own():
    one, other = (message(12, attribute(name, INT64, space(), bytes(8))) for name in (b"a", b"b"))
    with held(header(one, other, message(17, bytes(16)))) as file:
        assert objects._Header(file, 0).attributes() == {"a": 0, "b": 0}
    twice, no_group = held(header(one, one, message(17, bytes(16)))), held(header(one, other))
    with twice as file, pytest.raises(ValueError, match="two attributes have the same name"):
        objects._Header(file, 0).attributes()
    with no_group as file, pytest.raises(ValueError, match="an object has attributes"):
        objects._Header(file, 0)


def nested(path, depth, n_objects):
    """A file of that many groups, some in others."""
    with h5py.File(path, "w", libver="earliest") as file:
        groups = [file]
        for k in range(n_objects - 1):
            above = groups[k] if k < depth else groups[(k - depth) // 60]
            groups.append(above.create_group(f"g{k:03}"))
    return path.read_bytes()


@pytest.mark.parametrize(
    ("depth", "n_objects", "refused"),
    [(6, 7, False), (7, 8, True), (1, 256, False), (1, 257, True)],
)
def test_groups_are_few(tmp_path, depth, n_objects, refused):
    assert is_refused(nested(tmp_path / "a.h5", depth, n_objects)) == refused
