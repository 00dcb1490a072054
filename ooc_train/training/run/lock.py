"""The lock of a run folder: one training at a time holds it, until its process ends."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from ooc_train.errors import OutputError
from ooc_train.locks import lock


@contextlib.contextmanager
def locked(path: Path, run: Path) -> Iterator[None]:
    """Hold the lock of a run, the file at ``path``, during the block; the file stays.

    The system releases it when the process ends, however it ends.  Raises OutputError if another
    training holds it.
    """
    if path.is_symlink():
        raise OutputError(f"{path} is a symbolic link, which no lock may be; remove it")
    with contextlib.ExitStack() as stack:
        while True:
            file = stack.enter_context(path.open("ab"))
            with contextlib.suppress(OSError):  # a file system without locks
                if not lock(file.fileno()):
                    raise OutputError(
                        f"another training is writing to {run}; wait for its end, or choose "
                        "another place"
                    )
            if _is_at(path, file):  # not deleted meanwhile by the training that held the lock
                break
        yield


def _is_at(path: Path, file: IO[bytes]) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False
