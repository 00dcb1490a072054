"""Terms are told apart by 64-bit hashes, and by their strings where two hashes are the same.

Every term that is selected has its string compared at every occurrence.  Where two strings share a
hash, the fit is repeated with another seed, so what is selected is exact for certain, not with high
probability.
"""

from collections.abc import Callable
from typing import TypeVar

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
