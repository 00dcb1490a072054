"""The folder of a conversion's temporary files, which tasks open by their names.

A task is a function of a module that takes paths, a part of the work and parameters, and returns
little.  So threads, processes and other machines that share the folder can run it.  Each worker
writes to the ends of files of its own, so no lock is needed.  A task may run twice, even at once:
only the files and places that are returned count, and what both write is the same.
"""

import contextlib
import errno
import functools
import os
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt

from ooc_train.dtypes import AnyArray
from ooc_train.system_errors import errors_at
from ooc_train.work_folder import WorkFolder

Function = TypeVar("Function", bound=Callable[..., Any])

_HOST = "".join(filter(str.isalnum, socket.gethostname()))[:32]
_caches: list[Any] = []


def once_a_process(function: Function) -> Function:
    """Keep a function's results until a conversion of this process ends.

    So all tasks of a process share what they would otherwise load or map again and again.
    """
    cached = functools.lru_cache(maxsize=64)(function)
    _caches.append(cached)
    return cast(Function, cached)


def forget(cached: Callable[..., Any]) -> None:
    """Give back the memory of what a ``once_a_process`` function returned in this process."""
    cast(Any, cached).cache_clear()


class JobFolder(WorkFolder):
    """The folder of a conversion's temporary files, see `WorkFolder`."""

    def __exit__(self, *error: object) -> None:
        forget_all()
        super().__exit__(*error)


def forget_all() -> None:
    """Give back the memory of all ``once_a_process`` functions in this process."""
    for cached in _caches:
        cached.cache_clear()


def worker_file(folder: Path, stem: str) -> Path:
    """The file of this name that the calling thread alone writes to."""
    return folder / f"{stem}-{_HOST}-{os.getpid()}-{threading.get_ident()}"


def append(path: Path, items: AnyArray) -> int:
    """Write an array to the end of a file, made if there is none; the position it begins at."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        position = os.lseek(file, 0, os.SEEK_END)
        view = memoryview(np.ascontiguousarray(items).reshape(-1).view(np.uint8).data)
        with errors_at(path):
            while view.nbytes:
                view = view[os.write(file, view) :]
        return position
    finally:
        os.close(file)


def read_at(path: Path, position: int, items: AnyArray) -> None:
    """Fill an array with the bytes of a file from a position on."""
    file = os.open(path, os.O_RDONLY)
    try:
        view = memoryview(items.view(np.uint8).data)
        while view.nbytes:
            n_read = os.preadv(file, [view], position)
            if n_read == 0:
                raise not_read_back()
            view, position = view[n_read:], position + n_read
    finally:
        os.close(file)


def write_at(path: Path, position: int, items: AnyArray) -> None:
    """Write an array into a file that is there, from a byte on."""
    file = os.open(path, os.O_WRONLY)
    try:
        view = memoryview(np.ascontiguousarray(items).reshape(-1).view(np.uint8).data)
        with errors_at(path):
            while view.nbytes:
                n_written = os.pwrite(file, view, position)
                view, position = view[n_written:], position + n_written
    finally:
        os.close(file)


def expect_jumps(file: int) -> None:
    """Have the kernel read what is asked for and no more: the next read is somewhere else."""
    with contextlib.suppress(AttributeError, OSError):  # advice, which not all systems take
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_RANDOM)


def not_read_back() -> OSError:
    """The error for a temporary file that has lost something."""
    return OSError(errno.EIO, "a temporary file could not be read back")


@dataclass(frozen=True)
class DiskArray:
    """An array in a file, from a byte on; most fill a file of their own.

    Each process maps the file once, see `mapped`: the pages belong to the file, so the kernel may
    drop them, and a pickled array is no more than a name.
    """

    path: Path
    dtype: str
    shape: tuple[int, ...]
    position: int = 0

    @classmethod
    def zeros(cls, path: Path, shape: tuple[int, ...], dtype: npt.DTypeLike) -> "DiskArray":
        """An array of zeros, whose space is reserved, or the one of before that is there.

        So a full disk raises ``OSError`` here, and does not kill the process where a page is
        written later.
        """
        array = cls(path, np.dtype(dtype).str, shape)
        with path.open("ab") as file, errors_at(path):
            n_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
            os.posix_fallocate(file.fileno(), 0, max(1, n_bytes))
        return array

    @classmethod
    def of(cls, path: Path, items: AnyArray) -> "DiskArray":
        """A new array of ``items``, which appears under its name when it is complete."""
        part = worker_file(path.parent, f"{path.name}.part")
        part.unlink(missing_ok=True)
        append(part, items)
        part.replace(path)
        return cls(path, items.dtype.str, items.shape)

    @classmethod
    def appended(cls, path: Path, items: AnyArray) -> "DiskArray":
        """An array at the end of a file of its worker: a new file takes half a millisecond."""
        return cls(path, items.dtype.str, items.shape, append(path, items))

    @property
    def mapped(self) -> AnyArray:
        """The array, which can be written to."""
        return _mapped(self.path, self.dtype, self.shape, self.position)

    def read(self) -> AnyArray:
        """A copy of the array in memory."""
        items: AnyArray = np.empty(self.shape, self.dtype)
        if items.size:
            read_at(self.path, self.position, items.reshape(-1))
        return items

    def write(self, start: int, items: AnyArray) -> None:
        """Write the items from ``start`` on, for those that map the array later."""
        dtype = np.dtype(self.dtype)
        write_at(self.path, self.position + start * dtype.itemsize, items.astype(dtype, copy=False))

    def __len__(self) -> int:
        return self.shape[0]


class Column:
    """A new file that grows by arrays of one dtype, and is a `DiskArray` in the end."""

    def __init__(self, path: Path, dtype: npt.DTypeLike) -> None:
        path.unlink(missing_ok=True)
        self._path, self._dtype = path, np.dtype(dtype)
        self._n = 0

    def append(self, items: AnyArray) -> None:
        """Add ``items`` at the end."""
        append(self._path, np.ascontiguousarray(items, self._dtype))
        self._n += len(items)

    def array(self) -> DiskArray:
        """All that was added so far."""
        return DiskArray(self._path, self._dtype.str, (self._n,))


@once_a_process
def _mapped(path: Path, dtype: str, shape: tuple[int, ...], position: int) -> Any:
    if not all(shape):
        return np.empty(shape, dtype)
    return np.asarray(np.memmap(path, dtype, "r+", position, shape))
