"""A random sample of rows of text, of a bounded size."""

from pathlib import Path

import numpy as np
import orjson

from ooc_train.conversion.sources.rows import Block


class RowSample:
    """Rows of text that are drawn at random, at most ``most_bytes`` of them.

    Each row has a random number.  Those are kept whose number is below a bound, which is halved
    whenever there are too many.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bound = 1.0
        self._rows: list[tuple[float, int, bytes]] = []
        self.n_bytes = 0
        """The size of the texts."""

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, block: Block) -> None:
        """Draw among the rows of a block."""
        numbers = np.random.default_rng([0, block.first_row]).random(len(block.rows))
        for row in np.flatnonzero(numbers < self._bound).tolist():
            if numbers[row] >= self._bound:  # which an earlier row has halved
                continue
            text = block.rows.text_bytes(row)
            self._rows.append((float(numbers[row]), int(block.labels[row]), text))
            self.n_bytes += len(text)
            while self.n_bytes > self._most_bytes and len(self._rows) > 1:
                self._bound /= 2
                self._rows = [one for one in self._rows if one[0] < self._bound]
                self.n_bytes = sum(len(text) for *_, text in self._rows)

    def write(self, path: Path, labels: list[str]) -> None:
        """Write the rows as JSON Lines of ``text`` and ``label``; ``labels`` are those by class."""
        with path.open("wb") as file:
            for _, number, text in self._rows:
                row = {"text": text.decode("utf-8", "replace"), "label": labels[number]}
                file.write(orjson.dumps(row) + b"\n")
