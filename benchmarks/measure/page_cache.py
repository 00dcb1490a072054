"""The page cache of a command's input, warmed or dropped before each run.

Dropping the pages of a file needs no root and disturbs nobody else, unlike the kernel's
`drop_caches`; libraries stay warm.
"""

import ctypes
import mmap
import os
from collections.abc import Iterable
from pathlib import Path

WARM, COLD = "warm", "cold"
CANNOT_DROP = "warm (it cannot be dropped here)"
_BLOCK_BYTES = 1 << 20
_COLD_SHARE = 0.01  # what may be left: the system, too, reads files now and then


def prepare(paths: Iterable[Path], *, cold: bool) -> str:
    """Warm or drop the pages of files; their state afterwards, in a word.

    Earlier writes go to the disk first, so that no run pays for those of another.
    """
    if hasattr(os, "sync"):
        os.sync()
    states = {(drop if cold else warm)(path) for path in paths}
    return max(states, default=WARM, key=len)  # the exception, if there is one


def warm(path: Path) -> str:
    """Read a file through, so that it is cached as far as memory goes."""
    with path.open("rb", buffering=0) as file:
        while file.read(_BLOCK_BYTES):
            pass
    return WARM


def drop(path: Path) -> str:
    """Drop a file's pages from the page cache, where that can be done and is seen to work."""
    if not hasattr(os, "posix_fadvise"):
        return CANNOT_DROP
    with path.open("rb") as file:
        os.fsync(file.fileno())  # pages not yet written would stay
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return COLD if cached_share(path) < _COLD_SHARE else CANNOT_DROP


def cached_share(path: Path) -> float:
    """The share of a file's pages that are in memory, 0 to 1; 1 where the kernel will not tell.

    Asking loads nothing: `mincore` looks, where even a read that must not wait reads ahead.
    """
    n_bytes = path.stat().st_size
    if n_bytes == 0:
        return 0.0
    states = ctypes.create_string_buffer(-(-n_bytes // mmap.PAGESIZE))
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), n_bytes, access=mmap.ACCESS_COPY) as pages,
    ):
        first = ctypes.c_char.from_buffer(pages)
        address = ctypes.c_void_p(ctypes.addressof(first))
        failed = ctypes.CDLL(None).mincore(address, ctypes.c_size_t(n_bytes), states)
        del first  # what points into the mapping keeps it from closing
    return 1.0 if failed else sum(state & 1 for state in states.raw) / len(states)
