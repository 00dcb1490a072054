"""Whether a file has the structure that `schema` specifies, before anything in it is used.

Each object must be one of those that the specification names for the file's kind of features, of
the type and the shape that it gives, contiguous or in its own layout of chunks, and inside the
file.  So sizes are known to be consistent, and bounded by the file's, before memory is allocated by
them.  A kind declares the arrays of its vectorizer in the table of `kinds`.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ooc_train.file.checksums import GROUP, block_length
from ooc_train.file.filters import FILTERS, MAX_CHUNK_BYTES, NONE, SHUFFLE
from ooc_train.file.objects import StoredArray, StoredGroup
from ooc_train.file.samples import SAMPLES
from ooc_train.file.schema import (
    MAX_CLASSES,
    MAX_CLASSES_BYTES,
    MAX_COLUMNS,
    SPLIT_NAMES,
    index_dtype,
    label_dtype,
)
from ooc_train.kinds import KINDS, TEXTS, Kind, Layout

_ROOT = {
    "features": str,
    "order": str,
    "compression": str,
    "producer": str,
    "provenance": str,
}
_VECTORIZER = {"parameters": str, "n_documents": int}


@dataclass(frozen=True)
class Sizes:
    """The sizes that several arrays of a file share."""

    n_classes: int
    n_columns: int
    max_length: int | None
    has_scales: bool


def check_structure(root: StoredGroup) -> Sizes:
    """Raise ValueError unless a file has the structure that is specified; its sizes.

    The root's ``format`` and ``features`` must have been checked.  A file without a split, of
    classes and a vectorizer alone, need not have checksums.
    """
    for path, found in objects_of(root).items():
        if isinstance(found, StoredGroup) and None in found.attributes.values():
            raise ValueError(f"an attribute of {path} is neither a number nor a text")
    _check_attributes("", root, _ROOT | dict.fromkeys({SAMPLES} & root.attributes.keys(), str))
    kind = KINDS[root.attributes["features"]]
    compression = root.attributes["compression"]
    if root.attributes["order"] not in ("shuffled", "source") or (
        compression not in (NONE, *FILTERS)
    ):
        raise ValueError("its order or its compression is unknown")
    splits = {name for name in SPLIT_NAMES if name in root.members}
    sealed = {GROUP} if splits or GROUP in root.members else set[str]()
    _check_names("", root, {"classes", "vectorizer"} | splits | sealed)
    n_classes = _check_classes(_group(root, "classes"))
    sizes = _check_vectorizer(_group(root, "vectorizer"), kind, n_classes)
    for name in splits:
        _check_split(name, _group(root, name), kind.layout, sizes, compression)
    if sealed:
        _check_checksums(root)
    return sizes


def array_at(root: StoredGroup, path: str) -> StoredArray:
    """The array at a path.  Raises KeyError if there is none."""
    found: StoredGroup | StoredArray | None = root
    for name in path.split("/"):
        found = found.members.get(name) if isinstance(found, StoredGroup) else None
    if not isinstance(found, StoredArray):
        raise KeyError(f"the array {path} is missing")
    return found


def objects_of(root: StoredGroup) -> dict[str, StoredGroup | StoredArray]:
    """All objects of a file by their paths: the root ``"/"``, then in alphabetical order."""
    return {"/": root} | dict(sorted(_below(root, ""), key=lambda item: item[0]))


def arrays_of(group: StoredGroup, above: str = "") -> dict[str, StoredArray]:
    """All arrays in a group by their paths, which begin with ``above``, in alphabetical order."""
    found = sorted(_below(group, above), key=lambda item: item[0])
    return {path: inner for path, inner in found if isinstance(inner, StoredArray)}


def _below(group: StoredGroup, above: str) -> Iterator[tuple[str, StoredGroup | StoredArray]]:
    for name, inner in group.members.items():
        yield f"{above}{name}", inner
        if isinstance(inner, StoredGroup):
            yield from _below(inner, f"{above}{name}/")


def _check_attributes(where: str, group: StoredGroup, needed: Mapping[str, type]) -> None:
    for name, wanted in needed.items():
        value = group.attributes.get(name)
        if type(value) is not wanted:
            raise ValueError(f"the attribute {where}{name} is {value!r}")


def _check_names(where: str, group: StoredGroup, needed: set[str]) -> None:
    missing, unknown = needed - group.members.keys(), group.members.keys() - needed
    if missing:
        raise ValueError(f"{where}{min(missing)} is missing")
    if unknown:
        raise ValueError(f"{where}{min(unknown)} is an object that its kind of file does not have")


def _group(root: StoredGroup, path: str) -> StoredGroup:
    found = root.members.get(path)
    if not isinstance(found, StoredGroup):
        raise ValueError(f"the group {path} is missing")
    return found


def _check_array(
    path: str,
    found: StoredGroup | StoredArray,
    dtypes: Sequence[npt.DTypeLike],
    shape: tuple[int, ...],
    compression: str = NONE,
) -> None:
    """Check an array's type, its shape, and how it is stored."""
    if not isinstance(found, StoredArray):
        raise ValueError(f"{path} is no array")
    if found.dtype not in [np.dtype(dtype) for dtype in dtypes]:
        raise ValueError(f"the array {path} has the type {found.dtype}")
    if found.shape != shape:
        raise ValueError(f"the array {path} has the shape {found.shape}, not {shape}")
    if found.chunk is None:
        return
    if compression == NONE:
        raise ValueError(f"the array {path} is in chunks")
    chunk = (min(block_length(shape, found.dtype), shape[0]), *shape[1:])
    numbers = [number for number, _ in found.filters]
    shuffles = [SHUFFLE] * (found.filters[:1] == ((SHUFFLE, (found.dtype.itemsize,)),))
    if found.chunk != chunk or numbers != [*shuffles, FILTERS[compression].filter_id]:
        raise ValueError(f"the array {path} is in chunks of another kind")
    if math.prod(chunk) * found.dtype.itemsize > MAX_CHUNK_BYTES:
        raise ValueError(f"the array {path} has chunks of more than {MAX_CHUNK_BYTES:,} bytes")


