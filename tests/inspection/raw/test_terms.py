"""Terms by class: against scikit-learn and a count in memory, also where the table is full."""

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.feature_selection import f_classif

from ooc_train.conversion.sources.rows import TextRows
from ooc_train.conversion.text.tokens import tokenize
from ooc_train.inspection.raw.telling import frequent_terms, presence_scores, telling_terms
from ooc_train.inspection.raw.term_table import TermTable
from tests.corpora import random_rows


def corpus(n=400, seed=0):
    rows = random_rows(n, seed=seed)
    names = sorted({row[0] for row in rows})
    return [" ".join(row[1:]) for row in rows], np.array(
        [names.index(row[0]) for row in rows], np.int32
    )


def table_of(texts, labels, ngrams=(1, 2), analyzer="word", n_bytes=10**8, step=37, **options):
    table = TermTable(analyzer, ngrams, n_bytes, **options)
    for start in range(0, len(texts), step):
        rows = TextRows.of([text.encode() for text in texts[start : start + step]])
        tokens = tokenize(rows.text, rows.text_offsets, analyzer, 0)
        table.add(tokens, labels[start : start + step])
    return table


def oracle(texts, ngrams=(1, 2), analyzer="word"):
    vectorizer = CountVectorizer(
        ngram_range=ngrams, analyzer=analyzer, strip_accents="unicode", binary=True
    )
    return vectorizer.fit_transform(texts), vectorizer.get_feature_names_out().tolist()


@pytest.mark.parametrize(
    ("ngrams", "analyzer"), [((1, 2), "word"), ((2, 3), "word"), ((1, 3), "char")]
)
def test_counts_are_those_of_scikit_learn(ngrams, analyzer):
    texts, labels = corpus()
    table = table_of(texts, labels, ngrams, analyzer)
    counted = table.counted()
    matrix, names = oracle(texts, ngrams, analyzer)
    assert table.missed_rows == 0
    assert sorted(counted.terms) == sorted(names)
    order = [counted.terms.index(name) for name in names]
    np.testing.assert_array_equal(counted.rows[order], matrix.sum(axis=0).A1)
    for number in range(labels.max() + 1):
        expected = matrix[labels == number].sum(axis=0).A1
        np.testing.assert_array_equal(counted.by_class[order, number], expected)


def test_scores_are_those_of_f_classif():
    texts, labels = corpus()
    counted = table_of(texts, labels).counted()
    matrix, names = oracle(texts)
    dense = matrix.toarray().astype(float)
    place = {name: i for i, name in enumerate(names)}
    class_rows = np.bincount(labels)
    found = telling_terms(counted, class_rows, range(len(class_rows)), len(texts))
    for number, terms in enumerate(found):
        own = labels == number
        scores = f_classif(dense, own)[0]
        share, elsewhere = dense[own].mean(axis=0), dense[~own].mean(axis=0)
        fit = np.flatnonzero((share > elsewhere) & (dense.sum(axis=0) >= 2))
        best = sorted(scores[fit], reverse=True)[: len(terms)]
        np.testing.assert_allclose([term["score"] for term in terms], best, rtol=1e-9)
        for term in terms:
            i = place[term["term"]]
            assert term["score"] == pytest.approx(scores[i])
            assert (term["share"], term["elsewhere"]) == (
                pytest.approx(share[i]), pytest.approx(elsewhere[i])
            )  # fmt: skip
            assert term["rows"] == dense[own, i].sum()


def test_the_most_frequent_come_first_and_ties_by_their_letters():
    texts, labels = corpus(60)
    matrix, names = oracle(texts)
    rows = matrix.sum(axis=0).A1
    expected = sorted(zip(-rows, names, strict=True))[:30]
    found = frequent_terms(table_of(texts, labels).counted(), len(texts))
    assert [(-term["rows"], term["term"]) for term in found] == expected
    assert found[0]["share"] == found[0]["rows"] / 60


def test_a_term_of_one_class_alone_has_an_infinite_score():
    assert presence_scores(np.array([4]), np.array([4]), 10, 4).tolist() == [np.inf]
    table = table_of(["aa bb", "aa bb", "cc", "cc"], np.array([0, 0, 1, 1], np.int32))
    best = telling_terms(table.counted(), np.array([2, 2]), [0], 4)[0][0]
    assert (best["term"], best["score"], best["elsewhere"]) == ("aa", None, 0)


@pytest.mark.parametrize("n_bytes", [1, 100_000, 200_000])
def test_a_full_table_counts_too_low_by_no_more_than_it_says(n_bytes):
    texts, labels = corpus(3000)
    table = table_of(texts, labels, n_bytes=n_bytes)
    matrix, names = oracle(texts)
    exact = dict(zip(names, matrix.sum(axis=0).A1.tolist(), strict=True))
    counted = table.counted()
    found = dict(zip(counted.terms, counted.rows.tolist(), strict=True))
    assert table.missed_rows > 0
    assert len(found) < len(exact)
    for term, rows in exact.items():
        assert rows - table.missed_rows <= found.get(term, 0) <= rows
    assert (counted.by_class.sum(axis=1) == counted.rows).all()


def test_a_row_with_more_terms_than_fit_is_no_end():
    texts = [" ".join(f"w{i}" for i in range(5000)), "common word"] * 3
    table = table_of(texts, np.zeros(6, np.int32), n_bytes=1, step=2)
    assert 0 < table.missed_rows <= 6
    found = table.counted()
    assert len(found.terms) == len(set(found.terms))
    assert found.rows.max() <= 3


def test_many_classes_widen_the_table_and_the_last_count_together():
    labels = np.arange(300, dtype=np.int32)
    texts = ["common"] * 300
    found = table_of(texts, labels).counted()
    assert found.by_class[0, :300].tolist() == [1] * 300
    found = table_of(texts, labels, most_classes=100).counted()
    assert found.by_class.shape[1] == 100
    assert (found.rows[0], found.by_class[0].sum()) == (300, 100)


def test_terms_beyond_255_bytes_are_left_out():
    found = table_of(["x" * 255 + " yy", "z" * 256 + " yy"], np.zeros(2, np.int32)).counted()
    assert sorted(found.terms) == ["x" * 255, "yy"]
