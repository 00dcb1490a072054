"""Counts of things as people read them."""

import re
from collections.abc import Mapping

_HISSING = re.compile("(s|x|z|ch|sh)$")
_CONSONANT_Y = re.compile("(?<![aeiou])y$")


def counted(number: int, noun: str) -> str:
    """So many things: the ``noun`` is in the singular, and becomes a plural if there is not one.

    >>> counted(1, "train row"), counted(2000, "class"), counted(0, "entry")
    ('1 train row', '2,000 classes', '0 entries')
    """
    return f"{number:,} {noun if number == 1 else plural(noun)}"


def plural(noun: str) -> str:
    """The plural of a regular noun.

    >>> plural("box"), plural("day"), plural("entry")
    ('boxes', 'days', 'entries')
    """
    if _HISSING.search(noun):
        return f"{noun}es"
    return f"{_CONSONANT_Y.sub('ie', noun)}s"


def rows_by_split(n_rows: Mapping[str, int]) -> str:
    """The rows of each split.

    >>> rows_by_split({"train": 90, "validation": 10, "test": 1}), rows_by_split({})
    ('90 train, 10 validation and 1 test row', 'no rows')
    """
    if not n_rows:
        return "no rows"
    *first, (last, n_last) = n_rows.items()
    before = ", ".join(f"{n:,} {split}" for split, n in first)
    return f"{before}{' and ' if before else ''}{counted(n_last, f'{last} row')}"
