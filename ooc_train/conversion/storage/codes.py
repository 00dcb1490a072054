"""Numbers as items of two bytes: most numbers that occur often are small, and take one.

A number below 2 ** 15 is one item, a larger one below ``MOST`` two, of which the first has its
highest bit set.  The items from ``SIGN`` on are *signs*, which whoever writes gives a meaning.
"""

from ooc_train.dtypes import U16
from ooc_train.jit import inner_kernel

ITEM_BYTES = 2
SIGN = 0xFF00
N_SIGNS = 0x100
_LONG = 0x8000
MOST = (SIGN - _LONG) << 16
"""Numbers must be below it."""


@inner_kernel
def code_length(number: int) -> int:
    """How many items a number takes."""
    return 1 if number < _LONG else 2


@inner_kernel
def put_code(items: U16, i: int, number: int) -> int:
    """Write a number from item ``i`` on; the item behind it."""
    if number < _LONG:
        items[i] = number
        return i + 1
    items[i], items[i + 1] = _LONG | (number >> 16), number & 0xFFFF
    return i + 2


@inner_kernel
def code_at(items: U16, i: int) -> tuple[int, int]:
    """The number at item ``i``, and the item behind it.  A sign ``s`` is the number ``-1 - s``."""
    item = int(items[i])
    if item < _LONG:
        return item, i + 1
    if item >= SIGN:
        return SIGN - 1 - item, i + 1
    return ((item - _LONG) << 16) | int(items[i + 1]), i + 2


@inner_kernel
def put_u32(items: U16, i: int, number: int) -> None:
    """Write a number below 2 ** 32 to two items."""
    items[i], items[i + 1] = number & 0xFFFF, number >> 16


@inner_kernel
def u32_at(items: U16, i: int) -> int:
    """The number that `put_u32` wrote."""
    return int(items[i]) | (int(items[i + 1]) << 16)
