"""The terms that tell most about each class of a converted file, by its train rows."""

from typing import Any

import numpy as np

from ooc_train.inspection.raw.telling import MOST_CLASSES, telling_terms
from ooc_train.inspection.raw.term_table import Counted
from ooc_train.reading.rows import SparseRows
from ooc_train.reading.store import Store

MOST_ROWS = 100_000
"""The train rows that are looked at: the first, which are a random sample of shuffled ones."""
_ROWS_AT_ONCE = 4096
_MOST_COUNTS = 2**24


def telling_columns(store: Store) -> list[dict[str, Any]]:
    """For the largest classes the ``terms`` of `telling_terms`, each with the ``class``'s number.

    There are none for other features than n-grams, or where classes and columns are very many.
    Memory: 8 bytes for each class and column, at most 128 MB, and some thousand rows.
    """
    train = store["train"]
    if store.features != "ngram" or store.n_columns * store.n_classes > _MOST_COUNTS:
        return []
    by_class = np.zeros((store.n_classes, store.n_columns), np.int64)
    class_rows = np.zeros(store.n_classes, np.int64)
    n_rows = min(len(train), MOST_ROWS) if store.is_shuffled else len(train)
    for start in range(0, n_rows, _ROWS_AT_ONCE):
        batch = train.read_slices([(start, min(start + _ROWS_AT_ONCE, n_rows))])
        if isinstance(batch.rows, SparseRows):
            labels = batch.labels[batch.rows.row_numbers()]
            np.add.at(by_class, (labels, batch.rows.indices.astype(np.int64)), 1)
        class_rows += np.bincount(batch.labels, minlength=store.n_classes)
    terms = store.group("vectorizer").strings("terms")
    counted = Counted(terms, by_class.sum(axis=0), by_class.T)
    largest = np.argsort(-class_rows, kind="stable")[:MOST_CLASSES]
    shown = sorted(largest.tolist())
    found = telling_terms(counted, class_rows, shown, n_rows)
    return [{"class": number, "terms": terms} for number, terms in zip(shown, found, strict=True)]
