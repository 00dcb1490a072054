"""A file of rows as a stream of bytes, plain or compressed, and errors that name the file."""

import functools
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from ooc_train.conversion.sources.files.compression import (
    COMPRESSIONS,
    Compression,
    DecompressionError,
    compression_of,
    is_text,
)
from ooc_train.conversion.sources.files.encoding import BYTE_ORDER_MARK, Spelling, spelling_of
from ooc_train.conversion.sources.files.pipe import Pipe, compressed
from ooc_train.conversion.sources.files.rejects import MAX_ROW_BYTES
from ooc_train.counts import counted
from ooc_train.errors import InputError
from ooc_train.remote.content import content_of
from ooc_train.remote.stream import open_url
from ooc_train.remote.url import Url
from ooc_train.suggestions import beside
from ooc_train.system_errors import reason

Piece = TypeVar("Piece")

_ARCHIVE_OF_ARRAYS = ".npz"
_BEGINNING_BYTES = 512
_SAMPLE_BYTES = 2**16
_LONG_SAMPLE_BYTES = 2**23


@dataclass(frozen=True)
class InputFile:
    """A file of rows.

    ``path`` is the name that errors give, and whose suffixes tell the format; it may be a URL.  The
    bytes are in ``spooled`` or come from ``pipe`` where one of these is given, else in the file of
    that name.
    ``encoding`` is that of its text, where it is known.

    What a program holds in place of a file has its ``format``, and its rows come from a pipe or are
    an ``array``; ``behind`` is the file that they are taken from, if there is one.
    """

    path: Path
    spooled: Path | None = None
    pipe: Pipe | None = None
    encoding: str | None = None
    array: Any = field(default=None, compare=False, repr=False)
    format: str | None = None
    behind: Path | None = None

    @property
    def n_bytes(self) -> int:
        """The size of the file or the array, or the bytes that were read from the pipe so far."""
        if self.array is not None:
            return int(self.array.nbytes)
        if self.pipe:
            return self.pipe.n_bytes
        if isinstance(self.path, Url):
            return content_of(self.path).size
        return (self.spooled or self.path).stat().st_size

    @property
    def is_pipe(self) -> bool:
        """Whether the bytes came from a pipe, such as standard input, and not from a file."""
        return self.spooled is not None or self.pipe is not None

    @property
    def is_there(self) -> bool:
        """Whether it is a file that exists, on this machine or, as far as is known, at a URL."""
        return isinstance(self.path, Url) or self.path.is_file()

    @property
    def is_held(self) -> bool:
        """Whether a program holds the rows, and no file does."""
        return self.format is not None

    @property
    def suffixes(self) -> list[str]:
        """The last two suffixes of the name, in small letters, the last first."""
        return [suffix.lower() for suffix in reversed(self.path.suffixes[-2:])]

    @functools.cached_property
    def beginning(self) -> bytes:
        """The first bytes of the file itself; none of what cannot be read."""
        if self.pipe:
            return self.pipe.beginning(_BEGINNING_BYTES)
        try:
            with self.open_raw() as file:
                return file.read(_BEGINNING_BYTES)
        except (InputError, OSError):  # which those say that read it
            return b""

    @functools.cached_property
    def compression(self) -> Compression | None:
        """The compression that the first bytes tell, or else the name.

        Text is not compressed, whatever its name: browsers decompress what they download.  An .npz
        file is an archive of its own kind.
        """
        if self.suffixes[:1] == [_ARCHIVE_OF_ARRAYS]:
            return None
        found = compression_of(self.beginning)
        return found or (None if is_text(self.beginning) else self.named_compression)

    @property
    def named_compression(self) -> Compression | None:
        """The compression that the name tells."""
        return next((COMPRESSIONS[s] for s in self.suffixes[:1] if s in COMPRESSIONS), None)

    @functools.cached_property
    def spelling(self) -> Spelling:
        """How its text is encoded and its lines end, by a sample."""
        found = spelling_of(self._start(_SAMPLE_BYTES), self.encoding)
        if found.ends_with_return:  # unless a longer first line has a return in it
            found = spelling_of(self._start(_LONG_SAMPLE_BYTES), self.encoding)
        return found

    @property
    def text_bytes(self) -> int:
        """The size of what is in the file, an estimate if it is compressed."""
        return self.n_bytes * (self.compression.ratio if self.compression else 1)

    @property
    def is_seekable(self) -> bool:
        """Whether it is a file on this machine, and can be read from any byte on."""
        held = self.is_pipe or self.is_held or isinstance(self.path, Url)
        return not held and self.compression is None

    @property
    def is_divisible(self) -> bool:
        """Whether its text can be read from any byte on."""
        return self.is_seekable and self.spelling.is_usual

    @property
    def stamp(self) -> tuple[int, int] | None:
        """The size of a file and the time of its last change, if there is one of this name."""
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_size, found.st_mtime_ns

    def open_raw(self) -> BinaryIO:
        """Open the file itself, unbuffered.  Raises ``InputError`` if that is not possible.

        Pipes and devices are refused: a pipe cannot be read again, and a device may never end.
        """
        if self.pipe:
            return self.pipe.open()
        if isinstance(self.path, Url):
            return open_url(self.path)
        path = self.spooled or self.path
        try:
            mode = path.stat().st_mode
            if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
                return path.open("rb", buffering=0)
        except FileNotFoundError:
            raise InputError(
                f"{self.path} does not exist; check the path{beside(self.path)}"
            ) from None
        except IsADirectoryError:
            raise InputError(f"{self.path} is a folder; name the files in it") from None
        except OSError as error:
            raise InputError(f"{self.path} cannot be read: {reason(error)}") from None
        what = "a pipe" if stat.S_ISFIFO(mode) else "a device"
        raise InputError(f"{self.path} is {what} and no file; copy what it gives to a file")

    @contextmanager
    def open(self) -> Iterator[tuple[BinaryIO, BinaryIO]]:
        """A stream of what is in the file, and the file, whose position is the progress."""
        with self.open_raw() as file:
            if self.compression is None:
                yield file, file
            else:
                try:
                    with self.compression.open(file) as stream:
                        yield stream, file
                except DecompressionError as error:
                    raise InputError(f"{self.path} cannot be decompressed: {error}") from error

    @contextmanager
    def open_text(self) -> Iterator[tuple[BinaryIO, BinaryIO]]:
        """A stream of the text in the file as UTF-8, its lines ended by newlines, and the file."""
        spelling = self.spelling
        with self.open() as (stream, file):
            yield spelling.stream(stream), file

    def parsed(
        self, parse: Callable[[BinaryIO], Iterator[Piece]], first_byte: int = 0
    ) -> Iterator[tuple[Piece, int]]:
        """The pieces that ``parse`` makes of the text, each with the progress in bytes.

        A text that ``is_divisible`` may be read from ``first_byte`` on.

        Raises ``InputError`` for a file or a compression that cannot be read to its end.
        """
        position = first_byte
        with self.open_text() as (stream, file):
            if first_byte:
                file.seek(first_byte)
            for piece in self.readable(parse(stream)):
                progress = file.tell() - position
                position += progress
                yield piece, progress

    def readable(self, pieces: Iterator[Piece]) -> Iterator[Piece]:
        """The same pieces; errors of the file and its compression become an ``InputError``."""
        try:
            yield from pieces
        except (OSError, EOFError) as error:  # both are raised for damaged and truncated files
            raise InputError(f"{self.path} cannot be read to its end: {error}") from error

    def sample(self, n_bytes: int) -> bytes:
        """The first bytes of the text, without a byte-order mark, or all there are."""
        wanted = n_bytes + len(BYTE_ORDER_MARK)
        text = self.spelling.text(self._start(self.spelling.most_bytes(wanted)))
        return text.removeprefix(BYTE_ORDER_MARK)[:n_bytes]

    def _start(self, n_bytes: int) -> bytes:
        """The first bytes of what is in the file."""
        if self.pipe and self.compression:
            raise compressed(str(self.path))
        if self.pipe:
            return self.pipe.beginning(n_bytes)
        with self.open() as (stream, _):
            return b"".join(self.readable(_first_bytes(stream, n_bytes)))

    def beginnings(self, max_row_bytes: int) -> Iterator[tuple[bytes, bool]]:
        """Ever longer samples, to look for a row in, and whether each is the whole content.

        The last is the whole content, or longer than ``max_row_bytes`` and than 8 MiB.
        """
        size, most = _SAMPLE_BYTES, max(max_row_bytes, MAX_ROW_BYTES) + 1
        while True:
            sample = self.sample(size)
            is_all = len(sample) < size
            yield sample, is_all
            if is_all or size == most:
                return
            size = min(8 * size, most)

    def begins_blank(self, n_bytes: int) -> InputError:
        """The error for a file that begins with ``n_bytes`` of blank lines."""
        return InputError(
            f"{self.path} begins with {counted(n_bytes, 'byte')} of blank lines; take them out"
        )


Input = Path | InputFile
"""A path, or what a program has in its place."""


def _first_bytes(stream: BinaryIO, n_bytes: int) -> Iterator[bytes]:
    """Pieces of the first bytes; a stream may give fewer at once than it has."""
    while n_bytes and (piece := stream.read(n_bytes)):
        yield piece
        n_bytes -= len(piece)
