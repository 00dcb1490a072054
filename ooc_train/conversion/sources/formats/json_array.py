"""A JSON array of objects as JSON Lines, in the memory of a piece of it."""

import io
from typing import Any, BinaryIO

import numpy as np

from ooc_train.dtypes import I64, U8
from ooc_train.jit import kernel

_PIECE_BYTES = 2**18
_NEWLINE, _SPACE, _QUOTE, _BACKSLASH, _COMMA, _CONTROL = 10, 32, 34, 92, 44, 1
_ARRAY, _ARRAY_END = 91, 93
_OPENING, _CLOSING = (_ARRAY, 123), (_ARRAY_END, 125)  # [ { and ] }
_DEPTH, _IN_STRING, _ESCAPED = 0, 1, 2


class ArrayLines(io.RawIOBase):
    """The elements of the arrays in a stream, a line each.  Raises ``EOFError`` if one is cut."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._state = np.zeros(3, np.int64)

    def readable(self) -> bool:
        """Streams that are read say so."""
        return True

    def readinto(self, target: Any) -> int:
        """Fill ``target`` as far as there are bytes; 0 at the end."""
        view = memoryview(target).cast("B")[:_PIECE_BYTES]
        data = self._stream.read(len(view))
        if not data and self._state[_DEPTH]:
            raise EOFError("the JSON array does not end")
        view[: len(data)] = array_lines(data, self._state)
        return len(data)


def array_lines(data: bytes, state: I64 | None = None) -> bytes:
    r"""The next bytes of arrays with each element on a line of its own; as many bytes as given.

    >>> array_lines(b'[{"a": [1, 2]}, {}]')
    b' {"a": [1, 2]}\n {}\n'
    """
    lines = np.frombuffer(bytearray(data), np.uint8)
    _break_lines(lines, np.zeros(3, np.int64) if state is None else state)
    return lines.tobytes()


@kernel
def _break_lines(data: U8, state: I64) -> None:  # noqa: C901, PLR0912 - one state machine
    depth, in_string, escaped = state[_DEPTH], state[_IN_STRING], state[_ESCAPED]
    for i in range(len(data)):
        byte = data[i]
        if in_string:
            if byte == _NEWLINE:
                data[i] = _CONTROL  # is no JSON, and must be no line
            if escaped:
                escaped = 0
            elif byte == _BACKSLASH:
                escaped = 1
            elif byte == _QUOTE:
                in_string = 0
        elif byte == _QUOTE:
            in_string = 1
        elif byte in _OPENING:
            if depth == 0 and byte == _ARRAY:
                data[i] = _SPACE
            depth += 1
        elif byte in _CLOSING:
            depth = max(0, depth - 1)
            if depth == 0 and byte == _ARRAY_END:  # another stays, so that the row is rejected
                data[i] = _NEWLINE
        elif byte == _COMMA and depth == 1:
            data[i] = _NEWLINE
        elif byte == _NEWLINE:
            data[i] = _SPACE
    state[_DEPTH], state[_IN_STRING], state[_ESCAPED] = depth, in_string, escaped
