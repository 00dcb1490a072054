"""The disks of a conversion: whether they have the space, and what their errors mean."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ooc_train.errors import BudgetError, OptionError
from ooc_train.system_errors import unwritten

_MEMORY_FILE_SYSTEMS = {"tmpfs", "ramfs"}


def check_disk(folder: Path, needed_bytes: int, held_bytes: int = 0) -> None:
    """Raise ``BudgetError`` if the disk of the temporary files has less than they need.

    ``held_bytes`` of them are there already.
    """
    free = shutil.disk_usage(folder).free + held_bytes
    if free < needed_bytes:
        raise BudgetError(
            f"{folder} has {_size(free)} free, and the conversion takes about "
            f"{_size(needed_bytes)} of temporary files; free some space, or give a folder on "
            f"another disk with --temp-dir"
        )


def check_disks(
    temp_dir: Path, output: Path, temporary_bytes: int, output_bytes: int, held_bytes: int = 0
) -> None:
    """Raise ``BudgetError`` if a disk is too small for the temporary files or the output.

    ``held_bytes`` of temporary files are there already.
    """
    if temp_dir.stat().st_dev == output.parent.stat().st_dev:
        check_disk(temp_dir, temporary_bytes + output_bytes, held_bytes)
        return
    check_disk(temp_dir, temporary_bytes, held_bytes)
    free = shutil.disk_usage(output.parent).free
    if free < output_bytes:
        raise BudgetError(
            f"{output.parent} has {_size(free)} free, and {output.name} takes about "
            f"{_size(output_bytes)}; free some space, or write it to another disk"
        )


class DiskWatch:
    """Checks the free disk again while ``n_bytes`` of sources are read.

    The size of a compressed source's content is a guess until some of it is read.
    """

    def __init__(self, folder: Path, n_bytes: int) -> None:
        self._folder = folder
        self._n_bytes = n_bytes
        self._n_read = self._n_spilled = self._n_text_bytes = 0

    def check(self, n_bytes: int, *, n_spilled: int, n_text_bytes: int) -> None:
        """Add the results of ``n_bytes`` of sources.  Raises ``BudgetError`` for a small disk."""
        self._n_read += n_bytes
        self._n_spilled += n_spilled
        self._n_text_bytes += n_text_bytes
        if self._n_read:
            # As much as the text again for the rows that are shuffled and written.
            n_bytes = max(self._n_bytes, self._n_read)  # a pipe does not say how many will come
            in_all = (self._n_spilled + self._n_text_bytes) * n_bytes // self._n_read
            check_disk(self._folder, in_all - self._n_spilled)


@contextlib.contextmanager
def disk_errors(output: Path, temp_dir: Path) -> Iterator[None]:
    """Raise ``OutputError``, which says where and what to do, for the system's errors."""
    try:
        yield
    except OSError as error:
        place = Path(error.filename or output.absolute().parent)
        remedy = "choose another place"
        if error.filename and place == temp_dir:
            remedy = "give a folder for temporary files on another disk with --temp-dir"
        raise unwritten(str(output), error, place, remedy) from error


def check_temp_dir(folder: Path) -> None:
    """Raise ``OptionError`` for a folder that cannot be written to, or that lies in memory."""
    if not folder.is_dir():
        raise OptionError(f"{folder} is not a folder; give one that exists with --temp-dir")
    if not os.access(folder, os.W_OK):
        raise OptionError(f"{folder} cannot be written to; give another folder with --temp-dir")
    if _file_system(folder) in _MEMORY_FILE_SYSTEMS:
        raise OptionError(
            f"{folder} lies in memory, which temporary files are meant to spare; give a folder on "
            f"a disk with --temp-dir"
        )


def usual_temp_dir() -> Path:
    """The system's folder for temporary files, or the current one where that lies in memory."""
    folder = Path(tempfile.gettempdir())
    try:
        check_temp_dir(folder)
    except OptionError:
        return Path()
    return folder


def _size(n_bytes: int) -> str:
    """A number of bytes in words, in GB if it is one at least."""
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.1f} MB"


def _file_system(folder: Path) -> str:
    """The kind of file system that a folder lies on; empty where that is not known."""
    try:
        mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    except OSError:
        return ""
    resolved = folder.resolve()
    above = [mount for mount in mounts if resolved.is_relative_to(mount[0].replace("\\040", " "))]
    return max(above, key=lambda mount: len(mount[0]), default=["", ""])[1]
