"""The seeded bijection: a bijection at every size, and as random as a shuffle."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ooc_train.permutation import TABLE_SIZE, Permutation

LARGE = TABLE_SIZE + 12_345


@given(st.integers(0, 300), st.lists(st.integers(0, 2**40), max_size=3))
def test_small_ones_are_bijections(n, entropy):
    assert np.array_equal(np.sort(Permutation(n, *entropy)(np.arange(n))), np.arange(n))


@pytest.mark.parametrize("n", [TABLE_SIZE, TABLE_SIZE + 1, LARGE, 4**9 + 1])
def test_large_ones_are_bijections(n):
    assert np.array_equal(np.sort(Permutation(n, 0)(np.arange(n))), np.arange(n))


@pytest.mark.parametrize("n", [1000, LARGE])
def test_a_pure_function_of_its_entropy(n):
    everything = Permutation(n, 1, 2)(np.arange(n))
    some = np.array([n - 1, 5, 5, 0])
    assert np.array_equal(Permutation(n, 1, 2)(some), everything[some])
    assert not np.array_equal(Permutation(n, 1, 3)(np.arange(n)), everything)
    assert not np.array_equal(Permutation(n, 2, 2)(np.arange(n)), everything)


def test_a_large_one_is_uncorrelated_with_the_order_and_its_neighbours():
    image = Permutation(LARGE, 0)(np.arange(LARGE))
    # 5 standard deviations of a true shuffle's correlation
    limit = 5 / np.sqrt(LARGE)
    assert abs(np.corrcoef(image, np.arange(LARGE))[0, 1]) < limit
    assert abs(np.corrcoef(image[1:], image[:-1])[0, 1]) < limit
    # evenly spread: chi-square of 100 bins over the first tenth of the positions
    counts = np.bincount(image[: LARGE // 10] * 100 // LARGE, minlength=100)
    expected = counts.sum() / 100
    assert ((counts - expected) ** 2 / expected).sum() < 99 + 5 * np.sqrt(2 * 99)
