"""Arrays in ``.npy`` and ``.npz`` files, read some rows at a time from first to last.

No size that a file declares is trusted: memory is taken for the rows that are read and for nothing
else, and rows that are missing, or follow the last one, are an error.
"""

import ast
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

import numpy as np

from ooc_train.conversion.sources.files.compression import DecompressionError
from ooc_train.conversion.sources.files.input_file import InputFile
from ooc_train.counts import counted
from ooc_train.dtypes import AnyArray
from ooc_train.errors import InputError

_KINDS = "fiubUS"
_MEMBER = ".npy"
_PIECE_BYTES = 2**20  # while it is read, a piece takes some times as much, a directory 30 times
_SHORT_COLUMN_BYTES = 2**13  # are read in the time of a seek
_LENGTH_BYTES = {1: 2, 2: 4}  # the size of the header's length, by the version
_MOST_HEADER_BYTES = 10_000  # as numpy.load has it
_MOST_DIMENSIONS = 64  # as NumPy has it
_PYTHON_2_LONG = re.compile(r"(?<=\d)L\b")
_WRITTEN_BY_NUMPY = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

# What damaged files make the readers raise: of the file, its compression, its archive, its header.
_UNREADABLE = (
    OSError, EOFError, DecompressionError, zlib.error, zipfile.BadZipFile, NotImplementedError,
    struct.error, UnicodeError, OverflowError,
)  # fmt: skip
_UNPARSABLE = (
    ValueError, TypeError, LookupError, ArithmeticError, SyntaxError, MemoryError, RecursionError
)  # fmt: skip


