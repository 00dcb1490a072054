"""The rows that a model confuses most certainly, among those whose texts a file keeps."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ooc_train.dtypes import F32, I64

MOST_ROWS = 50
"""The most confused rows of an evaluation."""


class ConfusedRows:
    """Rows of a split that a model takes for another class, most certain first.

    ``texts`` are those of the rows that are looked at, by number.  Memory: these texts.
    """

    def __init__(self, texts: Mapping[int, str]) -> None:
        self._texts = texts
        self._rows = np.array(sorted(texts), np.int64)
        self._found: list[tuple[float, int, int, int]] = []

    def add(self, rows: I64, labels: I64, probabilities: F32) -> None:
        """Look at ``(n,)`` rows by number and label, with ``(n, n_classes) float32``."""
        known = np.flatnonzero(np.isin(rows, self._rows))
        if not len(known):
            return
        predicted = probabilities[known].argmax(axis=1)
        wrong = predicted != labels[known]
        known, predicted = known[wrong], predicted[wrong]
        self._found += zip(
            probabilities[known, predicted].tolist(),
            rows[known].tolist(),
            labels[known].tolist(),
            predicted.tolist(),
            strict=True,
        )

    def result(self) -> list[dict[str, Any]]:
        """The rows, with the probability of the wrong class and the text; ties by number."""
        best = sorted(self._found, key=lambda found: (-found[0], found[1]))[:MOST_ROWS]
        return [
            {
                "row": row,
                "class": label,
                "predicted": predicted,
                "probability": probability,
                "text": self._texts[row],
            }
            for probability, row, label, predicted in best
        ]
