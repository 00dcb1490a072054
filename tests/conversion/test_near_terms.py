"""The table of near terms, beside NumPy; rows do not depend on which terms are near."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ooc_train
from ooc_train.conversion.kinds.ngram import near_terms
from ooc_train.conversion.kinds.ngram.near_terms import column_of, document_frequency, near_table
from ooc_train.conversion.text.table import find


def kept_terms(n, seed, most_df=2**32):
    random = np.random.default_rng(seed)
    hashes = np.unique(random.integers(1, 2**64, n, np.uint64))
    df = np.exp(random.uniform(0, np.log(most_df), len(hashes))).astype(np.uint32)
    return hashes, df


@given(st.integers(1, 600), st.integers(0, 100), st.floats(0, 1), st.integers(2, 2**32))
def test_selected_and_frequent_terms_are_near(n, seed, share, most_df):
    hashes, df = kept_terms(n, seed, most_df)
    n_selected = int(share * len(hashes))
    selected = np.random.default_rng(seed).permutation(len(hashes))[:n_selected]
    least_near, near_terms._LEAST_NEAR = near_terms._LEAST_NEAR, 64
    try:
        table = near_table(hashes, df, hashes[selected])
    finally:
        near_terms._LEAST_NEAR = least_near
    column = {int(place): i for i, place in enumerate(selected)}
    near = []
    for place, value in enumerate(hashes):
        entry = find(table, value)
        if table[2 * entry] == 0:
            assert place not in column
            continue
        near.append(place)
        assert document_frequency(table[2 * entry + 1]) == df[place]
        assert column_of(table[2 * entry + 1]) == column.get(place, -1)
    room = len(table) // 4
    assert len(near) == np.count_nonzero(table[::2]) <= max(room, n_selected)
    others = sorted(set(near) - set(column), key=lambda place: df[place])
    far = sorted(set(range(len(hashes))) - set(near), key=lambda place: df[place])
    if others and far:
        assert df[others[0]] > df[far[-1]]
    # Room is left for fewer terms than those of the next class of frequencies.
    if far:
        keys = near_terms._classes(df[far])
        assert len(near) + np.count_nonzero(keys == keys.max()) > room


def test_a_selected_term_that_is_not_kept_is_not_near():
    hashes, df = kept_terms(100, 0)
    table = near_table(hashes[:50], df[:50], hashes[48:52])
    assert np.count_nonzero(table[::2]) == 50
    assert not np.isin(hashes[50:], table[::2]).any()
    assert column_of(table[2 * find(table, hashes[49]) + 1]) == 1
    assert not near_table(hashes[:0], df[:0], hashes[:1]).any()


def test_frequent_terms_with_one_address_are_refused():
    hashes = np.arange(1, 1001, dtype=np.uint64) << np.uint64(40)
    with pytest.raises(ValueError, match="not random"):
        near_table(hashes, np.full(1000, 5, np.uint32), hashes[:1])


def test_rows_do_not_depend_on_which_terms_are_near(tmp_path, monkeypatch):
    random = np.random.default_rng(5)
    words = [f"word{i}" for i in random.zipf(1.3, 4000) % 300]
    texts = [" ".join(words[i : i + 1 + i % 37]) for i in range(0, len(words), 20)]
    rows = [(text, str(i % 2)) for i, text in enumerate(texts)]
    data = tmp_path / "o.h5"
    ooc_train.convert(rows[::3], data, top_k=40, validation_fraction=0)
    found = []
    for least in (1, 64, 1 << 15):
        monkeypatch.setattr(near_terms, "_LEAST_NEAR", least)
        test = tmp_path / f"{least}.h5"
        ooc_train.convert(rows, test, vectorizer=data, validation_fraction=0)
        found.append(test.read_bytes())
    assert found[0] == found[1] == found[2]
