"""A file open for reading: its descriptor, its handle of HDF5, and its header."""

import contextlib
import functools
import os
from collections.abc import Iterator
from pathlib import Path

import h5py

from ooc_train.errors import FormatError, InputError
from ooc_train.file.checksums import stored_summary, summary
from ooc_train.file.header import AGAIN, Header, check_header, read_header

# What h5py raises where the library's own structures are damaged.
_HDF5_ERRORS = (KeyError, ValueError, OSError, RuntimeError, TypeError, AttributeError)
_SIGNATURE = b"\x89HDF\r\n\x1a\n"


class Handle:
    """A file open for reading: a descriptor, and HDF5's handle, of which each process has its own.

    Both are of one file, also while others take its name.  With ``verify``, what is read is
    compared with its checksums.  A forked process reads through the same descriptor, always at
    offsets of its own.
    """

    def __init__(self, path: Path, *, verify: bool = True) -> None:
        self.path = path
        self.verify = verify
        self._pid = os.getpid()
        self._inherited: list[h5py.File | None] = []
        self._hdf5: h5py.File | None = None
        while self._hdf5 is None:  # again, where another file takes the name in between
            self.descriptor = os.open(path, os.O_RDONLY)
            self._hdf5 = self._hdf5_of_same_file()
            if self._hdf5 is None:
                os.close(self.descriptor)
                self.descriptor = -1

    @property
    def hdf5(self) -> h5py.File:
        """The file as h5py has it, in this process.

        Raises InputError in a forked process if another file has taken the name.
        """
        if self._pid != os.getpid():
            # Kept, not closed: closing what was inherited would release the parent's lock.
            self._inherited.append(self._hdf5)
            self._hdf5, self._pid = self._hdf5_of_same_file(), os.getpid()
        if self._hdf5 is None:
            raise InputError(f"{self.path} was replaced while it was read; start again with it")
        return self._hdf5

    def _hdf5_of_same_file(self) -> h5py.File | None:
        """HDF5's handle, which opens by name; ``None`` if that is the name of another file now."""
        if os.pread(self.descriptor, len(_SIGNATURE), 0) != _SIGNATURE:
            raise FormatError(f"{self.path} is not an HDF5 file; make one from it with ooc-convert")
        own = os.fstat(self.descriptor)
        try:
            file = h5py.File(self.path, "r", driver="sec2")  # which has a descriptor
        except OSError:
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(own, self.path.stat()):
                    raise
            return None
        if os.path.samestat(own, os.fstat(file.id.get_vfd_handle())):
            return file
        file.close()
        return None

    @functools.cached_property
    def header(self) -> Header:
        """The facts that all splits share; raises as `header.read_header`."""
        return read_header(self.hdf5)

    @property
    def is_open(self) -> bool:
        """Whether rows can still be read."""
        return self.descriptor >= 0

    def read_into(self, target: memoryview, position: int) -> bool:
        """Fill ``target`` with the bytes from ``position`` on; return whether there were enough."""
        while target:
            n_read = os.preadv(self.descriptor, [target], position)
            if n_read == 0:
                return False
            target, position = target[n_read:], position + n_read
        return True

    def expect(self, position: int, n_bytes: int) -> None:
        """Ask the kernel to prefetch bytes that will be read soon.

        Disks serve many requests at a time faster than one by one.  Advice: no error if it fails.
        """
        if n_bytes and hasattr(os, "posix_fadvise"):  # 0 bytes would mean all to the end
            with contextlib.suppress(OSError):
                os.posix_fadvise(self.descriptor, position, n_bytes, os.POSIX_FADV_WILLNEED)

    def close(self) -> None:
        """Close the descriptor and HDF5's handle."""
        if self.is_open:
            if self._hdf5 is not None and self._pid == os.getpid():
                self._hdf5.close()
            os.close(self.descriptor)
            self.descriptor = -1

    def __del__(self) -> None:
        if getattr(self, "descriptor", -1) >= 0:
            os.close(self.descriptor)


def open_file(path: Path, *, verify: bool) -> Handle:
    """The file at ``path``, its header checked, and with ``verify`` its checksums' own checksum.

    Raises InputError if there is no such file or it may not be read, FormatError if it is not a
    complete, undamaged file of this package in a version that this one reads.
    """
    handle = _opened(path, verify=verify)
    try:
        with damage_errors(path):
            check_header(path, handle.hdf5)
            if verify and summary(handle.hdf5) != stored_summary(handle.hdf5):
                raise ValueError("its header or checksums are not what was written")
            handle.header  # noqa: B018 - raises where it cannot be read
    except BaseException:
        handle.close()
        raise
    return handle


@contextlib.contextmanager
def damage_errors(path: Path) -> Iterator[None]:
    """Raise FormatError for what h5py raises where a file is damaged."""
    try:
        yield
    except _HDF5_ERRORS as error:
        what = error.args[0] if error.args else type(error).__name__
        raise FormatError(f"{path} is damaged: {what}; {AGAIN}") from error


def _opened(path: Path, *, verify: bool) -> Handle:
    if not path.is_file():
        raise InputError(f"there is no file {path}; make one with ooc-convert")
    try:
        return Handle(path, verify=verify)
    except FileNotFoundError as error:
        raise InputError(f"there is no file {path}; make one with ooc-convert") from error
    except PermissionError as error:
        raise InputError(f"{path} may not be read; check its permissions") from error
    except OSError as error:
        raise FormatError(f"{path} is truncated or damaged ({error}); {AGAIN}") from error
