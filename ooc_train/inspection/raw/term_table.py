"""A table of terms with the rows that have them, in bounded memory.

Counts are exact while all terms fit.  When the table is full, the rarest half of its terms makes
room; one that comes back, or comes late, may be counted too low by at most `TermTable.missed_rows`.
Method: the deterministic counts of J. Misra and D. Gries 1982, pruned in bulk as in the lossy
counting of G. S. Manku and R. Motwani 2002.
"""

from typing import NamedTuple

import numpy as np

from ooc_train.conversion.kinds.terms.grams import chain_hash
from ooc_train.conversion.text.analyzers import ANALYZERS
from ooc_train.conversion.text.tokens import Tokens, nonzero
from ooc_train.dtypes import I32, I64, U8, U32, U64
from ooc_train.inspection.raw.telling import Counted
from ooc_train.jit import kernel

_LONGEST = 255
"""The bytes of the longest term that is counted."""
_USUAL_BYTES = 16
_LEAST_CAPACITY = 512
_LEAST_WIDTH = 16
_ENTRY_BYTES = 8 + 4 + 4 + 8 + 4 + 4 + _USUAL_BYTES + 16
"""The bytes of an entry: its arrays, its text, and its slots; and 4 for each class."""


class TermEntries(NamedTuple):
    """The entries of a table: entry ``i`` is a term, ``by_class[i]`` its rows of each class.

    ``low`` is by how much ``rows`` may be too low, ``last`` the last row that was counted, from 1.
    The term's text is ``arena[starts[i]:starts[i] + lengths[i]]``.  ``slots`` is a hash table of
    the entries' numbers, from 1.  ``used`` are how many entries and bytes of text there are, and by
    how many rows a term that is not there may have been missed.
    """

    slots: I32
    hashes: U64
    rows: U32
    low: U32
    last: I64
    starts: I32
    lengths: I32
    by_class: U32
    arena: U8
    used: I64

    @classmethod
    def empty(cls, capacity: int, n_classes: int) -> "TermEntries":
        """No entries, with room for some."""
        n_slots = 1 << (2 * capacity - 1).bit_length()
        return cls(
            np.zeros(n_slots, np.int32),
            np.empty(capacity, np.uint64),
            np.empty(capacity, np.uint32),
            np.empty(capacity, np.uint32),
            np.empty(capacity, np.int64),
            np.empty(capacity, np.int32),
            np.empty(capacity, np.int32),
            np.empty((capacity, n_classes), np.uint32),
            np.empty(capacity * _USUAL_BYTES + _LONGEST, np.uint8),
            np.zeros(3, np.int64),
        )


