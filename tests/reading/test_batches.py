"""Batches of a split: each row once, in an order that can be repeated and resumed."""

import itertools
import weakref

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as numpy_strategies

from ooc_train.errors import OptionError
from ooc_train.reading.rows import Batch, Buffers, SparseRows, concatenate
from ooc_train.reading.store import open as open_store
from tests.files import Toy, write_file, write_toy

N_ROWS, N_CLASSES, N_COLUMNS = 700, 5, 7


@pytest.fixture(scope="module")
def numbered(tmp_path_factory):
    """A split whose row ``i`` has label ``i % 5`` and ``i % 4`` times the value ``i``."""
    numbers = np.arange(N_ROWS)
    lengths = numbers % 4
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    row_of = np.repeat(numbers, lengths)
    columns = np.arange(len(row_of)) - indptr[row_of] + row_of % 3
    rows = (numbers % N_CLASSES, indptr, columns, row_of.astype(np.float32))
    path = tmp_path_factory.mktemp("numbered") / "numbered.h5"
    write_file(path, {"train": rows}, n_classes=N_CLASSES, n_columns=N_COLUMNS)
    with open_store(path) as store:
        yield store["train"]


@pytest.fixture(autouse=True)
def small_windows(monkeypatch):
    """Windows of 192 rows, so that 700 rows have four."""
    monkeypatch.setattr("ooc_train.reading.batches.slice_rows_for", lambda row_bytes: 3)


def content(batch):
    """All that a batch says, to be compared."""
    rows, labels = batch
    return (
        rows.indptr.tolist(),
        rows.indices.tolist(),
        rows.values.tolist(),
        labels.tolist(),
        rows.n_columns,
    )


def contents(batches):
    return [content(batch) for batch in batches]


split_settings = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None
)
batch_sizes = st.one_of(st.integers(1, 50), st.integers(51, 900))
seeds = st.one_of(st.none(), st.integers(0, 1000))


@split_settings
@given(batch_sizes, seeds, st.integers(0, 3))
def test_every_row_once_and_whole(numbered, batch_size, seed, epoch):
    batches = list(numbered.batches(batch_size, seed=seed, epoch=epoch))
    rows, labels = concatenate(batches)
    # Where rows have values, they tell which row of the file it is.
    whole = numbered.read(0, N_ROWS).to_dense()
    numbers = rows.to_dense().max(axis=1).astype(int)
    told = numbers > 0
    assert sorted(numbers[told]) == [i for i in range(N_ROWS) if i % 4]
    np.testing.assert_array_equal(rows.to_dense()[told], whole[numbers[told]])
    np.testing.assert_array_equal(labels[told], numbers[told] % N_CLASSES)
    np.testing.assert_array_equal(np.bincount(labels), np.full(N_CLASSES, N_ROWS // N_CLASSES))


@split_settings
@given(batch_sizes, seeds)
def test_all_batches_are_full_but_the_last(numbered, batch_size, seed):
    batches = numbered.batches(batch_size, seed=seed)
    sizes = [len(rows) for rows, _ in batches]
    assert len(batches) == len(sizes) == -(-N_ROWS // batch_size)
    assert sizes[:-1] == [batch_size] * (len(sizes) - 1)
    assert sum(sizes) == N_ROWS


@split_settings
@given(batch_sizes, seeds, st.integers(0, 3))
@pytest.mark.slow
def test_the_same_again(numbered, batch_size, seed, epoch):
    batches = numbered.batches(batch_size, seed=seed, epoch=epoch)
    assert contents(batches) == contents(batches)
    assert contents(batches) == contents(numbered.batches(batch_size, seed=seed, epoch=epoch))


@split_settings
@given(batch_sizes, seeds, st.integers(0, 3), st.data())
def test_any_step_can_be_started_from(numbered, batch_size, seed, epoch, data):
    batches = numbered.batches(batch_size, seed=seed, epoch=epoch)
    step = data.draw(st.integers(0, len(batches)))
    assert contents(batches.from_step(step)) == contents(batches)[step:]


def test_the_order_of_rows_does_not_depend_on_the_batch_size(numbered):
    whole = [concatenate(list(numbered.batches(size, seed=4, epoch=2))) for size in (1, 32, 999)]
    assert contents(whole) == contents([whole[0]] * 3)


def test_without_a_seed_rows_come_as_in_the_file(numbered):
    whole = Batch(numbered.read(0, N_ROWS), numbered.read_labels(0, N_ROWS))
    assert contents([concatenate(list(numbered.batches(128)))]) == contents([whole])


def test_epochs_differ(numbered):
    epochs = [str(contents(numbered.batches(128, seed=0, epoch=epoch))) for epoch in range(3)]
    assert len(set(epochs)) == 3


def test_starting_late_does_not_read_what_came_before(numbered, monkeypatch):
    read = []
    original = type(numbered).read_slices
    monkeypatch.setattr(
        type(numbered),
        "read_slices",
        lambda self, slices, *buffers: read.extend(slices[:1]) or original(self, slices, *buffers),
    )
    nothing = (0, 0)
    list(numbered.batches(100, seed=0))
    assert len([part for part in read if part != nothing]) == 4
    read.clear()
    list(numbered.batches(100, seed=0).from_step(6))
    assert len([part for part in read if part != nothing]) == 1


def test_an_empty_split_has_no_batches(tmp_path):
    path = write_toy(tmp_path / "toy.h5", toy=Toy(), train=1, test=0)
    with open_store(path) as store:
        for seed in (None, 0):
            assert len(store["test"].batches(8, seed=seed)) == 0
            assert list(store["test"].batches(8, seed=seed)) == []
            assert list(store["test"].generator(8, seed=seed)) == []


@pytest.mark.parametrize("batch_size", [0, -1])
def test_batch_size_out_of_range(numbered, batch_size):
    with pytest.raises(OptionError, match=f"batch size must be at least 1, not {batch_size}"):
        numbered.batches(batch_size)
    with pytest.raises(OptionError, match="batch size"):
        numbered.generator(batch_size)


def test_the_generator_goes_through_epoch_after_epoch(numbered):
    n = len(numbered.batches(128))
    dense = list(itertools.islice(numbered.generator(128, seed=3), 3 * n))
    expected = [batch for epoch in range(3) for batch in numbered.batches(128, seed=3, epoch=epoch)]
    for (features, labels), batch in zip(dense, expected, strict=True):
        assert (features.dtype, features.shape) == (np.float32, (len(labels), N_COLUMNS))
        np.testing.assert_array_equal(features, batch.rows.to_dense())
        np.testing.assert_array_equal(labels, batch.labels)


def test_the_generator_without_a_seed_repeats_the_file(numbered):
    whole = numbered.read(0, N_ROWS).to_dense()
    dense = list(itertools.islice(numbered.generator(350, seed=None), 4))
    for (features, _), start in zip(dense, (0, 350, 0, 350), strict=True):
        np.testing.assert_array_equal(features, whole[start : start + 350])


matrices = numpy_strategies.arrays(
    np.float32,
    numpy_strategies.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=6),
    elements=st.sampled_from([0.0, 0.0, 1.0, 2.5]),
)


def sparse(dense):
    """The dense matrix's rows as SparseRows."""
    rows, columns = np.nonzero(dense)
    indptr = np.searchsorted(rows, np.arange(len(dense) + 1))
    return SparseRows(indptr, columns.astype(np.uint16), dense[rows, columns], dense.shape[1])


@given(matrices)
def test_rows_to_dense(dense):
    rows = sparse(dense)
    assert (len(rows), rows.n_entries) == (len(dense), np.count_nonzero(dense))
    np.testing.assert_array_equal(rows.to_dense(), dense)


@given(matrices, st.integers(-8, 8), st.integers(-8, 8))
def test_slices_of_rows(dense, start, stop):
    np.testing.assert_array_equal(sparse(dense)[start:stop].to_dense(), dense[start:stop])


def test_steps_in_slices_of_rows_are_refused():
    with pytest.raises(ValueError, match="in steps of 1, not 2; use take"):
        sparse(np.eye(3, dtype=np.float32))[::2]


@given(matrices, st.lists(st.integers(0, 5)))
def test_taking_rows(dense, numbers):
    numbers = np.array([number for number in numbers if number < len(dense)], np.int64)
    labels = np.arange(len(dense))
    rows, taken = Batch(sparse(dense), labels).take(numbers)
    np.testing.assert_array_equal(rows.to_dense(), dense[numbers])
    np.testing.assert_array_equal(taken, numbers)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=5))
