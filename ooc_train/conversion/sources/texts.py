"""Rows of text, made of the columns of files."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import numpy as np

from ooc_train.conversion.sources.choice import choose_text
from ooc_train.conversion.sources.cleaning import CLEANINGS
from ooc_train.conversion.sources.columns import Cells, ColumnFile, Table
from ooc_train.conversion.sources.files.rejects import Reject, too_long
from ooc_train.conversion.sources.layout import LayoutOptions
from ooc_train.conversion.sources.rows import TextRows, without
from ooc_train.conversion.sources.source import Source
from ooc_train.dtypes import Bools

_SAMPLE_BYTES = 2**16


@dataclass(frozen=True)
class TextSource(Source):
    """The text of a file or a folder: its columns joined by ``", "``, and cleaned."""

    cleaning: str | None = None
    """What is done to the texts, see `CLEANINGS`."""

    expansion: ClassVar[int] = 1

    @property
    def layout(self) -> dict[str, Any]:
        """The layout as the provenance of a converted file has it, see `Source.layout`."""
        return super().layout | ({"cleaning": self.cleaning} if self.cleaning else {})

    def rows_of(self, table: Table) -> tuple[TextRows, list[Reject]]:
        """The rows of a table that can be used, and the others."""
        cells = cast(Cells, table.columns)
        text, offsets = cells.joined(len(self.chosen.columns))
        carried = table.carried
        if carried is None and self.chosen.carried:
            places = {name: self.chosen.cells.index(k) for name, k in self.chosen.carried.items()}
            carried = cells.by_name(places)
        rows = TextRows(
            text,
            offsets,
            table.labels,
            table.lines,
            carried,
            _mask(table.missing, len(table.lines)),
        )
        reasons = dict(table.reasons)
        if not table.is_clean:
            longest = self.file.max_row_bytes
            for row in np.flatnonzero(np.diff(offsets) > longest).tolist():
                reasons[row] = too_long("row", longest)
            for row in np.searchsorted(offsets, np.flatnonzero(text == 0), "right").tolist():
                reasons[row - 1] = "the row contains a NUL byte"
        rows, rejects = without(rows, reasons, table.raw)
        return CLEANINGS[self.cleaning](rows) if self.cleaning else rows, rejects


def _mask(rows: Sequence[int], n_rows: int) -> Bools | None:
    """Some rows among all, (n_rows,); ``None`` if there are none."""
    if not rows:
        return None
    found = np.zeros(n_rows, np.bool_)
    found[rows] = True
    return found


def beginning_of(source: Source) -> bytes:
    """The first texts of a source; of a pipe its first bytes, since it is read once."""
    if source.file.file.pipe:
        return source.file.file.sample(_SAMPLE_BYTES)
    for piece, _ in source.read(_SAMPLE_BYTES):
        if isinstance(piece, TextRows) and len(piece):
            return piece.text[:_SAMPLE_BYTES].tobytes()
    return b""


def find_text(file: ColumnFile, options: LayoutOptions) -> TextSource:
    """The text of a file, which the options describe."""
    chosen = choose_text(file, options)
    return TextSource(file, chosen, file.content_bytes(chosen.columns), options.cleaning)