def _check_texts(path: str, found: StoredGroup | StoredArray, n_texts: int | None = None) -> int:
    """Check the arrays of a string list; the number of its texts."""
    if not isinstance(found, StoredGroup):
        raise ValueError(f"{path} is no string list")
    _check_names(f"{path}/", found, {"bytes", "offsets"})
    sizes = {name: sum(array.shape[:1]) for name, array in arrays_of(found).items()}
    if n_texts is None:
        n_texts = max(sizes.get("offsets", 0) - 1, 0)
    _check_array(f"{path}/offsets", found.members["offsets"], ["<i8"], (n_texts + 1,))
    _check_array(f"{path}/bytes", found.members["bytes"], ["u1"], (sizes.get("bytes", 0),))
    return n_texts


def _check_classes(group: StoredGroup) -> int:
    _check_names("classes/", group, {"labels", "names"})
    n_classes = _check_texts("classes/labels", group.members["labels"])
    _check_texts("classes/names", group.members["names"], n_classes)
    if not 1 <= n_classes <= MAX_CLASSES:
        raise ValueError(f"it has {n_classes:,} classes")
    for name, array in arrays_of(group, "classes/").items():
        if array.shape[0] > MAX_CLASSES_BYTES:
            raise ValueError(f"the array {name} has more than {MAX_CLASSES_BYTES:,} bytes")
    return n_classes


