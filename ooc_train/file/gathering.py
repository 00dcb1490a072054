"""Rows copied from one place in memory after another: the one kernel of reading.

NumPy would take them entry by entry, by numbers that take more memory than the entries.
"""

from typing import Any

import numpy as np

from ooc_train.dtypes import I64, U8, AnyArray
from ooc_train.intrinsics import copy_from
from ooc_train.jit import kernel


def gather(addresses: I64, dtype: np.dtype[Any], indptr: I64) -> AnyArray:
    """The entries of many rows, one row after another, as a new array of a dtype.

    Row ``i`` begins in memory at ``addresses[i]``, wherever that is mapped, and has as many entries
    as ``indptr[i + 1] - indptr[i]``.  Nothing is checked.

    >>> entries = np.array([4, 5, 6, 7], np.uint16)
    >>> addresses, indptr = entries.ctypes.data + 2 * np.array([3, 0]), np.array([0, 1, 3])
    >>> gather(addresses, entries.dtype, indptr).tolist()
    [7, 4, 5]
    """
    found = np.empty(int(indptr[-1]), dtype)
    _copy(addresses, dtype.itemsize, indptr, found.view(np.uint8))
    return found


@kernel
def _copy(addresses: I64, n_bytes: int, indptr: I64, target: U8) -> None:
    """Copy each row, whose entries have ``n_bytes`` bytes."""
    for row in range(len(addresses)):
        first, stop = indptr[row] * n_bytes, indptr[row + 1] * n_bytes
        copy_from(addresses[row], target, first, stop - first)
