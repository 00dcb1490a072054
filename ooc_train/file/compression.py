"""Compressed chunks: LZ4 and Zstandard as HDF5's registered filters have them, outside of HDF5.

HDF5 compresses and decompresses one chunk at a time under a lock of its own.  Here a chunk becomes
bytes and back in any thread; what is written is what the filters of ``hdf5plugin`` would have
written, so that every HDF5 library that has them can read it.
"""

import os
import struct
import tempfile
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from ooc_train.dtypes import AnyArray
from ooc_train.errors import OptionError
from ooc_train.file.filters import FILTERS, INSTALL, ZSTD_LEVEL, can_import, check_installed

_SHUFFLED_BYTES = 4  # numbers of so many bytes and more are shuffled
_LZ4_SIZES = struct.Struct(">QI")  # bytes of a chunk, and of each of the blocks that it consists of
_LZ4_SIZE = struct.Struct(">I")  # bytes of a block, compressed


class Codec(NamedTuple):
    """A compression: its filter in HDF5, the module that does it, and the two directions.

    ``decode(chunk, n_bytes)`` gives as many bytes, or raises ValueError: the chunk is damaged.
    """

    filter_id: int
    filter_options: tuple[int, ...]
    module: str
    encode: Callable[[bytes], bytes]
    decode: Callable[[bytes, int], bytes]


def _zstd_encode(rows: bytes) -> bytes:
    import zstandard  # noqa: PLC0415

    return zstandard.ZstdCompressor(level=ZSTD_LEVEL).compress(rows)


def _zstd_decode(chunk: bytes, n_bytes: int) -> bytes:
    import zstandard  # noqa: PLC0415

    try:
        if zstandard.frame_content_size(chunk) != n_bytes:
            raise ValueError("a chunk is of another size")
        return zstandard.ZstdDecompressor().decompress(chunk)
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from error


def _lz4_encode(rows: bytes) -> bytes:
    import lz4.block  # noqa: PLC0415

    packed = lz4.block.compress(rows, store_size=False)
    packed = packed if len(packed) < len(rows) else rows  # the filter leaves such a block as it is
    return _LZ4_SIZES.pack(len(rows), len(rows)) + _LZ4_SIZE.pack(len(packed)) + packed


def _lz4_decode(chunk: bytes, n_bytes: int) -> bytes:
    import lz4.block  # noqa: PLC0415

    try:
        total, block_bytes = _LZ4_SIZES.unpack_from(chunk)
        if total != n_bytes:
            raise ValueError("a chunk is of another size")
        blocks, end = [], _LZ4_SIZES.size
        for start in range(0, total, max(block_bytes, 1)):
            (size,) = _LZ4_SIZE.unpack_from(chunk, end)
            packed = chunk[end + _LZ4_SIZE.size : end + _LZ4_SIZE.size + size]
            wanted = min(block_bytes, total - start)
            is_packed = size != wanted
            blocks.append(lz4.block.decompress(packed, wanted) if is_packed else packed)
            end += _LZ4_SIZE.size + size
        return b"".join(blocks)
    except (struct.error, lz4.block.LZ4BlockError) as error:
        raise ValueError(str(error)) from error


CODECS = {
    "lz4": Codec(*FILTERS["lz4"], _lz4_encode, _lz4_decode),
    "zstd": Codec(*FILTERS["zstd"], _zstd_encode, _zstd_decode),
}


class ChunkCoder:
    """What is done to the chunks of one dataset: bytes perhaps shuffled, then compressed.

    Any number of threads may use it.
    """

    def __init__(self, codec: Codec, dataset: h5py.Dataset, *, shuffled: bool) -> None:
        self._codec, self._shuffled = codec, shuffled
        self._shape: tuple[int, ...] = dataset.chunks
        self._dtype: np.dtype[Any] = dataset.dtype

    def encode(self, rows: AnyArray) -> bytes:
        """The chunk of contiguous rows, as many as a chunk has."""
        plain = rows.reshape(-1).view(np.uint8)
        if self._shuffled:
            plain = plain.reshape(-1, self._dtype.itemsize).T
        return self._codec.encode(plain.tobytes())

    def decode(self, chunk: bytes) -> AnyArray:
        """The rows of a chunk; ValueError if it is damaged."""
        n_bytes = self._dtype.itemsize * int(np.prod(self._shape))
        plain = np.frombuffer(self._codec.decode(chunk, n_bytes), np.uint8)
        if self._shuffled:
            planes = plain.reshape(self._dtype.itemsize, -1)
            plain = np.empty(planes.shape[::-1], np.uint8)
            for number, plane in enumerate(planes):  # four times as fast as a transposed copy
                plain[:, number] = plane
        return plain.view(self._dtype).reshape(self._shape)


