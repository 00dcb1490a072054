"""HDF5's errors as those of the system: h5py raises RuntimeError for some, and hides the number."""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NUMBER = re.compile(r"errno = (\d+)")


@contextmanager
def hdf5_errors(path: Path | str) -> Iterator[None]:
    """Raise OSError where HDF5 fails in the file at ``path``, by whose name the error goes.

    It has the system's number if HDF5 says that, else EIO.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        if isinstance(error, OSError) and error.errno and error.filename:
            raise
        found = _NUMBER.search(str(error))
        number = getattr(error, "errno", None) or (int(found[1]) if found else errno.EIO)
        raise OSError(number, str(error), str(path)) from error
