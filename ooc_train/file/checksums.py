"""Checksums: one for each block of every array of a file, and one for all the rest.

A *block* is as many rows of an array as fit 64 KiB, whether they are compressed or not, and its
checksum is the XXH3 of its little-endian bytes: 50 GB/s where CRC-32 does 1 to 7, so that each read
can be checked while the data is in the processor's cache.  The checksums lie in the file, beside
the arrays, because HDF5's own need chunks, which cannot be read at their offset.
"""

import contextlib
import json
import math
from collections.abc import Mapping
from concurrent.futures import Executor
from typing import Any

import h5py
import numpy as np
import xxhash

from ooc_train.dtypes import U64, AnyArray
from ooc_train.file.compression import ChunkWriter
from ooc_train.file.hdf5_errors import hdf5_errors

BLOCK_BYTES = 65_536
GROUP = "checksums"
_SUMMARY = "summary"
_READ_BLOCKS = 16


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


class Appender:
    """Fills a dataset from its first row to its last, and sums its blocks on the way.

    To be used as a context manager; the checksums are written at its end, and of a compressed
    dataset the chunks, too, which the workers of a ``pool`` compress, if there is one.  Then HDF5
    has handed all rows over to the system: it would keep small pieces back until the dataset is
    closed, where nobody would hear of an error.

    Raises ValueError if the rows are not as many as the dataset has, OSError if writing fails.
    Memory: 8 bytes for each 64 KiB; to compress, some blocks.
    """

    def __init__(self, dataset: h5py.Dataset, pool: Executor | None = None) -> None:
        self._dataset = dataset
        self._length = block_length(dataset.shape, dataset.dtype)
        self._sums: list[int] = []
        self._open = xxhash.xxh3_64()
        self._n = 0
        self._chunks = ChunkWriter(dataset, pool) if dataset.chunks else None

    def __enter__(self) -> "Appender":
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        with self._chunks or contextlib.nullcontext():
            if kind is None:
                self._close()

    def append(self, rows: AnyArray) -> None:
        """Write rows behind those already written."""
        rows = np.ascontiguousarray(rows, self._dataset.dtype)
        if not len(rows):
            return
        if not self._chunks:
            with hdf5_errors():
                self._dataset[self._n : self._n + len(rows)] = rows
        done = 0
        while done < len(rows):
            stop = done + self._length - self._n % self._length
            part = rows[done:stop]
            self._open.update(part.data.cast("B"))
            if self._chunks:
                self._chunks.append(part)
            self._n += len(part)
            done = stop
            if self._n % self._length == 0:
                self._end_block()

    def _end_block(self) -> None:
        self._sums.append(self._open.intdigest())
        self._open.reset()

    def _close(self) -> None:
        if self._n != len(self._dataset):
            raise ValueError(
                f"{self._dataset.name} has {len(self._dataset)} rows, and {self._n} were written"
            )
        if self._n % self._length:
            self._end_block()
        with hdf5_errors():
            if self._chunks:
                self._chunks.finish()
            self._dataset.flush()
            _store(self._dataset, np.array(self._sums, np.uint64))


def seal(file: h5py.File, known: Mapping[str, U64] | None = None) -> None:
    """Write the checksums of all arrays that have none yet, and the summary, as the last thing.

    ``known`` are checksums by the arrays' paths, computed from memory before these were written;
    other arrays are read back.  Memory: a megabyte.
    """
    known = known or {}
    sums = file.require_group(GROUP)
    for path in _paths(file):
        if isinstance(file[path], h5py.Dataset) and path not in sums and not _is_sums(path):
            _store(file[path], known[path] if path in known else _sums_of(file[path]))
    sums.attrs[_SUMMARY] = summary(file)


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


def _sums_of(dataset: h5py.Dataset) -> U64:
    length = block_length(dataset.shape, dataset.dtype)
    sums: list[int] = []
    for first in range(0, len(dataset), length * _READ_BLOCKS):
        rows = np.ascontiguousarray(dataset[first : first + length * _READ_BLOCKS])
        sums += checksums(rows, length)
    return np.array(sums, np.uint64)


def _store(dataset: h5py.Dataset, sums: U64) -> None:
    dataset.file.create_dataset(
        f"{GROUP}{dataset.name}", data=sums.astype("<u8"), track_times=False
    )


def _paths(file: h5py.File) -> list[str]:
    found: list[str] = []
    file.visit(found.append)
    return sorted(found)


def _is_sums(path: str) -> bool:
    return path.startswith(f"{GROUP}/")


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else value
