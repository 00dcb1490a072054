"""A new run beside the one that it replaces, until it is complete.

With ``--force`` the run in ``RUN`` stays usable: the new one is written to ``.RUN.new`` beside it,
and is marked as what will take its place.  When it is complete, the two exchange their names at
once, and the old run is deleted.  If the training is killed, the next one finds

- ``.RUN.new`` with its mark: a new run that can be resumed, or that takes its place if it is
  complete;
- ``.RUN.new`` without a mark, or ``.RUN.old``: the old run, which is still to be deleted.

Where names cannot be exchanged at once, the old run is renamed to ``.RUN.old`` before the new one
takes its place.  If the training is killed between the two, whoever looks for the run next renames
the new one.
"""

import contextlib
import ctypes
import errno
import os
import shutil
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from ooc_train.atomic import flush, target_of
from ooc_train.errors import OutputError
from ooc_train.locks import is_at
from ooc_train.system_errors import reason
from ooc_train.training.run.folder import (
    CHECKPOINTS,
    LOCK,
    MARK,
    REPORT,
    SETTINGS,
    Run,
    is_complete,
    is_unfinished,
    is_vacant,
    open_run,
)
from ooc_train.training.run.options import OpenOptions

Loaded = TypeVar("Loaded")

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
_NO_EXCHANGE = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP)


def new_run(run: Path) -> Path:
    """The folder of the run that is to take the place of ``run``, which is no symbolic link."""
    return run.with_name(f".{run.name}.new")


def is_new_run(folder: Path) -> bool:
    """Whether a folder holds a run that is to take the place of another."""
    return (folder / MARK).is_file() and not folder.is_symlink()


def check_replaceable(run: Path) -> None:
    """Raise OutputError if no other folder can take the place of ``run``."""
    if os.path.ismount(run):
        raise OutputError(
            f"{run} is a mount point, whose place no new run can take; choose a folder in it"
        )
    if _has_current_folder(run):
        raise OutputError(
            f"{run} is the current folder, or has it, and would be deleted; go to another folder"
        )
    new = new_run(run)
    if os.path.lexists(new) and not (is_new_run(new) or _is_run(new)):
        raise OutputError(f"{new}, where the new run would be written, is no run; move it away")


def remove_replaced(run: Path) -> None:
    """Delete what killed trainings have left of runs that were replaced.

    Only the process that holds the lock of ``run`` may do so.
    """
    if run.is_dir():
        (run / MARK).unlink(missing_ok=True)
        for old in (new_run(run), _old_run(run)):
            if os.path.lexists(old) and _is_run(old) and not is_new_run(old):
                delete(old)


def take_place(new: Path, run: Path) -> None:
    """Give the complete run in ``new`` the place of ``run``, and delete the run that was there.

    Raises OutputError if that cannot be; the new run then stays where it is.
    """
    try:
        old = _exchanged(new, run)
        flush(run.parent)
    except OSError as error:
        raise OutputError(
            f"the new run is complete in {new}, but cannot take the place of {run}: "
            f"{reason(error)}; rename it"
        ) from error
    if old:
        with contextlib.suppress(OSError):  # the next training tries again
            delete(old)
    (run / MARK).unlink(missing_ok=True)


def clear(folder: Path) -> None:
    """Delete a run but for its lock and its mark, and nothing that a symbolic link leads to.

    The report goes first, since no run is complete without it, and the settings last, since
    without them the rest would not be a run: if it is killed on the way, it can be repeated.
    """
    (folder / REPORT).unlink(missing_ok=True)
    inner = folder / CHECKPOINTS
    items = [*folder.iterdir(), *(inner.iterdir() if _is_folder(inner) else ())]
    for item in sorted(items, key=lambda item: item.name == SETTINGS):
        if item.name not in (CHECKPOINTS, LOCK, MARK):
            shutil.rmtree(item) if _is_folder(item) else item.unlink()


def delete(folder: Path) -> None:
    """Delete a run and its folder, as far as it can be repeated."""
    clear(folder)
    inner = folder / CHECKPOINTS
    shutil.rmtree(inner) if _is_folder(inner) else inner.unlink(missing_ok=True)
    (folder / MARK).unlink(missing_ok=True)
    folder.rmdir()


def recover(run: Path) -> None:
    """Give a complete new run its place, if its training was killed before it could."""
    run = target_of(run)
    new = new_run(run)
    if not os.path.lexists(run) and is_new_run(new) and is_complete(new):
        with contextlib.suppress(OSError):  # another process was faster, or may do so
            new.rename(run)


def open_with(
    path: str | os.PathLike[str],
    load: Callable[[Run], Loaded],
    *,
    trust_code: bool = OpenOptions.trust_code,
) -> tuple[Run, Loaded]:
    """The run in a folder, and what ``load`` reads of its files, all of them of one run.

    If another run takes its place meanwhile, everything is read again.  Raises as `open_run` and
    ``load``.
    """
    path = Path(path)
    while True:
        recover(path)
        with contextlib.ExitStack() as folder, contextlib.ExitStack() as stack:
            place = _opened(path, folder)
            try:
                run = stack.enter_context(open_run(path, trust_code=trust_code))
                loaded = load(run)
            except Exception:
                if place is None or is_at(path, place):
                    raise
                continue
            if place is None or is_at(path, place):
                stack.pop_all()  # the caller closes the run
                return run, loaded


def _opened(path: Path, stack: contextlib.ExitStack) -> int | None:
    """A descriptor of a folder, if it can be opened; no new folder is the same while it is open."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    stack.callback(os.close, descriptor)
    return descriptor


def _has_current_folder(run: Path) -> bool:
    try:
        return Path.cwd().is_relative_to(run.resolve())
    except FileNotFoundError:  # the current folder has been deleted
        return False


def _is_run(folder: Path) -> bool:
    """Whether a folder holds a run, or the beginning of one."""
    whole_or_part = is_complete(folder) or is_unfinished(folder) or is_vacant(folder)
    return _is_folder(folder) and whole_or_part


def _is_folder(path: Path) -> bool:
    """Whether there is a folder, and no symbolic link to one."""
    return path.is_dir() and not path.is_symlink()


def _old_run(run: Path) -> Path:
    return run.with_name(f".{run.name}.old")


def _exchanged(new: Path, run: Path) -> Path | None:
    """Give ``new`` the name ``run``, and say where the old run now is, if there was one."""
    if not os.path.lexists(run):
        new.rename(run)
        return None
    found = run.stat()
    with contextlib.suppress(OSError):
        os.chown(new, found.st_uid, found.st_gid)
    new.chmod(stat.S_IMODE(found.st_mode))
    if _exchange(new, run):
        return new
    old = _old_run(run)
    run.rename(old)
    try:
        new.rename(run)
    except FileNotFoundError:  # a reader has renamed it, see `recover`
        pass
    except OSError:
        old.rename(run)
        raise
    return old


def _exchange(one: Path, other: Path) -> bool:
    """Exchange the names of two folders at once; whether the system can.  Raises OSError."""
    if sys.platform != "linux":
        return False
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    names = os.fsencode(one), os.fsencode(other)
    if rename(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _NO_EXCHANGE:
        return False
    raise OSError(number, os.strerror(number), str(other))
