"""Contiguous arrays written at their place in the file, past HDF5, and read back at once.

HDF5 reports a failed write as an error of its own, or not at all, and may crash at the next one.
The system reports each one, with its reason.  What was written is read back while it is still in
the system's cache, which costs next to nothing and tells of all that went wrong unnoticed.
"""

import errno
import os
from pathlib import Path

import h5py
import numpy as np
import xxhash

from ooc_train.dtypes import AnyArray
from ooc_train.system_errors import errors_at

_PIECE_BYTES = 2**18  # which stay in the processor's cache


class FlatWriter:
    """Writes the rows of a contiguous dataset in their order; a context manager.

    Raises OSError where writing fails, or where something else is read back.  Memory: some 300 kB.
    """

    def __init__(self, dataset: h5py.Dataset) -> None:
        self._path = Path(dataset.file.filename)
        self._file = os.open(self._path, os.O_RDWR)
        self._position = dataset.id.get_offset() or 0  # an empty one has no place

    def __enter__(self) -> "FlatWriter":
        return self

    def __exit__(self, *error: object) -> None:
        os.close(self._file)

    def append(self, rows: AnyArray) -> None:
        """Write contiguous rows behind those before, and read them back."""
        plain = memoryview(rows.reshape(-1).view(np.uint8).data)
        with errors_at(self._path):
            rest, position = plain, self._position
            while rest:
                n_written = os.pwrite(self._file, rest, position)
                rest, position = rest[n_written:], position + n_written
            self.read_back(plain)
        self._position += len(plain)

    def read_back(self, wanted: memoryview) -> None:
        """Raise OSError unless the file has these bytes at the dataset's next rows."""
        found, digest = np.empty(_PIECE_BYTES, np.uint8).data, xxhash.xxh3_64_intdigest
        for start in range(0, len(wanted), _PIECE_BYTES):
            piece = wanted[start : start + _PIECE_BYTES]
            n_read = os.preadv(self._file, [found[: len(piece)]], self._position + start)
            if digest(found[:n_read]) != digest(piece):
                raise differs(self._path)


def differs(path: Path) -> OSError:
    """The error for a file that does not hold what was written to it."""
    return OSError(errno.EIO, "what was written is not what is read back", str(path))
