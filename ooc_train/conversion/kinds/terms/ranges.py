"""Ranges of hashes: the n-grams of a partition, or as many of them as fit into memory."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ooc_train.conversion.kinds.terms.grams import HASH_BITS


class HashRange(NamedTuple):
    """The n-grams of a partition whose next ``bits`` bits are ``part``: a table's worth of them."""

    partition: int
    bits: int
    part: int

    @property
    def first_bits(self) -> np.uint64:
        """The bits of a hash that the records of the partition leave out."""
        return np.uint64(self.partition) << np.uint64(HASH_BITS)


class TableTooLarge(Exception):  # noqa: N818 - control flow, never seen by a user
    """The n-grams of a range do not fit into the memory for its table."""


def divided(where: HashRange) -> Iterator[HashRange]:
    """The two halves of a range, in the order of their hashes."""
    for half in (0, 1):
        yield HashRange(where.partition, where.bits + 1, 2 * where.part + half)
