"""Scores of terms, as scikit-learn computes them, but for the last digits.

Many terms tie, and which of two scores is larger in the sixteenth digit depends on how they are
computed: the sums are exact here, see ``class_sums``, and those of scikit-learn are rounded in the
order of the rows.  So scores count to `SCORE_DIGITS` significant digits.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ooc_train.dtypes import F64, I64, U32

SCORE_DIGITS = 10


def f_scores(sums: F64, squares: F64, class_counts: I64) -> F64:
    """One-way ANOVA's F of each term, as ``sklearn.feature_selection.f_classif`` defines it.

    ``sums`` (n_terms, n_classes) of values by class, ``squares`` (n_terms,) sums of squared values
    over all rows.  Terms that do not vary at all get minus infinity, those that vary only between
    classes plus infinity.
    """
    n_rows, n_classes = class_counts.sum(), len(class_counts)
    correction = sums.sum(axis=1) ** 2 / n_rows
    total = squares - correction
    between = (sums**2 / class_counts).sum(axis=1) - correction
    within = total - between
    # What is left of a difference of equal sums is rounding, not variance.
    rounding = squares * 1e-12
    within[within <= rounding] = 0.0
    between[between <= rounding] = 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        scores = (between / (n_classes - 1)) / (within / (n_rows - n_classes))
    return np.nan_to_num(round_scores(scores), nan=-np.inf, posinf=np.inf, neginf=-np.inf)


def chi2_scores(sums: F64, squares: F64, class_counts: I64) -> F64:  # noqa: ARG001
    """Chi-square of each term with the class, as ``sklearn.feature_selection.chi2`` defines it.

    Arguments as of ``f_scores``.
    """
    expected = sums.sum(axis=1)[:, np.newaxis] * (class_counts / class_counts.sum())
    return round_scores(((sums - expected) ** 2 / expected).sum(axis=1))


def most_f(df: U32, class_counts: I64) -> F64:
    """The bound on F of a term that occurs in ``df`` rows; infinity where there is none.

    If the values in ``df`` rows have the sum ``s``, their squares add up to at least
    ``s**2 / df``.  The squared sums by class, each divided by the rows of its class, add up to at
    most ``s**2`` divided by the rows of the smallest class.
    """
    n_rows, n_classes, fewest = class_counts.sum(), len(class_counts), class_counts.min()
    within = 1.0 / df - 1.0 / fewest
    between = 1.0 / fewest - 1.0 / n_rows
    with np.errstate(divide="ignore"):
        bounds = (between / (n_classes - 1)) / (within / (n_rows - n_classes))
    return np.where(within > 0, bounds, np.inf)


def most_chi2(df: U32, class_counts: I64) -> F64:
    """The bound on chi-square of a term that occurs in ``df`` rows: no value is above 1."""
    return df * (class_counts.sum() / class_counts.min() - 1.0)


class Score(NamedTuple):
    """How terms are scored: by a function of their class sums, or by their document frequency.

    ``most`` is the bound on a term's score, given its document frequency and the rows by class: a
    term that cannot be among the best need not be summed up.
    """

    of_sums: Callable[[F64, F64, I64], F64] | None
    most: Callable[[U32, I64], F64]


SCORES = {
    "f_classif": Score(f_scores, most_f),
    "chi2": Score(chi2_scores, most_chi2),
    "none": Score(None, lambda df, _: df.astype(np.float64)),
}


def round_scores(scores: F64) -> F64:
    """``scores`` rounded to ``SCORE_DIGITS`` significant digits.

    >>> round_scores(np.array([0.0, 123.45678901234, np.inf])).tolist()
    [0.0, 123.456789, inf]
    """
    rounded = scores.copy()
    regular = np.isfinite(scores) & (scores != 0)
    values = scores[regular]
    scale = 10.0 ** (SCORE_DIGITS - 1 - np.floor(np.log10(np.abs(values))))
    rounded[regular] = np.round(values * scale) / scale
    return rounded
