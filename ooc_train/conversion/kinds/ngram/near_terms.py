"""The near terms of a fitted vectorizer: all that are selected, and the most frequent others.

They are few, and what a text consists of: four of five n-grams of new text are near.  So they are
in a small hash table, where one look-up tells all that is needed of a term.  The other kept terms
are sought in the file, see ``term_index``.

An entry's value is the document frequency in the upper half, and in the lower half the term's
column plus one, 0 if it is not selected.
"""

import numpy as np

from ooc_train.conversion.text.table import ENTRY_BYTES, check_hashes, index_table, table_bytes
from ooc_train.dtypes import I64, U32, U64
from ooc_train.jit import kernel

_LEAST_NEAR = 1 << 15
"""So many terms are near, if there are: 1 MB."""
_HALF = np.uint64(32)
_COLUMN = np.uint64(0xFFFFFFFF)
_CLASS_BITS = 17
"""A class of frequencies is all whose float32 differ in these bits alone: 64 in each octave."""
_N_CLASSES = 1 << (32 - _CLASS_BITS)
_PIECE = 1 << 17


def near_table(hashes: U64, df: U32, selected: U64) -> U64:
    """The table of the near terms, for `find`.

    ``hashes`` (n_kept,) ascending and ``df`` (n_kept,) are those of all kept terms, ``selected``
    (n_columns,) the hashes of the selected ones by their columns.  A selected term that is not kept
    is in no row, and not in the table.  Raises ValueError if the hashes are not random.

    Memory: 32 to 64 bytes for each selected term, or a megabyte if that is more.
    """
    places = np.searchsorted(hashes, selected)
    columns = np.flatnonzero(places < len(hashes))
    columns = columns[hashes[places[columns]] == selected[columns]]
    places = places[columns]
    room = max(table_bytes(len(selected)) // (2 * ENTRY_BYTES), _LEAST_NEAR)
    near = np.union1d(places, _most_frequent(df, places, room - len(places)))
    values = df[near].astype(np.uint64) << _HALF
    values[np.searchsorted(near, places)] |= columns.astype(np.uint64) + np.uint64(1)
    check_hashes(hashes[near])
    table = index_table(hashes[near])
    used = table[::2] != 0
    table[1::2][used] = values[table[1::2][used]]
    return table


@kernel
def document_frequency(value: np.uint64) -> int:
    """The document frequency of a near term, given its entry's value."""
    return np.int64(value >> _HALF)


@kernel
def column_of(value: np.uint64) -> int:
    """The column of a near term, given its entry's value; -1 if it is not selected."""
    return np.int64(value & _COLUMN) - 1


def _most_frequent(df: U32, others: I64, most: int) -> I64:
    """The positions of the most frequent terms; not counting ``others``, ``most`` or a few less.

    Terms of one class of frequencies are all taken, or none.
    """
    counts = -np.bincount(_classes(df[others]), minlength=_N_CLASSES)
    pieces = [slice(start, start + _PIECE) for start in range(0, len(df), _PIECE)]
    for piece in pieces:
        counts += np.bincount(_classes(df[piece]), minlength=_N_CLASSES)
    at_least = counts[::-1].cumsum()[::-1]
    least = np.count_nonzero(at_least > most)
    found = [piece.start + np.flatnonzero(_classes(df[piece]) >= least) for piece in pieces]
    return np.concatenate([np.empty(0, np.int64), *found])


def _classes(df: U32) -> U32:
    """The classes of document frequencies; a higher frequency has the same class or a higher."""
    return df.astype(np.float32).view(np.uint32) >> np.uint32(_CLASS_BITS)
