"""Scores of a classifier from its probabilities, batch by batch: counts are kept, not rows."""

import math
from typing import Any

import numpy as np

from ooc_train.dtypes import F32, F64, I64
from ooc_train.training.scores.ranking import Ranking

MAX_CONFUSION_CLASSES = 1024
TOP_K = 5
MIN_TOP_K_CLASSES = 20
MAX_PAIRS = 20
EXAMPLES = 3


class ClassTally:
    """Counts of rows by class so far, and the scores that follow from them.

    Memory: 24 bytes for each class.
    """

    def __init__(self, n_classes: int) -> None:
        self.support, self.predicted, self.correct = np.zeros((3, n_classes), np.int64)
        self._counts_top = n_classes >= MIN_TOP_K_CLASSES
        self._n_top_correct = 0

    def add(self, labels: I64, probabilities: F32) -> I64:
        """Count ``(n,)`` rows with ``(n, n_classes) float32``; return their predicted classes."""
        predicted: I64 = probabilities.argmax(axis=1)
        for counts, classes in (
            (self.support, labels),
            (self.predicted, predicted),
            (self.correct, labels[labels == predicted]),
        ):
            np.add.at(counts, classes, 1)
        if self._counts_top:
            self._n_top_correct += int((_ranks(labels, probabilities) < TOP_K).sum())
        return predicted

    @property
    def n_rows(self) -> int:
        """The number of rows so far."""
        return int(self.support.sum())

    @property
    def accuracy(self) -> float:
        """The share of rows whose most probable class is their own."""
        return int(self.correct.sum()) / self.n_rows

    @property
    def macro_f1(self) -> float:
        """The mean F1 of the classes that occur or are predicted."""
        met = self.support + self.predicted > 0
        return float(np.mean(_ratio(2 * self.correct, self.support + self.predicted)[met]))

    @property
    def top_k_accuracy(self) -> float | None:
        """The share of rows whose class is among the 5 most probable; ``None`` below 20 classes."""
        return self._n_top_correct / self.n_rows if self._counts_top else None


class Scoring:
    """Counts of rows so far: by class, by pair of classes, and with two classes by score.

    Memory: 32 bytes for each pair of classes up to 1,024 classes, beyond that 24 for each class;
    with two classes 30 MB.
    """

    def __init__(self, n_classes: int) -> None:
        self._tally = ClassTally(n_classes)
        self._loss_sum = 0.0
        self._confusion = _Confusion(n_classes) if n_classes <= MAX_CONFUSION_CLASSES else None
        self._ranking = Ranking() if n_classes == 2 else None

    def add(self, rows: I64, labels: I64, probabilities: F32, mean_loss: float) -> None:
        """Count ``(n,)`` rows by number and label, with their mean loss.

        ``probabilities`` are ``(n, n_classes) float32``.
        """
        predicted = self._tally.add(labels, probabilities)
        self._loss_sum += mean_loss * len(labels)
        if self._confusion:
            self._confusion.add(rows, labels, predicted, probabilities)
        if self._ranking:
            self._ranking.add(labels, probabilities[:, 1])

    def result(self) -> dict[str, Any]:
        """The scores as `evaluate` returns them, after at least one row."""
        tally = self._tally
        scores = class_scores(tally.correct, tally.support, tally.predicted)
        result: dict[str, Any] = {
            "rows": tally.n_rows,
            "accuracy": tally.accuracy,
            "baseline_accuracy": int(tally.support.max()) / tally.n_rows,
            "loss": self._loss_sum / tally.n_rows,
            "macro_f1": tally.macro_f1,
        }
        if tally.top_k_accuracy is not None:
            result["top_k_accuracy"] = {"k": TOP_K, "accuracy": tally.top_k_accuracy}
        if self._ranking:
            area = self._ranking.roc_area()
            result |= {"roc_auc": _number(area.value), "roc_auc_error": _number(area.error)}
            for positive in (0, 1):
                scores[positive] |= _ranked(self._ranking, positive)
            result["curves"] = [self._ranking.curve(positive) for positive in (0, 1)]
        confusion = self._confusion
        return result | {
            "classes": scores,
            "confusion": confusion.counts.tolist() if confusion else None,
            "confused_pairs": confusion.pairs() if confusion else None,
        }


