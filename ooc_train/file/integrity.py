"""Whether a file holds what was written: each block of each array, compared with its checksum."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from ooc_train.errors import OocTrainError
from ooc_train.file.arrays import Array, DamageError, FlatArray, open_array
from ooc_train.file.checksums import GROUP
from ooc_train.file.flat import differs
from ooc_train.file.handle import Handle, damage_errors, open_file

_BLOCKS_AT_ONCE = 16


class BadRows(NamedTuple):
    """Rows ``start`` up to ``stop`` of an array, which are a block, and what is wrong with them."""

    start: int
    stop: int
    reason: str


def arrays_below(handle: Handle, group: str = "/") -> Iterator[Array]:
    """All arrays in a group of a file but its checksums, in the order of their names.

    Raises KeyError or ValueError if they are to be verified and their checksums do not fit.
    """
    paths: list[str] = []
    handle.hdf5[group].visit(paths.append)
    for path in sorted(paths):
        item = handle.hdf5[group][path]
        if isinstance(item, h5py.Dataset) and not item.name.startswith(f"/{GROUP}/"):
            yield open_array(item, handle)


def bad_blocks(array: Array, advance: Callable[[int], None] = lambda _: None) -> Iterator[BadRows]:
    """The blocks of an array that are not what was written; ``advance`` gets the bytes read.

    Memory: a megabyte.
    """
    step = array.block_length * _BLOCKS_AT_ONCE
    rows = np.empty((min(step, len(array)), *array.shape[1:]), array.dtype)
    for first in range(0, len(array), step):
        stop = min(first + step, len(array))
        try:
            array.read_into(rows[: stop - first], first)
        except (DamageError, OSError):
            for start in range(first, stop, array.block_length):
                end = min(start + array.block_length, stop)
                try:
                    array.read_into(rows[: end - start], start)
                except DamageError as error:
                    yield BadRows(start, end, str(error))
                except OSError as error:
                    yield BadRows(start, end, f"it cannot be read ({error})")
        advance((stop - first) * array.row_bytes)


def check_written(path: Path, read_back: Mapping[str, int]) -> None:
    """Raise OSError unless a file that was just written can be read, and is what was written.

    ``read_back`` are the places in the file of the arrays that were compared when they were
    written.  Memory: a megabyte, and 9 bytes for each 64 KiB of the largest array.
    """
    try:
        with closing(open_file(path, verify=True)) as handle, damage_errors(path):
            for array in arrays_below(handle):
                place = array.offset if isinstance(array, FlatArray) else None
                if place is None or read_back.get(array.name) != place:
                    for _ in bad_blocks(array):
                        raise differs(path)
    except OocTrainError as error:
        raise differs(path) from error
