"""The bytes of a file, plain or compressed, and what is said when they cannot be read."""

import codecs
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

from ooc_train.conversion.sources.files.compression import (
    COMPRESSIONS,
    Compression,
    DecompressionError,
)
from ooc_train.conversion.sources.files.pipe import Pipe
from ooc_train.errors import InputError

Piece = TypeVar("Piece")

BYTE_ORDER_MARK = codecs.BOM_UTF8


@dataclass(frozen=True)
class InputFile:
    """A file of rows.

    ``path`` is its name, which errors give and whose suffixes say what is in it; the bytes are
    there, or in ``spooled``, or come from ``pipe``.
    """

    path: Path
    spooled: Path | None = None
    pipe: Pipe | None = None

    @property
    def n_bytes(self) -> int:
        """Its size; of a pipe, what was read so far."""
        if self.pipe:
            return self.pipe.n_bytes
        return (self.spooled or self.path).stat().st_size

    @property
    def is_standard_input(self) -> bool:
        """Whether ``path`` is no path."""
        return self.spooled is not None or self.pipe is not None

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
        if self.pipe:
            return self.pipe.open()
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
                except DecompressionError as error:
                    raise InputError(f"{self.path} cannot be decompressed: {error}") from error

    def parsed(self, parse: Callable[[BinaryIO], Iterator[Piece]]) -> Iterator[tuple[Piece, int]]:
        """What ``parse`` makes of the stream in the file, each with the progress in bytes.

        Raises ``InputError`` for a file or a compression that cannot be read to its end.
        """
        position = 0
        with self.open() as (stream, file):
            for piece in self.readable(parse(stream)):
                progress = file.tell() - position
                position += progress
                yield piece, progress

    def readable(self, pieces: Iterator[Piece]) -> Iterator[Piece]:
        """``pieces``, with errors of the file and its compression as an ``InputError``."""
        try:
            yield from pieces
        except (OSError, EOFError) as error:  # both are raised for damaged and cut files
            raise InputError(f"{self.path} cannot be read to its end: {error}") from error

    def sample(self, n_bytes: int) -> bytes:
        """The first bytes of what is in the file, without a byte-order mark, or all there are."""
        wanted = n_bytes + len(BYTE_ORDER_MARK)
        if self.pipe:
            return self.pipe.beginning(wanted).removeprefix(BYTE_ORDER_MARK)[:n_bytes]
        with self.open() as (stream, _):
            try:
                parts = [stream.read(wanted)]
                while parts[-1] and sum(map(len, parts)) < wanted:
                    parts.append(stream.read(wanted - sum(map(len, parts))))
            except (EOFError, OSError) as error:
                raise InputError(f"{self.path} cannot be decompressed: {error}") from error
        return b"".join(parts).removeprefix(BYTE_ORDER_MARK)[:n_bytes]
