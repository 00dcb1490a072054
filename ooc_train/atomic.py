"""Files that appear whole or not at all, also where the machine dies in between."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

PART = ".part."
"""What the name of an unfinished file begins with."""


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path in the same folder to write a file to, which becomes ``path`` when the block ends.

    What was there stays until then, and for good if the block fails; the new file is on the disk
    before it has its name.  For one process at a time.
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
    """Delete what a process that was killed has left in a folder."""
    for part in folder.glob(f"{PART}*"):
        part.unlink(missing_ok=True)


def reason(error: OSError) -> str:
    """Why the system refused, in its own words; HDF5 would add a paragraph.

    >>> reason(OSError(28, "Unable to extend file properly, errno = 28, error message = ..."))
    'No space left on device'
    """
    return os.strerror(error.errno) if error.errno else str(error)


def _flush(path: Path) -> None:
    """Have a file or folder written to the disk; folders only where the system can."""
    if path.is_dir() and os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
