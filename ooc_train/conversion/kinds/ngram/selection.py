"""The best terms by their scores, as scikit-learn's ``SelectKBest`` takes them.

Many terms tie at the cut: among equals the terms last in code-point order win, which is the rule of
``SelectKBest``.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ooc_train.conversion.kinds.terms.candidates import check_ties
from ooc_train.dtypes import F64, I64, U32, U64

_LEAST_PRUNED = 10_000
_TERM_BYTES = 80  # four times its hash, frequency and score


class Scored(NamedTuple):
    """Terms with their scores: hashes uint64, document frequencies uint32, scores float64."""

    hashes: U64
    df: U32
    scores: F64

    def take(self, where: I64) -> "Scored":
        """The terms at these positions."""
        return Scored(self.hashes[where], self.df[where], self.scores[where])

    @classmethod
    def joined(cls, parts: Sequence["Scored"]) -> "Scored":
        """The terms of all parts, one part after another."""
        none = cls(np.empty(0, np.uint64), np.empty(0, np.uint32), np.empty(0))
        return cls(*(np.concatenate(column) for column in zip(none, *parts, strict=True)))


class BestTerms:
    """The ``k`` best terms seen so far and all that tie with the last of them.

    Terms with scores below ``least`` cannot be among them any more.  Memory: some multiples of
    ``k``, and ``tie_bytes`` for ties.
    """

    def __init__(self, k: int, tie_bytes: int) -> None:
        self._k = k
        self._tie_bytes = tie_bytes
        self._parts: list[Scored] = []
        self._n = 0
        self.least = -np.inf

    def add(self, terms: Scored) -> None:
        """Consider more terms.  Raises ``BudgetError`` if ties take too much memory."""
        self._parts.append(terms)
        self._n += len(terms.scores)
        if self._n > 2 * self._k + _LEAST_PRUNED:
            best = self.candidates()
            self._parts, self._n = [best], len(best.scores)
            check_ties(self._n, self._k, self._tie_bytes, term_bytes=_TERM_BYTES)
            worst = best.scores.min()
            self.least = worst - 1e-9 * abs(worst)  # a bound, and scores before they are rounded

    def candidates(self) -> Scored:
        """Every term whose score is at least that of the ``k``-th best."""
        terms = Scored.joined(self._parts)
        if len(terms.scores) <= self._k:
            return terms
        cut = -np.partition(-terms.scores, self._k - 1)[self._k - 1]
        return terms.take(np.flatnonzero(terms.scores >= cut))


def select_terms(candidates: Scored, strings: list[bytes], k: int) -> I64:
    """Positions of the ``k`` selected candidates, in the code-point order of their strings.

    If candidates tie at the cut, those last in code-point order are selected.  UTF-8 sorts as code
    points do.
    """
    order = np.array(sorted(range(len(strings)), key=strings.__getitem__), np.int64)
    by_score = np.argsort(candidates.scores[order], kind="stable")  # ties stay in order
    return order[np.sort(by_score[-k:])]
