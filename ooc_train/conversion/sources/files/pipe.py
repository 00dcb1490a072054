"""A pipe that is read once, as it arrives; its beginning can be looked at before."""

import io
from typing import Any, BinaryIO

from ooc_train.errors import InputError


class Pipe(io.RawIOBase):
    """A stream to be read once, from its beginning to its end.

    ``name`` is that of errors; a stream that is ``is_owned`` is closed with the pipe.  ``n_bytes``
    counts what was read.  Memory: the beginning, as far as it was looked at.
    """

    def __init__(self, stream: BinaryIO, name: str, *, is_owned: bool = False) -> None:
        self._stream = stream
        self._name = name
        self._is_owned = is_owned
        self._beginning = b""
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
                f"{self._name} would have to be read a second time, since two of its words share "
                "a hash; give its rows in a file"
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
        piece = self._beginning[: len(view)] or self._stream.read(len(view))
        self._beginning = self._beginning[len(piece) :]
        view[: len(piece)] = piece
        self.n_bytes += len(piece)
        return len(piece)
