"""The strings of selected terms, learned while the source is read a second time.

The first occurrence of a hash gives its string; every later one must have the same.  Where it has
not, two terms share a hash, and the fit is repeated with another seed: what is selected is thus
exact for certain, not with high probability.
"""

import threading
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ooc_train.conversion.grams import Grams, Places
from ooc_train.conversion.jit import kernel
from ooc_train.conversion.table import Table, find, index_table

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int32]
Hashes = npt.NDArray[np.uint64]


class HashCollision(Exception):  # noqa: N818 - control flow, never seen by a user
    """Two different terms have the same hash under this seed."""


class Matches(NamedTuple):
    """The n-grams of some rows that are terms: row ``i`` has ``terms[offsets[i]:offsets[i + 1]]``,
    each once, with its count in the row."""  # noqa: D205, D209

    terms: Ints
    counts: Ints
    offsets: npt.NDArray[np.int64]


class _Strings(NamedTuple):
    """What is known so far; never changed, only replaced: readers need no lock."""

    pool: Bytes
    starts: Ints
    lengths: Ints


class TermIndex:
    """Finds terms among n-grams by hash.  Memory: 32 to 64 bytes a term."""

    def __init__(self, hashes: Hashes) -> None:
        self.n_terms = len(hashes)
        self._table = index_table(hashes)

    def match(self, grams: Grams) -> tuple[Matches, npt.NDArray[np.int64]]:
        """The terms of each row with their counts, and the n-gram at which each match is first."""
        terms, counts = np.empty((2, len(grams.hashes)), np.int32)
        first = np.empty(len(grams.hashes), np.int64)
        offsets = np.zeros(len(grams.offsets), np.int64)
        n = _match(
            grams.hashes, grams.offsets, self._table, self.n_terms, terms, counts, first, offsets
        )
        return Matches(terms[:n], counts[:n], offsets), first[:n]


class TermStrings:
    """The strings of terms, learned from matches by any number of threads."""

    def __init__(self, n_terms: int) -> None:
        self._lock = threading.Lock()
        self._known = _Strings(
            np.empty(0, np.uint8), np.zeros(n_terms, np.int32), np.zeros(n_terms, np.int32)
        )

    def learn(self, terms: Ints, first: npt.NDArray[np.int64], places: Places) -> None:
        """Compare the strings of matched terms with the known ones, and add the unknown.

        Raises ``HashCollision`` where a term has two strings.
        """
        new = _compare(terms, first, *places, *self._known)
        if len(new):
            with self._lock:
                self._add(terms, first, places)

    def strings(self) -> list[bytes]:
        """The terms' strings as UTF-8; empty for terms that were not seen."""
        pool, starts, lengths = self._known
        blob = pool.tobytes()
        return [blob[i : i + n] for i, n in zip(starts.tolist(), lengths.tolist(), strict=True)]

    def _add(self, terms: Ints, first: npt.NDArray[np.int64], places: Places) -> None:
        new = _compare(terms, first, *places, *self._known)  # again: others may have added
        pool, starts, lengths = self._known
        starts, lengths = starts.copy(), lengths.copy()
        pieces, end = [pool], len(pool)
        for i in new.tolist():
            piece = places.words[places.starts[first[i]] : places.stops[first[i]]]
            starts[terms[i]], lengths[terms[i]] = end, len(piece)
            pieces.append(piece)
            end += len(piece)
        self._known = _Strings(np.concatenate(pieces), starts, lengths)


def _compare(
    terms: Ints,
    first: npt.NDArray[np.int64],
    words: Bytes,
    starts: Ints,
    stops: Ints,
    pool: Bytes,
    known_starts: Ints,
    known_lengths: Ints,
) -> npt.NDArray[np.int64]:
    """Positions of the first match of each unknown term."""
    new = np.empty(len(known_starts), np.int64)
    n_new = _compare_strings(
        terms, first, words, starts, stops, pool, known_starts, known_lengths, new
    )
    if n_new < 0:
        raise HashCollision
    return new[:n_new]


@kernel
def _match(
    hashes: Hashes,
    offsets: npt.NDArray[np.int64],
    table: Table,
    n_terms: int,
    terms: Ints,
    counts: Ints,
    first: npt.NDArray[np.int64],
    out_offsets: npt.NDArray[np.int64],
) -> int:
    seen_at = np.full(n_terms, -1, np.int64)
    n = 0
    for row in range(len(offsets) - 1):
        begin = n
        for i in range(offsets[row], offsets[row + 1]):
            entry = find(table, hashes[i])
            if table[2 * entry] == 0:
                continue
            term = np.int64(table[2 * entry + 1])
            if seen_at[term] < begin:
                terms[n], counts[n], first[n] = term, 0, i
                seen_at[term] = n
                n += 1
            counts[seen_at[term]] += 1
        out_offsets[row + 1] = n
    return n


@kernel
def _compare_strings(
    terms: Ints,
    first: npt.NDArray[np.int64],
    words: Bytes,
    starts: Ints,
    stops: Ints,
    pool: Bytes,
    known_starts: Ints,
    known_lengths: Ints,
    new: npt.NDArray[np.int64],
) -> int:
    """How many matches are the first of unknown terms; -1 where a term has two strings."""
    met_at = np.full(len(known_starts), -1, np.int64)
    n_new = 0
    for i in range(len(terms)):
        term, gram = terms[i], first[i]
        start, length = starts[gram], stops[gram] - starts[gram]
        if known_lengths[term] > 0:
            same = length == known_lengths[term]
            k = 0
            while same and k < length:
                same = words[start + k] == pool[known_starts[term] + k]
                k += 1
        elif met_at[term] < 0:
            met_at[term] = gram
            new[n_new] = i
            n_new += 1
            continue
        else:
            other = met_at[term]
            same = length == stops[other] - starts[other]
            k = 0
            while same and k < length:
                same = words[start + k] == words[starts[other] + k]
                k += 1
        if not same:
            return -1
    return n_new
