"""Files that appear whole or not at all, even if the machine crashes in between.

Two ways lead there.  `publishing` makes a file for the user, at a path that others may use at the
same time.  `replacing` makes a file inside a folder whose lock this process holds.
"""

import contextlib
import json
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ooc_train.errors import OutputError
from ooc_train.work_folder import WorkFolder

PART = ".part."
"""The beginning of an unfinished file's name."""


def check_outputs(
    outputs: Mapping[str, Path | None], inputs: Iterable[Path] = (), *, force: bool
) -> None:
    """Raise OutputError unless all ``outputs`` can be written and nothing is destroyed by that.

    ``outputs`` are the files to write by what they are, in words, such as ``"the report"``; those
    that are ``None`` are not written.  No output may be one of the ``inputs`` or another output,
    whatever their names, nor a folder, a device or a pipe.  With ``force`` an output may exist.
    """
    taken = {_identity(path): f"the input {path}" for path in inputs}
    for what, path in outputs.items():
        if path is None:
            continue
        _check_place(path, what)
        if _identity(path) in taken:
            other = taken[_identity(path)]
            raise OutputError(f"{path}, {what}, is also {other}; give another name")
        if os.path.lexists(path) and path.exists() and not force:
            raise OutputError(f"{path} exists; give --force to overwrite it, or another name")
        taken[_identity(path)] = what


@contextlib.contextmanager
def publishing(path: Path, *, force: bool) -> Iterator[Path]:
    """A path of this process's own to write a file to, which becomes ``path`` when the block ends.

    The new file is on the disk before it gets its name.  Without ``force`` nothing is replaced,
    even if it appears meanwhile: that raises OutputError.  With ``force`` an existing file stays
    until then, and for good if the block fails; its mode is kept, and so is a symbolic link, whose
    target is replaced.  If the process is killed, the next one that publishes in the same folder
    removes what is left.  Raises OSError, with the name of ``path``, if writing fails.
    """
    target = path.resolve() if path.is_symlink() else path
    with WorkFolder(target.parent) as folder:
        part = folder / target.name
        with _errors_of(part, path):
            yield part
            if force:
                _take_mode(part, target)
            flush(part)
            if force:
                part.replace(target)
            else:
                _name_new(part, target)
            try:
                flush(target.parent)  # the name itself
            except OSError:
                if not force:
                    target.unlink()
                raise


@contextlib.contextmanager
def errors_at(path: Path) -> Iterator[None]:
    """Name ``path`` in errors of the system that name no file, as those of an open one do."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


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


def write_json(path: Path, content: object) -> None:
    """Write ``content`` as indented JSON.  Raises OSError."""
    with replacing(path) as part:
        part.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")


def remove_unfinished(folder: Path) -> None:
    """Delete the unfinished files that a killed process has left in a folder."""
    for part in folder.glob(f"{PART}*"):
        part.unlink(missing_ok=True)


def reason(error: OSError) -> str:
    """The system's own words for an error, without the paragraph that HDF5 adds.

    >>> reason(OSError(28, "Unable to extend file properly, errno = 28, error message = ..."))
    'No space left on device'
    """
    return os.strerror(error.errno) if error.errno else str(error)


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


@contextlib.contextmanager
def _errors_of(part: Path, path: Path) -> Iterator[None]:
    """Name ``path`` in the errors of its unfinished file, which the user does not know."""
    try:
        yield
    except OSError as error:
        if error.filename == str(part):
            error.filename = str(path)
        raise


def _check_place(path: Path, what: str) -> None:
    """Raise OutputError if no file can be made at ``path``."""
    folder = Path(os.path.realpath(path)).parent
    if path.is_dir():
        raise OutputError(f"{path} is a folder; name the file to write")
    if path.exists() and not path.is_file():
        raise OutputError(
            f"{path} is a device or a pipe, which {what} would replace; name a file to write"
        )
    if not folder.is_dir():
        raise OutputError(f"{folder}, the folder of {what}, does not exist; make it first")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"{folder}, the folder of {what}, cannot be written to")


def _identity(path: Path) -> tuple[object, ...]:
    """A key that two paths share if and only if they name the same file, existing or not."""
    with contextlib.suppress(OSError):
        found = path.stat()
        return found.st_dev, found.st_ino
    return (os.path.realpath(path),)


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
        raise OutputError(
            f"{target} was made by another program meanwhile; give --force to overwrite it, or "
            "another name"
        ) from None
