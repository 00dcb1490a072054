"""How well the scores of two classes rank the rows: areas under the curves, and thresholds.

Both curves follow from the number of rows of each class above each score.  The distinct scores are
kept in order with these counts, not the rows.  When there are too many scores, neighbours are
merged, more coarsely each time.  The areas are exact until the first merge, and after it they come
with an error bound.
"""

import math
from typing import NamedTuple

import numpy as np

from ooc_train.dtypes import F32, F64, I64

MAX_SCORES = 2**18
_STEPS = 2.0**26  # of log-odds: finer than neighbouring float32 probabilities lie from each other
_MOST = 128.0  # beyond the log-odds of any float32 probability but 0 and 1


class Area(NamedTuple):
    """An area under a curve, and a bound of its error."""

    value: float
    error: float


class Threshold(NamedTuple):
    """The least probability at which rows are predicted for a class, and the scores it gives."""

    probability: float
    precision: float
    recall: float
    f1: float


class Ranking:
    """Rows of two classes, counted by their predicted probability.

    Memory: 30 MB, whatever the number of rows.
    """

    def __init__(self, max_scores: int = MAX_SCORES) -> None:
        self._max_scores = max_scores
        self._shift = 0
        self._keys = np.empty(0, np.int64)
        self._counts = np.empty((0, 2), np.int64)
        self._waiting: list[tuple[I64, I64]] = []
        self._n_waiting = 0

    def add(self, labels: I64, probabilities: F32) -> None:
        """Count rows: ``(n,)`` labels, 0 or 1, and ``(n,)`` probabilities of class 1."""
        self._waiting.append((_keys(probabilities), np.array(labels)))
        self._n_waiting += len(labels)
        if self._n_waiting >= self._max_scores:
            self._merge()

    def roc_area(self) -> Area:
        """The area under the ROC curve: how often a row of class 1 scores higher than one of 0.

        Of equal scores half count.  ``nan`` where a class has no rows.
        """
        below, above = self._descending(1)
        n_pairs = float(below.sum() * above.sum())
        if not n_pairs:
            return Area(math.nan, math.nan)
        ranked_over = below.sum() - np.cumsum(below)
        area = float((above * (ranked_over + below / 2.0)).sum()) / n_pairs
        together = float((above * (below / 2.0)).sum()) / n_pairs
        return Area(area, together if self._shift else 0.0)

    def average_precision(self, positive: int) -> Area:
        """The area under the precision-recall curve of a class, as scikit-learn defines it.

        That is the mean precision at the scores of the rows of the class; ``nan`` without rows.
        """
        others, own = self._descending(positive)
        n_positive = own.sum()
        if not n_positive:
            return Area(math.nan, math.nan)
        found, wrong = np.cumsum(own), np.cumsum(others)
        precision = found / (found + wrong)
        highest = found / np.maximum(found + wrong - others, 1)
        lowest = (found - own + 1) / (found - own + 1 + wrong)
        furthest = np.maximum(highest - precision, precision - lowest)
        error = float((own * furthest).sum() / n_positive) if self._shift else 0.0
        return Area(float((own * precision).sum() / n_positive), error)

    def best_threshold(self, positive: int) -> Threshold:
        """The threshold with the highest F1 of a class, in the middle between two scores."""
        others, own = self._descending(positive)
        found, wrong = np.cumsum(own), np.cumsum(others)
        f1 = 2 * found / np.maximum(own.sum() + found + wrong, 1)
        best = int(f1.argmax())
        lowest, highest = self._log_odds(positive)
        takes_all = best == len(f1) - 1
        return Threshold(
            0.0 if takes_all else _probability((lowest[best] + highest[best + 1]) / 2),
            float(found[best] / max(found[best] + wrong[best], 1)),
            float(found[best] / max(own.sum(), 1)),
            float(f1[best]),
        )

    def curve(self, positive: int, n_points: int = 200) -> dict[str, list[float]]:
        """Points of both curves of a class: false positive rates, recalls and precisions."""
        others, own = self._descending(positive)
        found, wrong = np.cumsum(own), np.cumsum(others)
        # Half of the points are spread over the rows of the class, half over all others.
        travelled = found / max(1, own.sum()) + wrong / max(1, others.sum())
        places = np.searchsorted(travelled, np.linspace(0, travelled[-1], n_points))
        points = np.unique(np.minimum(places, len(own) - 1))
        return {
            "false_positive_rate": (wrong[points] / max(1, others.sum())).tolist(),
            "recall": (found[points] / max(1, own.sum())).tolist(),
            "precision": (found[points] / (found[points] + wrong[points])).tolist(),
        }

    def _descending(self, positive: int) -> tuple[I64, I64]:
        """Counts of the other class and of ``positive``, by descending score of ``positive``."""
        self._merge()
        counts = self._counts[::-1] if positive else self._counts
        return counts[:, 1 - positive], counts[:, positive]

    def _log_odds(self, positive: int) -> tuple[F64, F64]:
        """The bounds of the scores that each count stands for, in descending order."""
        lower = (self._keys << self._shift) / _STEPS
        upper = ((self._keys + 1) << self._shift) / _STEPS
        return (lower[::-1], upper[::-1]) if positive else (-upper, -lower)

    def _merge(self) -> None:
        """Sort the waiting rows in, and merge neighbouring scores while there are too many."""
        if not self._waiting:
            return
        keys = np.concatenate([self._keys, *(keys >> self._shift for keys, _ in self._waiting)])
        labels = np.concatenate([labels for _, labels in self._waiting])
        counts = np.concatenate([self._counts, np.eye(2, dtype=np.int64)[labels]])
        self._waiting, self._n_waiting = [], 0
        self._keys, self._counts = _together(keys, counts)
        while len(self._keys) > self._max_scores:
            self._shift += 1
            self._keys, self._counts = _together(self._keys >> 1, self._counts)


def _keys(probabilities: F32) -> I64:
    """Integers in the order of the probabilities; different probabilities give different ones."""
    exact = probabilities.astype(np.float64)
    with np.errstate(divide="ignore"):
        odds = np.log(exact) - np.log1p(-exact)
    return np.floor(np.clip(odds, -_MOST, _MOST) * _STEPS).astype(np.int64)


def _together(keys: I64, counts: I64) -> tuple[I64, I64]:
    """Each distinct key, in ascending order, with the sum of its counts."""
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    starts = np.flatnonzero(np.diff(keys, prepend=keys[0] - 1))
    return keys[starts], np.add.reduceat(counts[order], starts)


def _probability(log_odds: float) -> float:
    return 1 / (1 + math.exp(-log_odds))
