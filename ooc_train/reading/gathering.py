"""Rows of different lengths copied from one place after another: the one kernel of reading.

NumPy would take them entry by entry, by numbers that take more memory than the entries.
"""

from typing import Any

import numpy as np

from ooc_train.dtypes import I64, U8, AnyArray
from ooc_train.intrinsics import copy_bytes
from ooc_train.jit import kernel


def gather(plain: U8, dtype: np.dtype[Any], starts: I64, indptr: I64) -> AnyArray:
    """The entries of many rows, one row after another, as a new array of a dtype.

    Row ``i`` begins at entry ``starts[i]`` of those whose bytes are ``plain``, ``(n_bytes,)``, and
    has as many as ``indptr[i + 1] - indptr[i]``.  The numbers are not checked.

    >>> entries = np.array([4, 5, 6, 7], np.uint16)
    >>> starts, indptr = np.array([3, 0]), np.array([0, 1, 3])
    >>> gather(entries.view(np.uint8), entries.dtype, starts, indptr).tolist()
    [7, 4, 5]
    """
    found = np.empty(int(indptr[-1]), dtype)
    _copy(plain, dtype.itemsize, starts, indptr, found.view(np.uint8))
    return found


@kernel
def _copy(source: U8, n_bytes: int, starts: I64, indptr: I64, target: U8) -> None:
    """Copy each row, whose entries have ``n_bytes`` bytes."""
    for row in range(len(starts)):
        first, stop = indptr[row] * n_bytes, indptr[row + 1] * n_bytes
        copy_bytes(source, starts[row] * n_bytes, target, first, stop - first)
