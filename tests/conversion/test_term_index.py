"""The kept terms of a fitted n-gram vectorizer, found by their hashes, beside NumPy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ooc_train.conversion.kinds.ngram import term_index
from ooc_train.conversion.kinds.ngram.term_index import TermIndex, find_kept, hash_ranges

HASHES = st.integers(1, 2**64 - 1)
CROWDED = st.integers(2**40, 2**40 + 200)
"""Hashes that nobody expects: all in one range."""


def index_of(ascending):
    return TermIndex.of(ascending, np.ones(len(ascending), np.uint32), 1)


@given(st.sets(HASHES | CROWDED), st.lists(HASHES | CROWDED | st.just(2**64 - 1)))
def test_hashes_are_found_where_they_are(kept, others):
    ascending = np.array(sorted(kept), np.uint64)
    sought = np.array([*others, *kept], np.uint64)
    found = np.empty(len(sought), np.int64)
    known = np.empty(len(sought), np.int32)
    n_known = find_kept(sought, index_of(ascending), found, known)
    position = {value: i for i, value in enumerate(ascending.tolist())}
    assert found.tolist() == [position.get(value, -1) for value in sought.tolist()]
    assert known[:n_known].tolist() == np.flatnonzero(found >= 0).tolist()


@pytest.mark.parametrize("n_hashes", [0, 1, 8, 9, 1000, 100_000])
def test_ranges_have_a_few_hashes(n_hashes):
    ascending = np.unique(np.random.default_rng(n_hashes).integers(1, 2**64, n_hashes, np.uint64))
    begins = hash_ranges(ascending)
    n_ranges = len(begins) - 1
    shift = np.uint64(64 - (n_ranges.bit_length() - 1))
    assert begins.tolist() == np.searchsorted(ascending >> shift, np.arange(n_ranges + 1)).tolist()
    assert len(begins) * 4 <= n_hashes + 12
    found = np.empty(n_hashes, np.int64)
    find_kept(ascending, index_of(ascending), found, np.empty(n_hashes, np.int32))
    assert found.tolist() == list(range(n_hashes))


def test_the_number_of_ranges_is_bounded(monkeypatch):
    monkeypatch.setattr(term_index, "_MOST_RANGES", 4)
    ascending = np.unique(np.random.default_rng(0).integers(1, 2**64, 1000, np.uint64))
    assert len(hash_ranges(ascending)) == 5
    sought = np.concatenate((ascending, ascending + np.uint64(1)))
    found, known = np.empty(len(sought), np.int64), np.empty(len(sought), np.int32)
    assert find_kept(sought, index_of(ascending), found, known) == len(ascending)
    assert found.tolist() == [*range(len(ascending)), *[-1] * len(ascending)]
