"""The bytes of a stream, some whole rows at a time."""

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from ooc_train.conversion.sources.files.input_file import BYTE_ORDER_MARK
from ooc_train.conversion.sources.files.rejects import MAX_ROW_BYTES
from ooc_train.dtypes import U8
from ooc_train.intrinsics import PADDING


class Buffer:
    """The next bytes of a stream, without a byte-order mark at its beginning.

    ``data`` are those bytes, and ``is_last`` says that no more follow.  A reader drops the bytes
    that it is done with.  Where they hold no whole row, it lets the buffer grow or skips the line.

    Memory: ``n_bytes``, or twice the longest row, which is at most ``MAX_ROW_BYTES``.
    """

    def __init__(self, stream: BinaryIO, n_bytes: int) -> None:
        self.is_last = False
        self._stream = stream
        self._bytes = bytearray(max(n_bytes, len(BYTE_ORDER_MARK)) + PADDING)
        self._n_filled = 0
        self._at_start = True

    @property
    def data(self) -> U8:
        """The bytes, uint8.  `PADDING` readable bytes lie behind them, which kernels look at."""
        return np.frombuffer(self._bytes, np.uint8, self._n_filled)

    @property
    def capacity(self) -> int:
        """The number of bytes that fit."""
        return len(self._bytes) - PADDING

    @property
    def is_full(self) -> bool:
        """Whether no more bytes fit."""
        return self._n_filled == self.capacity

    def fill(self) -> bool:
        """Read until the buffer is full or the stream ends; whether there are any bytes."""
        with memoryview(self._bytes) as view:
            while not (self.is_full or self.is_last):
                target = view[self._n_filled : self.capacity]
                n_read = self._stream.readinto(target)  # type: ignore[attr-defined]
                self._n_filled += n_read
                self.is_last = not n_read
        if self._at_start:
            self._at_start = False
            if self._bytes.startswith(BYTE_ORDER_MARK, 0, self._n_filled):
                self.drop(len(BYTE_ORDER_MARK))
                return self.fill()
        return self._n_filled > 0

    def drop(self, n_bytes: int) -> None:
        """Forget the first bytes."""
        rest = self._bytes[n_bytes : self._n_filled]
        self._bytes[: len(rest)] = rest
        self._n_filled = len(rest)

    def grow(self) -> bool:
        """Make room for a longer row; ``False`` if it is too long to be one."""
        if self.capacity > MAX_ROW_BYTES:
            return False
        capacity = min(2 * self.capacity, MAX_ROW_BYTES + 1)
        self._bytes = self._bytes[: self._n_filled] + bytearray(capacity + PADDING - self._n_filled)
        return True

    def last_newline(self) -> int:
        """The place of the last newline, -1 if there is none."""
        return self._bytes.rfind(b"\n", 0, self._n_filled)

    def skip_line(self) -> None:
        """Forget everything up to the next newline, and that too, reading on to find it."""
        while self.fill():
            newline = self._bytes.find(b"\n", 0, self._n_filled)
            self.drop(newline + 1 if newline >= 0 else self._n_filled)
            if newline >= 0:
                return


def line_blocks(stream: BinaryIO, block_bytes: int) -> Iterator[bytes]:
    """Whole lines of about ``block_bytes``, each line with a newline behind it.

    Of a line that is longer than ``MAX_ROW_BYTES``, so many bytes and one more are given.
    """
    buffer = Buffer(stream, block_bytes)
    while buffer.fill():
        stop = buffer.last_newline() + 1
        if stop:
            yield buffer.data[:stop].tobytes()
            buffer.drop(stop)
        elif buffer.is_last or not buffer.grow():
            yield buffer.data[: MAX_ROW_BYTES + 1].tobytes() + b"\n"
            buffer.skip_line()
