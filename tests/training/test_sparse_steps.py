"""The kernels' steps, against Keras on dense rows: forward, gradients, Adam, dropout, state."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ooc_train.reading.rows import Batch, SparseRows
from ooc_train.training.models.backend import keras, tf
from ooc_train.training.models.mlp import in_keras
from ooc_train.training.steps import adam_kernels, sparse_steps
from ooc_train.training.steps import network_kernels as kernels
from ooc_train.training.steps.feeds import SparseFeed
from ooc_train.training.steps.keras_steps import KerasTrainer
from ooc_train.training.steps.sparse_steps import SparseTrainer
from ooc_train.training.steps.trainer import StepOptions
from tests.stepping import N_COLUMNS, build, network, toy_batch, train_on

NO_KEY = np.uint64(0)


@st.composite
def sparse_rows(draw):
    """Rows of any lengths, none of them or empty ones included."""
    lengths = draw(st.lists(st.sampled_from([0, 0, 1, 2, 7, N_COLUMNS]), max_size=12))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    columns = [random.permutation(N_COLUMNS)[:length] for length in lengths]
    indices = np.concatenate([np.zeros(0, int), *columns]).astype(draw(st.sampled_from("HI")))
    values = random.normal(size=len(indices)).astype("f4")
    return SparseRows(np.cumsum([0, *lengths]), indices, values, N_COLUMNS)


def prepared(rows, rate=0.0, key=NO_KEY):
    columns, by_row, by_column = kernels.prepare_rows(
        rows.indptr, rows.indices, rows.values, rows.n_columns, np.float32(rate), key
    )
    row_indptr, column_indptr = by_row.starts.astype(int), by_column.starts.astype(int)
    row_matrix = SparseRows(row_indptr, columns[by_row.columns], by_row.values, rows.n_columns)
    return (
        row_matrix,
        SparseRows(column_indptr, by_column.rows, by_column.values, len(rows)),
        columns,
    )


# Rows and what is dropped of them


@given(sparse_rows(), st.sampled_from([0, 0.3]))
def test_rows_by_row_and_by_column_are_the_same_matrix(rows, rate):
    by_row, by_column, columns = prepared(rows, rate, np.uint64(7))
    dense = by_row.to_dense()
    assert len(set(columns)) == len(columns)
    np.testing.assert_array_equal(by_column.to_dense().T, dense[:, columns])
    assert np.count_nonzero(dense[:, columns]) == np.count_nonzero(dense)
    assert by_row.n_entries == by_column.n_entries
    if rate:
        kept = dense != 0
        np.testing.assert_allclose(dense[kept], rows.to_dense()[kept] / 0.7, rtol=1e-6)
    else:
        np.testing.assert_array_equal(dense, rows.to_dense())


def test_the_rows_of_a_column_ascend():
    """Hence a gradient's sum has one order, however its columns are shared out."""
    _, by_column, _ = prepared(toy_batch(200).rows)
    for j in range(len(by_column)):
        assert (np.diff(by_column[j : j + 1].indices) > 0).all()


def test_values_are_dropped_at_the_rate():
    rows = SparseRows(np.array([0, 100_000]), np.arange(100_000), np.ones(100_000, "f4"), 100_000)
    dropped = {}
    for seed, step, layer in [(0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0)]:
        key = kernels.keys_of(seed, step, 2)[layer]
        _, _, columns = prepared(rows, 0.2, key)
        dropped[seed, step, layer] = np.isin(np.arange(100_000), columns, invert=True)
    for one in dropped.values():
        assert abs(one.mean() - 0.2) < 0.005
        assert abs(np.corrcoef(one[1:], one[:-1])[0, 1]) < 0.015
    together = np.corrcoef(list(dropped.values()))
    assert np.abs(together - np.eye(4)).max() < 0.015


def test_hidden_values_are_dropped_at_the_rate_and_scaled():
    hidden = np.ones((100, 64), np.float32)
    kernels.drop(hidden, np.float32(0.2), np.uint64(5))
    np.testing.assert_allclose(np.unique(hidden), [0, 1.25], rtol=1e-6)
    assert abs((hidden == 0).mean() - 0.2) < 0.02
    delta = np.ones((100, 64), np.float32)
    kernels.undrop(delta, hidden, np.float32(0.2))
    np.testing.assert_array_equal(delta, hidden)


# One step


