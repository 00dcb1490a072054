"""A part of a file in memory, as the kernel maps it: read-only bytes, which are not copied.

Touching a page that cannot be read, as of a file that was cut short or on a disk that fails, ends
the process with SIGBUS.  So pages are fetched first, by ``madvise(MADV_POPULATE_READ)`` of Linux
5.14, which returns an error instead, and the file's size is asked for before they are touched.

What remains: SIGBUS where another process cuts the file short within the fraction of a millisecond
in which a batch is copied; and where the kernel drops a page within a tenth of a second after it
was fetched, and then cannot read it again.  Programs that write files anew under the same name by
renaming, as this package does, never cut one short.

Resident memory counts mapped pages, which belong to the page cache.  The kernel maps a large folio
as a whole, of up to 2 MB, which is also what makes touching rows here and there fast: with folios
of one page, as they are after a file was first read in slices, dense rows take longer from a map
than by copying a window.
"""

import contextlib
import ctypes
import functools
import mmap
import os
import sys
from collections.abc import Sequence

import numpy as np

from ooc_train.dtypes import U8, AnyArray

_FOLIO_BYTES = 2**21  # the most that the page cache holds as one
_RELEASED_BYTES = 2**27  # what the kernel looks through, empty, in the time of a call
_POPULATE_READ = 22  # MADV_POPULATE_READ, which Python does not name
_NETWORK = {
    0x6969,  # NFS
    0xFF534D42, 0xFE534D42, 0x517B,  # CIFS and SMB
    0x65735546,  # FUSE, such as sshfs; and virtiofs
    0x01021997,  # 9p
    0x00C36400,  # Ceph
    0x0BD00BD0,  # Lustre
    0x47504653,  # GPFS
    0x01161970, 0x7461636F,  # GFS2, OCFS2
    0x5346414F, 0x6B414653, 0x73757245,  # AFS and Coda
    0x786F4256, 0xBACBACBC,  # folders of a virtual machine's host
}  # fmt: skip
"""Numbers of file systems, as statfs(2) has them, whose files may change or vanish elsewhere."""


class FileMap:
    """Bytes ``position`` up to ``position + n_bytes`` of a file, mapped.

    The map has a descriptor of its own, and stays until the last view of it is gone.  Raises
    ValueError where the file is shorter, OSError or OverflowError where it cannot be mapped.
    """

    def __init__(self, descriptor: int, position: int, n_bytes: int) -> None:
        begin = position - position % mmap.ALLOCATIONGRANULARITY
        length = position - begin + n_bytes
        self._pages = mmap.mmap(descriptor, length, access=mmap.ACCESS_READ, offset=begin)
        self._position = position
        self.view: U8 = np.frombuffer(self._pages, np.uint8, n_bytes, position - begin)
        self.address: int = self.view.ctypes.data
        self.can_fetch = _can_populate() and not _is_of_network(descriptor)

    def expect_fetching(self) -> None:
        """Tell the kernel that every page will be fetched before it is touched.

        Or it would read up to megabytes around a page that it does not have, and keep pages that
        were used longer than those that were prefetched.
        """
        self._pages.madvise(mmap.MADV_RANDOM)

    def fetch(self, start: int, stop: int) -> None:
        """Bring the pages of bytes ``start`` up to ``stop`` into memory, if `can_fetch`.

        Raises OSError where one cannot be read.
        """
        self._advise(_POPULATE_READ, start, stop)

    def release(self, ranges: Sequence[tuple[int, int]]) -> None:
        """Take the pages of these bytes out of this process; the page cache may keep them.

        With them go those around, since of a large folio that is cached the kernel maps all; and
        all that is mapped where that is quicker than one call for each range.
        """
        if len(self.view) <= _RELEASED_BYTES * len(ranges):
            ranges = [(0, len(self.view))]
        for start, stop in ranges:
            before = (self._position + start) % _FOLIO_BYTES
            after = -(self._position + stop) % _FOLIO_BYTES
            with contextlib.suppress(OSError):
                self._advise(
                    mmap.MADV_DONTNEED, max(start - before, 0), min(stop + after, len(self.view))
                )

    def _advise(self, advice: int, start: int, stop: int) -> None:
        first = (self.address + start) & -mmap.PAGESIZE
        if stop > start and _libc().madvise(first, self.address + stop - first, advice):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))


def rows_between(first: int, stop: int, row_bytes: int) -> AnyArray:
    """All rows of some bytes that there can be from one address in memory up to another.

    ``(stop - first - row_bytes + 1,)`` void: element ``i`` is the row that begins ``i`` bytes after
    the first.  A view, of which only what is mapped may be touched, as long as it is.

    >>> numbers = np.array([4, 5, 6, 7], np.uint16)
    >>> rows = rows_between(numbers.ctypes.data, numbers.ctypes.data + 8, 4)
    >>> rows[[4, 2]].view(np.uint16).tolist()
    [6, 7, 5, 6]
    """
    return np.asarray(_Memory(first, stop - first - row_bytes + 1, row_bytes))


class _Memory:
    """Memory as an array of overlapping rows, in the words of NumPy's array interface."""

    def __init__(self, first: int, n_places: int, row_bytes: int) -> None:
        self.__array_interface__ = {
            "version": 3,
            "data": (first, True),
            "shape": (n_places,),
            "strides": (1,),
            "typestr": f"|V{row_bytes}",
        }


@functools.cache
def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)  # which releases the GIL, as mmap.madvise does not
    libc.madvise.argtypes = (ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int)
    return libc


@functools.cache
def _can_populate() -> bool:
    """Whether the kernel knows the advice: one that it does not it refuses, even for no bytes."""
    return sys.platform == "linux" and _libc().madvise(0, 0, _POPULATE_READ) == 0


def _is_of_network(descriptor: int) -> bool:
    found = ctypes.create_string_buffer(512)  # more than a struct statfs, whose type comes first
    failed = _libc().fstatfs(descriptor, found)
    return bool(failed) or ctypes.c_long.from_buffer(found).value & 0xFFFFFFFF in _NETWORK