def _check_vectorizer(group: StoredGroup, kind: Kind, n_classes: int) -> Sizes:
    """Check the vectorizer's attributes and arrays; the sizes of rows."""
    ragged = kind.layout == "ragged"
    _check_attributes("vectorizer/", group, _VECTORIZER | ({"max_length": int} if ragged else {}))
    lengths = _check_vectorizer_arrays(group, kind)
    n_terms = lengths.get("n_terms")
    n_columns = 0 if n_terms is None else n_terms + ragged  # token 0 is padding
    n_columns = group.attributes.get("n_columns", n_columns)
    max_length = group.attributes["max_length"] if ragged else None
    if type(n_columns) is not int or not 1 <= n_columns <= MAX_COLUMNS:
        raise ValueError(f"its rows have {n_columns!r} columns")
    if n_terms is not None and n_columns != n_terms + ragged:
        raise ValueError(f"it has {n_terms:,} terms and {n_columns:,} columns")
    if max_length is not None and not 0 <= max_length <= MAX_COLUMNS:
        raise ValueError(f"its longest row has {max_length:,} tokens")
    if group.attributes["n_documents"] < 1:
        raise ValueError(f"its n_documents are {group.attributes['n_documents']:,}")
    return Sizes(n_classes, n_columns, max_length, "scales" in group.members)


def _check_vectorizer_arrays(group: StoredGroup, kind: Kind) -> dict[str, int]:
    """Check that the arrays are those of the kind; their lengths by the names of these."""
    optional = {name for name, array in kind.arrays.items() if array.is_optional}
    present = {name for name in kind.arrays if name not in optional or name in group.members}
    _check_names("vectorizer/", group, present)
    lengths = {name: group.attributes[name] for name in {"n_columns"} & group.attributes.keys()}
    for name in sorted(present):
        dtype, size, _ = kind.arrays[name]
        found, path = group.members[name], f"vectorizer/{name}"
        if dtype == TEXTS:
            lengths[size] = _check_texts(path, found, lengths.get(size))
        else:
            length = sum(found.shape[:1]) if isinstance(found, StoredArray) else 0
            _check_array(path, found, [dtype], (lengths.setdefault(size, length),))
    return lengths


def _check_split(
    name: str, group: StoredGroup, layout: Layout, sizes: Sizes, compression: str
) -> None:
    """Check the arrays of a split, whose sizes its labels and its first entries tell."""
    lengths = {array: sum(stored.shape[:1]) for array, stored in arrays_of(group).items()}
    n_rows = lengths.get("labels", 0)
    indices = index_dtype(sizes.n_columns)
    arrays: dict[str, tuple[Sequence[npt.DTypeLike], tuple[int, ...]]] = {
        "labels": ([label_dtype(sizes.n_classes)], (n_rows,))
    }
    if layout == "dense":
        numbers = ["i1"] if sizes.has_scales else ["<f4", "<f2"]
        arrays["features"] = (numbers, (n_rows, sizes.n_columns))
    else:
        arrays["indptr"] = (["<i8"], (n_rows + 1,))
    if layout == "sparse":
        n_entries = lengths.get("indices", 0)
        arrays["indices"], arrays["values"] = ([indices], (n_entries,)), (["<f4"], (n_entries,))
    if layout == "ragged":
        arrays["tokens"] = ([indices], (lengths.get("tokens", 0),))
    _check_names(f"{name}/", group, set(arrays))
    for array, (dtypes, shape) in arrays.items():
        _check_array(f"{name}/{array}", group.members[array], dtypes, shape, compression)


def _check_checksums(root: StoredGroup) -> None:
    """Check that each array has as many checksums as blocks, and nothing else has any."""
    sums = _group(root, GROUP)
    _check_attributes(f"{GROUP}/", sums, {"summary": str})
    found = arrays_of(sums)
    arrays = {
        path: array for path, array in arrays_of(root).items() if path.partition("/")[0] != GROUP
    }
    if found.keys() != arrays.keys():
        raise ValueError(
            f"the checksums of {min(found.keys() ^ arrays.keys())} are missing, or of no array"
        )
    for path, array in arrays.items():
        n_blocks = -(-array.shape[0] // block_length(array.shape, array.dtype))
        _check_array(f"{GROUP}/{path}", found[path], ["<u8"], (n_blocks,))
