"""An open-addressing hash table of 64-bit hashes, for the kernels to share.

Entry ``e`` is the pair ``table[2 * e]``, the hash, 0 where free, and ``table[2 * e + 1]``, a value
of the kernel's own.  They lie side by side, so that a look-up touches one cache line.  The number
of entries is a power of two, at least twice the number of hashes.  The low bits of a hash are its
address.
"""

import numpy as np

from ooc_train.dtypes import U64
from ooc_train.intrinsics import prefetch
from ooc_train.jit import kernel

_LEAST_ENTRIES = 64
ENTRY_BYTES = 16


def table_bytes(n_hashes: int) -> int:
    """The size in bytes of a table for ``n_hashes``."""
    return ENTRY_BYTES * max(_LEAST_ENTRIES, 1 << (2 * n_hashes - 1).bit_length())


def empty_table(n_hashes: int) -> U64:
    """A free table with room for ``n_hashes``."""
    return np.zeros(table_bytes(n_hashes) // 8, np.uint64)


def index_table(hashes: U64, first: int = 0) -> U64:
    """A table that gives the position of each hash in ``hashes``, counted from ``first``."""
    table = empty_table(len(hashes))
    _insert_positions(hashes, first, table)
    return table


def check_hashes(hashes: U64) -> None:
    """Raise ValueError for hashes that no text has, or with which look-ups would take for ever.

    These are 0, which marks free entries, a hash that comes twice, and many hashes that share their
    address: so many that an entry lies 8 places behind its address on average, not half a place.
    """
    ascending = np.sort(hashes)
    if (ascending[:1] == 0).any() or (ascending[1:] == ascending[:-1]).any():
        raise ValueError("two terms have the same hash, or one has none")
    mask = np.uint64(table_bytes(len(hashes)) // ENTRY_BYTES - 1)
    addresses = np.sort(hashes & mask).astype(np.int64)
    order = np.arange(len(addresses))
    places = order + np.maximum.accumulate(addresses - order)
    if (places - addresses).sum() > 8 * len(addresses):
        raise ValueError("the hashes of the terms are not random")


def grown_table(table: U64, n_hashes: int) -> U64:
    """The same entries in a table with room for ``n_hashes``."""
    larger = empty_table(n_hashes)
    _copy_entries(table, larger)
    return larger


@kernel
def find(table: U64, value: np.uint64) -> int:
    """The entry that holds ``value``, or the free one where it belongs."""
    mask = len(table) // 2 - 1
    entry = int(np.int64(value & np.uint64(mask)))
    while table[2 * entry] != value and table[2 * entry] != 0:
        entry = (entry + 1) & mask
    return entry


@kernel
def expect(table: U64, value: np.uint64) -> None:
    """Prefetch the entry of ``value``, which is looked up soon."""
    prefetch(table, 2 * np.int64(value & np.uint64(len(table) // 2 - 1)))


@kernel
def _insert_positions(hashes: U64, first: int, table: U64) -> None:
    for i in range(len(hashes)):
        entry = find(table, hashes[i])
        table[2 * entry] = hashes[i]
        table[2 * entry + 1] = np.uint64(first + i)


@kernel
def _copy_entries(table: U64, larger: U64) -> None:
    for i in range(len(table) // 2):
        if table[2 * i] != 0:
            entry = find(larger, table[2 * i])
            larger[2 * entry] = table[2 * i]
            larger[2 * entry + 1] = table[2 * i + 1]