def coder_of(dataset: h5py.Dataset) -> ChunkCoder | None:
    """What its chunks are to be decoded with; ``None`` if that is nothing of what is here."""
    layout = dataset.id.get_create_plist()
    filters = [layout.get_filter(number)[0] for number in range(layout.get_nfilters())]
    shuffled = filters[:1] == [h5py.h5z.FILTER_SHUFFLE]
    for codec in CODECS.values():
        if filters[shuffled:] == [codec.filter_id] and can_import(codec.module):
            return ChunkCoder(codec, dataset, shuffled=shuffled)
    return None


class ChunkWriter:
    """Compresses the rows of a dataset, from its first to its last, in several threads.

    The chunks wait in a temporary file beside the dataset's own until `finish`: so those of one
    array lie together, and where they lie does not depend on when rows of other arrays come.  To be
    closed as a context manager.  Memory: a megabyte for each thread.
    """

    def __init__(self, dataset: h5py.Dataset) -> None:
        coder = coder_of(dataset)
        if coder is None:
            raise ValueError(f"{dataset.name} has chunks that are compressed in an unknown way")
        self._dataset, self._coder = dataset, coder
        self._chunk, self._n = self._empty(), 0
        self._sizes: list[int] = []
        n_threads = os.cpu_count() or 1
        self._threads = ThreadPoolExecutor(n_threads, "compress")
        self._most_encoding = 4 * n_threads
        self._encoding: deque[Future[bytes]] = deque()
        folder = Path(dataset.file.filename).parent
        self._waiting = tempfile.TemporaryFile(prefix=".ooc-", dir=folder)  # noqa: SIM115 - __exit__

    def __enter__(self) -> "ChunkWriter":
        return self

    def __exit__(self, *error: object) -> None:
        self._threads.shutdown(cancel_futures=True)
        self._waiting.close()

    def append(self, rows: AnyArray) -> None:
        """Take rows that lie in one chunk, behind those already taken."""
        self._chunk[self._n : self._n + len(rows)] = rows
        self._n += len(rows)
        if self._n == len(self._chunk):
            self._end_chunk()

    def finish(self) -> None:
        """Write all chunks to where they belong."""
        if self._n:
            self._end_chunk()
        self._keep(0)
        self._waiting.seek(0)
        corner = [0] * self._dataset.ndim
        for size in self._sizes:
            self._dataset.id.write_direct_chunk(tuple(corner), self._waiting.read(size))
            corner[0] += len(self._chunk)

    def _empty(self) -> AnyArray:
        return np.zeros(self._dataset.chunks, self._dataset.dtype)

    def _end_chunk(self) -> None:
        self._encoding.append(self._threads.submit(self._coder.encode, self._chunk))
        self._chunk, self._n = self._empty(), 0
        self._keep(self._most_encoding)

    def _keep(self, n_encoding: int) -> None:
        """Write down the first chunks until no more than ``n_encoding`` are being encoded."""
        while len(self._encoding) > n_encoding:
            packed = self._encoding.popleft().result()
            self._waiting.write(packed)
            self._sizes.append(len(packed))


def compress_chunks(
    layout: h5py.h5p.PropDCID, compression: str, chunk: tuple[int, ...], dtype: np.dtype[Any]
) -> None:
    """Give a dataset to be created chunks of the shape ``chunk``, compressed.

    Raises OptionError if that takes packages that are not installed.
    """
    check_installed(compression)
    codec = CODECS[compression]
    layout.set_chunk(chunk)
    if dtype.itemsize >= _SHUFFLED_BYTES:
        layout.set_shuffle()
    layout.set_filter(codec.filter_id, h5py.h5z.FLAG_MANDATORY, codec.filter_options)


def check_filters(dataset: h5py.Dataset) -> None:
    """Raise OptionError unless HDF5 can read this dataset, with ``hdf5plugin`` if it is here."""
    layout = dataset.id.get_create_plist()
    for number in range(layout.get_nfilters()):
        filter_id = layout.get_filter(number)[0]
        if not h5py.h5z.filter_avail(filter_id) and not can_import("hdf5plugin"):
            raise OptionError(
                f"{dataset.file.filename} is compressed, which takes packages that are not "
                f"installed; install them: {INSTALL}"
            )
