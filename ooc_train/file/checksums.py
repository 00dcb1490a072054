"""Checksums: one for each block of every array of a file, and one for all the rest.

A *block* is as many rows of an array as fit 64 KiB, whether they are compressed or not, and its
checksum is the XXH3 of its little-endian bytes: 50 GB/s where CRC-32 does 1 to 7, so that each read
can be checked while the data is in the processor's cache.  The checksums lie in the file, beside
the arrays, because HDF5's own need chunks, which cannot be read at their offset.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import h5py
import numpy as np
import xxhash

from ooc_train.dtypes import U64, AnyArray
from ooc_train.file.flat import FlatWriter

BLOCK_BYTES = 65_536
GROUP = "checksums"
SUMMARY = "summary"


def block_length(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    """The number of rows in a block of an array; the last block may have fewer.

    >>> block_length((10**6,), np.dtype("f4")), block_length((10**6, 768), np.dtype("f4"))
    (16384, 21)
    """
    return max(1, BLOCK_BYTES // max(1, dtype.itemsize * math.prod(shape[1:])))


def checksums(rows: AnyArray, length: int) -> list[int]:
    """The checksum of each block of ``length`` rows, for contiguous rows, at least one."""
    plain = rows.data.cast("B") if rows.size else b""
    n_bytes = length * (len(plain) // len(rows))
    starts = [k * n_bytes for k in range(-(-len(rows) // length))]
    digest = xxhash.xxh3_64_intdigest
    return [digest(plain[start : start + n_bytes]) for start in starts]


def store_sums(dataset: h5py.Dataset, sums: Sequence[int] | U64) -> None:
    """Write the checksums of a dataset's blocks, and read them back: the summary is made of them.

    Raises OSError or RuntimeError where that fails.
    """
    found, name = np.array(sums, "<u8"), f"{GROUP}{dataset.name}"
    written = dataset.file.create_dataset(name, data=found, track_times=False)
    written.flush()
    with FlatWriter(written) as writer:
        writer.read_back(found.view(np.uint8).data)


def seal(file: h5py.File, sums: Mapping[str, Sequence[int] | U64]) -> None:
    """Write the checksums of all arrays that have none yet, and the summary, as the last thing.

    ``sums`` are the checksums by the arrays' paths.  Raises KeyError for an array without.
    """
    stored = file.require_group(GROUP)
    for path in _paths(file):
        if isinstance(file[path], h5py.Dataset) and path not in stored and not is_sums(path):
            store_sums(file[path], sums[path])
    stored.attrs[SUMMARY] = summary(file)


def summary(file: h5py.File) -> str:
    """A checksum of everything but the arrays' rows, as hexadecimal digits.

    It covers the paths, types and shapes in the file, the attributes, and the checksums.
    """
    return summary_of(_items(file))


class Item(NamedTuple):
    """A group, or an array with its dtype and its shape, as the summary covers it.

    ``sums`` are the bytes of an array below the group of the checksums.
    """

    path: str
    attributes: Mapping[str, Any]
    shape: tuple[str, tuple[int, ...]] | None = None
    sums: bytes = b""


def summary_of(items: Iterable[Item]) -> str:
    """The summary of a file's objects: its root ``"/"``, and the others in order of their paths."""
    digest = xxhash.xxh3_128()
    for path, attributes, shape, sums in items:
        own = dict(attributes)
        if path == GROUP:
            own.pop(SUMMARY, None)
        digest.update(json.dumps([path, shape or [], own], sort_keys=True).encode())
        digest.update(sums)
    return digest.hexdigest()


def is_sums(path: str) -> bool:
    """Whether an array holds the checksums of another."""
    return path.startswith(f"{GROUP}/")


def stored_sums(dataset: h5py.Dataset) -> U64:
    """The checksums of a dataset's blocks: ``(n_blocks,) uint64``.  KeyError if there are none."""
    found: U64 = dataset.file[f"{GROUP}{dataset.name}"][...]
    return found


def _items(file: h5py.File) -> Iterator[Item]:
    for path in ["/", *_paths(file)]:
        item = file[path]
        attributes = {name: _plain(value) for name, value in item.attrs.items()}
        if isinstance(item, h5py.Dataset):
            sums = item[...].tobytes() if is_sums(path) else b""
            yield Item(path, attributes, (item.dtype.str, item.shape), sums)
        else:
            yield Item(path, attributes)


def _paths(file: h5py.File) -> list[str]:
    found: list[str] = []
    file.visit(found.append)
    return sorted(found)


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else value
