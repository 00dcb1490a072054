"""The entries of sparse rows put in the order of their columns."""

from typing import NamedTuple

import numpy as np

from ooc_train.dtypes import F32, I32, U64
from ooc_train.intrinsics import trailing_zeros
from ooc_train.jit import kernel


class SortingScratch(NamedTuple):
    """Memory for ``sort_entries``, for columns below a number; all bits are 0 between its calls.

    A bit for each column that is there, a bit for each 64 of these, and the columns' values.
    """

    bits: U64
    summary: U64
    values: F32

    @classmethod
    def of(cls, n_columns: int) -> "SortingScratch":
        """Scratch for ``n_columns``: 5 bytes for each."""
        bits = np.zeros(n_columns // 64 + 1, np.uint64)
        summary = np.zeros(len(bits) // 64 + 1, np.uint64)
        return cls(bits, summary, np.empty(n_columns, np.float32))


@kernel
def sort_entries(columns: I32, values: F32, begin: int, end: int, scratch: SortingScratch) -> None:
    """Sort the entries ``begin`` to ``end``, a row's, by their columns, which are all different.

    Marking them in a set of bits and reading that in order takes no comparison, and a time in
    proportion to their number.
    """
    bits, summary, by_column = scratch
    one = np.uint64(1)
    for k in range(begin, end):
        column = np.int64(columns[k])
        by_column[column] = values[k]
        bits[column >> 6] |= one << np.uint64(column & 63)
        summary[column >> 12] |= one << np.uint64((column >> 6) & 63)
    n = begin
    for high in range(len(summary)):
        words = summary[high]
        summary[high] = 0
        while words != 0:
            word = 64 * high + trailing_zeros(words)
            words &= words - one
            marks = bits[word]
            bits[word] = 0
            while marks != 0:
                column = 64 * word + trailing_zeros(marks)
                marks &= marks - one
                columns[n], values[n] = column, by_column[column]
                n += 1
