"""Sequences on their way to their place, and from there into the file.

Packed rows are those of `shuffle`; the items of a sequence are its tokens, two to an item, -1 in
what is left over.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import NamedTuple

import h5py
import numpy as np

from ooc_train.conversion.resources import Resources
from ooc_train.conversion.storage.placement import Destination, Placement
from ooc_train.conversion.storage.shuffle import HEADER_ITEMS, Buckets
from ooc_train.conversion.storage.spill import Column
from ooc_train.conversion.storage.writing import split_buckets
from ooc_train.dtypes import I32, I64, U64, AnyArray
from ooc_train.file import schema
from ooc_train.file.checksums import Appender
from ooc_train.jit import kernel

_TOKEN_BYTES = 4
_COPY_ITEMS = 2**20


class LabelledSequences(NamedTuple):
    """Rows of tokens: labels (n_rows,), offsets (n_rows + 1,), tokens (n_tokens,)."""

    labels: I32
    offsets: I64
    tokens: I32


class SequenceShuffle(Buckets):
    """Sequences of one split.  Memory: two buckets for each that is being read."""

    def write(self, destinations: I64, rows: LabelledSequences, chosen: I64) -> None:
        """Add the rows at the positions ``chosen``, each with its destination in the split."""
        order, bounds = self.arrange(destinations, (np.diff(rows.offsets)[chosen] + 1) // 2)
        packed = np.empty(bounds[-1], np.uint64)
        _pack(chosen[order], destinations[order], *rows, packed, packed.view(np.int32))
        self.write_packed(packed, bounds)

    def read(self, bucket: int, id_of: I32, max_length: int) -> LabelledSequences:
        """The rows of a bucket in order.

        Tokens are mapped by ``id_of``; those that it maps to 0 are left out, and of the others the
        last ``max_length`` of each row kept.
        """
        starts, packed = self.read_packed(bucket)
        n_rows = len(starts)
        labels, offsets = np.empty(n_rows, np.int32), np.zeros(n_rows + 1, np.int64)
        tokens = np.empty(2 * (len(packed) - HEADER_ITEMS * n_rows), np.int32)
        n = _unpack(starts, packed.view(np.int32), id_of, max_length, labels, offsets, tokens)
        return LabelledSequences(labels, offsets, tokens[:n])


class SequenceWriter:
    """Takes sequences with their destinations in any order, and writes them in the splits'.

    ``most_tokens`` is how many tokens all rows have together at most.  Temporary files belong to
    ``stack``.  Any number of threads may add.  Memory: two buckets for each worker, and four, while
    writing.
    """

    def __init__(
        self, placement: Placement, most_tokens: int, resources: Resources, stack: ExitStack
    ) -> None:
        self._resources = resources

        def make(n_rows: int, expected_bytes: int) -> SequenceShuffle:
            return SequenceShuffle(
                resources.temp_dir,
                n_rows,
                expected_bytes=expected_bytes,
                bucket_bytes=resources.plan.bucket_bytes,
            )

        self._shuffles = split_buckets(make, placement, _TOKEN_BYTES, most_tokens, stack)
        self.n_tokens = 0

    @property
    def n_bytes(self) -> int:
        """Bytes of temporary files so far."""
        return sum(shuffle.n_bytes for shuffle in self._shuffles.values())

    def add(self, rows: LabelledSequences, destinations: Sequence[Destination]) -> None:
        """Add the rows of a block."""
        for split, chosen, places in destinations:
            self._shuffles[split].write(places, rows, chosen)

    def write(
        self,
        file: h5py.File,
        id_of: I32,
        *,
        max_length: int,
        n_terms: int,
        n_classes: int,
        cut_to_longest: bool,
    ) -> int:
        """Write a group for each split, the last ``max_length`` tokens of each row.

        ``id_of`` gives the final id, from 1 to ``n_terms``, of each token that was added; 0 leaves
        it out.  With ``cut_to_longest`` the other splits are cut to the longest train row, if that
        is shorter.  Returns what they were cut to.
        """
        n_rows = sum(shuffle.n_rows for shuffle in self._shuffles.values())
        self._resources.progress.start("writing", n_rows, "row")
        for split in schema.SPLIT_NAMES:
            if split in self._shuffles:
                longest = self._write_split(file, split, id_of, max_length, n_terms, n_classes)
                if split == "train" and cut_to_longest:
                    max_length = longest
        return max_length

    def _write_split(
        self,
        file: h5py.File,
        split: str,
        id_of: I32,
        max_length: int,
        n_terms: int,
        n_classes: int,
    ) -> int:
        """Write the rows of one split; the tokens of its longest."""
        shuffle = self._shuffles[split]
        temp_dir, longest = self._resources.temp_dir, 0
        token_dtype = schema.index_dtype(n_terms + 1)

        def read(bucket: int) -> LabelledSequences:
            rows = shuffle.read(bucket, id_of, max_length)
            return rows._replace(tokens=rows.tokens.astype(token_dtype))

        # How many tokens there are is known when all rows are cut, and HDF5 must know it first.
        with (
            Column(temp_dir, schema.label_dtype(n_classes)) as labels,
            Column(temp_dir, np.int64) as ends,
            Column(temp_dir, token_dtype) as tokens,
        ):
            for rows in self._resources.in_order(read, range(shuffle.n_buckets)):
                labels.append(rows.labels)
                ends.append(rows.offsets[1:] + len(tokens))
                tokens.append(rows.tokens)
                longest = max(longest, int(np.diff(rows.offsets).max()))
                self._resources.progress.advance(len(rows.labels))
            group = schema.create_sequence_split(
                file,
                split,
                n_rows=shuffle.n_rows,
                n_tokens=len(tokens),
                n_terms=n_terms,
                n_classes=n_classes,
            )
            _copy(labels, group["labels"])
            _copy(ends, group["indptr"], first=np.zeros(1))
            _copy(tokens, group["tokens"])
        self.n_tokens += len(tokens)
        return longest


def _copy(column: Column, dataset: h5py.Dataset, first: AnyArray | None = None) -> None:
    mapped = column.mapped()
    with Appender(dataset) as target:
        if first is not None:
            target.append(first)
        for start in range(0, len(mapped), _COPY_ITEMS):
            target.append(mapped[start : start + _COPY_ITEMS])


@kernel
def _pack(
    chosen: I64,
    destinations: I64,
    labels: I32,
    offsets: I64,
    tokens: I32,
    packed: U64,
    halves: I32,
) -> None:
    end = 0
    for i in range(len(chosen)):
        row = chosen[i]
        n_tokens = offsets[row + 1] - offsets[row]
        n_items = (n_tokens + 1) // 2
        packed[end] = np.uint64(destinations[i])
        halves[2 * end + 2], halves[2 * end + 3] = labels[row], n_items
        end += HEADER_ITEMS
        halves[2 * end : 2 * end + n_tokens] = tokens[offsets[row] : offsets[row + 1]]
        end += n_items
        if n_tokens % 2:
            halves[2 * end - 1] = -1


@kernel
def _unpack(
    starts: I64,
    halves: I32,
    id_of: I32,
    max_length: int,
    labels: I32,
    offsets: I64,
    tokens: I32,
) -> int:
    n = 0
    for row in range(len(starts)):
        i = starts[row]
        labels[row] = halves[2 * i + 2]
        first = 2 * (i + HEADER_ITEMS)
        begin = n
        for k in range(first, first + 2 * halves[2 * i + 3]):
            if halves[k] >= 0 and id_of[halves[k]] > 0:
                tokens[n] = id_of[halves[k]]
                n += 1
        n = keep_last(tokens, begin, n, max_length)
        offsets[row + 1] = n
    return n


@kernel
def keep_last(tokens: I32, begin: int, end: int, most: int) -> int:
    """Cut the row at ``begin:end`` to its last ``most`` tokens, in place; its new end."""
    n_cut = end - begin - most
    if n_cut <= 0:
        return end
    for k in range(begin, end - n_cut):
        tokens[k] = tokens[k + n_cut]
    return end - n_cut
