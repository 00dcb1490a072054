"""Lines of fastText: ``__label__`` with the class, and the text behind it.

A line with several labels is rejected: a row has one class.  The columns are called ``label`` and
``text``.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ooc_train.conversion.sources.columns import Cells, Chosen, ColumnFile, Piece, Table
from ooc_train.conversion.sources.files.buffer import line_blocks
from ooc_train.conversion.sources.files.input_file import InputFile
from ooc_train.conversion.sources.files.rejects import Blank, too_long
from ooc_train.conversion.sources.layout import LayoutOptions
from ooc_train.conversion.sources.rows import SpelledLabels
from ooc_train.errors import OptionError

_MARK = b"__label__"


@dataclass(frozen=True, kw_only=True)
class FastTextFile(ColumnFile):
    """One file of labelled lines."""

    def read(self, chosen: Chosen, block_bytes: int) -> Iterator[tuple[Piece, int]]:
        """The rows in tables of about ``block_bytes``, each with the progress."""
        line, n_rows = 1, 0
        for block, progress in self.file.parsed(
            lambda stream: line_blocks(stream, block_bytes, self.max_row_bytes)
        ):
            table = self._table(block, line, chosen)
            yield table, progress
            n_rows += len(table.lines)
            line += block.count(b"\n")
        if line - 1 > n_rows:
            yield Blank(line - 1 - n_rows), 0

    def _table(self, block: bytes, first_line: int, chosen: Chosen) -> Table:
        has_label = chosen.label >= 0
        cells: list[bytes] = []
        lines: list[bytes] = []
        numbers: list[int] = []
        reasons: dict[int, str] = {}
        missing: list[int] = []
        for number, line in enumerate(block.split(b"\n")[:-1], first_line):
            row = line.strip()
            if not row:
                continue
            label, text = (*row.split(None, 1), b"")[:2]
            if len(line) > self.max_row_bytes:
                reasons[len(lines)] = too_long("row", self.max_row_bytes)
            elif not label.startswith(_MARK):
                if has_label:
                    reasons[len(lines)] = "the line does not begin with __label__ and a class"
                label, text = _MARK, row
            elif text.startswith(_MARK):
                reasons[len(lines)] = "the line has more than one label"
            if not text:
                missing.append(len(lines))
            both = (text, label.removeprefix(_MARK))
            cells += [both[k] for k in chosen.cells]
            lines.append(line)
            numbers.append(number)
        found = Cells.of(cells, len(chosen.cells))
        labels = SpelledLabels.none(len(lines))
        if has_label:
            labels = found.labels(chosen.cells.index(chosen.label))
        return Table(
            np.array(numbers, np.int64),
            labels,
            found,
            reasons,
            lines.__getitem__,
            missing=missing,
        )


def open_fasttext(file: InputFile, options: LayoutOptions) -> FastTextFile:
    """Look whether the options fit, which there are none of."""
    if options.header:
        raise OptionError(f"{file.path} has lines of fastText and no header; leave out --header")
    names = ("text", "label")
    return FastTextFile(
        file=file, format="fasttext", names=names, max_row_bytes=options.max_row_bytes
    )
