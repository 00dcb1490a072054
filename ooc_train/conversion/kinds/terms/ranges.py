"""Ranges of hashes: the n-grams of a partition, or as many of them as fit into memory."""

from collections.abc import Iterator
from typing import NamedTuple


class HashRange(NamedTuple):
    """The n-grams of a partition whose next ``bits`` bits are ``part``: a table's worth of them."""

    bits: int = 0
    part: int = 0


class TableTooLarge(Exception):  # noqa: N818 - control flow, never seen by a user
    """The n-grams of a range do not fit into the memory for its table."""


def divided(where: HashRange) -> Iterator[HashRange]:
    """The two halves of a range, in the order of their hashes."""
    for half in (0, 1):
        yield HashRange(where.bits + 1, 2 * where.part + half)
