"""The lock of a run folder: one training at a time holds it, until its process ends."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from ooc_train.errors import OutputError

try:
    from fcntl import LOCK_EX, LOCK_NB, flock
except ImportError:  # Windows
    import msvcrt

    def _lock(file: IO[bytes]) -> None:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]

else:

    def _lock(file: IO[bytes]) -> None:
        flock(file, LOCK_EX | LOCK_NB)


_HELD = (errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK)
"""The errors of a lock that another process holds; all others mean a disk without locks."""


@contextlib.contextmanager
def locked(path: Path, run: Path) -> Iterator[None]:
    """Hold the lock of a run, the file at ``path``, during the block; the file stays.

    The system releases it when the process ends, however it ends.  Raises OutputError if another
    training holds it.
    """
    with contextlib.ExitStack() as stack:
        while True:
            file = stack.enter_context(path.open("ab"))
            try:
                _lock(file)
            except OSError as error:
                if error.errno in _HELD:
                    raise OutputError(
                        f"another training is writing to {run}; wait for its end, or choose "
                        "another place"
                    ) from None
            if _is_at(path, file):  # not deleted meanwhile by the training that held the lock
                break
        yield


def _is_at(path: Path, file: IO[bytes]) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False
