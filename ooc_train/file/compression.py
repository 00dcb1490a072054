"""Compressed chunks: LZ4 and Zstandard as HDF5's registered filters have them, outside of HDF5.

The bytes are those that the filters of ``hdf5plugin`` write, so that every HDF5 library with these
filters can read the file.  Two reasons for coders of our own: a chunk whose size is not what the
dataset says is an error here, while HDF5 returns whatever lies in memory behind a chunk that is too
short; and a chunk is coded in any thread, without HDF5's lock.
"""

import math
import struct
import tempfile
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from h5py._objects import phil

from ooc_train.dtypes import AnyArray
from ooc_train.errors import OptionError
from ooc_train.extras import pip_install
from ooc_train.file.filters import (
    EXTRA,
    FILTERS,
    MAX_CHUNK_BYTES,
    SHUFFLE,
    ZSTD_LEVEL,
    can_import,
    check_installed,
)
from ooc_train.system_errors import errors_at

_SHUFFLED_BYTES = 4  # numbers of so many bytes and more are shuffled
_LZ4_SIZES = struct.Struct(">QI")  # bytes of a chunk, and of each of the pieces that it consists of
_LZ4_SIZE = struct.Struct(">I")  # bytes of a piece, compressed
_MOST_ENCODING = 4  # chunks of an array that wait for a thread, or are being compressed


class Codec(NamedTuple):
    """The two directions of a compression.

    ``decode(chunk, n_bytes)`` returns exactly ``n_bytes`` bytes, or raises ValueError where the
    chunk is damaged.
    """

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
    packed = packed if len(packed) < len(rows) else rows  # the filter stores such a piece as it is
    return _LZ4_SIZES.pack(len(rows), len(rows)) + _LZ4_SIZE.pack(len(packed)) + packed


def _lz4_decode(chunk: bytes, n_bytes: int) -> bytes:
    import lz4.block  # noqa: PLC0415

    try:
        total, piece_bytes = _LZ4_SIZES.unpack_from(chunk)
        if total != n_bytes:
            raise ValueError("a chunk is of another size")
        pieces, end = [], _LZ4_SIZES.size
        for start in range(0, total, max(piece_bytes, 1)):
            (size,) = _LZ4_SIZE.unpack_from(chunk, end)
            packed = chunk[end + _LZ4_SIZE.size : end + _LZ4_SIZE.size + size]
            wanted = min(piece_bytes, total - start)
            is_packed = size != wanted
            pieces.append(lz4.block.decompress(packed, wanted) if is_packed else packed)
            end += _LZ4_SIZE.size + size
        return b"".join(pieces)
    except (struct.error, lz4.block.LZ4BlockError) as error:
        raise ValueError(str(error)) from error


CODECS = {
    "lz4": Codec(_lz4_encode, _lz4_decode),
    "zstd": Codec(_zstd_encode, _zstd_decode),
}
"""By the names of `FILTERS`."""


class ChunkCoder:
    """Encodes and decodes the chunks of one dataset, whose bytes may be shuffled beforehand.

    Any number of threads may use it, and it can be pickled.
    """

    def __init__(
        self, codec: Codec, chunk: tuple[int, ...], dtype: np.dtype[Any], *, shuffled: bool
    ) -> None:
        self._codec, self._shuffled = codec, shuffled
        self._shape, self._dtype = chunk, dtype

    def encode(self, rows: AnyArray) -> bytes:
        """The bytes in the file of contiguous rows, as many as a chunk has."""
        plain = rows.reshape(-1).view(np.uint8)
        if self._shuffled:
            plain = plain.reshape(-1, self._dtype.itemsize).T
        return self._codec.encode(plain.tobytes())

    def decode(self, chunk: bytes) -> AnyArray:
        """The rows of a chunk.  Raises ValueError if it is damaged."""
        n_bytes = self._dtype.itemsize * int(np.prod(self._shape))
        plain = np.frombuffer(self._codec.decode(chunk, n_bytes), np.uint8)
        if self._shuffled:
            planes = plain.reshape(self._dtype.itemsize, -1)
            plain = np.empty(planes.shape[::-1], np.uint8)
            for number, plane in enumerate(planes):  # four times as fast as a transposed copy
                plain[:, number] = plane
        return plain.view(self._dtype).reshape(self._shape)


def coder_of(
    filters: Sequence[int], chunk: tuple[int, ...], dtype: np.dtype[Any]
) -> ChunkCoder | None:
    """The coder for chunks with HDF5's filters of these numbers, or ``None`` if they are unknown.

    Filters whose packages are not installed count as unknown.
    """
    shuffled = list(filters[:1]) == [SHUFFLE]
    for name, known in FILTERS.items():
        if list(filters[shuffled:]) == [known.filter_id] and can_import(known.module):
            return ChunkCoder(CODECS[name], chunk, dtype, shuffled=shuffled)
    return None


