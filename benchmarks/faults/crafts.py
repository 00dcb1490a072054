"""Edits of a converted file as someone hostile makes them, and its seal made anew.

The checksums of an edited file are true, so that nothing but the checks of what it says can find
the edit.  An edit draws the object and the value by the generator that it gets.
"""

import contextlib
import json
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ooc_train.file import checksums

_MOST_SEALED_BYTES = 2**24
_REFUSED_BY_HDF5 = (TypeError, ValueError, OSError, RuntimeError, KeyError, MemoryError)


@dataclass(frozen=True)
class Craft:
    """What an edit works on: an open file, and ``outside``, another that no command may open."""

    file: h5py.File
    draw: random.Random
    outside: Path

    def array(self) -> h5py.Dataset:
        """An array, but no checksums."""
        return self.file[self.draw.choice([*_arrays(self.file)])]

    def group(self) -> h5py.Group:
        """A group, but not that of the checksums."""
        arrays = [*_arrays(self.file)]
        names = {"/", *(path.rpartition("/")[0] for path in arrays)}
        return self.file[self.draw.choice(sorted(names))]

    def replace(self, array: h5py.Dataset, **options: Any) -> h5py.Dataset:
        """Put another array in the place of one."""
        file, name = array.file, array.name
        del file[name]
        return file.create_dataset(name, **options)


Edit = Callable[[Craft], None]


def craft(
    path: Path, name: str, draw: random.Random, outside: Path, *, is_sealed: bool = True
) -> bool:
    """Edit a file and, if it is one that has a seal, seal it; whether HDF5 lets that be done."""
    before = path.read_bytes()
    try:
        with h5py.File(path, "r+") as file:
            EDITS[name](Craft(file, draw, outside))
            if is_sealed and name not in _EDITS_OF_SUMS:
                seal(file)
            elif is_sealed:
                _seal_summary(file)
    except _REFUSED_BY_HDF5:
        return False
    return path.read_bytes() != before


