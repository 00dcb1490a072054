"""The bytes of a stream, some whole rows at a time."""

import io
from collections.abc import Callable, Iterator
from typing import BinaryIO

import numpy as np

from ooc_train.conversion.sources.files.encoding import BYTE_ORDER_MARK
from ooc_train.conversion.sources.files.input_file import InputFile
from ooc_train.conversion.sources.files.ranges import LongRowError, Range, RangeEnd
from ooc_train.conversion.sources.files.rejects import MAX_ROW_BYTES
from ooc_train.dtypes import U8
from ooc_train.intrinsics import PADDING

_ALL = Range()


class Buffer:
    """The next bytes of a stream, without a byte-order mark at its beginning.

    ``data`` are those bytes, and ``is_last`` says that no more follow.  A reader drops the bytes
    that it is done with.  Where they hold no whole row, it lets the buffer grow or skips the line.
    A buffer that has grown shrinks again when the long row is dropped.

    ``position`` is the place of ``data`` in the file.  The stream begins at that of ``part``.

    Memory: ``n_bytes``, or twice the longest row, which is at most ``max_row_bytes``.
    """

    def __init__(
        self,
        stream: BinaryIO,
        n_bytes: int,
        max_row_bytes: int = MAX_ROW_BYTES,
        part: Range = _ALL,
    ) -> None:
        self.is_last = False
        self.position = part.first_byte
        self._most_bytes = part.most_bytes
        self._stream = stream
        self._max_row_bytes = max_row_bytes
        self._usual_bytes = max(n_bytes, len(BYTE_ORDER_MARK))
        self._bytes = bytearray(self._usual_bytes + PADDING)
        self._n_filled = 0
        self._at_start = part.start == 0

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
        """Forget the first bytes; if there are any, room for a long row is given back."""
        if n_bytes == 0:
            return
        with memoryview(self._bytes) as view:
            rest = bytes(view[n_bytes : self._n_filled])
        if self.capacity > self._usual_bytes:
            self._bytes = bytearray(max(self._usual_bytes, len(rest)) + PADDING)
        self._bytes[: len(rest)] = rest
        self._n_filled = len(rest)
        self.position += n_bytes

    def grow(self) -> bool:
        """Make room for a longer row; ``False`` if it is too long to be one.

        Raises ``LongRowError`` for more than the range may take.
        """
        if 2 * self.capacity > self._most_bytes:
            raise LongRowError
        if self.capacity > self._max_row_bytes:
            return False
        grown = bytearray(min(2 * self.capacity, self._max_row_bytes + 1) + PADDING)
        with memoryview(self._bytes) as view:
            grown[: self._n_filled] = view[: self._n_filled]
        self._bytes = grown
        return True

    def end_of_lines(self, n_begin: int) -> int:
        """Where whole lines end: within the usual size, or behind the first line if it is longer.

        They begin within the first ``n_begin`` bytes.  0 if there is no whole line.
        """
        last = self._bytes.rfind(b"\n", 0, min(self._usual_bytes, self._n_filled))
        if last >= n_begin:
            last = self._bytes.find(b"\n", n_begin - 1)
        return (last if last >= 0 else self._bytes.find(b"\n", 0, self._n_filled)) + 1

    def skip_line(self) -> None:
        """Forget everything up to the next newline, and that too, reading on to find it."""
        while self.fill():
            newline = self._bytes.find(b"\n", 0, self._n_filled)
            self.drop(newline + 1 if newline >= 0 else self._n_filled)
            if newline >= 0:
                return


def line_blocks(
    stream: BinaryIO, block_bytes: int, max_row_bytes: int = MAX_ROW_BYTES
) -> Iterator[bytes]:
    """Whole lines of about ``block_bytes``, each line with a newline behind it.

    A line that is longer is a block of its own.  Of one that is longer than ``max_row_bytes``, so
    many bytes and one more are given, unless it fits into a block.

    Memory: the block, and that of a `Buffer`, which has shrunk when a block is given.
    """
    for block in range_blocks(stream, block_bytes, max_row_bytes, _ALL):
        if isinstance(block, bytes):
            yield block


def range_blocks(
    stream: BinaryIO, block_bytes: int, max_row_bytes: int, part: Range
) -> Iterator[bytes | RangeEnd]:
    """The lines that begin in a range, as `line_blocks` gives them, and where they are.

    The line that is reached is not counted: it is the first one of the range.
    """
    buffer = Buffer(stream, block_bytes, max_row_bytes, part)
    if part.is_guess:
        buffer.skip_line()
    start = buffer.position
    while buffer.position < part.stop and buffer.fill():
        stop = buffer.end_of_lines(part.stop - buffer.position)
        if stop:
            block = buffer.data[:stop].tobytes()
            buffer.drop(stop)
            yield block
        elif buffer.is_last or not buffer.grow():
            block = buffer.data[: max_row_bytes + 1].tobytes() + b"\n"
            buffer.skip_line()
            yield block
    yield RangeEnd(start, buffer.position, part.first_line)


def first_lines(
    file: InputFile, max_row_bytes: int, lines_of: Callable[[bytes], bytes] = bytes
) -> tuple[io.BytesIO, bool]:
    """The whole lines at the beginning of a file, and whether it has no more.

    ``lines_of`` makes lines of the text, where it is spelled otherwise.

    There is at least one of up to ``max_row_bytes`` that is not blank, if there is any in as many
    bytes.  The last line may be truncated if it is longer.

    Raises ``InputError`` where there are only blank lines in so many bytes, and more follow.
    """
    for text, is_all in file.beginnings(max_row_bytes):
        sample = lines_of(text)
        whole = sample if is_all else sample[: sample.rfind(b"\n") + 1]
        if is_all or any(_is_row(line, max_row_bytes) for line in io.BytesIO(whole)):
            return io.BytesIO(whole), is_all
    if not sample.strip():
        raise file.begins_blank(len(sample))
    return io.BytesIO(sample), False


def _is_row(line: bytes, max_row_bytes: int) -> bool:
    return len(line.rstrip(b"\n")) <= max_row_bytes and not line.isspace()
