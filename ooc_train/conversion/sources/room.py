"""The memory for a long row: what there is, what the row takes, and what to do where it is more."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ooc_train.conversion.sources.files.rejects import Place
from ooc_train.conversion.sources.rows import SourceRows
from ooc_train.counts import counted
from ooc_train.errors import BudgetError


class Room(NamedTuple):
    """The memory for a block that is converted alone: ``n_bytes``.

    A block takes ``multiple`` times its size.  ``advice`` says how to get the memory for a row that
    takes so many bytes.
    """

    n_bytes: int
    multiple: int
    advice: Callable[[int], str]

    def check(self, rows: SourceRows, place: Callable[[int], Place]) -> None:
        """Raise ``BudgetError`` for a block that takes more, with the ``place`` of its longest row.

        Blocks of several rows are small enough, so it is one that is too long.
        """
        if rows.size * self.multiple <= self.n_bytes:
            return
        longest = int(np.argmax(rows.sizes))
        n_bytes = int(rows.sizes[longest])
        raise BudgetError(
            f"{place(int(rows.lines[longest]))}: a row of {counted(n_bytes, 'byte')} takes up to "
            f"{n_bytes * self.multiple / 1e6:.0f} MB of memory, and {self.n_bytes / 1e6:.0f} MB "
            f"are left for it; {self.advice(n_bytes * self.multiple)}"
        )
