"""Whether a file that was just written holds what was written, read past HDF5."""

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from ooc_train.errors import OocTrainError
from ooc_train.file.arrays import DamageError, check_array
from ooc_train.file.checksums import is_sums
from ooc_train.file.flat import differs
from ooc_train.file.handle import open_file
from ooc_train.file.layouts import open_array
from ooc_train.file.structure import arrays_of


def check_written(path: Path, read_back: Mapping[str, int]) -> None:
    """Raise OSError unless a file can be read, and is what was written.

    ``read_back`` are the places of the arrays that were compared when they were written; all others
    are compared with their checksums.  Memory: a megabyte, and 9 bytes for each 64 KiB of the
    largest array.
    """
    try:
        with closing(open_file(path, verify=True)) as handle:
            for name, stored in arrays_of(handle.root).items():
                if not is_sums(name) and read_back.get(name) != stored.position:
                    check_array(open_array(name, handle))
    except (OocTrainError, DamageError) as error:
        raise differs(path) from error
