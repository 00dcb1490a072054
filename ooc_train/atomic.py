"""Files that appear whole or not at all, even if the machine crashes in between.

`publishing` makes a file for the user, at a path that others may use at the same time.
`replacing` makes a file in a folder whose lock this process holds.
"""

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from ooc_train.errors import OutputError
from ooc_train.outputs import REMEDY, check_place
from ooc_train.system_errors import errors_at, unwritten
from ooc_train.work_folder import WorkFolder

PART = ".part."
"""The beginning of an unfinished file's name."""


@contextlib.contextmanager
def publishing(path: Path, *, force: bool) -> Iterator[Path]:
    """A path of this process's own to write a file to, which becomes ``path`` when the block ends.

    The new file is on the disk before it gets its name.  Without ``force`` nothing is replaced,
    even if it appears meanwhile: that raises OutputError.  With ``force`` an existing file stays
    until then, and for good if the block fails; its mode is kept, and so is a symbolic link, whose
    target is replaced.  If the process is killed, the next one that publishes in the same folder
    removes what is left.  Raises OSError, with the name of ``path``, if writing fails.
    """
    target = target_of(path)
    with WorkFolder(target.parent) as folder:
        part = folder / target.name
        with _errors_of(part, path):
            yield part
            publish(part, target, force=force)


@contextlib.contextmanager
def output_file(path: Path, what: str, *, force: bool) -> Iterator[Path]:
    """The same for a file that is ``what``, in words.  Raises OutputError if writing fails."""
    try:
        with publishing(path, force=force) as part:
            yield part
    except OSError as error:
        raise unwritten(f"{path}, {what},", error, path.absolute().parent) from error


def publish(part: Path, target: Path, *, force: bool) -> None:
    """Give a complete file its name, see `publishing`.

    ``part`` lies in a folder of this process's own beside ``target``, which is no symbolic link.
    """
    flush(part)
    if force:
        _take_mode(part, target)  # now, since it may forbid to open the file
        check_place(target, "the output")  # again: it may have been made meanwhile
        part.replace(target)
    else:
        _name_new(part, target)
    try:
        flush(target.parent)  # the name itself
    except OSError:
        if not force:
            target.unlink()
        raise


def target_of(path: Path) -> Path:
    """The file or folder that a path names: a link stays, and what it leads to is replaced.

    It has a name, also where the path is ``.`` or ends with ``..``.
    """
    return path.resolve() if path.is_symlink() or path.name in ("", "..") else path


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path in the same folder, to write a file to that becomes ``path`` when the block ends.

    An existing file stays until then, and for good if the block fails.  The new file is on the disk
    before it gets its name.  For one process at a time.
    """
    part = path.with_name(f"{PART}{path.name}")
    try:
        with _errors_of(part, path):
            yield part
            flush(part)
            part.replace(path)
            flush(path.parent)  # the name itself
    finally:
        part.unlink(missing_ok=True)


def remove_unfinished(folder: Path) -> None:
    """Delete the unfinished files that a killed process has left in a folder."""
    for part in folder.glob(f"{PART}*"):
        part.unlink(missing_ok=True)


def flush(path: Path) -> None:
    """Flush a file to the disk, or a folder, except on Windows, which cannot.  Raises OSError."""
    if path.is_dir() and os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
    try:
        with errors_at(path):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(path: Path) -> None:
    """Make a folder and those above it, unless they exist, and flush their names to the disk."""
    missing = [each for each in (path, *path.parents) if not each.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for each in missing:
        flush(each.parent)


@contextlib.contextmanager
def _errors_of(part: Path, path: Path) -> Iterator[None]:
    """Name ``path`` in the errors of its unfinished file, which the user does not know."""
    try:
        yield
    except OSError as error:
        if error.filename == str(part):
            error.filename = str(path)
        raise


def _take_mode(part: Path, target: Path) -> None:
    """Give a new file the permissions, and where allowed the owner, of the one it replaces."""
    with contextlib.suppress(FileNotFoundError):
        old = target.stat()
        with contextlib.suppress(OSError):
            os.chown(part, old.st_uid, old.st_gid)
        part.chmod(stat.S_IMODE(old.st_mode))


def _name_new(part: Path, target: Path) -> None:
    """Give a file its name unless that is taken: renaming would replace what has it.

    Raises OutputError if it is taken.
    """
    try:
        try:
            os.link(part, target)
        except FileExistsError:
            raise
        except OSError:  # a file system without links, such as FAT: an empty file takes the name
            target.open("xb").close()
            try:
                part.replace(target)
            except OSError:
                target.unlink()
                raise
    except FileExistsError:
        raise OutputError(f"{target} was made by another program meanwhile; {REMEDY}") from None