def filters_of(dataset: h5py.Dataset) -> list[int]:
    """The numbers of the filters of a dataset's chunks."""
    layout = dataset.id.get_create_plist()
    return [layout.get_filter(number)[0] for number in range(layout.get_nfilters())]


class ChunkWriter:
    """Compresses the rows of a dataset, from its first to its last, as a context manager.

    The chunks wait in a temporary file beside the dataset's own until `finish`, so that the chunks
    of an array lie together, wherever rows of other arrays come in between.  With a ``pool``, its
    workers compress; without, the caller does.  Threads may write files of their own at the same
    time.  Memory: ten chunks of 64 KiB.
    """

    def __init__(self, dataset: h5py.Dataset, pool: Executor | None = None) -> None:
        coder = coder_of(filters_of(dataset), dataset.chunks, dataset.dtype)
        if coder is None:
            raise ValueError(f"{dataset.name} has chunks that are compressed in an unknown way")
        self._dataset, self._coder = dataset, coder
        self._chunk, self._n = self._empty(), 0
        self._sizes: list[int] = []
        self._pool = pool
        self._encoding: deque[Future[bytes]] = deque()
        self._path = Path(dataset.file.filename)
        folder = self._path.parent
        self._waiting = tempfile.TemporaryFile(prefix=".ooc-", dir=folder)  # noqa: SIM115 - __exit__

    def __enter__(self) -> "ChunkWriter":
        return self

    def __exit__(self, *error: object) -> None:
        for future in self._encoding:
            future.cancel()
        self._waiting.close()

    def append(self, rows: AnyArray) -> None:
        """Append rows that lie in one chunk."""
        self._chunk[self._n : self._n + len(rows)] = rows
        self._n += len(rows)
        if self._n == len(self._chunk):
            self._end_chunk()

    def finish(self) -> None:
        """Write all chunks to the dataset."""
        if self._n:
            self._end_chunk()
        self._keep(0)
        with errors_at(self._path):
            self._waiting.seek(0)
        corner = [0] * self._dataset.ndim
        for size in self._sizes:
            packed = self._waiting.read(size)
            with phil:  # which h5py before 3.16 does not take here, unlike everywhere else
                self._dataset.id.write_direct_chunk(tuple(corner), packed)
            corner[0] += len(self._chunk)

    def _empty(self) -> AnyArray:
        return np.zeros(self._dataset.chunks, self._dataset.dtype)

    def _end_chunk(self) -> None:
        if self._pool:
            self._encoding.append(self._pool.submit(self._coder.encode, self._chunk))
            self._keep(_MOST_ENCODING)
        else:
            self._put(self._coder.encode(self._chunk))
        self._chunk, self._n = self._empty(), 0

    def _keep(self, n_encoding: int) -> None:
        """Write the first chunks, to have no more than ``n_encoding`` being encoded."""
        while len(self._encoding) > n_encoding:
            self._put(self._encoding.popleft().result())

    def _put(self, packed: bytes) -> None:
        with errors_at(self._path):
            self._waiting.write(packed)
        self._sizes.append(len(packed))


def compress_chunks(
    layout: h5py.h5p.PropDCID, compression: str, chunk: tuple[int, ...], dtype: np.dtype[Any]
) -> None:
    """Set ``layout`` to compressed chunks of the shape ``chunk``, for a dataset to be created.

    Raises OptionError if the packages that this takes are not installed, if they give HDF5 no such
    filter, or for very long rows.
    """
    check_installed(compression)
    known = FILTERS[compression]
    if not h5py.h5z.filter_avail(known.filter_id):
        raise OptionError(
            f"--compression {compression} needs HDF5's filter {known.filter_id}, which the "
            "installed hdf5plugin does not give to this HDF5; install hdf5plugin and h5py again, "
            "or leave out --compression"
        )
    if math.prod(chunk) * dtype.itemsize > MAX_CHUNK_BYTES:
        raise OptionError(
            f"rows of more than {MAX_CHUNK_BYTES:,} bytes cannot be compressed; leave out "
            f"--compression"
        )
    layout.set_chunk(chunk)
    if dtype.itemsize >= _SHUFFLED_BYTES:
        layout.set_shuffle()
    layout.set_filter(known.filter_id, h5py.h5z.FLAG_MANDATORY, known.filter_options)


def check_filters(path: Path, filters: Sequence[int]) -> None:
    """Raise OptionError unless HDF5 has these filters, with ``hdf5plugin`` if it is here.

    ``path`` is the file that needs them.
    """
    for number in filters:
        if not h5py.h5z.filter_avail(number) and not can_import("hdf5plugin"):
            raise OptionError(
                f"{path} is compressed, which takes packages that are not installed; install "
                f"them: {pip_install(extra=EXTRA)}"
            )
