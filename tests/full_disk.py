"""Writing that fails as on a full disk, by the system's own doing."""

import resource

import h5py
import pytest

needs_hdf5_that_survives = pytest.mark.skipif(
    h5py.version.hdf5_version_tuple < (1, 14, 6),
    reason="HDF5 before 1.14.6 (h5py before 3.14) may crash at the end of a process on a full disk",
)


class limited_files:  # noqa: N801 - reads as the function that it stands for
    """No file may grow beyond so many bytes: writing then fails as on a full disk."""

    def __init__(self, n_bytes):
        self._n_bytes = n_bytes

    def __enter__(self):
        self._before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (self._n_bytes, self._before[1]))

    def __exit__(self, *error):
        resource.setrlimit(resource.RLIMIT_FSIZE, self._before)
