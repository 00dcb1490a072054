"""A file open for reading: its descriptor, its handle of HDF5, and its header."""

import contextlib
import errno
import functools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import h5py
import numpy as np

from ooc_train.dtypes import U64
from ooc_train.errors import FormatError, InputError
from ooc_train.file.checksums import GROUP, Item, is_sums, summary_of
from ooc_train.file.header import AGAIN, Header, check_header, read_header
from ooc_train.file.mapping import FileMap
from ooc_train.file.objects import (
    FileBytes,
    StoredArray,
    StoredGroup,
    is_hdf5,
    is_open_elsewhere,
    read_objects,
    root_attributes,
)
from ooc_train.file.remote import RemoteBytes
from ooc_train.file.samples import Samples, samples_in
from ooc_train.file.schema import SPLIT_NAMES
from ooc_train.file.structure import array_at, objects_of
from ooc_train.json_text import json_object
from ooc_train.memory import available_bytes
from ooc_train.remote.content import content_of
from ooc_train.remote.parts import RemoteParts, Requests
from ooc_train.remote.stream import open_url
from ooc_train.remote.url import Url
from ooc_train.suggestions import beside
from ooc_train.system_errors import reason

# What is raised where the structures of a file are damaged, here or in HDF5's library.
_DAMAGE = (KeyError, ValueError, OSError, RuntimeError, TypeError, AttributeError, MemoryError)
_SHARED = ("classes", "vectorizer")
_WILL_NEED: int | None = getattr(os, "POSIX_FADV_WILLNEED", None)  # which not all systems have
_DO_NOT_NEED: int | None = getattr(os, "POSIX_FADV_DONTNEED", None)
REPLACED = "was replaced while it was read; start again with it"
"""What is said of a file that is not the one it was."""
_OF_RUNS = "settings.json"
"""A file that each run folder has."""


