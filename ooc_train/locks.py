"""Locks of open files, which the system releases when their process ends, however it ends."""

import errno
import os
from pathlib import Path

try:
    from fcntl import LOCK_EX, LOCK_NB, flock
except ImportError:  # Windows
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]

else:

    def _lock(descriptor: int) -> None:
        flock(descriptor, LOCK_EX | LOCK_NB)


_HELD = (errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK)
"""The errors of a lock that another process holds; all others mean a disk without locks."""


def lock(descriptor: int) -> bool:
    """Lock an open file until it is closed; whether nobody else holds its lock.

    Raises OSError if the file system has no locks.
    """
    try:
        _lock(descriptor)
    except OSError as error:
        if error.errno in _HELD:
            return False
        raise
    return True


def is_at(path: Path, descriptor: int) -> bool:
    """Whether the open file or folder is still the one that has this path."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
