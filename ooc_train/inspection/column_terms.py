"""The terms of a converted file: the most frequent, and those that tell most about each class."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from ooc_train.conversion.kinds.ngram.scores import SCORES
from ooc_train.dtypes import F64, I64
from ooc_train.file.handle import damage_errors
from ooc_train.inspection.raw.telling import (
    MOST_CLASSES,
    MOST_FREQUENT,
    Counted,
    telling_terms,
)
from ooc_train.json_text import json_object
from ooc_train.reading.rows import Batch, SparseRows
from ooc_train.reading.store import Store

MOST_ROWS = 100_000
"""The train rows that are looked at: the first, which are a random sample of shuffled ones."""
_ROWS_AT_ONCE = 4096
_MOST_COUNTS = 2**23
_TERM_COUNTS = ("term_df", "term_counts")


def column_terms(store: Store) -> dict[str, Any] | None:
    """The terms of the columns, as far as there are any; ``None`` for rows of numbers.

    ``frequent`` are the most frequent, as `frequent_terms` has them.  ``telling`` are for the
    largest classes those that tell most, each with the ``class``'s number, and ``score`` is what
    ranks them, see `telling_columns`.
    """
    vectorizer = store.group("vectorizer")
    name = next((name for name in _TERM_COUNTS if name in vectorizer), None)
    if name is None:
        return None
    counts = vectorizer.read(name).astype(np.int64)
    best = np.argsort(-counts, kind="stable")[:MOST_FREQUENT]
    total = int(counts.sum()) if name == "term_counts" else len(store["train"])
    frequent = [
        {"term": term, "rows": n_rows, "share": n_rows / total}
        for term, n_rows in zip(
            vectorizer.some_strings("terms", best.tolist()), counts[best].tolist(), strict=True
        )
    ]
    return {
        "missed_rows": 0,
        "frequent": frequent,
        "score": _score_of(store),
        "telling": telling_columns(store),
    }


def telling_columns(store: Store) -> list[dict[str, Any]]:
    """For the largest classes the ``terms`` of `telling_terms`, each with the ``class``'s number.

    The score is that which selected the terms, of their values between the class and all others;
    where none did, the ANOVA F of their presence.  There are none for other features than n-grams,
    or where classes and columns are very many.  Memory: 16 bytes for each class and column, at most
    128 MB, and some thousand rows.
    """
    if store.features != "ngram" or store.n_columns * store.n_classes > _MOST_COUNTS:
        return []
    sums = _ColumnSums(store.n_classes, store.n_columns)
    for batch in _train_batches(store):
        sums.add(batch)
    terms = store.group("vectorizer").strings("terms")
    counted = Counted(terms, sums.present.sum(axis=0), sums.present.T)
    largest = np.argsort(-sums.class_rows, kind="stable")[:MOST_CLASSES]
    shown = sorted(largest.tolist())
    n_rows = int(sums.class_rows.sum())
    score = SCORES[_score_of(store) or "none"].of_sums
    scores_of = (lambda number: score(*sums.divided(number))) if score else None
    found = telling_terms(counted, sums.class_rows, shown, n_rows, scores_of)
    return [{"class": number, "terms": terms} for number, terms in zip(shown, found, strict=True)]


def _score_of(store: Store) -> str | None:
    """The score that selected the terms, ``None`` if none did."""
    with damage_errors(store.path):
        found = json_object(store.group("vectorizer").attributes["parameters"]).get("score")
    return found if found in SCORES and SCORES[found].of_sums else None


def _train_batches(store: Store) -> Iterator[Batch]:
    train = store["train"]
    n_rows = min(len(train), MOST_ROWS) if store.is_shuffled else len(train)
    for start in range(0, n_rows, _ROWS_AT_ONCE):
        yield train.read_slices([(start, min(start + _ROWS_AT_ONCE, n_rows))])


class _ColumnSums:
    """Sums of rows by class and column: how many have it, their values, and all squares."""

    def __init__(self, n_classes: int, n_columns: int) -> None:
        self.present = np.zeros((n_classes, n_columns), np.int64)
        self.class_rows = np.zeros(n_classes, np.int64)
        self._values = np.zeros((n_classes, n_columns))
        self._squares = np.zeros(n_columns)

    def add(self, batch: Batch) -> None:
        """Add the rows of a batch."""
        self.class_rows += np.bincount(batch.labels, minlength=len(self.class_rows))
        if isinstance(batch.rows, SparseRows):
            labels = batch.labels[batch.rows.row_numbers()]
            columns, values = batch.rows.indices.astype(np.int64), batch.rows.values.astype(float)
            np.add.at(self.present, (labels, columns), 1)
            np.add.at(self._values, (labels, columns), values)
            np.add.at(self._squares, columns, values**2)

    def divided(self, number: int) -> tuple[F64, F64, I64]:
        """The sums of a class and of all others, as a `Score` takes them."""
        own, n_own = self._values[number], int(self.class_rows[number])
        sums = np.stack([own, self._values.sum(axis=0) - own], axis=1)
        n_rows = int(self.class_rows.sum())
        return sums, self._squares, np.array([n_own, n_rows - n_own])
