"""Compressions of files, known by their first bytes: a stream of what is in a file."""

import bz2
import codecs
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, BinaryIO, NamedTuple, cast

from ooc_train.errors import OptionError
from ooc_train.extras import pip_install

_BUFFER_BYTES = 2**18
_ZSTD_BYTES = 2**17
_ZSTD_MAGIC, _ZSTD_SKIPPABLE = 0xFD2FB528, 0x184D2A50
_ZSTD_REPEATED = 1  # a block of one byte, repeated


class DecompressionError(Exception):
    """The reason why compressed data cannot be read; of a truncated file it is an EOFError."""


class Compression(NamedTuple):
    """A compression: the first bytes of its files, and a function that opens one.

    ``ratio`` is how many times as large text usually is.
    """

    magic: bytes
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
    """Frames of Zstandard, RFC 8878, decompressed block by block.

    The stream of zstandard itself takes a truncated frame for whole, and of so little as 16 KiB it
    may make half a gigabyte at once.  A block becomes at most 128 KiB.
    """

    def __init__(self, file: BinaryIO) -> None:
        try:
            import zstandard  # noqa: PLC0415 - few files need it
        except ImportError:
            raise OptionError(
                ".zst files need the package zstandard: decompress them first, or "
                f"{pip_install(extra='zstd')}"
            ) from None
        self._error = zstandard.ZstdError
        self._frames = zstandard.ZstdDecompressor()
        self._file = file
        self._compressed = b""
        self._blocks = self._decompressed()
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        while not self._ready and (block := next(self._blocks, None)) is not None:
            self._ready = memoryview(block)
        n = min(len(target), len(self._ready))
        target[:n] = self._ready[:n]
        self._ready = self._ready[n:]
        return n

    def _decompressed(self) -> Iterator[bytes]:
        """The contents of the blocks of all frames."""
        while self._compressed or self._fill():
            magic = int.from_bytes(self._take(4), "little")
            if magic & ~15 == _ZSTD_SKIPPABLE:
                self._skip(int.from_bytes(self._take(4), "little"))
                continue
            if magic != _ZSTD_MAGIC:
                raise DecompressionError("what is not Zstandard follows")
            frame = self._frames.decompressobj()
            try:
                for part in self._parts():
                    yield frame.decompress(part)
            except self._error as error:
                raise DecompressionError(str(error)) from error
            if not frame.eof:
                raise DecompressionError("a frame does not end with its last block")

    def _parts(self) -> Iterator[bytes]:
        """A frame whose magic number is read: its header, its blocks, and its checksum."""
        descriptor = self._take(1)
        flags = descriptor[0]
        is_single = flags >> 5 & 1
        n_content = (is_single, 2, 4, 8)[flags >> 6]
        n_more = (1 - is_single) + (0, 1, 2, 4)[flags & 3] + n_content
        yield _ZSTD_MAGIC.to_bytes(4, "little") + descriptor + self._take(n_more)
        is_last = 0
        while not is_last:
            header = self._take(3)
            fields = int.from_bytes(header, "little")
            is_last, kind, size = fields & 1, fields >> 1 & 3, fields >> 3
            yield header + self._take(1 if kind == _ZSTD_REPEATED else size)
        if flags >> 2 & 1:
            yield self._take(4)  # the checksum

    def _take(self, n_bytes: int) -> bytes:
        while len(self._compressed) < n_bytes:
            if not self._fill():
                raise EOFError("the file ends within a compressed frame")
        taken, self._compressed = self._compressed[:n_bytes], self._compressed[n_bytes:]
        return taken

    def _skip(self, n_bytes: int) -> None:
        while n_bytes:
            n_bytes -= len(self._take(min(n_bytes, _ZSTD_BYTES)))

    def _fill(self) -> bool:
        """Read some more bytes; ``False`` at the end of the file."""
        more = self._file.read(_ZSTD_BYTES)
        self._compressed += more
        return bool(more)


@contextmanager
def _open_xz(file: BinaryIO) -> Iterator[BinaryIO]:
    try:
        with lzma.LZMAFile(file) as stream:
            yield io.BufferedReader(stream, _BUFFER_BYTES)
    except lzma.LZMAError as error:
        raise DecompressionError(str(error)) from error


@contextmanager
def _open_zip(file: BinaryIO) -> Iterator[BinaryIO]:
    """The one file in an archive."""
    try:
        with zipfile.ZipFile(file) as archive:
            inside = [info for info in archive.infolist() if not _is_no_file(info)]
            if len(inside) != 1:
                raise DecompressionError(
                    f"the archive holds {len(inside)} files, where one is read; unpack it"
                )
            if inside[0].flag_bits & _ENCRYPTED:
                raise DecompressionError("it is encrypted; unpack it with its password")
            with archive.open(inside[0]) as stream:
                yield cast(BinaryIO, stream)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, zlib.error) as error:
        raise DecompressionError(str(error)) from error


def _is_no_file(info: zipfile.ZipInfo) -> bool:
    """Whether it is a folder, or what macOS adds to the archives that it makes."""
    return info.is_dir() or info.filename.startswith("__MACOSX/")


COMPRESSIONS = {
    ".gz": Compression(b"\x1f\x8b", _open_gzip, 4),  # text seldom shrinks more
    ".bz2": Compression(b"BZh", _open_bzip2, 5),
    ".zst": Compression(_ZSTD_MAGIC.to_bytes(4, "little"), _open_zstd, 5),
    ".xz": Compression(b"\xfd7zXZ\0", _open_xz, 6),
    ".zip": Compression(b"PK\3\4", _open_zip, 4),
}
"""By the last suffix of a file's name."""
_CONTROLS = {chr(code) for code in (*range(32), 127)} - set("\t\n\r\f")
_ENCRYPTED = 1
_ZIP_NAME = 30  # where the name of the first file in a .zip archive is
_OTHER_ZIPS = (b".npy", b"[Content_Types].xml", b"mimetype", b"META-INF")


def compression_of(beginning: bytes) -> Compression | None:
    """The compression of a file with these first bytes.

    Formats that are .zip archives inside, such as .npz and .xlsx, are none.
    """
    for compression in COMPRESSIONS.values():
        if beginning.startswith(compression.magic):
            is_zip = compression.open is _open_zip
            name = beginning[_ZIP_NAME : _ZIP_NAME + int.from_bytes(beginning[26:28], "little")]
            other = name.endswith(_OTHER_ZIPS[:1]) or name.startswith(_OTHER_ZIPS[1:])
            return None if is_zip and other else compression
    return None


def is_text(beginning: bytes) -> bool:
    """Whether the first bytes of a file are UTF-8, the last character perhaps cut, and printable.

    No compressed data are.
    """
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(beginning)
    except UnicodeDecodeError:
        return False
    return bool(text) and not _CONTROLS.intersection(text)
