"""The order of rows, as properties of integers; no file is read."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.studies.order import mean_entropy
from ooc_train.reading import sampler
from ooc_train.reading.sampler import (
    WINDOW_BYTES,
    WINDOW_SLICES,
    Order,
    finer,
    n_steps,
    slice_rows_for,
)

orders = st.builds(
    Order,
    n_rows=st.integers(0, 600),
    seed=st.integers(0, 2**32 - 1),
    epoch=st.integers(0, 5),
    slice_rows=st.integers(1, 40),
    window_slices=st.integers(1, 9),
)


def rows_of(windows):
    """Row numbers in the order in which the windows give them."""
    parts = [np.zeros(0, np.int64)]
    for window in windows:
        held = np.concatenate([np.arange(start, stop) for start, stop in window.slices])
        parts.append(held[window.rows])
    return np.concatenate(parts)


@given(orders)
def test_every_row_exactly_once(order):
    np.testing.assert_array_equal(np.sort(rows_of(order.windows())), np.arange(order.n_rows))


@given(orders)
def test_the_same_again(order):
    again = Order(order.n_rows, order.seed, order.epoch, order.slice_rows, order.window_slices)
    np.testing.assert_array_equal(rows_of(order.windows()), rows_of(again.windows()))


@given(orders, st.integers(0, 600))
def test_any_place_can_be_started_from(order, position):
    whole = rows_of(order.windows())
    np.testing.assert_array_equal(rows_of(order.windows(position)), whole[position:])


@given(orders, st.integers(0, 600))
def test_starting_late_reads_only_what_is_needed(order, position):
    for window in order.windows(position):
        assert len(window.rows)
    if position < order.n_rows:
        n_skipped = len(list(order.windows())) - len(list(order.windows(position)))
        assert n_skipped >= position // (order.slice_rows * order.window_slices) - 1
        first = next(order.windows(position))
        held = sum(stop - start for start, stop in first.slices)
        assert 0 <= held - len(first.rows) < order.slice_rows * order.window_slices
        assert order.window_start(position) == position - (held - len(first.rows))


@given(orders)
def test_windows_are_bounded_and_even(order):
    sizes = [len(window.rows) for window in order.windows()]
    assert max(sizes, default=0) <= order.slice_rows * order.window_slices
    # All but the last, which has the short slice, differ by one slice at most.
    assert not sizes[:-1] or max(sizes[:-1]) - min(sizes) < 2 * order.slice_rows


@given(orders)
def test_slices_are_contiguous_and_ascend(order):
    for window in order.windows():
        assert all(0 < stop - start <= order.slice_rows for start, stop in window.slices)
        assert window.slices == sorted(window.slices)


def test_seeds_and_epochs_have_orders_of_their_own():
    seen = {
        rows_of(Order(3000, seed, epoch, 10, 8).windows()).tobytes()
        for seed in range(4)
        for epoch in range(4)
    }
    assert len(seen) == 16


def test_windows_of_an_epoch_permute_differently():
    windows = list(Order(4000, seed=0, epoch=0, slice_rows=10, window_slices=100).windows())
    assert len({window.rows.tobytes() for window in windows}) == len(windows) == 4


def test_the_short_slice_lies_elsewhere_in_every_epoch():
    last_rows = set()
    for epoch in range(20):
        *_, window = Order(1003, 0, epoch, 10, 1).windows()
        last_rows.update(window.slices)
    assert len(last_rows) > 10
    assert all(stop - start == 3 for start, stop in last_rows)


def test_slices_are_spread_over_the_file():
    """A window holds rows from everywhere, else data in class order would train badly."""
    for window in Order(1_000_000, seed=0, epoch=0).windows():
        starts = [start for start, _ in window.slices]
        assert min(starts) < 200_000
        assert max(starts) > 800_000


@pytest.mark.parametrize("n_classes", [2, 4, 10])
def test_batches_of_data_in_class_order_are_mixed(n_classes):
    """Label entropy of batches is at least 0.95 of a true shuffle's."""
    n_rows = 200_000
    labels = np.arange(n_rows) * n_classes // n_rows
    shuffled = np.random.default_rng(0).permutation(n_rows)
    ours = mean_entropy(labels[rows_of(Order(n_rows, seed=0, epoch=0).windows())])
    assert ours > 0.95 * mean_entropy(labels[shuffled])
    assert mean_entropy(labels) < 0.1


@pytest.mark.parametrize(
    ("n_rows", "batch_size", "n"), [(0, 3, 0), (1, 3, 1), (6, 3, 2), (7, 3, 3)]
)
def test_steps(n_rows, batch_size, n):
    assert n_steps(n_rows, batch_size) == n


@pytest.mark.parametrize("row_bytes", [0, 16, 1800, 2000, 50_000, 499_999])
def test_windows_fit_in_their_bytes(row_bytes):
    assert 1 <= slice_rows_for(row_bytes) <= 512
    assert slice_rows_for(row_bytes) * WINDOW_SLICES * row_bytes <= WINDOW_BYTES


def test_slices_have_hundreds_of_rows_of_usual_size_and_one_of_giant_size():
    assert slice_rows_for(500) == 512
    assert slice_rows_for(10**9) == 1


def test_windows_of_rows_in_source_order_are_mixed_from_1024_places():
    assert finer(512) == (32, 1024)


def test_batches_by_length_hold_every_row_once_and_the_short_one_is_of_any_length():
    lengths = 2 ** np.arange(11)  # so far apart that chance does not change their order
    firsts = set()
    for step in range(30):
        batches = Order(11, seed=0, epoch=0).batches_by_length(lengths, 4, step)
        assert [len(batch) for batch in batches] == [4, 4, 3]
        assert sorted(np.concatenate(batches)) == list(range(11))
        firsts.add(int(batches[-1].min()))
    assert firsts == {0, 4, 8}


def test_rows_of_near_length_do_not_always_meet_the_same():
    met = {
        tuple(sorted(batch))
        for epoch in range(3)
        for batch in Order(40, 0, epoch).batches_by_length(np.arange(1000, 1040), 10, 0)
    }
    assert len(met) == 12


def test_no_two_kinds_of_draws_share_a_number():
    kinds = (sampler._SLICES, sampler._CUT, sampler._ROWS, sampler._BATCHES)
    assert len(set(kinds)) == len(kinds)
