"""Errors of the system in words, with the path that they are about."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from ooc_train.errors import OutputError

_FULL = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "a file grew beyond what the system allows (ulimit -f)",
}


@contextlib.contextmanager
def errors_at(path: Path) -> Iterator[None]:
    """Name ``path`` in errors of the system that name no file, as those of an open one do."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


def reason(error: OSError) -> str:
    """The system's own words for an error, in one line, with the remedy if there is but one.

    They come without the paragraph that HDF5 adds.

    >>> reason(OSError(28, "Unable to extend file properly, errno = 28, error message = ..."))
    'No space left on device'
    >>> reason(OSError(24, "..."))
    'Too many open files (allow more with ulimit -n)'
    """
    if not error.errno:
        return str(error)
    remedy = " (allow more with ulimit -n)" if error.errno == errno.EMFILE else ""
    return os.strerror(error.errno) + remedy


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
    where = "" if error.errno == errno.EMFILE else f" at {place}"  # any file would be one more
    return OutputError(
        f"{what} was not written: {reason(error)}{where}; look into that, and run the command again"
    )