class Handle:
    """A file open for reading: a descriptor, and HDF5's handle, of which each process has its own.

    Both are of one file, whatever has its name by now.  With ``verify``, what is read is compared
    with its checksums.  A forked process reads through the same descriptor, always at offsets of
    its own.
    """

    def __init__(self, path: Path, *, verify: bool = True) -> None:
        self.path = path
        self.verify = verify
        self._pid = os.getpid()
        self._hdf5: h5py.File | None = None
        self._inherited: list[h5py.File | None] = []
        self.descriptor = os.open(path, os.O_RDONLY)
        self.content = FileBytes(self.descriptor)

    @property
    def hdf5(self) -> h5py.File:
        """The file as h5py has it, in this process; opened when it is first asked for.

        Raises InputError if another file has taken the name.
        """
        if self._pid != os.getpid():
            # Kept, not closed: closing what was inherited would release the parent's lock.
            self._inherited.append(self._hdf5)
            self._hdf5, self._pid = None, os.getpid()
        if self._hdf5 is None:
            self._hdf5 = self._opened_by_hdf5()
        return self._hdf5

    def _opened_by_hdf5(self) -> h5py.File:
        with damage_errors(self.path), contextlib.suppress(FileNotFoundError):
            # This driver has a descriptor, too.  What is only read needs no lock, which another
            # program may hold, and which some file systems do not have.
            file = h5py.File(self.path, "r", driver="sec2", locking=False)
            if os.path.samestat(os.fstat(self.descriptor), os.fstat(file.id.get_vfd_handle())):
                return file
            file.close()
        raise InputError(f"{self.path} {REPLACED}")

    @functools.cached_property
    def root(self) -> StoredGroup:
        """The objects of the file; raises ValueError where they are damaged."""
        return read_objects(self.content)

    @functools.cached_property
    def header(self) -> Header:
        """The facts that all splits share; raises as `header.read_header`."""
        return read_header(self.root)

    def sums(self, path: str) -> U64:
        """The checksums of the blocks of the array at a path: ``(n_blocks,) uint64``.

        Raises KeyError if there are none.
        """
        return np.frombuffer(self._bytes_of(array_at(self.root, f"{GROUP}/{path}")), "<u8")

    def summary(self) -> str:
        """The summary of the file as it is, to be compared with that of its header."""
        return summary_of(self._items())

    @property
    def shared(self) -> "Handle":
        """The file that has the classes and the vectorizer: this one."""
        return self

    @property
    def split_names(self) -> list[str]:
        """The splits that the file has."""
        return [name for name in SPLIT_NAMES if name in self.root.members]

    @property
    def n_rows(self) -> dict[str, int]:
        """The rows of each split."""
        return {name: array_at(self.root, f"{name}/labels").shape[0] for name in self.split_names}

    def samples(self) -> Samples:
        """The texts that the file keeps of some rows.  Raises ValueError where they are damaged."""
        return samples_in(self.root.attributes, self.n_rows)

    @property
    def provenance(self) -> dict[str, Any]:
        """Where the rows came from.  Raises FormatError where that is damaged."""
        with damage_errors(self.path):
            return json_object(self.root.attributes["provenance"])

    def shared_summary(self) -> str:
        """The checksum of the classes and the vectorizer, by their own checksums."""
        return summary_of(
            item
            for item in self._items()
            if item.path.removeprefix(f"{GROUP}/").partition("/")[0] in _SHARED
        )

    def _items(self) -> Iterator[Item]:
        for path, found in objects_of(self.root).items():
            if isinstance(found, StoredGroup):
                yield Item(path, found.attributes)
            else:
                sums = self._bytes_of(found) if is_sums(path) else b""
                yield Item(path, {}, (found.dtype.str, found.shape), sums)

    def _bytes_of(self, array: StoredArray) -> bytes:
        """The bytes of a contiguous array."""
        return self.content.read(array.position, array.n_bytes) if array.n_bytes else b""

    def mapped(self, position: int, n_bytes: int) -> FileMap:
        """Bytes from a position on, mapped.  Raises as `FileMap`."""
        return FileMap(self.descriptor, position, n_bytes)

    def reaches(self, stop: int) -> bool:
        """Whether the file is open and has all bytes up to ``stop``: others may cut it short.

        By the quickest of the system's calls that tell: each batch asks for each shard.
        """
        return self.descriptor >= 0 and os.lseek(self.descriptor, 0, os.SEEK_END) >= stop

    def whole_map(self, stop: int) -> FileMap:
        """The map of the whole file, up to ``stop`` at least, whose bytes are fetched to be used.

        Raises as `FileMap`.
        """
        if len(self._whole_map.view) < stop:
            raise ValueError(f"the file has no {stop} bytes")
        return self._whole_map

    @functools.cached_property
    def _whole_map(self) -> FileMap:
        found = self.mapped(0, self.n_bytes)
        found.expect_fetching()
        return found

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
        self._advise(position, n_bytes, _WILL_NEED)

    def forget(self, position: int, n_bytes: int) -> None:
        """Ask the kernel to drop bytes from its cache: for files that it cannot keep all of.

        It would drop prefetched pages as well as used ones; and those that it dropped too early,
        and had to read again, it then keeps the longest, used or not.
        """
        self._advise(position, n_bytes, _DO_NOT_NEED)

    @property
    def n_bytes(self) -> int:
        """The size of the file."""
        return os.fstat(self.descriptor).st_size

    @functools.cached_property
    def is_too_large(self) -> bool:
        """Whether the file is larger than the page cache can be, as it was when this was asked."""
        return self.n_bytes > available_bytes()

    def _advise(self, position: int, n_bytes: int, advice: int | None) -> None:
        if n_bytes and advice is not None:  # 0 bytes would mean all to the end
            with contextlib.suppress(OSError):
                os.posix_fadvise(self.descriptor, position, n_bytes, advice)

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