class ArrayStream:
    """An array of ``shape`` and ``dtype`` whose rows are read in their order.

    ``n_bytes`` is the size of header and rows, where it is known.  Where the stream does not
    ``seek``, an array in Fortran's order must be taken at once.

    Memory: the rows that are read; twice that for arrays in Fortran's order.
    """

    def __init__(
        self, where: str, stream: BinaryIO, n_bytes: int | None = None, *, seeks: bool = False
    ) -> None:
        self._where = where
        self._stream = stream
        self._seeks = seeks
        with _readable(where):
            self.shape, by_column, self.dtype, self._first_byte = _header(where, stream)
        self._row = 0
        self._by_column = by_column and len(self.shape) > 1
        missing = 0 if n_bytes is None else self._first_byte + self.n_bytes - n_bytes
        if missing > 0:
            raise self._truncated()
        if missing < 0:
            raise self._too_long()

    @property
    def row_bytes(self) -> int:
        """The bytes of a row."""
        return self.dtype.itemsize * math.prod(self.shape[1:])

    @property
    def n_bytes(self) -> int:
        """The bytes of all rows."""
        return self.dtype.itemsize * math.prod(self.shape)

    def skip(self, n_rows: int) -> None:
        """Pass over the next rows, which takes a file that seeks."""
        if n_rows:
            self._row += n_rows
            self._seek(self._row * math.prod(self.shape[1:]))

    def take(self, n_rows: int) -> AnyArray:
        """Read the next ``n_rows``, fewer at the end."""
        n_rows = min(n_rows, self.shape[0] - self._row)
        with _readable(self._where):
            rows = self._take_columns(n_rows) if self._by_column else self._fill((n_rows,))
            self._row += n_rows
            if self._row == self.shape[0]:
                self._expect_end()
        return rows

    def _fill(self, shape: tuple[int, ...]) -> AnyArray:
        rows = np.empty((*shape, *self.shape[1:]), self.dtype)
        self._read_into(rows)
        return rows

    def _take_columns(self, n_rows: int) -> AnyArray:
        """Read rows of an array in Fortran's order, in which each column lies in one piece."""
        if n_rows < self.shape[0] and not self._seeks:
            raise InputError(
                f"{self._where} lies in Fortran's order in a compressed file, so that all its "
                f"{self.n_bytes / 1e6:,.0f} MB would have to be in memory; save it with "
                f"numpy.save, or in C's order, see numpy.ascontiguousarray"
            )
        n_columns, n_in_all = math.prod(self.shape[1:]), self.shape[0]
        columns = np.empty((n_columns, n_rows), self.dtype)
        column_bytes = n_in_all * self.dtype.itemsize
        if n_rows == n_in_all:
            self._read_into(columns)
        elif column_bytes > _SHORT_COLUMN_BYTES:
            for number, column in enumerate(columns):
                self._seek(number * n_in_all + self._row)
                self._read_into(column)
        else:  # reading many whole columns is faster than finding the rows in each
            piece = np.empty((_PIECE_BYTES // column_bytes, n_in_all), self.dtype)
            for first in range(0, n_columns, len(piece)):
                some = piece[: n_columns - first]
                self._seek(first * n_in_all)
                self._read_into(some)
                columns[first : first + len(some)] = some[:, self._row : self._row + n_rows]
        return columns.T.reshape(n_rows, *self.shape[1:])

    def _seek(self, number: int) -> None:
        """Go to the item with a number."""
        self._stream.seek(self._first_byte + number * self.dtype.itemsize)

    def _read_into(self, array: AnyArray) -> None:
        left = array.reshape(-1).view(np.uint8).data
        while left:
            n_read = self._stream.readinto(left[:_PIECE_BYTES])  # type: ignore[attr-defined]
            if not n_read:
                raise self._truncated()
            left = left[n_read:]

    def _expect_end(self) -> None:
        """Read on behind the last row: a checksum, if there is one, is compared now."""
        if not (self._by_column and self._seeks) and self._stream.read(1):
            raise self._too_long()

    def _truncated(self) -> InputError:
        return InputError(f"{self._where} is truncated; make the file again")

    def _too_long(self) -> InputError:
        return InputError(
            f"{self._where} goes on behind the {counted(self.shape[0], 'row')} that its header "
            f"declares; make the file again, with one array in it"
        )


def _header(where: str, stream: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """The shape, whether the order is Fortran's, the dtype, and the size of the header.

    Raises ``InputError`` for anything but an array of numbers or strings.
    """
    start = stream.read(np.lib.format.MAGIC_LEN)
    if len(start) < np.lib.format.MAGIC_LEN or not start.startswith(np.lib.format.MAGIC_PREFIX):
        raise InputError(f"{where} is not an .npy array; write it with numpy.save")
    n_length_bytes = _LENGTH_BYTES.get(start[-2])
    if n_length_bytes is None:
        raise InputError(f"{where} is not an array that can be read; write it with numpy.save")
    length = int.from_bytes(stream.read(n_length_bytes), "little")
    try:
        if length > _MOST_HEADER_BYTES:
            raise ValueError(f"its header has {length:,} bytes")
        shape, by_column, dtype = _parsed(stream.read(length).decode("latin-1"))
    except _UNPARSABLE as error:
        raise InputError(f"{where} has a damaged header; make the file again") from error
    if dtype.kind not in _KINDS:
        raise InputError(
            f"{where} holds {dtype}, where numbers or strings are expected; "
            f"write it with another dtype"
        )
    return shape, by_column, dtype, len(start) + n_length_bytes + length


def _parsed(header: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    found = ast.literal_eval(_PYTHON_2_LONG.sub("", header))
    shape, by_column = found["shape"], found["fortran_order"]
    if not isinstance(shape, tuple) or not 0 < len(shape) <= _MOST_DIMENSIONS:
        raise ValueError(f"its shape is {shape}")
    if not all(type(size) is int and 0 <= size < 2**63 for size in shape):
        raise ValueError(f"its shape is {shape}")
    dtype = np.lib.format.descr_to_dtype(found["descr"])
    if not dtype.itemsize:
        raise ValueError("its items have no size")
    return shape, bool(by_column), dtype


@contextmanager
def _readable(where: str) -> Iterator[None]:
    try:
        yield
    except _UNREADABLE as error:
        reason = str(error) or "the file ends within it"
        raise InputError(f"{where} cannot be read to its end: {reason:.200}") from error


class HeldArray:
    """An array of a program, with what an `ArrayStream` has."""

    def __init__(self, array: AnyArray) -> None:
        self.shape, self.dtype = array.shape, array.dtype
        self._array = array
        self._row = 0

    @property
    def row_bytes(self) -> int:
        """The bytes of a row."""
        return self.dtype.itemsize * math.prod(self.shape[1:])

    def skip(self, n_rows: int) -> None:
        """Pass over the next rows."""
        self._row += n_rows

    def take(self, n_rows: int) -> AnyArray:
        """The next ``n_rows``, fewer at the end."""
        rows = self._array[self._row : self._row + n_rows].reshape(-1, *self.shape[1:])
        self._row += n_rows
        return rows


@contextmanager
def open_npy(file: InputFile) -> Iterator[ArrayStream | HeldArray]:
    """Open the array of a file, or that which a program holds."""
    if file.array is not None:
        yield HeldArray(file.array)
        return
    with file.open() as (stream, _):
        n_bytes = None if file.compression else file.n_bytes
        yield ArrayStream(str(file.path), stream, n_bytes, seeks=not file.compression)


class NpzArchive:
    """The arrays of an ``.npz`` file, by their names.

    Raises ``InputError`` for two of the same name.
    """

    def __init__(self, file: InputFile, archive: zipfile.ZipFile) -> None:
        self._file = file
        self._archive = archive
        members = [name for name in archive.namelist() if name.endswith(_MEMBER)]
        self.names = [name.removesuffix(_MEMBER) for name in members]
        if len(set(members)) < len(members):
            raise InputError(f"{file.path} has two arrays of one name; make the file again")

    @contextmanager
    def open(self, name: str) -> Iterator[ArrayStream]:
        """Open one array."""
        where = f"{self._file.path}: array {name!r}"
        member = self._archive.getinfo(name + _MEMBER)
        if member.compress_type not in _WRITTEN_BY_NUMPY or member.flag_bits & 1:
            raise InputError(
                f"{where} is encrypted, or compressed as NumPy does not; write the file with "
                f"numpy.savez or numpy.savez_compressed"
            )
        with _readable(where):
            stream = self._archive.open(member)
        with stream:
            yield ArrayStream(where, cast(BinaryIO, stream), member.file_size)


@contextmanager
def open_npz(file: InputFile) -> Iterator[NpzArchive]:
    """Open an archive.  Raises ``InputError`` if it is damaged."""
    with file.open_raw() as raw:
        try:
            archive = zipfile.ZipFile(cast(BinaryIO, _PieceByPiece(raw)))
        except _UNREADABLE as error:
            raise InputError(f"{file.path} cannot be read as .npz: {error!s:.200}") from error
        with archive:
            yield NpzArchive(file, archive)


class _PieceByPiece:
    """A file that refuses to read more than a megabyte at once, as huge directories would."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw

    def read(self, n_bytes: int = -1) -> bytes:
        """Read some bytes; without a number, those up to the end, which zipfile asks near it."""
        if n_bytes > _PIECE_BYTES:
            raise zipfile.BadZipFile(
                f"its directory has {n_bytes:,} bytes, and {_PIECE_BYTES:,} at most are read"
            )
        return self._raw.read(n_bytes)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)
