"""Sums by class are exact: no order, division or listing of words changes a bit."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ooc_train.conversion.kinds.ngram import class_sums as sums
from ooc_train.conversion.kinds.ngram.scores import SCORES
from ooc_train.conversion.kinds.ngram.statistics import class_sums
from ooc_train.conversion.kinds.ngram.word_statistics import word_class_sums
from ooc_train.conversion.kinds.terms.dictionary import UNLISTED
from ooc_train.conversion.kinds.terms.token_file import write_tokens
from ooc_train.conversion.text.tokens import Tokens

N_CLASSES, N_TERMS = 3, 6
ROWS = st.lists(
    st.tuples(
        st.lists(st.integers(0, N_TERMS - 1), max_size=8),
        st.floats(1e-6, 1.0),
        st.integers(-1, N_CLASSES - 1),
    ),
    min_size=1,
    max_size=20,
)
"""The terms of each row, one over its norm, and its class, -1 for a row that does not count."""
HASHES = np.arange(1, N_TERMS + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)


class Pieces:
    """Occurrences of n-grams as a partition gives them."""

    def __init__(self, pieces):
        self._pieces = pieces

    def pieces(self):
        return iter(self._pieces)


def columns(rows):
    inverse = np.array([row[1] for row in rows])
    return inverse, np.array([row[2] for row in rows], np.int32)


def frequencies(rows):
    return np.array([sum(term in row[0] for row in rows) for term in range(N_TERMS)], np.uint32)


def summed(rows, cuts=()):
    """The sums of spilled n-grams, in pieces that end before the rows ``cuts``."""
    bounds = [0, *sorted(cut % (len(rows) + 1) for cut in cuts), len(rows)]
    pieces = []
    for start, stop in itertools.pairwise(bounds):
        found = [(term, at) for at in range(start, stop) for term in rows[at][0]]
        terms, places = np.array(found, np.int64).reshape(-1, 2).T
        pieces.append((HASHES[terms], places.astype(np.uint32)))
    return class_sums(Pieces(pieces), HASHES, frequencies(rows), *columns(rows), N_CLASSES)


def summed_words(folder, rows, n_listed, cuts):
    """The sums of the listed tokens, the terms below ``n_listed``, from token files."""
    bounds = [0, *sorted(cut % (len(rows) + 1) for cut in cuts), len(rows)]
    blocks = []
    text = np.full(100, ord("x"), np.uint8)
    for start, stop in itertools.pairwise(bounds):
        terms = [np.array(row[0], np.int32) for row in rows[start:stop]]
        offsets = np.cumsum([0, *map(len, terms)])
        numbers = np.concatenate([np.empty(0, np.int32), *terms])
        hashes = HASHES[numbers]
        starts = np.zeros(len(numbers), np.int32)
        tokens = Tokens(text, hashes, starts, starts + 1, offsets, 0)
        numbers[numbers >= n_listed] = UNLISTED
        blocks.append(write_tokens(folder, "train", start, tokens, numbers))
    slots = np.arange(1, n_listed + 1, dtype=np.int32)
    df = frequencies(rows)[:n_listed]
    return word_class_sums(blocks, slots, df, *columns(rows), N_CLASSES)


@given(ROWS, st.randoms(), st.lists(st.integers(0, 20), max_size=4))
def test_neither_order_nor_division_changes_a_bit(rows, random, cuts):
    shuffled = random.sample(rows, len(rows))
    whole, again = summed(rows), summed(shuffled, cuts)
    assert whole.by_class.tolist() == again.by_class.tolist()
    assert whole.squares.tolist() == again.squares.tolist()


@given(ROWS, st.integers(1, N_TERMS), st.lists(st.integers(0, 20), max_size=4))
def test_it_does_not_matter_which_tokens_are_listed(tmp_path_factory, rows, n_listed, cuts):
    folder = tmp_path_factory.mktemp("tokens")
    spilled, listed = summed(rows), summed_words(folder, rows, n_listed, cuts)
    assert spilled.by_class[:n_listed].tolist() == listed.by_class.tolist()
    assert spilled.squares[:n_listed].tolist() == listed.squares.tolist()


@given(ROWS, st.floats(1, 20))
def test_sums_are_those_of_exact_fractions(rows, idf):
    """Within what is rounded: of each row and term half of the last bit."""
    df = frequencies(rows)
    # What a norm is: no value, the count times idf times one over the norm, is above 1.
    rows = [
        (terms, inverse / max(1, idf * max(map(terms.count, terms), default=1)), number)
        for terms, inverse, number in rows
    ]
    by_class, squares = summed(rows).values(df, np.full(N_TERMS, idf))
    for term in range(N_TERMS):
        values = [
            (Fraction(terms.count(term)) * Fraction(inverse) * Fraction(idf), number)
            for terms, inverse, number in rows
            if number >= 0
        ]
        bound = 1e-13 * max(1, *(len(row[0]) for row in rows)) * idf
        for k in range(N_CLASSES):
            assert abs(by_class[term, k] - sum(v for v, number in values if number == k)) < bound
        assert abs(squares[term] - sum(v**2 for v, _ in values)) < bound


@pytest.mark.parametrize("df", [1, 2, 3, 1000, 2**20, 2**31, 2**32 - 1])
def test_no_sum_overflows(df):
    """The sum of ``df`` values of 1, one of which may be rounded up, has 64 bits."""
    shift = int(sums.shifts_of(np.array([df], np.uint32))[0])
    most = int(sums.shifted(sums.fixed_inverse(1.0), np.uint64(shift))) + 1
    assert df * most < 2**63
    assert df * most**2 < 2**127
    assert most > 2**60 // (2 * df)  # and no more bits are given up than that takes


def test_values_that_do_not_vary_have_no_variance():
    """However often: the same norm gives the same integer."""
    rows = [([0, *([1] if i % 3 else [])], 0.123456789, i % 3) for i in range(3000)]
    found = summed(rows)
    df, counts = frequencies(rows), np.full(N_CLASSES, 1000)
    scores = SCORES["f_classif"].of_sums(*found.values(df, np.ones(N_TERMS)), counts)
    assert scores[0] == -np.inf  # the same in all rows
    assert scores[1] == np.inf  # varies only between classes
