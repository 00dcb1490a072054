"""The memory and disk that rows of numbers need while they are converted."""

from typing import NamedTuple

_BLOCK_MULTIPLE = 5  # as read, of another type, in another order, packed, and as it is written
_MAX_BLOCK_BYTES = 2**26


class NumberNeeds(NamedTuple):
    """The memory and disk that rows of numbers need, in proportion to their size."""

    block_multiple: int = _BLOCK_MULTIPLE
    max_block_bytes: int = _MAX_BLOCK_BYTES

    @property
    def row_multiple(self) -> int:
        """The same as of a block, for one that is one long row."""
        return self.block_multiple

    def temporary_bytes(self, n_bytes: int) -> int:
        """The size of temporary files for ``n_bytes`` of rows."""
        return n_bytes

    def output_bytes(self, n_bytes: int) -> int:
        """The size of the result for ``n_bytes`` of rows."""
        return n_bytes
