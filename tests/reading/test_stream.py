"""Batches for ever, and positions in them that can be returned to."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ooc_train.errors import OptionError
from ooc_train.reading.store import open as open_store
from ooc_train.reading.stream import Stream
from tests.files import write_sequences, write_toy

N_ROWS = 300


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("stream") / "rows.h5"
    return write_sequences(path, train=N_ROWS, validation=20, test=0)


@pytest.fixture(scope="module")
def split(path):
    with open_store(path) as store:
        yield store["train"]


@pytest.fixture(autouse=True)
def small_windows(monkeypatch):
    """Windows of 128 rows, so that 300 rows have three."""
    monkeypatch.setattr("ooc_train.reading.batches.slice_rows_for", lambda row_bytes: 2)


def contents(batches):
    return [(rows.to_dense().tolist(), labels.tolist()) for rows, labels in batches]


def test_it_is_epoch_after_epoch(split):
    stream = split.stream(64, seed=5)
    epochs = [split.batches(64, seed=5, epoch=epoch) for epoch in range(3)]
    assert contents(itertools.islice(stream, 15)) == contents(itertools.chain(*epochs))
    assert (stream.epoch, stream.step) == (3, 0)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None
)
@given(
    size=st.integers(1, 400),
    n_before=st.integers(0, 30),
    seed=st.one_of(st.none(), st.integers(0, 9)),
    by_length=st.booleans(),
)
@pytest.mark.slow
def test_it_goes_on_where_it_was(split, size, n_before, seed, by_length):
    stream = split.stream(size, seed=seed, by_length=by_length and seed is not None)
    list(itertools.islice(stream, n_before))
    state = json.loads(json.dumps(stream.state()))
    assert len(json.dumps(state)) < 300
    later = split.resume(state)
    assert (later.epoch, later.step, later.state()) == (stream.epoch, stream.step, state)
    assert contents(itertools.islice(later, 5)) == contents(itertools.islice(stream, 5))


def test_resuming_reads_no_earlier_window(split, monkeypatch):
    stream = split.stream(50, seed=0)
    list(itertools.islice(stream, 5))
    state = stream.state()
    read = []
    original = type(split).read_slices
    monkeypatch.setattr(
        type(split),
        "read_slices",
        lambda self, slices, *buffers: read.append(slices) or original(self, slices, *buffers),
    )
    next(split.resume(state))
    assert len([slices for slices in read if slices != [(0, 0)]]) == 1


def test_the_file_may_be_elsewhere(path, split, tmp_path):
    stream = split.stream(64)
    next(stream)
    (tmp_path / "moved.h5").write_bytes(path.read_bytes())
    with open_store(tmp_path / "moved.h5") as store:
        assert contents([next(store["train"].resume(stream.state()))]) == contents([next(stream)])


def test_states_of_other_rows_are_refused(path, split, tmp_path):
    state = split.stream(64).state()
    other = write_toy(tmp_path / "other.h5", train=N_ROWS)
    with open_store(other) as store, pytest.raises(OptionError, match=r"other\.h5: split 'train'"):
        store["train"].resume(state)
    with open_store(path) as store, pytest.raises(OptionError, match="resume with the file that"):
        store["validation"].resume(state)


@pytest.mark.parametrize("state", [{}, {"epoch": 3}])
def test_what_is_no_state_is_refused(split, state):
    with pytest.raises(OptionError, match="this is not the state of a stream"):
        split.resume(state)
    with pytest.raises(OptionError, match="this is not the state of a stream"):
        split.resume(split.stream(8).state() | {"colour": "red"})


def test_a_split_without_rows_ends(path):
    with open_store(path) as store:
        assert list(Stream(store["test"], 8)) == []
        assert list(store["test"].generator(8)) == []


def test_every_row_comes_in_each_epoch(split):
    stream = split.stream(64)
    whole = sorted(split.read(0, N_ROWS).to_dense().tolist())
    for epoch in range(2):
        rows = []
        while stream.epoch == epoch:
            rows.extend(next(stream).rows.to_dense().tolist())
        np.testing.assert_array_equal(sorted(rows), whole)
