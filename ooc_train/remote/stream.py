"""A file at a URL as a stream: what comes next is asked for ahead of the reader."""

import io
import os
import threading
from collections import deque
from concurrent.futures import Future
from typing import Any, BinaryIO, NamedTuple, cast

from ooc_train.errors import InputError
from ooc_train.remote.content import RemoteContent, content_of
from ooc_train.remote.url import Url
from ooc_train.threads import ThreadPool

_FIRST_BYTES, _MOST_BYTES = 2**16, 2**21
_N_AHEAD = 3


def open_url(url: Url) -> BinaryIO:
    """The file at a URL, to be read from its beginning; see `RemoteStream`.

    Raises InputError if it cannot be read, also while it is read.
    """
    content = content_of(url)
    _ = content.version
    stream = RemoteStream(content) if content.has_ranges else WholeStream(content)
    return cast(BinaryIO, stream)


class _Part(NamedTuple):
    """Bytes of the file from ``start`` to before ``stop``, that are under way."""

    start: int
    stop: int
    data: "Future[memoryview[int]]"


class RemoteStream(io.RawIOBase):
    """A file read by ranges, which grow while it is read from one to the next.

    Three parts are under way ahead of a reader that goes on where it was; one that leaps finds
    small ranges again.  Reads are whole: fewer bytes come only at the end.

    Memory: 8 MiB.
    """

    def __init__(self, content: RemoteContent) -> None:
        self._content = content
        self._position = 0
        self._start, self._data = 0, memoryview(b"")
        self._length = _FIRST_BYTES
        self._ahead: deque[_Part] = deque()
        self._pool: ThreadPool | None = None
        self._stopped = threading.Event()

    def readable(self) -> bool:
        """Streams that are read say so."""
        return True

    def seekable(self) -> bool:
        """Any position can be read."""
        return True

    def tell(self) -> int:
        """The position of the next byte."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move, without a request."""
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._content.size}
        self._position = max(0, origin[whence] + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Fill ``buffer``, or what the file still has of it."""
        target = memoryview(buffer).cast("B")
        target = target[: max(0, self._content.size - self._position)]
        n_bytes = len(target)
        while target:
            first = self._position - self._start
            if not 0 <= first < len(self._data):
                self._turn(len(target))
                first = 0
            piece = self._data[first : first + len(target)]
            target[: len(piece)] = piece
            target = target[len(piece) :]
            self._position += len(piece)
        return n_bytes

    def close(self) -> None:
        """Ask for nothing more."""
        if not self.closed:
            self._stopped.set()
            self._forget()
            if self._pool:
                self._pool.shutdown(wait=False, cancel_futures=True)
            self._data = memoryview(b"")
        super().close()

    def _turn(self, wanted: int) -> None:
        """Go on to the part that begins at the position."""
        goes_on = bool(self._data) and self._position == self._start + len(self._data)
        if not goes_on:
            self._length = min(max(_FIRST_BYTES, wanted), _MOST_BYTES)
        if not goes_on or not self._ahead:
            self._forget()
            stop = min(self._position + self._length, self._content.size)
            data = self._content.read(self._position, stop, self._stopped)
        else:
            data = self._ahead.popleft().data.result()
        self._start, self._data = self._position, data
        if goes_on or wanted > len(data):
            self._look_ahead()

    def _look_ahead(self) -> None:
        """Ask for the parts that follow."""
        if self._pool is None:
            self._pool = ThreadPool(_N_AHEAD, "remote")
        stop = self._ahead[-1].stop if self._ahead else self._start + len(self._data)
        while len(self._ahead) < _N_AHEAD and stop < self._content.size:
            self._length = min(2 * self._length, _MOST_BYTES)
            start, stop = stop, min(stop + self._length, self._content.size)
            data = self._pool.submit(self._content.read, start, stop, self._stopped)
            self._ahead.append(_Part(start, stop, data))

    def _forget(self) -> None:
        for part in self._ahead:
            part.data.cancel()
        self._ahead.clear()


class WholeStream(io.RawIOBase):
    """A file of a server that gives no parts: read once, from its beginning to its end.

    Memory: some pieces of 2 MiB.
    """

    def __init__(self, content: RemoteContent) -> None:
        self._url = content.url
        self._pieces = content.pieces()
        self._rest = memoryview(b"")
        self._position = 0

    def readable(self) -> bool:
        """Streams that are read say so."""
        return True

    def tell(self) -> int:
        """The number of bytes that were read."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Raises InputError but for the position itself."""
        if (offset, whence) in ((self._position, os.SEEK_SET), (0, os.SEEK_CUR)):
            return self._position
        raise InputError(
            f"{self._url}: its format is read in any order, and its server gives no parts of a "
            "file; download it first"
        )

    def readinto(self, buffer: Any) -> int:
        """Fill ``buffer``, or what the file still has of it."""
        target = memoryview(buffer).cast("B")
        n_bytes = 0
        while n_bytes < len(target):
            if not self._rest:
                self._rest = memoryview(next(self._pieces, b""))
            if not self._rest:
                break
            piece = self._rest[: len(target) - n_bytes]
            target[n_bytes : n_bytes + len(piece)] = piece
            self._rest = self._rest[len(piece) :]
            n_bytes += len(piece)
        self._position += n_bytes
        return n_bytes

    def close(self) -> None:
        """End the request."""
        self._pieces.close()  # type: ignore[attr-defined]
        super().close()