class _Confusion:
    """Counts of rows by true and predicted class, and the most certain errors of each pair."""

    def __init__(self, n_classes: int) -> None:
        self.counts = np.zeros((n_classes, n_classes), np.int64)
        # The bits of the probability, above those of the row's number: the largest key is the most
        # certain error.
        self._examples = np.zeros((n_classes * n_classes, EXAMPLES), np.uint64)

    def add(self, rows: I64, labels: I64, predicted: I64, probabilities: F32) -> None:
        np.add.at(self.counts, (labels, predicted), 1)
        wrong = np.flatnonzero(labels != predicted)
        pairs = labels[wrong] * len(self.counts) + predicted[wrong]
        certainties = np.ascontiguousarray(probabilities[wrong, predicted[wrong]], np.float32)
        keys = (certainties.view(np.uint32).astype(np.uint64) << np.uint64(32)) | rows[
            wrong
        ].astype(np.uint64)
        # Each place of a pair takes rows by their number modulo EXAMPLES, so that one maximum over
        # arrays does all rows.
        np.maximum.at(self._examples, (pairs, rows[wrong] % EXAMPLES), keys)

    def pairs(self) -> list[dict[str, Any]]:
        """The pairs of true and predicted class with the most rows."""
        n_classes = len(self.counts)
        wrong = self.counts.ravel().copy()
        wrong[:: n_classes + 1] = 0
        most = np.argsort(-wrong, kind="stable")[:MAX_PAIRS]
        return [
            {
                "class": pair // n_classes,
                "predicted": pair % n_classes,
                "rows": int(wrong[pair]),
                "examples": self._examples_of(pair),
            }
            for pair in most.tolist()
            if wrong[pair]
        ]

    def _examples_of(self, pair: int) -> list[dict[str, Any]]:
        keys = np.sort(self._examples[pair])[::-1]
        keys = keys[keys > 0]
        certainties = (keys >> np.uint64(32)).astype(np.uint32).view(np.float32)
        return [
            {"row": int(key & np.uint64(0xFFFFFFFF)), "probability": float(certainty)}
            for key, certainty in zip(keys, certainties, strict=True)
        ]


def class_scores(correct: I64, support: I64, predicted: I64) -> list[dict[str, Any]]:
    """Precision, recall, F1 and support of each class; a ratio without rows is 0.

    All arguments are ``(n_classes,)`` counts: rows predicted correctly, rows, and rows predicted.

    >>> class_scores(np.array([3, 4]), np.array([4, 4]), np.array([3, 5]))[0]
    {'precision': 1.0, 'recall': 0.75, 'f1': 0.8571428571428571, 'support': 4}
    """
    ratios = zip(
        _ratio(correct, predicted).tolist(),
        _ratio(correct, support).tolist(),
        _ratio(2 * correct, support + predicted).tolist(),
        support.tolist(),
        strict=True,
    )
    return [
        {"precision": precision, "recall": recall, "f1": f1, "support": n}
        for precision, recall, f1, n in ratios
    ]


def _ratio(numerator: I64, denominator: I64) -> F64:
    ratios: F64 = numerator / np.maximum(denominator, 1)
    return ratios


def _ranks(labels: I64, probabilities: F32) -> I64:
    """The number of classes more probable than each row's own; equal ones count by number."""
    own = np.take_along_axis(probabilities, labels[:, np.newaxis], axis=1)
    earlier = np.arange(probabilities.shape[1]) < labels[:, np.newaxis]
    before = (probabilities > own) | ((probabilities == own) & earlier)
    return np.count_nonzero(before, axis=1)


def _ranked(ranking: Ranking, positive: int) -> dict[str, Any]:
    area = ranking.average_precision(positive)
    return {
        "average_precision": _number(area.value),
        "average_precision_error": _number(area.error),
        "best_threshold": ranking.best_threshold(positive)._asdict(),
    }


def _number(value: float) -> float | None:
    """A figure as JSON can hold it: ``None`` where it is not defined."""
    return None if math.isnan(value) else value
