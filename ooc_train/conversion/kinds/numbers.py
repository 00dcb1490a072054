"""The memory and disk that rows of numbers need while they are converted."""

from typing import NamedTuple

_BLOCK_MULTIPLE = 5  # as read, of another type, in another order, packed, and as it is written
_MOST_BYTES = 2**26


class NumericDensity(NamedTuple):
    """The needs of rows of numbers, in proportion to the size of a block and of all rows."""

    block_multiple: int = _BLOCK_MULTIPLE
    most_block_bytes: int = _MOST_BYTES

    def foreseen_disk_bytes(self, n_bytes: int) -> int:
        """The temporary files for so many bytes of rows, and the result."""
        return 2 * n_bytes
