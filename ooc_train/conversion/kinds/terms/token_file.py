"""Temporary files of all rows' tokens, block by block: what a second reading would find.

A listed token (see ``dictionary``) is one uint32, its number.  An unlisted one is ``UNLISTED_BIT``
and its length in bytes, its hash in two halves, and its string, padded to whole items.  A block
begins with the number of tokens of each row; tokens keep their order and repetitions.

So no source is read twice: nothing is decompressed, parsed, folded, split and hashed again.  To
number tokens, write them and read them back takes about as long as to read plain CSV again; for
compressed files and JSON Lines it takes less, and standard input could not be read again at all.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ooc_train.conversion.kinds.terms.dictionary import UNLISTED
from ooc_train.conversion.storage.job import append, read_at, worker_file
from ooc_train.conversion.text.tokens import Tokens
from ooc_train.dtypes import I32, U8, U32, U64
from ooc_train.intrinsics import PADDING
from ooc_train.jit import kernel

UNLISTED_BIT = 1 << 31
_ITEM_BYTES = 4
_HEADER_ITEMS = 3


@dataclass(frozen=True)
class TokenBlock:
    """Consecutive rows of one split, numbered over all sources, and where their tokens are.

    ``size`` is that of their text in bytes.
    """

    split: str
    first_row: int
    n_rows: int
    path: Path
    position: int
    n_items: int
    size: int

    def __len__(self) -> int:
        return self.n_rows

    @property
    def n_bytes(self) -> int:
        """The size of the tokens in their file."""
        return self.n_items * _ITEM_BYTES

    def read(self) -> U32:
        """The block's items: the number of tokens of each row, and then these."""
        items = np.empty(self.n_items + PADDING // _ITEM_BYTES, np.uint32)[: self.n_items]
        read_at(self.path, self.position, items)
        return items

    def decoded(self, listed_hashes: U64) -> tuple[Tokens, I32]:
        """The tokens with their numbers.  Only unlisted ones have their strings."""
        items = self.read()
        offsets = np.zeros(self.n_rows + 1, np.int64)
        np.cumsum(items[: self.n_rows], out=offsets[1:])
        n_tokens = int(offsets[-1])
        numbers, hashes = np.empty(n_tokens, np.int32), np.empty(n_tokens, np.uint64)
        starts, stops = np.zeros(n_tokens, np.int32), np.zeros(n_tokens, np.int32)
        _decode(items, self.n_rows, listed_hashes, numbers, hashes, starts, stops)
        return Tokens(items.view(np.uint8), hashes, starts, stops, offsets, 0), numbers


def write_tokens(
    folder: Path, split: str, first_row: int, tokens: Tokens, numbers: I32, size: int = 0
) -> TokenBlock:
    """Write the tokens of a block of rows, of text of ``size``, to a file in ``folder``."""
    items = _encoded(tokens, numbers)
    path = worker_file(folder, "tokens")
    n_rows = len(tokens.offsets) - 1
    return TokenBlock(split, first_row, n_rows, path, append(path, items), len(items), size)


def groups_of(blocks: Sequence[TokenBlock], n_groups: int) -> list[Sequence[TokenBlock]]:
    """The blocks in ``n_groups`` groups of consecutive ones; some are empty if there are few."""
    bounds = [i * len(blocks) // n_groups for i in range(n_groups + 1)]
    return [blocks[start:stop] for start, stop in itertools.pairwise(bounds)]


def row_ranges(blocks: Sequence[TokenBlock], most_rows: int) -> list[slice]:
    """The blocks in ranges of consecutive ones, each of ``most_rows`` at most or of one block."""
    starts, n_rows = [0], 0
    for i, block in enumerate(blocks):
        if n_rows and n_rows + len(block) > most_rows:
            starts.append(i)
            n_rows = 0
        n_rows += len(block)
    return [slice(*bounds) for bounds in itertools.pairwise([*starts, len(blocks)])]


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
def item_ahead(items: U32, i: int, n: int) -> int:
    """The item that comes ``n`` after item ``i``, to prefetch what is known of that token.

    It need not be a listed token's: it may also be a part of an unlisted one.
    """
    return np.int64(items[min(i + n, len(items) - 1)])


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
        # All that a later step may ask of it goes with it.
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
            # Its string is in the dictionary.
            numbers[t], hashes[t] = item, listed_hashes[item]
        else:
            # Its string follows, and is read where it lies.
            numbers[t] = UNLISTED
            hashes[t] = np.uint64(items[i + 1]) | (np.uint64(items[i + 2]) << np.uint64(32))
            starts[t] = _ITEM_BYTES * (i + _HEADER_ITEMS)
            stops[t] = starts[t] + (np.int64(item) - UNLISTED_BIT)
        i += item_length(item)
