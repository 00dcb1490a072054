"""The bytes of a file, plain or compressed, and what is said when they cannot be read."""

import bz2
import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeVar

from ooc_train.errors import InputError, OptionError

Piece = TypeVar("Piece")

_BUFFER_BYTES = 2**18
_ZSTD_BYTES = 2**14  # may decompress to some thousand times as much


class _DamageError(Exception):
    """Why compressed data cannot be read; cut files are an EOFError."""


class Compression(NamedTuple):
    """How to read a compressed file, and how many times its size text usually is."""

    open: Callable[[BinaryIO], AbstractContextManager[BinaryIO]]
    ratio: int


@dataclass(frozen=True)
class InputFile:
    """A file of rows.

    ``path`` is its name, which errors give and whose suffixes say what is in it; the bytes are
    there, or in ``spooled``.
    """

    path: Path
    spooled: Path | None = None

    @property
    def n_bytes(self) -> int:
        """Its size."""
        return (self.spooled or self.path).stat().st_size

    @property
    def suffixes(self) -> list[str]:
        """Those that say what the file holds, in small letters, the last first."""
        return [suffix.lower() for suffix in reversed(self.path.suffixes[-2:])]

    @property
    def compression(self) -> Compression | None:
        """How it is compressed, by its name."""
        return next((COMPRESSIONS[s] for s in self.suffixes[:1] if s in COMPRESSIONS), None)

    @property
    def text_bytes(self) -> int:
        """Its size; if it is compressed, an estimate of what is in it."""
        return self.n_bytes * (self.compression.ratio if self.compression else 1)

    def open_raw(self) -> BinaryIO:
        """The file, unbuffered, or an ``InputError`` that says why not."""
        try:
            return (self.spooled or self.path).open("rb", buffering=0)
        except FileNotFoundError:
            raise InputError(f"{self.path} does not exist; check the path") from None
        except IsADirectoryError:
            raise InputError(f"{self.path} is a folder; name the files in it") from None
        except OSError as error:
            raise InputError(f"{self.path} cannot be read: {error.strerror}") from None

    @contextmanager
    def open(self) -> Iterator[tuple[BinaryIO, BinaryIO]]:
        """What is in the file, and the file itself, whose position is the progress."""
        with self.open_raw() as file:
            if self.compression is None:
                yield file, file
            else:
                try:
                    with self.compression.open(file) as stream:
                        yield stream, file
                except _DamageError as error:
                    raise InputError(f"{self.path} cannot be decompressed: {error}") from error

    def readable(self, pieces: Iterator[Piece]) -> Iterator[Piece]:
        """``pieces``, with errors of the file and its compression as an ``InputError``."""
        try:
            yield from pieces
        except (OSError, EOFError) as error:  # both are raised for damaged and cut files
            raise InputError(f"{self.path} cannot be read to its end: {error}") from error

    def sample(self, n_bytes: int) -> bytes:
        """The first bytes of what is in the file, fewer only if there are no more."""
        with self.open() as (stream, _):
            try:
                parts = [stream.read(n_bytes)]
                while parts[-1] and sum(map(len, parts)) < n_bytes:
                    parts.append(stream.read(n_bytes - sum(map(len, parts))))
            except (EOFError, OSError) as error:
                raise InputError(f"{self.path} cannot be decompressed: {error}") from error
        return b"".join(parts)


@contextmanager
def _open_gzip(file: BinaryIO) -> Iterator[BinaryIO]:
    from isal import igzip, isal_zlib  # noqa: PLC0415 - few files need it

    try:
        with igzip.GzipFile(fileobj=file) as stream:
            yield io.BufferedReader(stream, _BUFFER_BYTES)
    except isal_zlib.IsalError as error:  # type: ignore[misc]
        raise _DamageError(str(error)) from error


@contextmanager
def _open_bzip2(file: BinaryIO) -> Iterator[BinaryIO]:
    with bz2.BZ2File(file) as stream:
        yield io.BufferedReader(stream, _BUFFER_BYTES)


@contextmanager
def _open_zstd(file: BinaryIO) -> Iterator[BinaryIO]:
    yield io.BufferedReader(_ZstdStream(file), _BUFFER_BYTES)


class _ZstdStream(io.RawIOBase):
    """Frames of Zstandard; zstandard's own stream takes a cut one for whole."""

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
        """Decompress some more; whether there was any."""
        compressed = self._compressed or self._file.read(_ZSTD_BYTES)
        if not compressed:
            if self._frame is not None:
                raise EOFError("the file ends within a compressed frame")
            return False
        self._frame = self._frame or self._frames.decompressobj()
        try:
            self._ready = memoryview(self._frame.decompress(compressed))
        except self._error as error:
            raise _DamageError(str(error)) from error
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
