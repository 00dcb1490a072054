"""Ragged rows: their tokens, as ``storage.codes`` writes numbers."""

from dataclasses import dataclass

import h5py
import numpy as np

from ooc_train.conversion.storage.codes import code_at, code_length, put_code
from ooc_train.conversion.storage.layouts.arrays import Piece, SplitArrays
from ooc_train.conversion.storage.shuffle import Bucket, Records, ShuffledSplit
from ooc_train.dtypes import I32, I64, U16
from ooc_train.file import schema
from ooc_train.jit import kernel
from ooc_train.reading.rows import SequenceRows


def pack_ragged(rows: SequenceRows) -> Records:
    """The records of rows of tokens."""
    offsets = np.zeros(len(rows.indptr), np.int64)
    tokens = rows.tokens.astype(np.int32, copy=False)
    _measure(rows.indptr, tokens, offsets)
    items = np.empty(offsets[-1], np.uint16)
    _pack(tokens, items)
    return Records(offsets, items)


@dataclass(frozen=True)
class RaggedArrays(SplitArrays):
    """Rows of tokens from 1 to ``n_terms``, the last ``max_length`` of each row.

    ``token_of`` int32 is the final token of each token in the records, 0 for those that are left
    out; without it the records' own tokens stand.
    """

    n_terms: int
    max_length: int
    token_of: I32 | None = None

    names = ("tokens",)

    def n_entries(self, rows: ShuffledSplit) -> int | None:  # noqa: ARG002
        """Not known before all rows are truncated."""
        return None

    def create(
        self, file: h5py.File, split: str, n_rows: int, n_entries: int, n_classes: int
    ) -> h5py.Group:
        """The group of the split, its datasets at their final size and still empty."""
        return schema.create_sequence_split(
            file,
            split,
            n_rows=n_rows,
            n_tokens=n_entries,
            n_terms=self.n_terms,
            n_classes=n_classes,
        )

    def unpack(self, bucket: Bucket) -> Piece:
        """The rows of a bucket, truncated, with tokens as they lie in the file."""
        token_of = self.token_of
        if token_of is None:
            token_of = np.arange(self.n_terms + 1, dtype=np.int32)
        offsets = np.zeros(len(bucket.labels) + 1, np.int64)
        tokens = np.empty(int(bucket.lengths.sum()), np.int32)
        n = _renumber(
            bucket.starts, bucket.lengths, bucket.items, token_of, self.max_length, offsets, tokens
        )
        tokens = tokens[:n].astype(schema.index_dtype(self.n_terms + 1))
        return Piece(bucket.labels, offsets, (tokens,))


@kernel
def _measure(indptr: I64, tokens: I32, offsets: I64) -> None:
    for row in range(len(indptr) - 1):
        n = 0
        for k in range(indptr[row], indptr[row + 1]):
            n += code_length(tokens[k])
        offsets[row + 1] = offsets[row] + n


@kernel
def _pack(tokens: I32, items: U16) -> None:
    i = 0
    for token in tokens:
        i = put_code(items, i, np.int64(token))


@kernel
def _renumber(
    starts: I64,
    lengths: I64,
    items: U16,
    token_of: I32,
    max_length: int,
    offsets: I64,
    tokens: I32,
) -> int:
    """The tokens that have a final one, the last ``max_length`` of each row; their number."""
    n = 0
    for row in range(len(starts)):
        begin, i, stop = n, starts[row], starts[row] + lengths[row]
        while i < stop:
            token, i = code_at(items, i)
            if token_of[token] > 0:
                tokens[n] = token_of[token]
                n += 1
        n = keep_last(tokens, begin, n, max_length)
        offsets[row + 1] = n
    return n


@kernel
def keep_last(tokens: I32, begin: int, end: int, most: int) -> int:
    """Truncate the row at ``begin:end`` to its last ``most`` tokens, in place; its new end."""
    n_lost = end - begin - most
    if n_lost <= 0:
        return end
    for k in range(begin, end - n_lost):
        tokens[k] = tokens[k + n_lost]
    return end - n_lost
