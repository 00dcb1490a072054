"""Rows that are chosen as those of an array: by a number, a slice, numbers, or True and False."""

from numbers import Integral
from typing import Any

import numpy as np

from ooc_train.counts import counted
from ooc_train.dtypes import I64


def chosen_rows(key: Any, n_rows: int, where: str) -> I64:
    """The numbers of the rows that ``key`` chooses of ``n_rows``: ``(n,) int64``.

    Negative numbers count from the end.  Raises IndexError for rows that do not exist, and
    TypeError for what chooses no rows; ``where`` is the split in words.

    >>> chosen_rows(slice(-3, None), 10, "it").tolist()
    [7, 8, 9]
    >>> chosen_rows([True, False], 2, "it").tolist()
    [0]
    """
    if isinstance(key, slice):
        return np.arange(*key.indices(n_rows))
    is_one = isinstance(key, Integral) and not isinstance(key, bool)
    numbers = np.asarray([key] if is_one else key)
    if numbers.dtype == bool and numbers.shape == (n_rows,):
        return np.flatnonzero(numbers)
    if numbers.dtype == bool and numbers.ndim == 1:
        raise IndexError(
            f"{where} has {counted(n_rows, 'row')}, and not {len(numbers):,}, as True and False"
        )
    if numbers.ndim != 1 or (numbers.dtype.kind not in "iu" and numbers.size):
        raise TypeError(
            f"rows are chosen by a number, a slice, or an array of numbers or of True and False, "
            f"not by {key!r:.60}"
        )
    numbers = numbers.astype(np.int64)
    wrong = numbers[(numbers < -n_rows) | (numbers >= n_rows)]
    if wrong.size:
        raise IndexError(f"{where} has {counted(n_rows, 'row')}, from 0, and no row {wrong[0]}")
    return np.where(numbers < 0, numbers + n_rows, numbers)


def slices_of(rows: I64) -> tuple[list[tuple[int, int]], I64]:
    """Slices of consecutive rows that hold all ``rows``, and where in them each lies.

    >>> slices_of(np.array([7, 2, 3, 7]))
    ([(2, 4), (7, 8)], array([2, 0, 1, 2]))
    """
    distinct, places = np.unique(rows, return_inverse=True)
    if not distinct.size:
        return [(0, 0)], np.zeros(0, np.int64)
    breaks = np.flatnonzero(np.diff(distinct) > 1)
    starts, stops = distinct[[0, *(breaks + 1)]], distinct[[*breaks, -1]] + 1
    return list(zip(starts.tolist(), stops.tolist(), strict=True)), places.reshape(-1)
