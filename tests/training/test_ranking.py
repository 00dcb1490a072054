"""Areas under the curves of two classes: scikit-learn's, exactly, and within the error stated."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import (
    average_precision_score,
    f1_score,
    precision_recall_curve,
    roc_auc_score,
)

from ooc_train.training.scores.ranking import Ranking

FLOATS = st.floats(0, 1, width=32)


def ranking_of(labels, probabilities, *, max_scores=2**18, batch=7):
    ranking = Ranking(max_scores)
    for start in range(0, len(labels), batch):
        part = slice(start, start + batch)
        ranking.add(labels[part], probabilities[part])
    return ranking


def random_rows(n, *, share=0.5, seed=0, distinct=None):
    """Labels, and probabilities that tell something of them."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(n) < share).astype(np.int64)
    odds = rng.normal(2.0 * labels - 1, 2, n)
    if distinct:
        odds = np.round(odds * distinct) / distinct
    return labels, (1 / (1 + np.exp(-odds))).astype(np.float32)


def oracle(labels, probabilities):
    """The ROC area, and the average precision of each class, from odds as exact as can be."""
    exact = probabilities.astype(np.float64)
    return (
        roc_auc_score(labels, exact),
        average_precision_score(1 - labels, -exact),
        average_precision_score(labels, exact),
    )


@given(st.lists(st.tuples(st.integers(0, 1), FLOATS), min_size=2, max_size=60))
def test_areas_equal_those_of_scikit_learn(rows):
    labels = np.array([0, 1, *(label for label, _ in rows)])
    probabilities = np.array([0.5, 0.5, *(score for _, score in rows)], np.float32)
    ranking = ranking_of(labels, probabilities)
    found = ranking.roc_area(), ranking.average_precision(0), ranking.average_precision(1)
    np.testing.assert_allclose([area.value for area in found], oracle(labels, probabilities))
    assert [area.error for area in found] == [0, 0, 0]


@pytest.mark.parametrize("share", [0.5, 0.01])
@pytest.mark.parametrize("distinct", [None, 3])
def test_neither_size_of_batches_nor_ties_matter(share, distinct):
    labels, probabilities = random_rows(5000, share=share, distinct=distinct)
    for batch in (1000, 64):
        ranking = ranking_of(labels, probabilities, batch=batch)
        found = ranking.roc_area(), ranking.average_precision(0), ranking.average_precision(1)
        np.testing.assert_allclose([area.value for area in found], oracle(labels, probabilities))


@pytest.mark.parametrize("share", [0.5, 0.01])
@pytest.mark.parametrize("max_scores", [20, 500])
def test_with_more_scores_than_are_kept_the_error_stated_holds(share, max_scores):
    labels, probabilities = random_rows(20_000, share=share)
    ranking = ranking_of(labels, probabilities, max_scores=max_scores, batch=128)
    found = ranking.roc_area(), ranking.average_precision(0), ranking.average_precision(1)
    assert len(ranking._keys) <= max_scores
    for area, exact in zip(found, oracle(labels, probabilities), strict=True):
        assert 0 < abs(area.value - exact) <= area.error
    if max_scores == 500:
        assert found[0].error < 0.005
        assert abs(found[0].value - oracle(labels, probabilities)[0]) < 1e-4


@pytest.mark.parametrize("positive", [0, 1])
@pytest.mark.parametrize(("share", "max_scores"), [(0.5, 2**18), (0.03, 2**18), (0.03, 60)])
def test_the_best_threshold_gives_the_f1_that_it_says(positive, share, max_scores):
    labels, probabilities = random_rows(3000, share=share)
    own = probabilities if positive else 1 - probabilities
    best = ranking_of(labels, probabilities, max_scores=max_scores).best_threshold(positive)
    of_class = labels == positive
    assert f1_score(of_class, own >= best.probability) == pytest.approx(best.f1, abs=1e-9)
    precision, recall, _ = precision_recall_curve(of_class, own)
    highest = (2 * precision * recall / np.maximum(precision + recall, 1e-9)).max()
    assert best.f1 >= highest - (1e-9 if max_scores > 60 else 0.02)
    taken = own >= best.probability
    assert best.precision == pytest.approx((taken & of_class).sum() / taken.sum())
    assert best.recall == pytest.approx((taken & of_class).sum() / of_class.sum())


def test_all_rows_taken_is_a_threshold_of_zero():
    ranking = ranking_of(np.array([1, 1, 0]), np.float32([0.2, 0.2, 0.2]))
    assert ranking.best_threshold(1) == (0, 2 / 3, 1, pytest.approx(0.8))


def test_without_rows_of_a_class_there_is_no_area():
    ranking = ranking_of(np.zeros(3, np.int64), np.float32([0.2, 0.4, 1]))
    assert np.isnan([*ranking.roc_area(), *ranking.average_precision(1)]).all()
    assert ranking.average_precision(0).value == 1
    assert ranking.best_threshold(1).f1 == 0


def test_curves_run_from_none_to_all():
    labels, probabilities = random_rows(3000, share=0.1)
    curve = ranking_of(labels, probabilities).curve(1)
    assert len(curve["recall"]) > 100
    assert (curve["recall"][-1], curve["false_positive_rate"][-1]) == (1, 1)
    assert curve["precision"][-1] == pytest.approx(labels.mean())
    trapezoid = getattr(np, "trapezoid", None) or np.trapz  # of NumPy 1
    area = trapezoid(curve["recall"], curve["false_positive_rate"])
    assert area == pytest.approx(roc_auc_score(labels, probabilities), abs=0.01)
