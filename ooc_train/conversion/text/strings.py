"""The strings of terms that so far are hashes, learned while the source is read again.

The first occurrence of a hash gives its string; every later one must have the same.  Where it has
not, two terms share a hash, and the fit is repeated with another seed: what is selected is thus
exact for certain, not with high probability.
"""

import threading
from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeVar

import numpy as np

from ooc_train.dtypes import I32, U8
from ooc_train.intrinsics import PADDING, load_word, low_bytes
from ooc_train.jit import kernel
from ooc_train.progress import Progress

MAX_ATTEMPTS = 8

Result = TypeVar("Result")


class HashCollision(Exception):  # noqa: N818 - control flow, never seen by a user
    """Two different terms have the same hash under this seed."""


def without_collision(attempt: Callable[[int], Result], progress: Progress) -> Result:
    """The result of ``attempt`` with the first hash seed, from 0, under which no hash collides."""
    for seed in range(MAX_ATTEMPTS):
        try:
            return attempt(seed)
        except HashCollision:
            progress.message("two terms share a hash; fitting again with another seed")
    raise AssertionError(f"{MAX_ATTEMPTS} hash seeds in a row led to collisions")


class Known(NamedTuple):
    """Strings by term, of length 0 where not yet known; never changed, only replaced.

    ``pool`` ends in ``PADDING`` bytes of no string.
    """

    pool: U8
    starts: I32
    lengths: I32


class LearnedStrings:
    """The strings of ``n_terms`` terms.  Any number of threads may read and learn."""

    def __init__(self, n_terms: int) -> None:
        self._lock = threading.Lock()
        nowhere = np.zeros(n_terms, np.int32)
        self.known = Known(np.zeros(PADDING, np.uint8), nowhere, nowhere)

    def learn(self, found: Iterable[tuple[int, bytes]]) -> None:
        """Add the strings that a block was the first to have, or compare them with another block's.

        ``found`` are terms with their strings.  Raises ``HashCollision`` where a term has two.
        """
        strings = dict(found)
        if not strings:
            return
        with self._lock:
            pool, starts, lengths = self.known
            starts, lengths = starts.copy(), lengths.copy()
            pieces = [pool[:-PADDING].tobytes()]
            end = len(pieces[0])
            for term, string in strings.items():
                if lengths[term] == 0:
                    starts[term], lengths[term] = end, len(string)
                    pieces.append(string)
                    end += len(string)
                else:  # another block was faster
                    known = pool[starts[term] : starts[term] + lengths[term]]
                    if known.tobytes() != string:
                        raise HashCollision
            joined = b"".join([*pieces, bytes(PADDING)])
            self.known = Known(np.frombuffer(bytearray(joined), np.uint8), starts, lengths)

    def strings(self) -> list[bytes]:
        """The strings as UTF-8; empty for terms that were not seen."""
        pool, starts, lengths = self.known
        blob = pool.tobytes()
        return [blob[i : i + n] for i, n in zip(starts.tolist(), lengths.tolist(), strict=True)]


@kernel
def same_string(one: U8, start: int, other: U8, other_start: int, length: int) -> bool:
    """Whether two texts have the same ``length`` bytes, 1 or more, from their places on.

    Up to seven bytes behind them are read.
    """
    k = 0
    while k + 8 < length and load_word(one, start + k) == load_word(other, other_start + k):
        k += 8
    differing = load_word(one, start + k) ^ load_word(other, other_start + k)
    return k + 8 >= length and low_bytes(differing, length - k) == 0
