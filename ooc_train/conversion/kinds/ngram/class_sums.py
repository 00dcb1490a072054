"""Sums of terms' values by class, in fixed point: no order or division of the rows changes a bit.

A term's value in a row is its count there, times one over the row's norm, times its idf, which is
the same in all rows and left out of the sums.  So a term sums up integers: of each row the inverse
norm as a multiple of ``2 ** -bits``, times the count, and its square.

No inverse norm is above 1, and neither is the value in a row.  So a term in ``df`` rows has 61 bits
of fraction less those of ``df``, with which no sum overflows, and rounding is smaller than that of
a sum of as many float64.  All rows of one norm have the same integer: values that do not vary stay
without a variance.  Squares are not rounded once more, which takes 128 bits.
"""

from typing import NamedTuple

import numpy as np

from ooc_train.dtypes import F64, U32, U64
from ooc_train.jit import inner_kernel

UNIT_BITS = 60
_WORD = 2.0**64


class ClassSums(NamedTuple):
    """Sums of integers: by class (n_terms, n_classes) uint64, and of squares (n_terms, 2) uint64.

    A sum of squares is its lower half and its upper half.
    """

    by_class: U64
    squares: U64

    def values(self, df: U32, idf: F64) -> tuple[F64, F64]:
        """Sums of values (n_terms, n_classes) and of their squares (n_terms,), float64.

        ``df`` and ``idf`` (n_terms,) are those of the terms.
        """
        unit = np.ldexp(idf, shifts_of(df).astype(np.int64) - UNIT_BITS)
        squares = self.squares[:, 1] * _WORD + self.squares[:, 0]
        sums = self.by_class.astype(np.float64)
        sums *= unit[:, np.newaxis]
        return sums, squares * unit**2


def shifts_of(df: U32) -> U64:
    """How many bits less than `UNIT_BITS` of fraction the sums of terms in ``df`` rows have."""
    _, n_bits = np.frexp(df.astype(np.float64))
    return np.maximum(n_bits - 1, 0).astype(np.uint64)


@inner_kernel
def fixed_inverse(inverse_norm: float) -> np.uint64:
    """One over a row's norm, with `UNIT_BITS` of fraction."""
    return np.uint64(inverse_norm * (1 << UNIT_BITS))


@inner_kernel
def shifted(inverse: np.uint64, shift: np.uint64) -> np.uint64:
    """A `fixed_inverse` with ``shift`` bits less, rounded."""
    return (inverse + ((np.uint64(1) << shift) >> np.uint64(1))) >> shift


@inner_kernel
def add_square(sums: U64, index: int, count: int, inverse: np.uint64) -> None:
    """Add what a term's ``count``-th occurrence in a row adds to its sum of squares.

    The square is that of ``count * inverse``.  ``sums`` has the lower half of the sum at ``index``,
    and the upper half behind it.
    """
    other, bits, mask = np.uint64(2 * count - 1) * inverse, np.uint64(32), np.uint64(0xFFFFFFFF)
    # The product in 128 bits, of halves of 32 bits.  Both are below 2 ** 62: nothing overflows.
    lowest = (inverse & mask) * (other & mask)
    middle = (inverse >> bits) * (other & mask) + (inverse & mask) * (other >> bits)
    middle += lowest >> bits
    low = (middle << bits) | (lowest & mask)
    high = (inverse >> bits) * (other >> bits) + (middle >> bits)
    sums[index] += low
    sums[index + 1] += high + np.uint64(sums[index] < low)
