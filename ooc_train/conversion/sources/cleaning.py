r"""Cleaning: undoes what published archives did to their texts; a preset names what it needs.

- ``escapes``: in the archives of Yelp and Amazon reviews a line break is written as a backslash and
  an n, as their readme says, and a quote now and then as a backslash and a quote.
- ``backslashes``: in AG News a backslash alone stands where a line ended ("won\support").
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ooc_train.conversion.sources.rows import TextRows
from ooc_train.dtypes import I64, U8
from ooc_train.jit import kernel

_BACKSLASH, _SPACE, _NEWLINE, _QUOTE, _N = 92, 32, 10, 34, 110


def unescape(rows: TextRows) -> TextRows:
    """Replace escapes by the line breaks and quotes that they stand for."""
    if not (rows.text == _BACKSLASH).any():
        return rows
    text, offsets = np.empty_like(rows.text), np.zeros_like(rows.text_offsets)
    _unescape(rows.text, rows.text_offsets, text, offsets)
    return replace(rows, text=text[: offsets[-1]], text_offsets=offsets)


def break_at_backslashes(rows: TextRows) -> TextRows:
    """Replace each backslash by a space."""
    return replace(rows, text=np.where(rows.text == _BACKSLASH, np.uint8(_SPACE), rows.text))


CLEANINGS: dict[str, Callable[[TextRows], TextRows]] = {
    "escapes": unescape,
    "backslashes": break_at_backslashes,
}
"""The cleanings, by the name that the provenance of a converted file has."""


@kernel
def _unescape(text: U8, offsets: I64, cleaned: U8, cleaned_offsets: I64) -> None:
    end = 0
    for row in range(len(offsets) - 1):
        i, stop = offsets[row], offsets[row + 1]
        while i < stop:
            byte = text[i]
            if byte == _BACKSLASH and i + 1 < stop and text[i + 1] in (_N, _QUOTE):
                i += 1
                byte = np.uint8(_NEWLINE) if text[i] == _N else np.uint8(_QUOTE)
            cleaned[end] = byte
            end += 1
            i += 1
        cleaned_offsets[row + 1] = end
