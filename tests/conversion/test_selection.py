"""Scores and the best terms: scikit-learn's functions are the oracle."""

import sys

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_selection import f_classif

import ooc_train
from ooc_train.cli import convert as command
from ooc_train.conversion.kinds.ngram import vectorizer
from ooc_train.conversion.kinds.ngram.scores import SCORES, f_scores, round_scores
from ooc_train.conversion.kinds.ngram.selection import BestTerms, Scored, select_terms
from ooc_train.conversion.kinds.ngram.vectorizer import NgramParameters
from ooc_train.conversion.kinds.terms import candidates
from ooc_train.conversion.resources import MemoryPlan
from ooc_train.errors import BudgetError
from tests.corpora import random_rows, write_rows


def sums_of(values, labels, n_classes):
    sums = np.stack([values[labels == k].sum(axis=0) for k in range(n_classes)], axis=1)
    return sums, (values**2).sum(axis=0), np.bincount(labels, minlength=n_classes)


@pytest.mark.parametrize("n_classes", [2, 3, 7])
def test_f_equals_scikit_learn(n_classes):
    rng = np.random.default_rng(n_classes)
    labels = rng.permutation(np.arange(90) % n_classes)
    values = rng.random((90, 40)) * (rng.random((90, 40)) < 0.3)
    expected = f_classif(scipy.sparse.csr_matrix(values), labels)[0]
    np.testing.assert_allclose(f_scores(*sums_of(values, labels, n_classes)), expected, rtol=1e-9)


def test_terms_that_do_not_vary_score_least_and_perfect_ones_most():
    labels = np.arange(10) % 2
    values = np.stack([np.ones(10), labels.astype(float), np.arange(10.0)], axis=1)
    constant, perfect, ordinary = f_scores(*sums_of(values, labels, 2))
    assert constant == -np.inf
    assert perfect == np.inf
    assert np.isfinite(ordinary)


@pytest.mark.parametrize("n_classes", [2, 3, 7])
@pytest.mark.parametrize("score", ["f_classif", "chi2"])
def test_no_score_exceeds_what_the_document_frequency_allows(n_classes, score):
    rng = np.random.default_rng(n_classes)
    labels = rng.permutation(np.minimum(np.arange(200) % (n_classes + 2), n_classes - 1))
    share = np.where(rng.random(500) < 0.5, 0.02, rng.random(500))
    values = rng.random((200, 500)) ** 0.1 * (rng.random((200, 500)) < share)
    values[:, :n_classes] = labels[:, np.newaxis] == np.arange(n_classes)  # the best possible
    values[rng.permutation(200)[:100], :n_classes] = 0
    counts = np.bincount(labels)
    df = (values > 0).sum(axis=0).astype(np.uint32)
    values, df = values[:, df > 0], df[df > 0]
    scores = SCORES[score].of_sums(*sums_of(values, labels, n_classes))
    most = SCORES[score].most(df, counts)
    assert (scores <= most * (1 + 1e-9)).all()
    assert np.isclose(scores, most).any()  # and it cannot be lower
    assert np.isfinite(most[df < counts.min()]).all()


@given(st.floats(1e-6, 1e12), st.integers(-4, 4))
def test_rounding_forgets_the_eleventh_digit(score, steps):
    rounded = round_scores(np.array([score]))[0]
    assert abs(rounded - score) <= 0.6e-9 * score
    assert round_scores(np.array([rounded]))[0] == pytest.approx(rounded, rel=1e-15)
    far = score * (1 + 1e-8 * steps)
    assert (round_scores(np.array([far]))[0] == rounded) == (steps == 0)


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=60),
    st.integers(1, 70),
    st.integers(1, 4),
)
def test_the_best_are_those_of_select_k_best(scores, k, n_parts):
    """Parts in any number give the same; of equals, the last in code-point order are taken."""
    terms = [f"t{i:03}".encode() for i in range(len(scores))]
    best = BestTerms(k, sys.maxsize)
    for part in np.array_split(np.arange(len(scores)), n_parts):
        best.add(Scored(part.astype(np.uint64), part.astype(np.uint32), np.float64(scores)[part]))
    candidates = best.candidates()
    strings = [terms[i] for i in candidates.hashes.tolist()]
    selected = [strings[i] for i in select_terms(candidates, strings, k).tolist()]
    order = np.argsort(scores, kind="stable")[-k:]  # what SelectKBest does
    assert selected == [terms[i] for i in np.sort(order)]


