"""Sequences: their rows, what the reader refuses, and batches of near length."""

import itertools

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ooc_train.errors import FormatError, OptionError
from ooc_train.inspection.describe import inspect
from ooc_train.reading.rows import Batch, SequenceRows, concatenate
from ooc_train.reading.sampler import Order
from ooc_train.reading.store import open as open_store
from tests.files import SequenceToy, reseal, write_sequence_file, write_sequences

TOY = SequenceToy(n_classes=3)
N_ROWS = 700


@pytest.fixture
def path(tmp_path):
    return write_sequences(tmp_path / "toy.h5", toy=TOY, train=50, test=20)


def sequences(lists, length=8):
    lengths = [len(row) for row in lists]
    tokens = np.array(list(itertools.chain(*lists)), np.uint16)
    return SequenceRows(np.concatenate([[0], np.cumsum(lengths)]).astype(int), tokens, 50, length)


# Rows

rows_of_ids = st.lists(st.lists(st.integers(1, 49), max_size=10), max_size=8)


@given(rows_of_ids, st.integers(0, 12))
def test_padding_equals_keras(lists, length):
    expected = np.zeros((len(lists), length), np.int32)
    for padded, row in zip(expected, lists, strict=True):
        kept = row[max(0, len(row) - length) :]
        padded[length - len(kept) :] = kept
    dense = sequences(lists).to_dense(length)
    assert (dense.dtype, dense.shape) == (np.int32, (len(lists), length))
    np.testing.assert_array_equal(dense, expected)
    np.testing.assert_array_equal(sequences(lists, length).to_dense(), expected)


@given(rows_of_ids, st.lists(st.integers(0, 7)), st.integers(0, 8), st.integers(0, 8))
def test_slices_takes_and_concatenations(lists, numbers, start, stop):
    rows = sequences(lists)
    numbers = np.array([number for number in numbers if number < len(lists)], np.int64)
    dense = rows.to_dense()
    assert (len(rows), rows.n_entries) == (len(lists), sum(map(len, lists)))
    assert rows.lengths.tolist() == [len(row) for row in lists]
    np.testing.assert_array_equal(rows[start:stop].to_dense(), dense[start:stop])
    np.testing.assert_array_equal(rows.take(numbers).to_dense(), dense[numbers])
    parts = [Batch(part, np.zeros(len(part), int)) for part in (rows[:start], rows[start:])]
    np.testing.assert_array_equal(concatenate(parts).rows.to_dense(), dense)


# The reader


def test_what_the_store_says(path):
    labels, indptr, tokens = TOY.rows(50, np.random.default_rng([0, 0]))
    longest = int(np.diff(indptr).max())
    with open_store(path) as store:
        assert (store.features, store.n_columns, store.max_length) == ("sequence", 61, longest)
        split = store["train"]
        assert (split.n_entries, split.row_bytes) == (len(tokens), 16 + 2 * len(tokens) / 50)
        rows, read_labels = split.read_slices([(7, 31)])
        np.testing.assert_array_equal(read_labels, labels[7:31])
        np.testing.assert_array_equal(rows.tokens, tokens[indptr[7] : indptr[31]])
        assert (rows.n_columns, rows.length, rows.tokens.dtype) == (61, longest, np.uint16)
        features, labels = next(split.generator(16))
        assert (features.shape, features.dtype, labels.shape) == ((16, longest), np.int32, (16,))


def test_rows_longer_than_the_longest_train_row_are_cut(tmp_path):
    splits = {
        "train": (np.array([0, 1]), np.array([0, 1, 3]), np.array([1, 2, 3])),
        "test": (np.array([0]), np.array([0, 4]), np.array([4, 5, 6, 7])),
    }
    path = write_sequence_file(tmp_path / "a.h5", splits, n_classes=2, n_terms=9)
    with open_store(path) as store:
        assert store["test"].read(0, 1).to_dense().tolist() == [[6, 7]]


DAMAGES = [
    (lambda a: np.concatenate([a[:1] * 0, a[1:]]), "rows 0 to 50 have the token of no term"),
    (lambda a: np.concatenate([a[:1] * 0 + 61, a[1:]]), "rows 0 to 50 have the token of no term"),
    (lambda a: a[:-1], r"indptr runs from 0 to \d+, not 0 to"),
    (lambda a: a.astype("f4"), "the array train/tokens has the type float32"),
]


@pytest.mark.parametrize(("change", "message"), DAMAGES)
def test_damage(path, change, message):
    with h5py.File(path, "r+") as file:
        tokens = change(file["train/tokens"][...])
        del file["train/tokens"]
        file["train/tokens"] = tokens
        reseal(file)
    with pytest.raises(FormatError, match=message), open_store(path) as store:
        store["train"].read(0, 50)


def test_a_file_without_its_longest_row(path):
    with h5py.File(path, "r+") as file:
        del file["vectorizer"].attrs["max_length"]
        reseal(file)
    with pytest.raises(FormatError, match="is damaged: .*max_length"):
        open_store(path)


