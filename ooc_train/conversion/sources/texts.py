"""Rows of text, made of the columns of files."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from ooc_train.conversion.sources.choice import choose_text
from ooc_train.conversion.sources.cleaning import CLEANINGS
from ooc_train.conversion.sources.column_source import ColumnSource
from ooc_train.conversion.sources.columns import Cells, ColumnFile, Table
from ooc_train.conversion.sources.files.rejects import MAX_ROW_BYTES, Reject
from ooc_train.conversion.sources.layout import LayoutOptions
from ooc_train.conversion.sources.rows import TextRows, without


@dataclass(frozen=True)
class TextSource(ColumnSource):
    """The text of a file or a folder: its columns joined by ``", "``, and cleaned."""

    cleaning: str | None = None
    """What is done to the texts, see `CLEANINGS`."""

    @property
    def layout(self) -> dict[str, Any]:
        """The layout as a converted file's provenance has it."""
        return super().layout | ({"cleaning": self.cleaning} if self.cleaning else {})

    def read(self, block_bytes: int) -> Iterator[tuple[TextRows | Reject, int]]:
        """Blocks of rows, and rejects where they occur, each with the progress in bytes.

        Memory: four times ``block_bytes``, or the longest row (at most ``MAX_ROW_BYTES``).
        """
        for piece, progress in self.file.read(self.chosen, block_bytes):
            if isinstance(piece, Reject):
                yield piece, progress
                continue
            rows, rejects = _rows_of(piece, len(self.chosen.columns))
            for reject in rejects:
                yield reject, 0
            yield CLEANINGS[self.cleaning](rows) if self.cleaning else rows, progress


def find_text(file: ColumnFile, options: LayoutOptions) -> TextSource:
    """The text of a file, which the options describe."""
    chosen = choose_text(file, options)
    return TextSource(file, chosen, file.content_bytes(chosen.columns), options.cleaning)


def _rows_of(table: Table, n_columns: int) -> tuple[TextRows, list[Reject]]:
    """The rows of a table that can be used, and the others."""
    text, offsets = cast(Cells, table.columns).joined(n_columns)
    rows = TextRows(text, offsets, table.labels, table.lines, table.carried)
    reasons = dict(table.reasons)
    if not table.is_clean:
        for row in np.flatnonzero(np.diff(offsets) > MAX_ROW_BYTES).tolist():
            reasons[row] = f"the row is longer than {MAX_ROW_BYTES:,} bytes"
        for row in np.searchsorted(offsets, np.flatnonzero(text == 0), "right").tolist():
            reasons[row - 1] = "the row contains a NUL byte"
    return without(rows, reasons, table.raw)
