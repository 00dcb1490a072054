"""Arrays in ``.npy`` and ``.npz`` files, read some rows at a time from first to last."""

import math
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import numpy as np

from ooc_train.conversion.sources.files.input_file import InputFile
from ooc_train.dtypes import AnyArray
from ooc_train.errors import InputError

_KINDS = "fiubUS"
_MEMBER = ".npy"


class ArrayStream:
    """An array of ``shape`` and ``dtype`` whose rows are read in their order.

    Memory: the rows that are read; twice that for arrays in Fortran's order.
    """

    def __init__(self, where: str, stream: BinaryIO) -> None:
        self._where = where
        self._stream = stream
        header = _HEADERS.get(_version(where, stream))
        if header is None:
            raise InputError(f"{where} is not an array that can be read; write it with numpy.save")
        try:
            self.shape, self._by_column, self.dtype = header(stream)
        except ValueError as error:
            raise InputError(f"{where} has a damaged header: {error}") from error
        if self.dtype.kind not in _KINDS:
            raise InputError(
                f"{where} holds {self.dtype}, where numbers or strings are expected; "
                f"write it with another dtype"
            )
        self._row = 0
        self._by_column = self._by_column and len(self.shape) > 1
        self._first_byte = stream.tell() if self._by_column else 0

    @property
    def row_bytes(self) -> int:
        """The bytes of a row."""
        return int(self.dtype.itemsize * math.prod(self.shape[1:]))

    def take(self, n_rows: int) -> AnyArray:
        """Read the next ``n_rows``, fewer at the end."""
        n_rows = min(n_rows, self.shape[0] - self._row)
        rows = self._take_columns(n_rows) if self._by_column else self._fill((n_rows,))
        self._row += n_rows
        if self._row == self.shape[0]:
            self._stream.read(1)  # where there is a checksum, it is compared now
        return rows

    def _fill(self, shape: tuple[int, ...]) -> AnyArray:
        rows = np.empty((*shape, *self.shape[1:]), self.dtype)
        self._read_into(rows)
        return rows

    def _take_columns(self, n_rows: int) -> AnyArray:
        """Read rows of an array in Fortran's order, in which each column lies in one piece."""
        columns = np.empty((math.prod(self.shape[1:]), n_rows), self.dtype)
        for number, column in enumerate(columns):
            first = number * self.shape[0] + self._row
            self._stream.seek(self._first_byte + first * self.dtype.itemsize)
            self._read_into(column)
        return columns.T.reshape(n_rows, *self.shape[1:])

    def _read_into(self, array: AnyArray) -> None:
        left = array.reshape(-1).view(np.uint8).data
        while left:
            n_read = self._stream.readinto(left)  # type: ignore[attr-defined]
            if not n_read:
                raise InputError(f"{self._where} is truncated; make the file again")
            left = left[n_read:]


def _version(where: str, stream: BinaryIO) -> tuple[int, int]:
    try:
        return np.lib.format.read_magic(stream)
    except ValueError:
        raise InputError(f"{where} is not an .npy array; write it with numpy.save") from None


_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


@contextmanager
def open_npy(file: InputFile) -> Iterator[ArrayStream]:
    """Open the array of a file, which may be compressed unless it lies in Fortran's order."""
    with file.open() as (stream, _):
        yield ArrayStream(str(file.path), stream)


class NpzArchive:
    """The arrays of an ``.npz`` file, by their names."""

    def __init__(self, file: InputFile, archive: zipfile.ZipFile) -> None:
        self._file = file
        self._archive = archive
        self.names = [
            name.removesuffix(_MEMBER) for name in archive.namelist() if name.endswith(_MEMBER)
        ]

    @contextmanager
    def open(self, name: str) -> Iterator[ArrayStream]:
        """Open one array."""
        with self._archive.open(name + _MEMBER) as stream:
            yield ArrayStream(f"{self._file.path}: array {name!r}", stream)  # type: ignore[arg-type]


@contextmanager
def open_npz(file: InputFile) -> Iterator[NpzArchive]:
    """Open an archive.  Raises ``InputError`` if it is damaged, also while it is read."""
    with file.open_raw() as raw:
        try:
            with zipfile.ZipFile(raw) as archive:
                yield NpzArchive(file, archive)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
            raise InputError(f"{file.path} cannot be read as .npz: {error}") from error
