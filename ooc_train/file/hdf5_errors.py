"""HDF5's errors as those of the system: h5py raises RuntimeError for some, and hides the number."""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager

_NUMBER = re.compile(r"errno = (\d+)")


@contextmanager
def hdf5_errors() -> Iterator[None]:
    """Raise OSError where HDF5 fails, with the system's number if HDF5 says it, else EIO."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        if isinstance(error, OSError) and error.errno:
            raise
        number = _NUMBER.search(str(error))
        raise OSError(int(number[1]) if number else errno.EIO, str(error)) from error
