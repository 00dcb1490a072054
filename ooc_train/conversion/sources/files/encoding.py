"""How the text of a file is spelled: its encoding, and what ends its lines.

UTF-8 with lines ended by newlines is read as it is.  UTF-16 and UTF-32 are recognised by their
byte-order mark, UTF-16 also by its NUL bytes; other encodings must be named.  Files of old programs
for the Macintosh, in which a carriage return alone ends a line, have no newline at all.
"""

import codecs
import io
from types import SimpleNamespace
from typing import Any, BinaryIO, NamedTuple, cast

BYTE_ORDER_MARK = codecs.BOM_UTF8
_MARKS = {  # those of UTF-32 first, which begin like those of UTF-16
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_PIECE_BYTES = 2**18
_INVALID = "ooc-train-invalid"


class Spelling(NamedTuple):
    """The encoding of a text, ``None`` for UTF-8, and whether carriage returns end its lines."""

    encoding: str | None = None
    ends_with_return: bool = False

    @property
    def is_usual(self) -> bool:
        """Whether the text can be read as it is."""
        return not (self.encoding or self.ends_with_return)

    def most_bytes(self, n_bytes: int) -> int:
        """The most bytes that so many bytes of the text are in the file."""
        return 4 * n_bytes if self.encoding else n_bytes

    def stream(self, file: BinaryIO) -> BinaryIO:
        """The text as UTF-8, its lines ended by newlines."""
        return file if self.is_usual else io.BufferedReader(_Utf8(file, self), _PIECE_BYTES)

    def text(self, data: bytes) -> bytes:
        """The text of the first bytes of a file."""
        return self._decoder().decode(data)

    def _decoder(self) -> "_Decoder":
        return _Decoder(self)


class _Decoder:
    """The text of the bytes of a file, piece by piece."""

    def __init__(self, spelling: Spelling) -> None:
        self._spelling = spelling
        if spelling.encoding:
            self._characters = codecs.getincrementaldecoder(spelling.encoding)(_INVALID)

    def decode(self, data: bytes, *, is_last: bool = False) -> bytes:
        """The text of the next bytes; of a character that is not whole, nothing yet."""
        if self._spelling.encoding:
            data = self._characters.decode(data, is_last).encode("utf-8", "surrogateescape")
        return data.replace(b"\r", b"\n") if self._spelling.ends_with_return else data


class _Utf8(io.RawIOBase):
    """A stream of text as UTF-8."""

    def __init__(self, file: BinaryIO, spelling: Spelling) -> None:
        self._file = file
        self._decoder = _Decoder(spelling)
        self._ready = memoryview(b"")
        self._is_last = False

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        while not (self._ready or self._is_last):
            data = self._file.read(_PIECE_BYTES)
            self._is_last = not data
            self._ready = memoryview(self._decoder.decode(data, is_last=self._is_last))
        n = min(len(target), len(self._ready))
        target[:n] = self._ready[:n]
        self._ready = self._ready[n:]
        return n


def arriving(stream: BinaryIO, encoding: str) -> BinaryIO:
    """A stream in some encoding as UTF-8, of which nothing waits for what comes behind it.

    It must have ``read1``.  Byte-order marks tell which UTF-16 or UTF-32 it is.
    """
    as_it_comes = SimpleNamespace(read=stream.read1)  # type: ignore[attr-defined]
    spelling = Spelling(codecs.lookup(encoding).name)
    return spelling.stream(cast(BinaryIO, as_it_comes))


def spelling_of(sample: bytes, encoding: str | None = None) -> Spelling:
    r"""The spelling of a text that begins with these bytes, in an encoding if it is known.

    >>> tuple(spelling_of("a,b".encode("utf-16"))), tuple(spelling_of(b"a\rb\r"))
    (('utf-16', False), (None, True))
    """
    if encoding is None:
        marked = (name for mark, name in _MARKS.items() if sample.startswith(mark))
        encoding = next(marked, None) or _utf16_by_zeros(sample)
    else:
        encoding = codecs.lookup(encoding).name
        if encoding in ("utf-8", "ascii"):
            encoding = None
        elif encoding in _MARKS.values() and not sample.startswith(tuple(_MARKS)):
            encoding += "-le"  # as most write it
    text = Spelling(encoding).text(sample)
    first, found, _ = text.partition(b"\r")
    is_quoted = first.count(b'"') % 2  # a return inside a field
    return Spelling(encoding, bool(found) and b"\n" not in text and not is_quoted)


def _utf16_by_zeros(sample: bytes) -> str | None:
    """UTF-16 without a mark: of most pairs of bytes one is 0, the same of all."""
    n_pairs = len(sample) // 2
    zeros = [sample[k : 2 * n_pairs : 2].count(0) for k in (0, 1)]
    for k, name in ((0, "utf-16-be"), (1, "utf-16-le")):
        if 2 * zeros[k] > n_pairs and not zeros[1 - k]:
            return name
    return None


def _keep_invalid(error: UnicodeError) -> tuple[str, int]:
    """Replace what is no character by a byte that is no UTF-8, so that it is counted as such."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "\udcff", error.end


codecs.register_error(_INVALID, _keep_invalid)