# Batches of near length


@pytest.fixture(scope="module")
def numbered(tmp_path_factory):
    """A split whose row ``i`` has ``i * 7 % 41`` words, which are all ``i + 1``."""
    lengths = np.arange(N_ROWS) * 7 % 41
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    rows = (np.arange(N_ROWS) % 5, indptr, np.repeat(np.arange(N_ROWS), lengths) + 1)
    path = tmp_path_factory.mktemp("numbered") / "numbered.h5"
    write_sequence_file(path, {"train": rows}, n_classes=5, n_terms=N_ROWS)
    with open_store(path) as store:
        yield store["train"]


@pytest.fixture
def small_windows(monkeypatch):
    """Windows of 192 rows, so that 700 rows have four."""
    monkeypatch.setattr("ooc_train.reading.batches.slice_rows_for", lambda row_bytes: 3)


def contents(batches):
    return [
        (rows.indptr.tolist(), rows.tokens.tolist(), labels.tolist()) for rows, labels in batches
    ]


by_length = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None
)
batch_sizes = st.one_of(st.integers(1, 50), st.integers(51, 900))
seeds, epochs = st.integers(0, 1000), st.integers(0, 3)


@pytest.mark.usefixtures("small_windows")
@by_length
@given(batch_sizes, seeds, epochs, st.data())
def test_every_row_once_in_steps_that_can_be_started_from(numbered, size, seed, epoch, data):
    batches = numbered.batches(size, seed=seed, epoch=epoch, by_length=True)
    whole = contents(batches)
    assert len(whole) == len(batches) == -(-N_ROWS // size)
    sizes = [len(labels) for *_, labels in whole]
    assert sizes[:-1] == [size] * (len(sizes) - 1)
    ids = [id_ for _, tokens, _ in whole for id_ in tokens]
    expected = np.arange(N_ROWS) * 7 % 41
    np.testing.assert_array_equal(np.bincount(ids, minlength=N_ROWS + 1)[1:], expected)
    labels = np.concatenate([labels for *_, labels in whole])
    np.testing.assert_array_equal(np.bincount(labels), np.full(5, N_ROWS // 5))
    step = data.draw(st.integers(0, len(batches)))
    assert contents(batches.from_step(step)) == whole[step:]


@pytest.mark.usefixtures("small_windows")
def test_batches_are_those_of_unbucketed_windows(numbered):
    """Which rows come early in the epoch does not change, only how a window is cut."""

    def first_rows(*, by_length):
        batches = itertools.islice(numbered.batches(32, seed=1, by_length=by_length), 5)
        return {token for rows, _ in batches for token in rows.tokens.tolist()}

    assert first_rows(by_length=True) == first_rows(by_length=False)


def test_lengths_of_a_batch_are_near(numbered):
    spreads = [np.ptp(rows.lengths) for rows, _ in numbered.batches(20, seed=0, by_length=True)]
    assert max(spreads) <= 8
    assert np.mean(spreads) < 4
    assert np.mean([np.ptp(rows.lengths) for rows, _ in numbered.batches(20, seed=0)]) > 30


def test_lengths_come_in_random_order(numbered):
    means = [rows.lengths.mean() for rows, _ in numbered.batches(20, seed=0, by_length=True)]
    assert abs(np.corrcoef(means, np.arange(len(means)))[0, 1]) < 0.5


def test_rows_meet_others_in_every_epoch():
    lengths = np.arange(1000) // 2
    first, second = (
        {frozenset(rows.tolist()) for rows in order.batches_by_length(lengths, 10, 0)}
        for order in (Order(1000, 0, epoch) for epoch in (0, 1))
    )
    assert len(first & second) < 5


def test_the_short_batch_has_rows_of_any_length():
    lengths = np.arange(1003)
    short = [Order(1003, 0, e).batches_by_length(lengths, 10, 0)[-1] for e in range(30)]
    assert {len(rows) for rows in short} == {3}
    means = [rows.mean() for rows in short]
    assert min(means) < 200
    assert max(means) > 800


@pytest.mark.usefixtures("small_windows")
def test_starting_late_reads_only_the_window_it_lies_in(numbered, monkeypatch):
    read = []
    original = type(numbered).read_slices
    monkeypatch.setattr(
        type(numbered),
        "read_slices",
        lambda self, slices, *buffers: read.append(len(slices)) or original(self, slices, *buffers),
    )
    list(numbered.batches(100, seed=0, by_length=True).from_step(6))
    assert len(read) <= 1 + 2  # nothing; the rows left over of the window before; the window


def test_by_length_needs_a_seed(numbered):
    with pytest.raises(OptionError, match="by length are in a random order; give a seed"):
        numbered.batches(8, by_length=True)


def test_inspection(path):
    found = inspect(path)
    assert (found["features"], found["n_features"], found["kept_terms"]) == ("sequence", 61, 60)
    assert found["splits"]["test"]["rows"] == 20