class RemoteHandle(Handle):
    """A file at a URL open for reading: ranges of it are asked for, some of them ahead.

    Each answer must be of the version that the first was of.  Threads may read; processes open the
    file anew, those that were forked are refused.  Memory: see `RemoteParts`; files that are given
    the same ``requests`` share it.
    """

    def __init__(self, url: Url, *, verify: bool = True, requests: Requests | None = None) -> None:
        self.path = url
        self.verify = verify
        self._pid = os.getpid()
        self._hdf5 = None
        self._inherited = []
        self.descriptor = -1
        self._parts = RemoteParts(content_of(url), requests)
        self._is_open = True
        self.is_too_large = False  # what was read leaves by itself
        self.content = RemoteBytes(self._parts)

    def _opened_by_hdf5(self) -> h5py.File:
        with damage_errors(self.path):
            return h5py.File(open_url(cast(Url, self.path)), "r")

    def mapped(self, position: int, n_bytes: int) -> FileMap:  # noqa: ARG002 - as all handles
        """Raises OSError."""
        raise OSError(errno.ENOTSUP, "a file at a URL cannot be mapped")

    @property
    def n_bytes(self) -> int:
        """The size of the file."""
        return self._parts.size

    @property
    def is_open(self) -> bool:
        """Whether rows can still be read."""
        return self._is_open

    def read_into(self, target: memoryview, position: int) -> bool:
        """Fill ``target`` with the bytes from ``position`` on; return whether there were enough."""
        return self._parts.read_into(target, position)

    def expect(self, position: int, n_bytes: int) -> None:
        """Ask for bytes that will be read soon."""
        self._parts.expect(position, n_bytes)

    def close(self) -> None:
        """Ask for nothing more."""
        if self._is_open:
            self._is_open = False
            self._parts.close()
            if self._hdf5 is not None and self._pid == os.getpid():
                self._hdf5.close()


def open_file(
    path: Path, *, verify: bool, fingerprint: str | None = None, requests: Requests | None = None
) -> Handle:
    """The file at ``path``, its header checked, and with ``verify`` its checksums' own checksum.

    Files at URLs share the ``requests``, if given.

    Raises InputError if there is no such file, it may not be read, another program writes to it, or
    its fingerprint is not the one that is given; FormatError if it is not a complete, undamaged
    file of this package in a version that this one reads.
    """
    handle = _opened(path, verify=verify, requests=requests)
    try:
        with damage_errors(path):
            check_header(path, root_attributes(handle.content))
            if verify and handle.summary() != handle.header.fingerprint:
                raise ValueError("its header or checksums are not what was written")
            found = handle.header.fingerprint  # raises where the structure is another
        if fingerprint not in (None, found):
            raise InputError(f"{path} {REPLACED}")
    except BaseException:
        handle.close()
        raise
    return handle


@contextlib.contextmanager
def damage_errors(path: Path) -> Iterator[None]:
    """Raise FormatError for what is raised where a file is damaged."""
    try:
        yield
    except _DAMAGE as error:
        what = error.args[0] if error.args else type(error).__name__
        raise FormatError(f"{path} is damaged: {what}; {AGAIN}") from error


def _opened(path: Path, *, verify: bool, requests: Requests | None) -> Handle:
    if isinstance(path, Url):
        return _sound(RemoteHandle(path, verify=verify, requests=requests))
    if path.is_dir():
        what = "run folder" if (path / _OF_RUNS).is_file() else "folder"
        raise InputError(f"{path} is a {what}, where a file made by ooc-convert is expected")
    if not path.is_file():
        raise InputError(f"there is no file {path}; make one with ooc-convert{beside(path)}")
    try:
        handle = Handle(path, verify=verify)
    except PermissionError as error:
        raise InputError(f"{path} may not be read; check its permissions") from error
    except OSError as error:
        raise InputError(f"{path} cannot be opened: {reason(error)}") from error
    return _sound(handle)


def _sound(handle: Handle) -> Handle:
    """The handle of a file that is HDF5's, and that no program writes to."""
    path = handle.path
    if not is_hdf5(handle.content):
        handle.close()
        raise FormatError(f"{path} is not an HDF5 file; make one from it with ooc-convert")
    if is_open_elsewhere(handle.content):
        handle.close()
        raise InputError(
            f"{path} is open for writing in another program, such as a notebook, or was when that "
            f"was killed; close it there (h5clear -s {path} if no program has it open)"
        )
    return handle
