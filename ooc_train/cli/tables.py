"""Tables for people: columns that never touch, whatever characters are in them."""

import unicodedata
from collections.abc import Sequence

from ooc_train.visible import visible

_GAP = "  "


def aligned(rows: Sequence[Sequence[str]], n_left: int) -> list[str]:
    """The lines of a table; the first ``n_left`` columns are text, all others numbers.

    Characters that act on a terminal are shown by their escapes.

    >>> aligned([("label", "rows"), ("business", "903")], 1)
    ['label     rows', 'business   903']
    """
    shown = [[visible(cell) for cell in row] for row in rows]
    widths = [max(map(columns_of, column)) for column in zip(*shown, strict=True)]
    return [
        _GAP.join(
            _padded(cell, width, is_left=number < n_left)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in shown
    ]


def columns_of(text: str) -> int:
    r"""The columns that a text takes in a terminal.

    >>> columns_of("né"), columns_of("文字"), columns_of("ne\u0301")
    (2, 4, 2)
    """
    return sum(
        0 if unicodedata.combining(one) else 1 + (unicodedata.east_asian_width(one) in "WF")
        for one in text
    )


def _padded(cell: str, width: int, *, is_left: bool) -> str:
    space = " " * (width - columns_of(cell))
    return cell + space if is_left else space + cell
