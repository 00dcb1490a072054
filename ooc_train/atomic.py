"""Files that appear whole or not at all, even if the machine crashes in between."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

PART = ".part."
"""The beginning of an unfinished file's name."""


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path in the same folder, to write a file to that becomes ``path`` when the block ends.

    An existing file stays until then, and for good if the block fails.  The new file is on the disk
    before it gets its name.  For one process at a time.
    """
    part = path.with_name(f"{PART}{path.name}")
    try:
        yield part
        _flush(part)
        part.replace(path)
        _flush(path.parent)  # the name itself
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


def _flush(path: Path) -> None:
    """Flush a file to the disk, or a folder, except on Windows, which cannot."""
    if path.is_dir() and os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