class TermTable:
    """Terms of 1 to 255 bytes, and how many rows, of which classes, have each.

    Classes from number ``most_classes`` on count in ``rows`` alone.  Memory: ``n_bytes``.
    """

    def __init__(
        self, analyzer: str, ngrams: tuple[int, int], n_bytes: int, most_classes: int = 1024
    ) -> None:
        self._joint = np.frombuffer(ANALYZERS[analyzer].joint, np.uint8)
        self._ngrams = ngrams
        self._n_bytes = n_bytes // 2  # both tables are there while one grows
        self._most_classes = most_classes
        self._entries = TermEntries.empty(self._capacity(_LEAST_WIDTH), _LEAST_WIDTH)
        self._n_rows = 0

    def add(self, tokens: Tokens, labels: I32) -> None:
        """Count the terms of rows, given their tokens and their classes ``(n_rows,)``."""
        self._make_wide(min(int(labels.max(initial=0)) + 1, self._most_classes))
        row, has_room, dropping = 0, False, -1
        while True:
            places = self._n_rows, row, dropping
            stopped = _count(tokens, labels, *places, self._ngrams, self._joint, self._entries)
            if stopped == len(labels):
                break
            if stopped == row and has_room:  # it has more terms than the half that is free
                dropping = row
                self._entries.used[2] += 1
                continue
            self.make_room()
            row, has_room = stopped, True
        self._n_rows += len(labels)

    @property
    def missed_rows(self) -> int:
        """By how many rows a count may be too low; 0 if all are exact."""
        return int(self._entries.used[2])

    def counted(self) -> Counted:
        """All terms that are in the table."""
        entries, n = self._entries, int(self._entries.used[0])
        text = entries.arena[: entries.used[1]].tobytes()
        bounds = zip(entries.starts[:n].tolist(), entries.lengths[:n].tolist(), strict=True)
        terms = [
            text[start : start + length].decode("utf-8", "replace") for start, length in bounds
        ]
        return Counted(
            terms, entries.rows[:n].astype(np.int64), entries.by_class[:n].astype(np.int64)
        )

    def _capacity(self, width: int) -> int:
        return max(_LEAST_CAPACITY, self._n_bytes // (_ENTRY_BYTES + 4 * width))

    def _make_wide(self, n_classes: int) -> None:
        """Make room for a number of classes, and for fewer terms if need be."""
        width = self._entries.by_class.shape[1]
        if n_classes <= width:
            return
        width = min(max(n_classes, 2 * width), self._most_classes)
        after = TermEntries.empty(self._capacity(width), width)
        while self._entries.used[0] > len(after.rows) or self._entries.used[1] > len(after.arena):
            self.make_room()
        before = self._entries
        n, n_text, _ = before.used.tolist()
        for name in ("hashes", "rows", "low", "last", "starts", "lengths"):
            getattr(after, name)[:n] = getattr(before, name)[:n]
        after.by_class[:n] = 0
        after.by_class[:n, : before.by_class.shape[1]] = before.by_class[:n]
        after.arena[:n_text] = before.arena[:n_text]
        after.used[:] = before.used
        _compact(after, 0)  # which fills the slots
        self._entries = after

    def make_room(self) -> None:
        """Drop half of the terms, or more: those of the fewest rows."""
        n = int(self._entries.used[0])
        most = n // 2
        highest = self._entries.rows[:n].astype(np.int64) + self._entries.low[:n]
        dropped = int(np.partition(highest, n - most - 1)[n - most - 1])
        self._entries.used[2] = max(dropped, self._entries.used[2])
        _compact(self._entries, dropped)


@kernel
def _count(
    tokens: Tokens,
    labels: I32,
    first: int,
    begin: int,
    dropping: int,
    ngrams: tuple[int, int],
    joint: U8,
    entries: TermEntries,
) -> int:
    """Count the terms of rows from ``begin`` on; the row at which the table is full, or the end.

    Of the row ``dropping``, terms for which there is no room are left out.  ``first`` is the number
    of the first of the rows.
    """
    for row in range(begin, len(labels)):
        end = tokens.offsets[row + 1]
        for start in range(tokens.offsets[row], end):
            value = tokens.hashes[start]
            for stop in range(start, min(start + ngrams[1], end)):
                if stop > start:
                    value = chain_hash(value, tokens.hashes[stop])
                if stop - start + 1 < ngrams[0]:
                    continue
                slot = _slot_of(entries, nonzero(value))
                entry = np.int64(entries.slots[slot]) - 1
                if entry < 0:
                    entry = _insert(tokens, start, stop, joint, nonzero(value), slot, entries)
                if entry >= 0:
                    _add_row(entries, entry, first + row + 1, labels[row])
                elif entry == -1 and row != dropping:
                    return row
    return len(labels)


@kernel
def _slot_of(entries: TermEntries, value: np.uint64) -> int:
    """The slot that holds the entry of a hash, or the free one where it belongs."""
    mask = len(entries.slots) - 1
    slot = np.int64(value & np.uint64(mask))
    while entries.slots[slot] != 0 and entries.hashes[entries.slots[slot] - 1] != value:
        slot = (slot + 1) & mask
    return slot


@kernel
def _insert(
    tokens: Tokens,
    start: int,
    stop: int,
    joint: U8,
    value: np.uint64,
    slot: int,
    entries: TermEntries,
) -> int:
    """Make an entry of a term, the tokens ``start`` to ``stop``; its number.

    That is -1 if there is no room, and -2 for a term that is too long.
    """
    length = len(joint) * (stop - start)
    for token in range(start, stop + 1):
        length += np.int64(tokens.stops[token]) - tokens.starts[token]
    if length > _LONGEST:
        return -2
    entry, end = entries.used[0], entries.used[1]
    if entry == len(entries.hashes) or end + length > len(entries.arena):
        return -1
    entries.slots[slot] = entry + 1
    entries.hashes[entry] = value
    entries.rows[entry] = entries.last[entry] = 0
    entries.low[entry] = entries.used[2]
    entries.by_class[entry, :] = 0
    entries.starts[entry], entries.lengths[entry] = end, length
    for token in range(start, stop + 1):
        for i in range(tokens.starts[token], tokens.stops[token]):
            entries.arena[end] = tokens.text[i]
            end += 1
        for i in range(len(joint) if token < stop else 0):
            entries.arena[end] = joint[i]
            end += 1
    entries.used[0], entries.used[1] = entry + 1, end
    return int(entry)


@kernel
def _add_row(entries: TermEntries, entry: int, stamp: int, label: int) -> None:
    """Count a row, known by its ``stamp``, for a term, once."""
    if entries.last[entry] != stamp:
        entries.last[entry] = stamp
        entries.rows[entry] += np.uint32(1)
        if label < entries.by_class.shape[1]:
            entries.by_class[entry, label] += np.uint32(1)


@kernel
def _compact(entries: TermEntries, dropped: int) -> None:
    """Keep the entries that may have more than ``dropped`` rows, and build the slots anew."""
    entries.slots[:] = 0
    mask = len(entries.slots) - 1
    n = end = 0
    for i in range(entries.used[0]):
        if np.int64(entries.rows[i]) + np.int64(entries.low[i]) <= dropped:
            continue
        entries.hashes[n], entries.last[n] = entries.hashes[i], entries.last[i]
        entries.rows[n], entries.low[n] = entries.rows[i], entries.low[i]
        entries.by_class[n, :] = entries.by_class[i, :]
        start, length = entries.starts[i], entries.lengths[i]
        for k in range(length):  # texts are in the order of the entries
            entries.arena[end + k] = entries.arena[start + k]
        entries.starts[n], entries.lengths[n] = end, length
        end += length
        slot = np.int64(entries.hashes[n] & np.uint64(mask))
        while entries.slots[slot] != 0:
            slot = (slot + 1) & mask
        n += 1
        entries.slots[slot] = n
    entries.used[0], entries.used[1] = n, end