def seal(file: h5py.File) -> None:
    """Compute the checksums anew, of all that can have any."""
    if checksums.GROUP in file:
        del file[checksums.GROUP]
    sums = file.create_group(checksums.GROUP)
    for path in _arrays(file):
        with contextlib.suppress(*_REFUSED_BY_HDF5):
            array = file[path]
            length = checksums.block_length(array.shape, array.dtype)
            if array.nbytes > _MOST_SEALED_BYTES:
                found = [0] * min(-(-len(array) // length), 2**16)
            else:
                rows = np.ascontiguousarray(array)
                found = checksums.checksums(rows, length) if len(rows) else []
            sums.create_dataset(path, data=np.array(found, "<u8"), track_times=False)
    _seal_summary(file)


def _seal_summary(file: h5py.File) -> None:
    with contextlib.suppress(*_REFUSED_BY_HDF5):
        file[checksums.GROUP].attrs[checksums.SUMMARY] = checksums.summary(file)


def _arrays(file: h5py.File) -> Iterator[str]:
    """The paths of all arrays but checksums."""
    names: list[str] = []
    file.visit(names.append)
    for name in sorted(names):
        is_sums = name.partition("/")[0] == checksums.GROUP
        if not is_sums and isinstance(file[name], h5py.Dataset):
            yield name


# ---- Arrays: types, shapes and numbers.

_DTYPES = ("i1", "u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f2", "<f4", "<f8", ">i8", ">u4",
           ">f4", "?", "<c8", "S3", "V4", "i4,f4", "(2,)u1")  # fmt: skip


def _dtype(craft: Craft) -> None:
    array = craft.array()
    rows = array[...]
    dtype = np.dtype(craft.draw.choice(_DTYPES))
    if dtype.kind in "SV":
        craft.replace(array, shape=rows.shape, dtype=dtype)
        return
    with np.errstate(all="ignore"):
        craft.replace(array, shape=rows.shape, dtype=dtype, data=rows.astype(dtype))


def _odd_type(craft: Craft) -> None:
    array = craft.array()
    dtype = craft.draw.choice([
        h5py.ref_dtype, h5py.regionref_dtype, h5py.string_dtype(), h5py.vlen_dtype(np.int32),
        h5py.enum_dtype({"a": 0, "b": 1}, "u1"), h5py.string_dtype("ascii", 5),
    ])  # fmt: skip
    craft.replace(array, shape=array.shape, dtype=dtype)


def _named_type(craft: Craft) -> None:
    array = craft.array()
    rows = array[...]
    craft.file["type"] = array.dtype
    craft.replace(array, data=rows, dtype=craft.file["type"])


def _shape(craft: Craft) -> None:
    array = craft.array()
    rows = array[...]
    changes: list[Callable[[Any], Any]] = [
        lambda a: a[:, None], lambda a: a[None], lambda a: a[:-1], lambda a: a[:0], lambda a: a[1:],
        lambda a: np.concatenate([a, a]), lambda a: np.append(a, a[-1:], 0), lambda a: a[0],
        lambda a: a.reshape(-1), lambda a: a.T.copy(), lambda a: h5py.Empty(a.dtype),
    ]  # fmt: skip
    craft.replace(array, data=craft.draw.choice(changes)(rows))


def _number(craft: Craft) -> None:
    """Give some numbers of an array values at the edges of their type."""
    array = craft.array()
    rows = array[...].reshape(-1)
    for _ in range(craft.draw.choice([1, 1, 5])):
        rows[craft.draw.randrange(len(rows))] = craft.draw.choice(_edges(array.dtype))
    craft.replace(array, data=rows.reshape(array.shape), dtype=array.dtype)


def _edges(dtype: np.dtype[Any]) -> list[Any]:
    if dtype.kind == "f":
        limits = np.finfo(dtype)
        return [np.nan, np.inf, -np.inf, limits.max, limits.min, -0.0, limits.smallest_subnormal]
    found = np.iinfo(dtype)
    near = [0, 1, 2, -1, -5, found.max, found.max - 1, found.min, found.max // 2 + 1, 2**31, 2**62]
    return [each for each in near if found.min <= each <= found.max]


def _noise(craft: Craft) -> None:
    array = craft.array()
    rows = array[...].reshape(-1)
    start = craft.draw.randrange(len(rows))
    part = rows[start : start + craft.draw.choice([1, 8, 10**6])]
    part[:] = np.frombuffer(craft.draw.randbytes(part.nbytes), part.dtype)
    craft.replace(array, data=rows.reshape(array.shape), dtype=array.dtype)


def _order(craft: Craft) -> None:
    array = craft.array()
    rows = array[...]
    places = list(range(len(rows)))
    match craft.draw.randrange(4):
        case 0:
            places.reverse()
        case 1:
            craft.draw.shuffle(places)
        case 2:
            places = [*places[1:], *places[:1]]
        case _:
            one, other = craft.draw.choices(places, k=2)
            places[one], places[other] = other, one
    craft.replace(array, data=rows[places])


def _same(craft: Craft) -> None:
    array = craft.array()
    value = craft.draw.choice([array[...].flat[0], *_edges(array.dtype)])
    craft.replace(array, data=np.full(array.shape, value, array.dtype))


def _swapped(craft: Craft) -> None:
    """Give an array the rows of another."""
    one, other = craft.array(), craft.array()
    rows = other[...]
    craft.replace(one, data=rows)


def _offsets(craft: Craft) -> h5py.Dataset:
    names = [name for name in _arrays(craft.file) if name.endswith(("indptr", "offsets"))]
    return craft.file[craft.draw.choice(names)]


def _wrapped(craft: Craft) -> None:
    """Offsets whose differences wrap around, so that none of these is negative."""
    array = _offsets(craft)
    rows = array[...]
    lies = [2**62, 2**63 - 1, -(2**62), -5][-len(rows) :]
    place = craft.draw.randrange(len(rows) - len(lies) + 1)
    rows[:place] = 0
    rows[place : place + len(lies)] = lies
    rows[place + len(lies) :] = array[-1]
    craft.replace(array, data=rows)


def _shifted(craft: Craft) -> None:
    array = _offsets(craft)
    rows, by = array[...], craft.draw.choice([-(2**62), -100, -1, 1, 100, 2**31, 2**62])
    start, stop = sorted(craft.draw.choices(range(len(rows) + 1), k=2))
    rows[start:stop] += by
    craft.replace(array, data=rows)


# ---- Storage.


def _huge(craft: Craft) -> None:
    """Declare a size that takes no room in the file."""
    array = craft.array()
    n = 2 ** craft.draw.choice([24, 31, 34, 40, 60])
    shape = craft.draw.choice([(n, *array.shape[1:]), (*array.shape, n), (array.shape[0], n)])
    if craft.draw.random() < 0.5:
        craft.replace(array, shape=shape, dtype=array.dtype)
    else:
        chunks = (2**16,) + (1,) * (len(shape) - 1)
        kinds: list[dict[str, Any]] = [{}, {"compression": "gzip"}, {"shuffle": True}]
        filters = craft.draw.choice(kinds)
        craft.replace(array, shape=shape, dtype=array.dtype, chunks=chunks, **filters)


def _unwritten(craft: Craft) -> None:
    """An array of the right shape of which nothing is stored."""
    array = craft.array()
    craft.replace(array, shape=array.shape, dtype=array.dtype, fillvalue=1)


def _filtered(craft: Craft) -> None:
    array = craft.array()
    rows = array[...]
    filters: list[dict[str, Any]] = [
        {"compression": "gzip"}, {"compression": "lzf"}, {"fletcher32": True}, {"shuffle": True},
        {"scaleoffset": 0}, {"compression": "gzip", "shuffle": True}, {},
    ]  # fmt: skip
    chunks = (craft.draw.choice([1, 16, len(rows)]), *rows.shape[1:])
    craft.replace(array, data=rows, chunks=chunks, **craft.draw.choice(filters))


def _growing(craft: Craft) -> None:
    array = craft.array()
    craft.replace(array, data=array[...], maxshape=(None, *array.shape[1:]))


def _external(craft: Craft) -> None:
    """Rows in another file."""
    array = craft.array()
    place = (str(craft.outside), 0, max(array.nbytes, 1))
    craft.replace(array, shape=array.shape, dtype=array.dtype, external=[place])


def _virtual(craft: Craft) -> None:
    array = craft.array()
    name, dtype = array.name, array.dtype
    layout = h5py.VirtualLayout(array.shape, dtype)
    source = craft.draw.choice([".", str(craft.outside)])
    layout[...] = h5py.VirtualSource(source, "x", array.shape)
    del craft.file[name]
    craft.file.create_virtual_dataset(name, layout)


# ---- Links and groups.


def _soft_link(craft: Craft) -> None:
    array = craft.array()
    target = craft.draw.choice([craft.array().name, "/none", array.name, "/"])
    _link(craft, array.name, h5py.SoftLink(target))


def _external_link(craft: Craft) -> None:
    item = craft.draw.choice([craft.array, craft.group])()
    target = h5py.ExternalLink(str(craft.outside), "/x")
    _link(craft, "vectorizer" if item.name == "/" else item.name, target)


def _link(craft: Craft, name: str, target: Any) -> None:
    del craft.file[name]
    craft.file[name] = target


def _cycle(craft: Craft) -> None:
    """A group, or an array, under another name, too: in itself, or in the place of another."""
    target = craft.draw.choice([craft.group, craft.array])()
    if craft.draw.random() < 0.5:
        craft.group()[craft.draw.choice(["test", "more"])] = target
    else:
        name = craft.array().name
        _link(craft, name, target)


def _missing(craft: Craft) -> None:
    item = craft.draw.choice([craft.group, craft.array])()
    del craft.file["classes" if item.name == "/" else item.name]


def _more(craft: Craft) -> None:
    group = craft.group()
    match craft.draw.randrange(4):
        case 0:
            group["more"] = np.zeros(3)
        case 1:
            for number in range(300):
                group.create_group(str(number))
        case 2:
            for _ in range(500):
                group = group.create_group("g")
        case _:
            group.create_group("\n\x1b[31m" + "x" * craft.draw.choice([1, 60_000]))


def _other_object(craft: Craft) -> None:
    """A group in the place of an array, or an array in that of a group."""
    item = craft.draw.choice([craft.group, craft.array])()
    name = "train" if item.name == "/" else item.name
    is_array = isinstance(item, h5py.Dataset)
    del craft.file[name]
    if is_array:
        craft.file.create_group(name)
    else:
        craft.file[name] = np.zeros(3)


def _other_split(craft: Craft) -> None:
    """A group in the place of another."""
    groups = [craft.group().name for _ in range(2)]
    one, other = ("train" if name == "/" else name for name in groups)
    craft.file.move(one, "moved")
    craft.file.copy("moved" if other == one else other, one)
    del craft.file["moved"]


# ---- Attributes.

_NESTED = "[" * 100_000
_ATTRIBUTES: tuple[Any, ...] = (
    0, 1, -1, 2, 2**31, 2**40, 2**62, -(2**62), 2**63 - 1, np.uint64(2**64 - 1), np.int8(3), 0.5,
    np.nan, np.inf, True, "", "x", "\x1b[31m\n", "[]", "{}", "null", "1", _NESTED, "a" * 60_000,
    "a" * 3_000_000, b"\xff\xfe", [1, 2], np.zeros((2, 2)), h5py.Empty("f4"), np.bytes_("ngram"),
    "ngram", "sequence", "dense", "sparse", "lz4", "zstd", "none", "source", "shuffled",
)  # fmt: skip
JSON_VALUES: tuple[Any, ...] = (
    None, 0, 1, -1, 2**31, 2**40, 2**63, 1e300, 0.5, float("nan"), True, False, "", "x", "float32",
    "int8", [], {}, [1], [2, 1], [1, 10**9], [1.5, 2.5], [None, None], [[]], "a" * 100_000,
)  # fmt: skip


def _attribute(craft: Craft) -> None:
    group = craft.draw.choice([craft.file, craft.file["vectorizer"]])
    group.attrs[craft.draw.choice(sorted(group.attrs))] = craft.draw.choice(_ATTRIBUTES)


def _attributes(craft: Craft) -> None:
    """More attributes, or fewer."""
    item = craft.draw.choice([craft.group, craft.array])()
    match craft.draw.randrange(4):
        case 0:
            group = craft.draw.choice([craft.file, craft.file["vectorizer"]])
            del group.attrs[craft.draw.choice(sorted(group.attrs))]
        case 1:
            item.attrs["more"] = craft.draw.choice(_ATTRIBUTES)
        case 2:
            for number in range(1000):
                item.attrs[f"a{number}"] = number
        case _:
            item.attrs["reference"] = craft.array().ref


def _sizes(craft: Craft) -> None:
    """Sizes that rows and vectorizers are made by."""
    attributes = craft.file["vectorizer"].attrs
    names = sorted({"n_documents", "n_columns", "max_length"} & set(attributes))
    value = craft.draw.choice([0, 1, -1, 3, 100, 2**16, 2**31 - 1, 2**31, 2**40, 2**62, -(2**62)])
    attributes[craft.draw.choice(names)] = value


def _parameter(craft: Craft) -> None:
    attributes = craft.file["vectorizer"].attrs
    values = json.loads(attributes["parameters"])
    name = craft.draw.choice([*values, "more"])
    if craft.draw.random() < 0.1:
        values.pop(name, None)
    else:
        values[name] = craft.draw.choice(JSON_VALUES)
    attributes["parameters"] = json.dumps(values)


# ---- Vectorizers.


def _table(craft: Craft) -> None:
    """Hashes, counts and scales that no data gives."""
    names = [f"vectorizer/{name}" for name in craft.file["vectorizer"] if name != "terms"]
    if not names:
        raise ValueError("no tables")
    array = craft.file[craft.draw.choice(names)]
    rows = array[...]
    if rows.dtype.kind == "f":
        rows[craft.draw.randrange(len(rows))] = craft.draw.choice([np.nan, np.inf, 0, -1, 1e38])
    else:
        numbers = np.arange(1, len(rows) + 1).astype(rows.dtype)
        high = np.asarray(2 ** (4 * rows.dtype.itemsize), rows.dtype)
        choices = [numbers, numbers * high, numbers * 0, numbers * 0 + 1, ~numbers, rows[::-1],
                   np.repeat(rows, 2)[: len(rows)], np.sort(rows)]  # fmt: skip
        rows = craft.draw.choice(choices)
    craft.replace(array, data=rows, dtype=array.dtype)


# ---- Checksums.


def _sums(craft: Craft) -> None:
    """Checksums that are no true ones, or none."""
    sums = craft.file[checksums.GROUP]
    name = craft.draw.choice([*_arrays(craft.file)])
    array = sums[name]
    rows = array[...]
    match craft.draw.randrange(5):
        case 0:
            del sums[name]
        case 1:
            craft.replace(array, data=np.append(rows, np.uint64(0)))
        case 2:
            craft.replace(array, data=rows.astype("<i8"))
        case 3:
            rows[craft.draw.randrange(len(rows))] ^= np.uint64(1)
            craft.replace(array, data=rows)
        case _:
            craft.replace(array, shape=(2**36,), dtype="<u8")


_EDITS_OF_SUMS = ("sums",)
"""Edits behind which only the summary is computed anew."""
EDITS: Mapping[str, Edit] = {
    "dtype": _dtype, "odd type": _odd_type, "named type": _named_type, "shape": _shape,
    "number": _number, "noise": _noise, "order": _order, "same": _same, "swapped": _swapped,
    "wrapped": _wrapped, "shifted": _shifted, "huge": _huge, "unwritten": _unwritten,
    "filtered": _filtered, "growing": _growing, "external": _external, "virtual": _virtual,
    "soft link": _soft_link, "external link": _external_link, "cycle": _cycle, "missing": _missing,
    "more": _more, "other object": _other_object, "other split": _other_split,
    "attribute": _attribute, "attributes": _attributes, "sizes": _sizes, "parameter": _parameter,
    "table": _table, "sums": _sums,
}  # fmt: skip
