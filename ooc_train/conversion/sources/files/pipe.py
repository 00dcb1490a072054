"""A pipe that is read once, as it arrives; its beginning can be looked at before."""

import io
from collections.abc import Generator, Iterator
from typing import Any, BinaryIO, Protocol

from ooc_train.errors import InputError


class ByteStream(Protocol):
    """A stream of bytes."""

    def read(self, n_bytes: int, /) -> bytes:
        """The next bytes, at most so many; none at the end."""

    def close(self) -> None:
        """Close it."""


class Pieces:
    """Pieces of bytes as one stream; each is made when it is read."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")

    def read(self, n_bytes: int, /) -> bytes:
        """The next bytes of a piece, at most so many; none at the end."""
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._rest = memoryview(piece)
        found, self._rest = self._rest[:n_bytes], self._rest[n_bytes:]
        return bytes(found)

    def close(self) -> None:
        """Make no more pieces, and end what makes them."""
        if isinstance(self._pieces, Generator):
            self._pieces.close()
        self._pieces = iter(())


def compressed(name: str) -> InputError:
    """The error for compressed bytes that cannot be copied to a file first."""
    return InputError(
        f"{name} is compressed, and is read as it arrives; decompress it, as gzip -dc does, or "
        f"give a file"
    )


class Pipe(io.RawIOBase):
    """A stream to be read once, from its beginning to its end.

    ``name`` is that of errors; a stream that is ``is_owned`` is closed with the pipe.  ``n_bytes``
    counts what was read.  Memory: the beginning, as far as it was looked at.
    """

    def __init__(self, stream: ByteStream, name: str, *, is_owned: bool = False) -> None:
        self._stream = stream
        self._name = name
        self._is_owned = is_owned
        self._beginning, self._start = b"", 0
        self._is_opened = False
        self.n_bytes = 0

    def beginning(self, n_bytes: int) -> bytes:
        """The first bytes, fewer only if there are no more.  They are still to be read."""
        while len(self._beginning) < n_bytes:
            piece = self._stream.read(n_bytes - len(self._beginning))
            if not piece:
                break
            self._beginning += piece
        return self._beginning[:n_bytes]

    def open(self) -> BinaryIO:
        """The stream itself.  Raises ``InputError`` the second time."""
        if self._is_opened:
            raise InputError(
                f"{self._name} would have to be read a second time, which a pipe cannot be; give "
                "its rows in a file"
            )
        self._is_opened = True
        return self  # type: ignore[return-value]

    def close(self) -> None:
        """Close the stream, too, if it is the pipe's own."""
        super().close()
        if self._is_owned:
            self._stream.close()

    def readable(self) -> bool:
        """Streams that are read say so."""
        return True

    def tell(self) -> int:
        """The number of bytes that were read."""
        return self.n_bytes

    def readinto(self, buffer: Any) -> int:
        """Fill ``buffer`` as far as bytes have arrived; 0 at the end."""
        view = memoryview(buffer).cast("B")
        piece: bytes | memoryview = self._beginning[self._start : self._start + len(view)]
        self._start += len(piece)
        if not piece:
            self._beginning = b""
            piece = self._stream.read(len(view))
        view[: len(piece)] = piece
        self.n_bytes += len(piece)
        return len(piece)
