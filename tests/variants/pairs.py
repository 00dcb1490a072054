"""A toy source format: a row a line, its label, a colon, and its text."""

from dataclasses import dataclass

import numpy as np

from ooc_train.conversion.sources.columns import Cells, ColumnFile, Table
from ooc_train.conversion.sources.files.buffer import line_blocks
from ooc_train.conversion.sources.rows import SpelledLabels


@dataclass(frozen=True, kw_only=True)
class PairsFile(ColumnFile):
    format: str = "pairs"
    names: tuple[str, ...] = ("label", "text")

    def read(self, chosen, block_bytes):
        return self.file.parsed(lambda stream: _tables(stream, chosen, block_bytes))


def _tables(stream, chosen, block_bytes):
    n_lines = 0
    for block in line_blocks(stream, block_bytes):
        pairs = [line.split(b":", 1) for line in block.splitlines()]
        reasons = {k: "the line has no colon" for k, pair in enumerate(pairs) if len(pair) < 2}
        found = [pair if len(pair) == 2 else (b"", pair[0]) for pair in pairs]
        cells = Cells.of([pair[k] for pair in found for k in chosen.cells], len(chosen.cells))
        labels = SpelledLabels.none(len(pairs))
        if chosen.label >= 0:
            labels = cells.labels(len(chosen.columns))
        lines = np.arange(n_lines + 1, n_lines + len(pairs) + 1)
        n_lines += len(pairs)
        carried = [{"label": pair[0].decode()} for pair in found] if chosen.carried else None
        yield Table(lines, labels, cells, reasons, carried=carried)


def open_pairs(file, layout):
    return PairsFile(file=file)
