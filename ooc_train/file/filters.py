"""The table of compressions that a file may have.

They are filters of HDF5's registry, so that every HDF5 library that has them can read the file.
"""

import importlib
from typing import NamedTuple

from ooc_train.errors import OptionError
from ooc_train.extras import pip_install

NONE = "none"
SHUFFLE = 2
"""The number of HDF5's own filter that puts equal bytes of numbers side by side."""
ZSTD_LEVEL = 3
MAX_CHUNK_BYTES = 2**26
EXTRA = "compression"
"""The extra of this package that has theirs."""


class Filter(NamedTuple):
    """A filter's number in the registry, its options, and the Python module that equals it."""

    filter_id: int
    filter_options: tuple[int, ...]
    module: str


FILTERS = {
    "lz4": Filter(32004, (0,), "lz4.block"),
    "zstd": Filter(32015, (ZSTD_LEVEL,), "zstandard"),
}
"""By the name that ``--compression`` takes."""


def check_installed(compression: str) -> None:
    """Raise OptionError unless the packages of a compression, or `NONE`, are installed."""
    if compression != NONE and not is_installed(compression):
        raise OptionError(
            f"--compression {compression} needs packages that are not installed; install them: "
            f"{pip_install(extra=EXTRA)}"
        )


def is_installed(compression: str) -> bool:
    """Whether the packages of the compression ``"lz4"`` or ``"zstd"`` are installed."""
    return can_import("hdf5plugin") and can_import(FILTERS[compression].module)


def can_import(module: str) -> bool:
    """Whether a module can be imported, by importing it."""
    try:
        importlib.import_module(module)
    except ImportError:
        return False
    return True
