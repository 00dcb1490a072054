"""Temporary files of all rows' tokens, block by block: what a second reading would find.

Each row is its number of tokens, and these in their order, repetitions included.  A listed token
(see ``dictionary``) is its number, as ``storage.codes`` writes it.  An unlisted one is a sign, its
length in bytes, its hash, and its string, padded to whole items.

So no source is read twice: nothing is decompressed, parsed, folded, split and hashed again.  To
number tokens, write them and read them back takes about as long as to read plain CSV again; for
compressed files and JSON Lines it takes less, and standard input could not be read again at all.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ooc_train.conversion.kinds.terms.dictionary import UNLISTED
from ooc_train.conversion.storage.codes import (
    ITEM_BYTES,
    SIGN,
    code_at,
    code_length,
    put_code,
    put_u32,
    u32_at,
)
from ooc_train.conversion.storage.job import append, read_at, worker_file
from ooc_train.conversion.text.tokens import Tokens
from ooc_train.dtypes import I32, I64, U8, U16, U64
from ooc_train.intrinsics import PADDING
from ooc_train.jit import inner_kernel, kernel

_MOST_BLOCKS = 8  # of a group, whose records are in memory together
_GROUPS_A_WORKER = 8  # so that all end at about the same time
_HEADER_ITEMS = 7  # of an unlisted token: the sign, its length and its hash


@dataclass(frozen=True)
class TokenBlock:
    """Consecutive rows of one split, numbered over all sources, and where their tokens are.

    ``size`` is that of their text in bytes.
    """

    split: str
    first_row: int
    n_rows: int
    n_tokens: int
    path: Path
    position: int
    n_items: int
    size: int

    def __len__(self) -> int:
        return self.n_rows

    @property
    def n_bytes(self) -> int:
        """The size of the tokens in their file."""
        return self.n_items * ITEM_BYTES

    def read(self) -> U16:
        """The block's items."""
        items = np.empty(self.n_items + PADDING // ITEM_BYTES, np.uint16)[: self.n_items]
        read_at(self.path, self.position, items)
        return items

    def decoded(self, listed_hashes: U64) -> tuple[Tokens, I32]:
        """The tokens with their numbers.  Only unlisted ones have their strings."""
        items, n_tokens = self.read(), self.n_tokens
        offsets = np.zeros(self.n_rows + 1, np.int64)
        numbers, hashes = np.empty(n_tokens, np.int32), np.empty(n_tokens, np.uint64)
        starts, stops = np.zeros(n_tokens, np.int32), np.zeros(n_tokens, np.int32)
        _decode(items, listed_hashes, offsets, numbers, hashes, starts, stops)
        return Tokens(items.view(np.uint8), hashes, starts, stops, offsets, 0), numbers


@dataclass(frozen=True)
class TokenGroup:
    """Adjacent blocks of one split, which a task takes one after another."""

    blocks: Sequence[TokenBlock]

    @property
    def split(self) -> str:
        """The split of the rows."""
        return self.blocks[0].split

    @property
    def first_row(self) -> int:
        """The number of the first row."""
        return self.blocks[0].first_row

    @property
    def size(self) -> int:
        """The size of the largest block's text in bytes."""
        return max(block.size for block in self.blocks)

    def __len__(self) -> int:
        return sum(map(len, self.blocks))


def write_tokens(
    folder: Path, split: str, first_row: int, tokens: Tokens, numbers: I32, size: int = 0
) -> TokenBlock:
    """Write the tokens of a block of rows, of text of ``size``, to a file in ``folder``."""
    n_items = _n_items(tokens.offsets, numbers, tokens.starts, tokens.stops)
    items = np.empty(n_items, np.uint16)
    _encode(*tokens[:5], numbers, items, items.view(np.uint8))
    path = worker_file(folder, "tokens")
    shape = len(tokens.offsets) - 1, len(numbers)
    return TokenBlock(split, first_row, *shape, path, append(path, items), n_items, size)


def groups_of(blocks: Sequence[TokenBlock], n_groups: int) -> list[Sequence[TokenBlock]]:
    """The blocks in ``n_groups`` groups of consecutive ones; some are empty if there are few."""
    bounds = [i * len(blocks) // n_groups for i in range(n_groups + 1)]
    return [blocks[start:stop] for start, stop in itertools.pairwise(bounds)]


def groups_to_encode(blocks: Sequence[TokenBlock], n_workers: int) -> Iterator[TokenGroup]:
    """The blocks in groups of adjacent ones of a split; some groups for each worker."""
    most = min(_MOST_BLOCKS, -(-len(blocks) // (_GROUPS_A_WORKER * n_workers)))
    for _, of_split in itertools.groupby(blocks, lambda block: block.split):
        some = list(of_split)
        for start in range(0, len(some), most):
            yield TokenGroup(some[start : start + most])


def row_ranges(blocks: Sequence[TokenBlock], most_rows: int) -> list[slice]:
    """The blocks in ranges of consecutive ones, each of ``most_rows`` at most or of one block."""
    starts, n_rows = [0], 0
    for i, block in enumerate(blocks):
        if n_rows and n_rows + len(block) > most_rows:
            starts.append(i)
            n_rows = 0
        n_rows += len(block)
    return [slice(*bounds) for bounds in itertools.pairwise([*starts, len(blocks)])]


@inner_kernel
def token_at(items: U16, i: int) -> tuple[int, int]:
    """The number of the token at item ``i``, negative if unlisted, and the item behind it."""
    number, after = code_at(items, i)
    if number < 0:
        after = i + _HEADER_ITEMS + _n_string_items(u32_at(items, i + 1))
    return number, after


@inner_kernel
def item_ahead(items: U16, i: int, n: int) -> int:
    """The item that comes ``n`` after item ``i``, to prefetch what is known of that token.

    It need not be a listed token's: it may also be a part of another one.
    """
    return int(items[min(i + n, len(items) - 1)])


@inner_kernel
def _n_string_items(length: int) -> int:
    """How many items the string of an unlisted token takes."""
    return (length + ITEM_BYTES - 1) // ITEM_BYTES


@kernel
def _n_items(offsets: I64, numbers: I32, starts: I32, stops: I32) -> int:
    n = 0
    for row in range(len(offsets) - 1):
        n += code_length(offsets[row + 1] - offsets[row])
    for t in range(len(numbers)):
        if numbers[t] == UNLISTED:
            n += _HEADER_ITEMS + _n_string_items(stops[t] - starts[t])
        else:
            n += code_length(numbers[t])
    return n


@kernel
def _encode(
    text: U8,
    hashes: U64,
    starts: I32,
    stops: I32,
    offsets: I64,
    numbers: I32,
    items: U16,
    item_bytes: U8,
) -> None:
    i = 0
    for row in range(len(offsets) - 1):
        i = put_code(items, i, offsets[row + 1] - offsets[row])
        for t in range(offsets[row], offsets[row + 1]):
            if numbers[t] != UNLISTED:
                i = put_code(items, i, np.int64(numbers[t]))
                continue
            # All that a later step may ask of it goes with it.
            length = np.int64(stops[t] - starts[t])
            items[i] = SIGN
            put_u32(items, i + 1, length)
            put_u32(items, i + 3, np.int64(hashes[t] & np.uint64(0xFFFFFFFF)))
            put_u32(items, i + 5, np.int64(hashes[t] >> np.uint64(32)))
            i += _HEADER_ITEMS
            n = _n_string_items(length)
            if n:
                items[i + n - 1] = 0
            for k in range(length):
                item_bytes[ITEM_BYTES * i + k] = text[starts[t] + k]
            i += n


@kernel
def _decode(
    items: U16,
    listed_hashes: U64,
    offsets: I64,
    numbers: I32,
    hashes: U64,
    starts: I32,
    stops: I32,
) -> None:
    i = 0
    for row in range(len(offsets) - 1):
        n, i = code_at(items, i)
        offsets[row + 1] = offsets[row] + n
        for t in range(offsets[row], offsets[row + 1]):
            number, after = token_at(items, i)
            if number >= 0:
                # Its string is in the dictionary.
                numbers[t], hashes[t] = number, listed_hashes[number]
            else:
                # Its string follows, and is read where it lies.
                numbers[t] = UNLISTED
                low, high = u32_at(items, i + 3), u32_at(items, i + 5)
                hashes[t] = np.uint64(low) | (np.uint64(high) << np.uint64(32))
                starts[t] = ITEM_BYTES * (i + _HEADER_ITEMS)
                stops[t] = starts[t] + u32_at(items, i + 1)
            i = after