@pytest.mark.parametrize("sizes", [(1,), (5,), (8, 1), (7, 5), (8, 4, 3), (9, 5, 4, 1)])
def test_a_step_equals_kerass(sizes):
    """Loss, correct rows, and the gradients of all weights."""
    mine, n_outputs = network(sizes), sizes[-1]
    model = in_keras(mine)
    batch = toy_batch(n_classes=max(2, n_outputs))
    trainer = SparseTrainer(mine, StepOptions(1e-3))
    with tf.GradientTape() as tape:
        output = model(batch.rows.to_dense(), training=True)
        if n_outputs == 1:
            expected = keras.losses.BinaryCrossentropy()(batch.labels[:, None], output)
        else:
            expected = keras.losses.SparseCategoricalCrossentropy()(batch.labels, output)
    slopes = tape.gradient(expected, model.trainable_variables)
    first, *others = [tf.convert_to_tensor(slope).numpy() for slope in slopes]
    flat = np.concatenate([slope.ravel() for slope in others])
    best = output.numpy().argmax(1) if n_outputs > 1 else output.numpy()[:, 0] > 0.5

    loss, n_correct = train_on(trainer, batch)
    assert loss == pytest.approx(float(expected), rel=1e-5)
    assert n_correct == (best == batch.labels).sum()
    # After one step the mean is a tenth of the gradient, the variance a thousandth of its square.
    table = trainer._table
    deviation = table[:, adam_kernels.DEVIATION]
    mean = table[:, adam_kernels.DIRECTION] * (deviation + adam_kernels.EPSILON)
    np.testing.assert_allclose(mean, first / 10, rtol=1e-4, atol=1e-8)
    np.testing.assert_allclose(deviation, abs(first) / 1000**0.5, rtol=1e-4, atol=1e-8)
    np.testing.assert_allclose(trainer._rest[adam_kernels.MEAN], flat / 10, rtol=1e-4, atol=1e-7)


@settings(max_examples=30)
@given(sparse_rows(), st.sampled_from([(8, 1), (8, 5, 3)]))
def test_forward_equals_plain_keras(rows, sizes):
    model = NETWORKS[sizes]
    trainer = SparseTrainer(network(sizes), StepOptions(1e-3))
    batch = trainer.prepare(Batch(rows, np.zeros(len(rows), int)), 0)
    used = trainer._table[batch.columns, adam_kernels.WEIGHT]
    outputs = kernels.forward(batch.by_row, used, trainer._rest[adam_kernels.WEIGHT], batch.layers)
    logits = outputs[len(outputs) - len(rows) * sizes[-1] :].reshape(len(rows), sizes[-1])
    activation = keras.ops.sigmoid if sizes[-1] == 1 else keras.ops.softmax
    np.testing.assert_allclose(
        activation(logits), model(rows.to_dense(), training=False), atol=1e-5
    )


NETWORKS = {sizes: in_keras(network(sizes)) for sizes in [(8, 1), (8, 5, 3)]}


@settings(max_examples=20)
@given(sparse_rows())
def test_steps_on_ragged_and_empty_rows_stay_finite(rows):
    if not len(rows):
        return
    trainer = SparseTrainer(network((4, 3)), StepOptions(0.1))
    batch = Batch(rows, np.arange(len(rows)) % 3)
    for _ in range(3):
        loss, n_correct = train_on(trainer, batch)
        assert np.isfinite(loss)
        assert 0 <= n_correct <= len(rows)
    trainer.sync()
    assert all(np.isfinite(array).all() for array in trainer.model.get_weights())


def test_extreme_logits_have_finite_losses():
    targets = kernels.Targets(np.array([0, 1, 0, 1]), np.ones(2, "f4"), np.float32(0))
    logits = np.array([[200], [-200], [-200], [200]], "f4")
    delta = np.empty_like(logits)
    loss, n_correct = kernels.output_gradient(logits, targets, delta)
    assert (loss, n_correct) == (100, 2)
    np.testing.assert_array_equal(delta.ravel(), [0.25, -0.25, 0, 0])
    two = np.hstack([np.zeros_like(logits), logits])
    deltas = np.empty_like(two)
    assert kernels.output_gradient(two, targets, deltas) == (100, 2)
    np.testing.assert_array_equal(deltas[:, 1], delta.ravel())


# Many steps


def batches(n, n_rows=4):
    """Few entries, so that a column is often out for many steps."""
    return [toy_batch(n_rows, n_classes=5, mean_entries=2, seed=seed) for seed in range(n)]


