"""The terms that tell most about each class, by the rows that have them."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ooc_train.dtypes import F64, I64

MOST_FREQUENT, MOST_TELLING, MOST_CLASSES = 30, 10, 30
_LEAST_ROWS = 2


class Counted(NamedTuple):
    """The terms that were counted, in no particular order.

    ``rows`` (n_terms,) int64 are the rows that have each, ``by_class`` (n_terms, n_classes) those
    of each class.
    """

    terms: list[str]
    rows: I64
    by_class: I64


def frequent_terms(counted: Counted, n_rows: int) -> list[dict[str, Any]]:
    """The terms that most rows have: each with its ``term``, ``rows`` and ``share`` of the rows."""
    best = _first(counted, -counted.rows.astype(np.float64), MOST_FREQUENT)
    return [
        {"term": counted.terms[i], "rows": int(counted.rows[i]),
         "share": int(counted.rows[i]) / n_rows}
        for i in best
    ]  # fmt: skip


def telling_terms(
    counted: Counted,
    class_rows: I64,
    classes: Sequence[int],
    n_rows: int,
    scores_of: Callable[[int], F64] | None = None,
) -> list[list[dict[str, Any]]]:
    """For each of some classes the terms whose presence tells most that a row is of the class.

    ``class_rows`` are the rows of each class, in the order of the columns of ``by_class``, of
    ``n_rows`` in all, some of which may be of other classes.  Each term has its ``score`` between
    the class and all others, and the ``share`` of the class's rows that have it, with that of all
    other rows, ``elsewhere``.  The score is what ``scores_of`` gives for a class, ``(n_terms,)``;
    by default the ANOVA F of the term's presence, as ``f_classif`` of scikit-learn computes it.
    Terms that are more frequent elsewhere, or in a single row, are left out.
    """
    found = []
    for number in classes:
        own, share, elsewhere = _shares(counted, int(class_rows[number]), n_rows, number)
        scores = (
            scores_of(number)
            if scores_of
            else presence_scores(counted.rows, own, n_rows, int(class_rows[number]))
        )
        is_fit = (share > elsewhere) & (counted.rows >= _LEAST_ROWS)
        best = _first(counted, np.where(is_fit, -scores, 0), MOST_TELLING)
        found.append(
            [
                {
                    "term": counted.terms[i],
                    "rows": int(own[i]),
                    "share": float(share[i]),
                    "elsewhere": float(elsewhere[i]),
                    "score": float(scores[i]) if np.isfinite(scores[i]) else None,
                }
                for i in best
                if is_fit[i]
            ]
        )
    return found


def presence_scores(rows: I64, own: I64, n_rows: int, n_own: int) -> F64:
    """The ANOVA F of the presence of terms between a class and all others, ``(n_terms,)``.

    ``rows`` (n_terms,) of all ``n_rows`` have each term, and ``own`` of the ``n_own`` of the class.
    A term that divides them without an error has infinity.

    >>> presence_scores(np.array([3, 2]), np.array([2, 0]), 6, 3).round(3).tolist()
    [0.5, 4.0]
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        product = (own * float(n_rows) - rows * float(n_own)) ** 2
        spread = rows * (n_rows - rows).astype(np.float64) * n_own * (n_rows - n_own)
        explained = product / spread  # the square of the correlation of two columns of 0 and 1
        return np.nan_to_num((n_rows - 2) * explained / (1 - explained), nan=0.0, posinf=np.inf)


def _shares(counted: Counted, n_own: int, n_rows: int, number: int) -> tuple[I64, F64, F64]:
    own = counted.by_class[:, number]
    return own, own / max(1, n_own), (counted.rows - own) / max(1, n_rows - n_own)


def _first(counted: Counted, keys: F64, n: int) -> list[int]:
    """The numbers of the ``n`` terms with the smallest keys; of equal ones the first as texts."""
    few = np.argpartition(keys, n - 1)[:n] if len(keys) > n else np.arange(len(keys))
    if len(few) == n:  # and all that tie with the last
        few = np.flatnonzero(keys <= keys[few].max())
    return sorted(few.tolist(), key=lambda i: (keys[i], counted.terms[i]))[:n]
