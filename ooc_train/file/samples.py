"""Texts of some rows, which a file keeps for people: their attribute, written and read.

A row is known by its number in its split.  A text is cut, its white space is single spaces, and
characters that act on a terminal are escapes.  Readers need none of it to use a file.
"""

from collections.abc import Mapping
from typing import Any

from ooc_train.json_text import json_object, json_text

SAMPLES = "samples"
"""The attribute of the root: a JSON object of the texts by split, then by row."""
MOST_SAMPLES = 200
"""The most rows of a split whose texts are kept."""
MOST_TEXT_BYTES = 600
"""The longest text, in UTF-8, without the mark of a cut."""

Samples = Mapping[str, Mapping[int, str]]
"""Texts by split, then by the number of the row."""


def samples_text(samples: Samples) -> str:
    """The attribute's value: splits, and rows within a split, in their order."""
    return json_text(
        {
            split: {str(row): text for row, text in sorted(texts.items())}
            for split, texts in sorted(samples.items())
        }
    )


def samples_in(attributes: Mapping[str, Any], n_rows: Mapping[str, int]) -> Samples:
    """The texts that the attributes of a root have, none if they have none.

    ``n_rows`` are the rows of each split.  Raises ValueError for what `samples_text` cannot have
    written.
    """
    found = json_object(attributes.get(SAMPLES, "{}"))
    for split, texts in found.items():
        if not isinstance(texts, dict) or split not in n_rows:
            raise ValueError(f"its {SAMPLES} are of no split")
        for row, text in texts.items():
            is_row = row.isascii() and row.isdecimal() and len(row) < 20
            if not is_row or int(row) >= n_rows[split] or not isinstance(text, str):
                raise ValueError(f"its {SAMPLES} are of no row of the split {split!r}")
    return {
        split: {int(row): text for row, text in texts.items()} for split, texts in found.items()
    }
