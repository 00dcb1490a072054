"""Where rows go: exactly so many to validation, every place filled once, blocks do not matter."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ooc_train.conversion.storage.placement import Placement


def places(source_rows, fraction, seed, block_rows, **options):
    """For each split the numbers of its rows in the sources, by their place in the split."""
    placement = Placement(source_rows, fraction, seed, **options)
    found = {split: np.full(n, -1) for split, n in placement.n_rows.items()}
    first = 0
    for split, n_rows in source_rows.items():
        for start in range(0, n_rows, block_rows):
            n = min(block_rows, n_rows - start)
            for target, chosen, numbers in placement.destinations(split, first + start, n):
                assert (found[target][numbers] == -1).all()
                found[target][numbers] = first + start + chosen
        first += n_rows
    return found


@given(
    st.integers(1, 60),
    st.integers(0, 20),
    st.floats(0, 0.99),
    st.integers(0, 9),
    st.integers(1, 70),
)
def test_every_row_has_one_place(n_train, n_test, fraction, seed, block_rows):
    sources = {"train": n_train, "test": n_test}
    found = places(sources, fraction, seed, block_rows)
    n_drawn = round(fraction * n_train)
    assert len(found.get("validation", ())) == n_drawn
    everything = np.concatenate(list(found.values()))
    assert sorted(everything.tolist()) == list(range(n_train + n_test))
    assert found["test"].tolist() == list(range(n_train, n_train + n_test))
    drawn = found.get("validation", np.array([], int))
    assert drawn.tolist() == sorted(drawn.tolist())
    placement = Placement(sources, fraction, seed)
    assert np.flatnonzero(placement.drawn(0, n_train)).tolist() == drawn.tolist()
    again = places(sources, fraction, seed, 7)
    assert all(np.array_equal(found[split], again[split]) for split in found)


def test_the_seed_decides_and_the_order_is_shuffled():
    first, other = (places({"train": 1000}, 0.1, seed, 100)["train"] for seed in (0, 1))
    assert not np.array_equal(first, other)
    assert abs(np.corrcoef(first, np.arange(900))[0, 1]) < 0.15


def test_a_validation_file_keeps_its_order():
    found = places({"train": 10, "validation": 5, "test": 3}, 0.0, 0, 4)
    assert found["validation"].tolist() == [10, 11, 12, 13, 14]


@given(st.integers(1, 60), st.floats(0, 0.9), st.integers(1, 70))
def test_without_shuffling_train_rows_keep_their_order_and_the_same_are_drawn(n, fraction, block):
    found = places({"train": n, "test": 5}, fraction, 3, block, is_shuffled=False)
    shuffled = places({"train": n, "test": 5}, fraction, 3, block)
    assert found["train"].tolist() == sorted(shuffled["train"].tolist())
    for split in shuffled.keys() - {"train"}:
        assert np.array_equal(found[split], shuffled[split])


@given(st.integers(2, 60), st.sampled_from([0.3, 0.7, 0.99]), st.integers(1, 9), st.booleans())
def test_rows_that_are_kept_stay_train_rows(n, fraction, block_rows, shuffled):
    sources = {"train": n}
    drawn = np.flatnonzero(Placement(sources, fraction, 0).drawn(0, n))
    kept = drawn[::2]
    options = {"is_shuffled": shuffled, "kept": kept}
    found = places(sources, fraction, 0, block_rows, **options)
    assert found.get("validation", np.array([], int)).tolist() == drawn[1::2].tolist()
    assert sorted(found["train"].tolist()) == sorted(set(range(n)) - set(drawn[1::2].tolist()))
    if shuffled:  # the others are where they were
        before = places(sources, fraction, 0, block_rows)["train"]
        assert found["train"].tolist() == before.tolist() + kept.tolist()
