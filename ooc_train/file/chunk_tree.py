"""Where the chunks of a compressed array lie: its tree of chunks, read as rows are asked for.

Unlike the objects of a file the tree grows with the rows, so it is not read when a file is opened.
"""

from typing import NamedTuple

import numpy as np

from ooc_train.dtypes import AnyArray
from ooc_train.file.objects import NODE, FileBytes, StoredArray

_MAX_TREE_LEVEL = 16


class Chunk(NamedTuple):
    """Where compressed rows lie in the file, the first of which is number ``first_row``."""

    first_row: int
    position: int
    n_bytes: int


def chunks_near(content: FileBytes, stored: StoredArray, row: int) -> list[Chunk]:
    """Some chunks of a compressed array, among them the one that begins with ``row``, if it exists.

    The chunks of one node of the tree, at most 64.  Memory: that node.
    """
    position, above = stored.position, _MAX_TREE_LEVEL
    while position >= 0:
        level, entries = _chunk_node(content, position, len(stored.shape))
        if level >= above:
            raise ValueError("the tree of chunks is damaged")
        position, above = -1, level
        if level == 0:
            return [
                Chunk(int(first[0]), int(place), int(n_bytes))
                for n_bytes, mask, first, place in entries
                if not mask and not first[1:].any() and int(place) + int(n_bytes) <= content.size
            ]
        number = int(np.searchsorted(entries["first"][:, 0], row, "right")) - 1
        if number >= 0:
            position = int(entries["place"][number])
    return []


def _chunk_node(content: FileBytes, position: int, n_dimensions: int) -> tuple[int, AnyArray]:
    """The level of a node of a tree of chunks, and its entries."""
    mark, kind, level, n_entries, *_ = NODE.unpack(content.read(position, NODE.size))
    if mark != b"TREE" or kind != 1 or n_entries > 64:
        raise ValueError(f"there is no tree of chunks at {position:,}")
    first_rows = ("first", "<u8", (n_dimensions + 1,))
    entry = np.dtype([("n_bytes", "<u4"), ("mask", "<u4"), first_rows, ("place", "<u8")])
    entries = content.read(position + NODE.size, n_entries * entry.itemsize)
    return level, np.frombuffer(entries, entry)