@pytest.mark.parametrize("catch_up_steps", [4, 1024])
def test_steps_equal_dense_adam(monkeypatch, catch_up_steps):
    """Also of columns that have no entries in a step; without dropout, which draws differently."""
    monkeypatch.setattr(sparse_steps, "CATCH_UP_STEPS", catch_up_steps)
    mine, dense = network((8, 5)), in_keras(network((8, 5)))
    before = mine.get_weights()
    trainer = SparseTrainer(mine, StepOptions(0.01))
    reference = KerasTrainer(SparseFeed(dense), StepOptions(0.01))
    longest = 0  # steps that a column was out for
    for batch in batches(200):
        losses = train_on(trainer, batch)[0], train_on(reference, batch)[0]
        assert losses[0] == pytest.approx(losses[1], abs=2e-4)
        longest = max(longest, trainer.n_steps - trainer._updated.min())
    assert longest == 3 if catch_up_steps == 4 else longest > 20
    trainer.sync()
    for start, own, other in zip(before, mine.get_weights(), dense.get_weights(), strict=True):
        assert np.abs(other - start).max() > 0.1
        np.testing.assert_allclose(own, other, atol=1e-3)


def test_a_column_without_gradient_moves_on_as_in_dense_adam():
    """What tells this from an Adam that leaves such columns alone."""
    mine, dense = network((8, 1)), in_keras(network((8, 1)))
    trainer = SparseTrainer(mine, StepOptions(0.01))
    reference = KerasTrainer(SparseFeed(dense), StepOptions(0.01))
    one = SparseRows(np.array([0, 1]), np.array([3]), np.ones(1, "f4"), N_COLUMNS)
    other = SparseRows(np.array([0, 1]), np.array([5]), np.ones(1, "f4"), N_COLUMNS)
    for rows in [one, *[other] * 30]:
        for each in (trainer, reference):
            train_on(each, Batch(rows, np.array([1])))
        if rows is one:
            trainer.sync()
            first = mine.get_weights()[0][3]
    trainer.sync()
    moved = mine.get_weights()[0][3] - first
    assert np.abs(moved).max() > 0.04
    np.testing.assert_allclose(mine.get_weights()[0][3], dense.get_weights()[0][3], rtol=1e-4)


def test_going_on_from_a_state_gives_the_same_bits():
    def trainer():
        return SparseTrainer(network((8, 5), rate=0.2), StepOptions(0.01, seed=3))

    def weights(trainer):
        trainer.sync()
        return trainer.model.get_weights()

    whole, first, second = trainer(), trainer(), trainer()
    parts = batches(30)
    losses = [train_on(whole, batch)[0] for batch in parts]
    for batch in parts[:17]:
        train_on(first, batch)
    state = first.state()
    first.sync()  # changes nothing
    again = [train_on(first, batch)[0] for batch in parts[17:]]
    second.restore(state)
    assert second.n_steps == 17
    assert again == losses[17:] == [train_on(second, batch)[0] for batch in parts[17:]]
    for each in (whole, first, second):
        each.sync()
    for one, two, three in zip(
        *(t.model.get_weights() for t in (whole, first, second)), strict=True
    ):
        assert (one == two).all()
        assert (one == three).all()


def test_what_is_dropped_depends_on_seed_and_step():
    def losses(seed):
        trainer = SparseTrainer(network((8, 5), rate=0.2), StepOptions(1e-9, seed=seed))
        return [train_on(trainer, toy_batch(n_classes=5))[0] for _ in range(3)]

    assert losses(1) == losses(1)
    assert len({f"{loss:.4f}" for loss in losses(1) + losses(2)}) == 6


def test_preparing_ahead_changes_nothing():
    one, two = (SparseTrainer(network((8, 5), rate=0.2), StepOptions(0.01)) for _ in "ab")
    parts = batches(10)
    ahead = [one.prepare(batch, step) for step, batch in enumerate(parts)]
    assert [one.step(each) for each in ahead] == [train_on(two, batch) for batch in parts]


def test_the_network_is_the_models():
    model = build("mlp", N_COLUMNS, 5, seed=0)
    before = model.get_weights()
    trainer = SparseTrainer(model, StepOptions(1e-3))
    assert trainer._sizes.tolist() == [64, 5]
    assert trainer._rate == np.float32(0.2)
    with pytest.raises(ValueError, match="a trainer has the network's weights"):
        model.get_weights()
    trainer.sync()
    for one, other in zip(before, model.get_weights(), strict=True):
        assert (one == other).all()