def test_pruning_keeps_all_that_may_yet_be_needed():
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 50_000, 400_000).astype(float)
    best = BestTerms(10, sys.maxsize)
    for part in np.array_split(np.arange(len(scores)), 7):
        best.add(Scored(part.astype(np.uint64), part.astype(np.uint32), scores[part]))
    cut = np.sort(scores)[-10]
    assert sorted(best.candidates().hashes.tolist()) == np.flatnonzero(scores >= cut).tolist()


def test_ties_take_no_more_memory_than_is_left():
    tied = Scored(np.arange(30_000, dtype=np.uint64), np.ones(30_000, np.uint32), np.ones(30_000))
    with pytest.raises(BudgetError, match="at least 29,990 terms tie with the last of the 10 to k"):
        BestTerms(10, 2_000_000).add(tied)


@pytest.mark.parametrize("features", ["ngram", "sequence"])
def test_ties_that_take_too_much_memory_are_refused(tmp_path, monkeypatch, features):
    plan = MemoryPlan(1, 2**18, 2**18, 2**18, 2**14, tie_bytes=10_000)
    monkeypatch.setattr(MemoryPlan, "divide", lambda *_, **__: plan)
    text = " ".join(f"word{i}" for i in range(60))
    source = write_rows(tmp_path / "train.csv", [(str(i % 2), text, "") for i in range(8)])
    with pytest.raises(BudgetError, match="terms tie with the last .* give more with --memory, or"):
        ooc_train.convert(source, tmp_path / "o.h5", features=features, top_k=20)
    assert [path.name for path in tmp_path.iterdir()] == ["train.csv"]


# How many terms are selected


def test_few_rows_select_as_many_terms_as_the_guide():
    auto = NgramParameters()
    assert [auto.n_selected(n) for n in (1, 100_000, 100_005)] == [20_000, 20_000, 20_001]
    assert [auto.n_selected(n) for n in (400_000, 10**9)] == [80_000, 100_000]
    assert NgramParameters(top_k=20_000).n_selected(10**9) == 20_000


@pytest.mark.parametrize("asked", [{}, {"top_k": "auto"}])
def test_more_rows_select_more_terms(tmp_path, monkeypatch, asked):
    monkeypatch.setattr(vectorizer, "GUIDE_TOP_K", 30)
    source = write_rows(tmp_path / "train.csv", random_rows(225))
    report = ooc_train.convert(source, tmp_path / "o.h5", validation_fraction=0, **asked)
    assert report["n_features"] == 45
    ooc_train.convert(source, tmp_path / "same.h5", validation_fraction=0, top_k=45)
    assert (tmp_path / "same.h5").read_bytes() == (tmp_path / "o.h5").read_bytes()
    again = ooc_train.convert(source, tmp_path / "n.h5", vectorizer=tmp_path / "o.h5", **asked)
    assert again["n_features"] == 45


def test_auto_selects_the_guides_words_for_sequences(tmp_path):
    source = write_rows(tmp_path / "train.csv", random_rows(50))
    options = ["--features", "sequence", "--quiet"]
    assert command.main([str(source), "-o", str(tmp_path / "o.h5"), *options]) == 0
    more = ["--top-k", "auto"]
    assert command.main([str(source), "-o", str(tmp_path / "same.h5"), *options, *more]) == 0
    assert (tmp_path / "same.h5").read_bytes() == (tmp_path / "o.h5").read_bytes()


def test_terms_that_take_too_much_memory_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(candidates, "GUIDE_TOP_K", 10)
    plan = MemoryPlan(1, 2**18, 2**18, 2**18, 2**14, tie_bytes=9_000)
    monkeypatch.setattr(MemoryPlan, "divide", lambda *_, **__: plan)
    source = write_rows(tmp_path / "train.csv", random_rows(60))
    with pytest.raises(BudgetError, match="31 terms are to be .* --memory, or --top-k 10"):
        ooc_train.convert(source, tmp_path / "o.h5", top_k=31)
    assert [path.name for path in tmp_path.iterdir()] == ["train.csv"]
    ooc_train.convert(source, tmp_path / "o.h5", top_k=30, score="none")
