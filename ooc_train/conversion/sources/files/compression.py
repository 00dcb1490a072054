"""Compressions of files: a stream of what is in a file, for each suffix."""

import bz2
import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, BinaryIO, NamedTuple

from ooc_train.errors import OptionError

_BUFFER_BYTES = 2**18
_ZSTD_BYTES = 2**14  # may decompress to some thousand times as much


class DecompressionError(Exception):
    """The reason why compressed data cannot be read; of a truncated file it is an EOFError."""


class Compression(NamedTuple):
    """A function that opens a compressed file, and how many times as large text usually is."""

    open: Callable[[BinaryIO], AbstractContextManager[BinaryIO]]
    ratio: int


@contextmanager
def _open_gzip(file: BinaryIO) -> Iterator[BinaryIO]:
    from isal import igzip, isal_zlib  # noqa: PLC0415 - few files need it

    try:
        with igzip.GzipFile(fileobj=file) as stream:
            yield io.BufferedReader(stream, _BUFFER_BYTES)
    except isal_zlib.IsalError as error:  # type: ignore[misc]
        raise DecompressionError(str(error)) from error


@contextmanager
def _open_bzip2(file: BinaryIO) -> Iterator[BinaryIO]:
    with bz2.BZ2File(file) as stream:
        yield io.BufferedReader(stream, _BUFFER_BYTES)


@contextmanager
def _open_zstd(file: BinaryIO) -> Iterator[BinaryIO]:
    yield io.BufferedReader(_ZstdStream(file), _BUFFER_BYTES)


class _ZstdStream(io.RawIOBase):
    """Frames of Zstandard.  The stream of zstandard itself takes a truncated frame for whole."""

    def __init__(self, file: BinaryIO) -> None:
        try:
            import zstandard  # noqa: PLC0415 - few files need it
        except ImportError:
            raise OptionError(
                ".zst files need the package zstandard; pip install 'ooc-train[zstd]', or "
                "decompress them first"
            ) from None
        self._error = zstandard.ZstdError
        self._frames = zstandard.ZstdDecompressor()
        self._frame: Any = None
        self._file = file
        self._compressed = b""
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        while not self._ready and self._fill():
            pass
        n = min(len(target), len(self._ready))
        target[:n] = self._ready[:n]
        self._ready = self._ready[n:]
        return n

    def _fill(self) -> bool:
        """Decompress some more bytes; ``False`` at the end of the file."""
        compressed = self._compressed or self._file.read(_ZSTD_BYTES)
        if not compressed:
            if self._frame is not None:
                raise EOFError("the file ends within a compressed frame")
            return False
        self._frame = self._frame or self._frames.decompressobj()
        try:
            self._ready = memoryview(self._frame.decompress(compressed))
        except self._error as error:
            raise DecompressionError(str(error)) from error
        self._compressed = b""
        if self._frame.eof:
            self._compressed, self._frame = self._frame.unused_data, None
        return True


COMPRESSIONS = {
    ".gz": Compression(_open_gzip, 4),  # text seldom shrinks more
    ".bz2": Compression(_open_bzip2, 5),
    ".zst": Compression(_open_zstd, 5),
}
"""By the last suffix of a file's name."""
