"""Folders of temporary files, which disappear with their process or are removed by the next one.

Where files are published `together`, the folder has links to them in `MEMBERS`, and their index in
`INDEX` until that has its name.  If the folder is deleted before, they are deleted, too.
"""

import atexit
import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from ooc_train.locks import lock

_PREFIX = ".ooc-job-"
_LOCK = "lock"  # held as long as the folder's process lives
MEMBERS, INDEX = "members", "index"
"""The folders in a work folder of files that are published together, and of what names them."""
RECORD = "record.json"
"""What a folder has that may be taken over when its process is dead."""
_made: dict[Path, int] = {}  # the folders that are in use, and the processes that made them


class WorkFolder:
    """A new folder below ``parent``, deleted with everything in it when the context ends.

    If its process is killed, the folder stays until the next one is made below the same parent.
    Those of living processes stay; on a file system without locks, all of them.  Raises OSError.
    Errors of the files in it are given the name of ``parent``.

    With ``taken``, it is no new one but that of a dead process: its path and its lock, which this
    process holds.
    """

    def __init__(self, parent: Path, taken: tuple[Path, int] | None = None) -> None:
        self._parent = parent
        if taken:
            self.path, self._lock = taken
            _made[self.path] = os.getpid()
            return
        remove_abandoned(parent)
        while True:
            self.path = parent.absolute() / f"{_PREFIX}{secrets.token_hex(8)}"
            _made[self.path] = os.getpid()  # before it is there: a signal may come at any time
            try:
                self.path.mkdir(0o700)
                self._lock = _open_lock(self.path)
            except FileNotFoundError:
                if not parent.is_dir():
                    raise
                continue  # another process took the new folder for abandoned
            except BaseException:
                with contextlib.suppress(OSError):  # works without a free descriptor
                    (self.path / _LOCK).unlink(missing_ok=True)
                    self.path.rmdir()
                raise
            if _is_locked(self._lock) and self.path.exists():
                break
            os.close(self._lock)

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, *error: object) -> None:
        for found in error:
            if isinstance(found, OSError) and Path(found.filename or "").is_relative_to(self.path):
                found.filename = str(self._parent)  # which the user knows
        if _made.get(self.path) == os.getpid():  # a forked process must not delete its parent's
            _delete(self.path)
        os.close(self._lock)
        _made.pop(self.path, None)

    def keep(self) -> None:
        """Leave the folder where it is when the context ends."""
        _made.pop(self.path, None)


@atexit.register
def _delete_own() -> None:
    """Delete the folders of this process that a signal has kept from being deleted."""
    for folder, process in _made.items():
        if process == os.getpid():
            _delete(folder)


def remove_abandoned(parent: Path) -> None:
    """Delete the work folders below ``parent`` whose processes have been killed.

    Those with a `RECORD` stay.
    """
    for folder, descriptor in abandoned(parent):
        try:
            if not (folder / RECORD).exists():
                _delete(folder)
        finally:
            os.close(descriptor)


def abandoned(parent: Path) -> Iterator[tuple[Path, int]]:
    """The work folders below ``parent`` whose processes are dead, each with its lock.

    Whoever takes one closes the lock.  Those of a file system without locks are left out.
    """
    for folder in sorted(parent.absolute().glob(f"{_PREFIX}*")):
        if folder.is_symlink():  # not made here
            continue
        with contextlib.suppress(OSError):
            descriptor = _open_lock(folder)
            try:
                is_free = lock(descriptor)
            except OSError:
                is_free = False
            if is_free:
                yield folder, descriptor
            else:
                os.close(descriptor)


def _delete(folder: Path) -> None:
    """Delete a work folder, and the files beside it that it has published without their index."""
    for index in (folder / INDEX).glob("*"):
        if not _is_same(index, folder.parent / index.name):
            for member in (folder / MEMBERS).glob("*"):
                if _is_same(member, folder.parent / member.name):
                    (folder.parent / member.name).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def _is_same(one: Path, other: Path) -> bool:
    with contextlib.suppress(OSError):
        return one.samefile(other)
    return False


def _open_lock(folder: Path) -> int:
    """Open the lock; a symbolic link, which others may make in a shared folder, is an error."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    return os.open(folder / _LOCK, flags, 0o600)


def _is_locked(descriptor: int) -> bool:
    """Lock the folder of this process; True also where the file system has no locks."""
    try:
        return lock(descriptor)
    except OSError:
        return True
