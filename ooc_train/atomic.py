"""Files that appear whole or not at all, even if the machine crashes in between.

Two ways lead there.  `publishing` makes a file for the user, at a path that others may use at the
same time.  `replacing` makes a file inside a folder whose lock this process holds.
"""

import contextlib
import errno
import json
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ooc_train.errors import OutputError
from ooc_train.options import option
from ooc_train.work_folder import WorkFolder

PART = ".part."
"""The beginning of an unfinished file's name."""
REMEDY = "give --force to overwrite it, or another name"
REMEDY_ON_RESUME = "give another name"  # together with --force, --resume would begin anew
_STREAM = re.compile(r"/dev/(std(in|out|err)|fd/\d+)|/proc/[^/]+/fd/\d+")
"""Names of what a process has open, which may be a file at the moment."""
_FULL = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "a file grew beyond what the system allows (ulimit -f)",
}


@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """The options of every call that writes files."""

    force: bool = option(
        False,
        "replace outputs that exist; each stays as it is until its successor is complete",
        group="output",
    )
    more_outputs: Mapping[str, Path | None] | None = option(
        None,
        "files that the caller will write, by what they are: they, too, may be no inputs",
        group="output",
        on_command_line=False,
    )


def check_outputs(
    outputs: Mapping[str, Path | None],
    inputs: Iterable[Path] = (),
    *,
    folders: Iterable[Path] = (),
    force: bool,
    remedy: str = REMEDY,
) -> None:
    """Raise OutputError unless all ``outputs`` can be written and nothing is destroyed by that.

    ``outputs`` are the files to write by what they are, in words, such as ``"the report"``; those
    that are ``None`` are not written.  No output may be one of the ``inputs`` or another output,
    whatever their names, nor a folder, a device or a pipe.  Only with ``force`` may an output
    exist.  ``folders`` are replaced as a whole: no output and no input may lie in one.

    ``inputs`` are looked at only where an output could be one of them, because it exists.
    """
    written = {what: path for what, path in outputs.items() if path is not None}
    for what, path in written.items():
        _check_place(path, what)
    found: list[Path] = []
    if folders or any(path.exists() for path in written.values()):
        found = list(inputs)
    for folder in folders:
        for what, path in [*written.items(), *(("the input", path) for path in found)]:
            if _is_inside(path, folder):
                raise OutputError(
                    f"{path}, {what}, lies in {folder}, which is written as a whole; give a path "
                    "outside"
                )
    taken = {_identity(path): f"the input {path}" for path in found}
    for what, path in written.items():
        identity = _identity(path)
        if identity in taken:
            raise OutputError(f"{path}, {what}, is also {taken[identity]}; give another name")
        if path.exists() and not force:
            raise OutputError(f"{path} exists; {remedy}")
        taken[identity] = what


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
        _check_place(target, "the output")  # again: it may have been made meanwhile
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
        part.write_text(as_json(content), "utf-8")


def as_json(content: object) -> str:
    """``content`` as indented JSON, a line at the end."""
    return json_text(content, indent=2) + "\n"


def json_text(content: object, **layout: Any) -> str:
    """``content`` as JSON that can be written in UTF-8, even if names of files have other bytes."""
    text = json.dumps(content, ensure_ascii=False, **layout)
    # Such a byte is half a surrogate pair, for which Python's escape is that of JSON.
    return text.encode("utf-8", "backslashreplace").decode()


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


def unwritten(
    what: str, error: OSError, place: Path, remedy: str = "choose another place"
) -> OutputError:
    """The error that says why and where the system did not write ``what``, and what to do.

    ``remedy`` is what helps where ``place`` has no space, beside making some.
    """
    if error.errno in _FULL:
        return OutputError(
            f"{what} was not written: {_FULL[error.errno]} at {place}; free some space there, or "
            f"{remedy}"
        )
    return OutputError(
        f"{what} was not written: {reason(error)} at {place}; look into that, and run the command "
        "again"
    )


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


def _check_place(path: Path, what: str) -> None:
    """Raise OutputError if no file can be made at ``path``."""
    begin = f"{path}, {what}, cannot be written"
    try:
        with contextlib.suppress(FileNotFoundError):
            path.stat()
        if path.is_dir():
            raise OutputError(f"{path}, {what}, is a folder; name the file to write")
        if _STREAM.fullmatch(_spelled(path)) or (path.exists() and not path.is_file()):
            raise OutputError(
                f"{begin}, since it is a device or a pipe, which a file would replace; name a file"
            )
        folder = Path(os.path.realpath(path)).parent
        if not folder.is_dir():
            raise OutputError(f"{begin}, since the folder {folder} does not exist; make it first")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise OutputError(f"{begin}, since the folder {folder} cannot be written to")
    except OSError as error:
        raise OutputError(f"{begin}: {reason(error)}; give another name") from error


def _is_inside(path: Path, folder: Path) -> bool:
    """Whether ``path`` is ``folder`` or in it, by its name or by what it leads to."""
    ways: tuple[Callable[[Path], str], ...] = (_spelled, os.path.realpath)
    return any(Path(way(path)).is_relative_to(way(folder)) for way in ways)


def _spelled(path: Path) -> str:
    """An absolute path without dots, whose symbolic links are not followed."""
    return os.path.normpath(path.absolute())


def _identity(path: Path) -> tuple[object, ...]:
    """A key that two paths share if and only if they name the same file, existing or not."""
    with contextlib.suppress(OSError):
        found = path.stat()
        return found.st_dev, found.st_ino
    real = Path(os.path.realpath(path))
    with contextlib.suppress(OSError):
        folder = real.parent.stat()
        return folder.st_dev, folder.st_ino, real.name
    return (real,)


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