def test_concatenating(lengths):
    dense = np.random.default_rng(0).integers(3, size=(sum(lengths), 4)).astype(np.float32)
    bounds = np.concatenate([[0], np.cumsum(lengths)])
    parts = [
        Batch(sparse(dense[start:stop]), np.arange(start, stop))
        for start, stop in itertools.pairwise(bounds)
    ]
    rows, labels = concatenate(parts)
    np.testing.assert_array_equal(rows.to_dense(), dense)
    np.testing.assert_array_equal(labels, np.arange(len(dense)))


@pytest.mark.parametrize("order", [{"seed": None}, {"seed": 3}, {"seed": 3, "by_length": True}])
def test_the_numbers_of_the_rows_of_a_batch(tmp_path, order):
    path = write_toy(tmp_path / "a.h5", train=1000)
    with open_store(path) as store:
        split = store["train"]
        batches, whole = split.batches(96, epoch=2, **order), split.read(0, 1000)
        for step, batch in enumerate(batches):
            numbers = batches.row_numbers(step)
            assert (whole.take(numbers).to_dense() == batch.rows.to_dense()).all()
        for step in (-1, len(batches)):
            with pytest.raises(IndexError, match=f"has the batches 0 to 10, not {step}"):
                batches.row_numbers(step)


@pytest.mark.usefixtures("small_windows")
def test_a_larger_window_takes_the_place_of_the_one_before(numbered, monkeypatch):
    """Nothing holds on to memory that is too small, so that there are never two windows."""
    grown, original = [], Buffers.empty

    def empty(buffers, name, shape, dtype):
        kept = buffers._kept.get(name)
        if kept is not None and kept.size < np.prod(shape):
            memory = weakref.ref(kept)
            del kept, buffers._kept[name]
            grown.append(memory() is None)
        return original(buffers, name, shape, dtype)

    monkeypatch.setattr(Buffers, "empty", empty)
    for seed in range(10):
        list(numbered.batches(50, seed=seed))
    assert len(grown) > 2
    assert all(grown)
