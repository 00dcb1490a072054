"""Checksums: one for each block of every array of a file, and one for all the rest.

A *block* is as many rows of an array as fit 64 KiB, whether they are compressed or not, and its
checksum is the XXH3 of its little-endian bytes: 50 GB/s where CRC-32 does 1 to 7, so that each read
can be checked while the data is in the processor's cache.  The checksums lie in the file, beside
the arrays, because HDF5's own need chunks, which cannot be read at their offset.
"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import h5py
import numpy as np
import xxhash

from ooc_train.dtypes import U64, AnyArray
from ooc_train.file.flat import FlatWriter

BLOCK_BYTES = 65_536
GROUP = "checksums"
_SUMMARY = "summary"


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
        if isinstance(file[path], h5py.Dataset) and path not in stored and not _is_sums(path):
            store_sums(file[path], sums[path])
    stored.attrs[_SUMMARY] = summary(file)


def summary(file: h5py.File) -> str:
    """A checksum of everything but the arrays' rows, as hexadecimal digits.

    It covers the paths, types and shapes in the file, the attributes, and the checksums.
    """
    digest = xxhash.xxh3_128()
    for path in ["/", *_paths(file)]:
        item = file[path]
        attributes = {name: _plain(value) for name, value in item.attrs.items()}
        if path == GROUP:
            attributes.pop(_SUMMARY, None)
        shape = [item.dtype.str, item.shape] if isinstance(item, h5py.Dataset) else []
        digest.update(json.dumps([path, shape, attributes], sort_keys=True).encode())
        if shape and _is_sums(path):
            digest.update(item[...].tobytes())
    return digest.hexdigest()


def stored_summary(file: h5py.File) -> str:
    """The summary that `seal` wrote.  Raises KeyError if there is none."""
    return str(file[GROUP].attrs[_SUMMARY])


def stored_sums(dataset: h5py.Dataset) -> U64:
    """The checksums of a dataset's blocks: ``(n_blocks,) uint64``.

    Raises KeyError if there are none, ValueError if their number is not that of the blocks.
    """
    found: U64 = dataset.file[f"{GROUP}{dataset.name}"][...]
    if found.shape != (_n_blocks(dataset),):
        raise ValueError(f"{dataset.name} has {_n_blocks(dataset)} blocks, not {len(found)}")
    return found


def _n_blocks(dataset: h5py.Dataset) -> int:
    n_blocks: int = -(-dataset.shape[0] // block_length(dataset.shape, dataset.dtype))
    return n_blocks


def _paths(file: h5py.File) -> list[str]:
    found: list[str] = []
    file.visit(found.append)
    return sorted(found)


def _is_sums(path: str) -> bool:
    return path.startswith(f"{GROUP}/")


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else value
