"""The lock of a run folder: one training at a time holds it, until its process ends."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from ooc_train.errors import OutputError
from ooc_train.locks import is_at, lock


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
            if is_at(path, file.fileno()):  # else the training that held the lock has deleted it
                break
        yield
