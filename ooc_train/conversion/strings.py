"""The strings of terms that so far are hashes, learned while the source is read again.

The first occurrence of a hash gives its string; every later one must have the same.  Where it has
not, two terms share a hash, and the fit is repeated with another seed: what is selected is thus
exact for certain, not with high probability.
"""

import threading
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from ooc_train.conversion.jit import kernel
from ooc_train.progress import Progress

MAX_ATTEMPTS = 8
_MARGIN_BYTES = 8

Result = TypeVar("Result")
Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int32]


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

    Behind each there are eight bytes, so that kernels may read so many at once.
    """

    pool: Bytes
    starts: Ints
    lengths: Ints


class LearnedStrings:
    """The strings of ``n_terms`` terms.  Any number of threads may read and learn."""

    def __init__(self, n_terms: int) -> None:
        self._lock = threading.Lock()
        self.known = Known(
            np.empty(0, np.uint8), np.zeros(n_terms, np.int32), np.zeros(n_terms, np.int32)
        )

    def learn(self, text: Bytes, new: Ints) -> None:
        """Add strings that a block was the first to have, or compare them with another block's.

        ``new`` (3, n_new): a term, and where in ``text`` its string begins and ends.
        Raises ``HashCollision`` where a term has two strings.
        """
        with self._lock:
            pool, starts, lengths = self.known
            starts, lengths = starts.copy(), lengths.copy()
            pieces, end = [pool], len(pool)
            for term, start, stop in new.T.tolist():
                piece = text[start:stop]
                if lengths[term] == 0:
                    starts[term], lengths[term] = end, len(piece)
                    pieces.append(piece.copy())
                    end += len(piece)
                else:  # another block was faster
                    known = pool[starts[term] : starts[term] + lengths[term]]
                    if not np.array_equal(known, piece):
                        raise HashCollision
            pieces.append(np.zeros(_MARGIN_BYTES, np.uint8))
            self.known = Known(np.concatenate(pieces), starts, lengths)

    def strings(self) -> list[bytes]:
        """The strings as UTF-8; empty for terms that were not seen."""
        pool, starts, lengths = self.known
        blob = pool.tobytes()
        return [blob[i : i + n] for i, n in zip(starts.tolist(), lengths.tolist(), strict=True)]


@kernel
def same_string(one: Bytes, start: int, other: Bytes, other_start: int, length: int) -> bool:
    """Whether two texts have the same ``length`` bytes from ``start`` and ``other_start`` on."""
    k = 0
    while k < length and one[start + k] == other[other_start + k]:
        k += 1
    return k == length
