"""A temporary file of all rows' tokens, block by block: what a second reading would find.

It spares that: a listed token (see ``dictionary``) is one uint32, its number.  An unlisted one is
``UNLISTED_BIT`` and its length in bytes, its hash in two halves, and its string, padded to whole
items.  A block begins with the number of tokens of each row.
"""

import errno
import itertools
import os
import threading
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ooc_train.conversion.kinds.ngram.dictionary import UNLISTED
from ooc_train.conversion.storage.spill import unlinked_file, write_at
from ooc_train.conversion.text.tokens import Tokens
from ooc_train.dtypes import I32, U8, U32, U64
from ooc_train.intrinsics import PADDING
from ooc_train.jit import kernel

UNLISTED_BIT = 1 << 31
_ITEM_BYTES = 4
_HEADER_ITEMS = 3


class TokenBlock(NamedTuple):
    """Consecutive rows of one split, numbered over all sources, and where in the file they are."""

    split: str
    first_row: int
    n_rows: int
    position: int
    n_items: int


class TokenFile:
    """The tokens of all rows.  Any number of threads may write, and then read.

    Memory: some 100 bytes a block.  The file has no name, see ``Spill``.
    """

    def __init__(self, folder: Path) -> None:
        self._file = unlinked_file(folder)
        self._blocks: list[TokenBlock] = []
        self._lock = threading.Lock()
        self.n_bytes = 0

    def __enter__(self) -> "TokenFile":
        return self

    def __exit__(self, *error: object) -> None:
        os.close(self._file)

    def write(self, split: str, first_row: int, tokens: Tokens, numbers: I32) -> int:
        """Add a block of rows; the bytes written."""
        items = _encoded(tokens, numbers)
        n_rows = len(tokens.offsets) - 1
        with self._lock:
            position = self.n_bytes
            self.n_bytes += items.nbytes
            self._blocks.append(TokenBlock(split, first_row, n_rows, position, len(items)))
        write_at(self._file, items, position)
        return items.nbytes

    def blocks(self) -> list[TokenBlock]:
        """All blocks in the order of their rows."""
        return sorted(self._blocks, key=lambda block: block.first_row)

    def groups(self, n_groups: int) -> list[list[TokenBlock]]:
        """All blocks in so many groups of consecutive ones; some are empty if there are few."""
        blocks = self.blocks()
        bounds = [i * len(blocks) // n_groups for i in range(n_groups + 1)]
        return [blocks[start:stop] for start, stop in itertools.pairwise(bounds)]

    def read(self, block: TokenBlock) -> U32:
        """A block's items: the number of tokens of each row, and then these."""
        items = np.empty(block.n_items + PADDING // _ITEM_BYTES, np.uint32)[: block.n_items]
        view, position = memoryview(items.view(np.uint8).data), block.position
        while view.nbytes:
            n_read = os.preadv(self._file, [view], position)
            if n_read == 0:
                raise OSError(errno.EIO, "a temporary file could not be read back")
            view, position = view[n_read:], position + n_read
        return items


def decoded(items: U32, n_rows: int, listed_hashes: U64) -> tuple[Tokens, I32]:
    """The tokens of a block with their numbers.  Only unlisted ones have their strings."""
    offsets = np.zeros(n_rows + 1, np.int64)
    np.cumsum(items[:n_rows], out=offsets[1:])
    n_tokens = int(offsets[-1])
    numbers, hashes = np.empty(n_tokens, np.int32), np.empty(n_tokens, np.uint64)
    starts, stops = np.zeros(n_tokens, np.int32), np.zeros(n_tokens, np.int32)
    _decode(items, n_rows, listed_hashes, numbers, hashes, starts, stops)
    return Tokens(items.view(np.uint8), hashes, starts, stops, offsets, 0), numbers


def _encoded(tokens: Tokens, numbers: I32) -> U32:
    n_rows, n_tokens = len(tokens.offsets) - 1, len(numbers)
    n_more = _n_more_items(numbers, tokens.starts, tokens.stops)
    items = np.empty(n_rows + n_tokens + n_more, np.uint32)
    items[:n_rows] = np.diff(tokens.offsets)
    if n_more:
        _encode(
            tokens.text, tokens.hashes, tokens.starts, tokens.stops, numbers, n_rows, items,
            items.view(np.uint8),
        )  # fmt: skip
    else:
        items[n_rows:] = numbers
    return items


@kernel
def n_string_items(length: int) -> int:
    """How many items the string of an unlisted token takes."""
    return (length + _ITEM_BYTES - 1) // _ITEM_BYTES


@kernel
def item_length(item: np.uint32) -> int:
    """How many items a token takes that begins with ``item``."""
    if item < UNLISTED_BIT:
        return 1
    return _HEADER_ITEMS + n_string_items(np.int64(item) - UNLISTED_BIT)


@kernel
def _n_more_items(numbers: I32, starts: I32, stops: I32) -> int:
    n = 0
    for t in range(len(numbers)):
        if numbers[t] == UNLISTED:
            n += _HEADER_ITEMS - 1 + n_string_items(stops[t] - starts[t])
    return n


@kernel
def _encode(
    text: U8,
    hashes: U64,
    starts: I32,
    stops: I32,
    numbers: I32,
    i: int,
    items: U32,
    item_bytes: U8,
) -> None:
    for t in range(len(numbers)):
        if numbers[t] != UNLISTED:
            items[i] = np.uint32(numbers[t])
            i += 1
            continue
        length = np.int64(stops[t] - starts[t])
        items[i] = np.uint32(UNLISTED_BIT | length)
        items[i + 1] = np.uint32(hashes[t] & np.uint64(0xFFFFFFFF))
        items[i + 2] = np.uint32(hashes[t] >> np.uint64(32))
        i += _HEADER_ITEMS
        n = n_string_items(length)
        items[i + n - 1] = 0
        for k in range(length):
            item_bytes[_ITEM_BYTES * i + k] = text[starts[t] + k]
        i += n


@kernel
def _decode(
    items: U32,
    i: int,
    listed_hashes: U64,
    numbers: I32,
    hashes: U64,
    starts: I32,
    stops: I32,
) -> None:
    for t in range(len(numbers)):
        item = items[i]
        if item < UNLISTED_BIT:
            numbers[t], hashes[t] = item, listed_hashes[item]
        else:
            numbers[t] = UNLISTED
            hashes[t] = np.uint64(items[i + 1]) | (np.uint64(items[i + 2]) << np.uint64(32))
            starts[t] = _ITEM_BYTES * (i + _HEADER_ITEMS)
            stops[t] = starts[t] + (np.int64(item) - UNLISTED_BIT)
        i += item_length(item)
