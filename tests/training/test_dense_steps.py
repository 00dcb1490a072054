"""Steps of a network over dense rows: against Keras, finite differences, and themselves resumed."""

import numpy as np
import pytest

from ooc_train import blas
from ooc_train.blas import one_thread
from ooc_train.reading.rows import Batch, DenseRows
from ooc_train.training.models.backend import keras
from ooc_train.training.models.mlp import in_keras
from ooc_train.training.steps.adam_kernels import MEAN
from ooc_train.training.steps.dense_steps import DenseTrainer
from ooc_train.training.steps.networks import NetworkEvaluator
from ooc_train.training.steps.trainer import StepOptions
from tests.stepping import N_COLUMNS, network, train_on

SIZES = [(1,), (5,), (8, 1), (7, 5), (8, 4, 3), (9, 5, 4, 1)]


def batch(n_rows=20, n_classes=5, seed=0):
    random = np.random.default_rng(seed)
    values = random.normal(size=(n_rows, N_COLUMNS)).astype("f4")
    return Batch(DenseRows(values), random.integers(n_classes, size=n_rows))


@pytest.mark.parametrize("sizes", SIZES)
def test_steps_equal_kerass(sizes):
    """Loss, correct rows and weights after some steps, without dropout, which draws otherwise."""
    mine, plain = network(sizes), in_keras(network(sizes))
    trainer = DenseTrainer(mine, StepOptions(0.01))
    loss = "binary_crossentropy" if sizes[-1] == 1 else "sparse_categorical_crossentropy"
    plain.compile(keras.optimizers.Adam(0.01), loss, metrics=["accuracy"])
    for seed in range(4):
        rows = batch(n_classes=max(2, sizes[-1]), seed=seed)
        expected = plain.train_on_batch(rows.rows.values, rows.labels, return_dict=True)
        own, n_correct = train_on(trainer, rows)
        plain.reset_metrics()
        assert own == pytest.approx(expected["loss"], abs=1e-5)
        assert n_correct == round(20 * expected["accuracy"])
    trainer.sync()
    for one, other in zip(mine.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5)
    _, probabilities = NetworkEvaluator(mine)(rows)
    expected = plain.predict_on_batch(rows.rows.values)
    np.testing.assert_allclose(probabilities[:, -1], expected[:, -1], atol=1e-5)


@pytest.mark.parametrize("sizes", SIZES)
def test_gradients_are_finite_differences(sizes):
    """With dropout, class weights and smoothing."""
    n_classes = max(2, sizes[-1])
    options = StepOptions(
        seed=3, class_weights=np.linspace(0.5, 2, n_classes, dtype="f4"), label_smoothing=0.1
    )
    rows = batch(n_classes=n_classes)

    def loss_at(weights):
        made = network(sizes, rate=0.3)
        made.set_weights(weights)
        return train_on(DenseTrainer(made, options), rows)[0]

    trainer = DenseTrainer(network(sizes, rate=0.3), options)
    before = trainer.weights()
    train_on(trainer, rows)
    gradient = 10 * trainer._all[MEAN]  # after one step the mean is a tenth of it
    random = np.random.default_rng(0)
    direction = [random.normal(size=array.shape).astype("f4") for array in before]
    expected = sum(
        (own * g).sum() for own, g in zip(direction, trainer_shaped(trainer, gradient), strict=True)
    )
    h = 1e-3
    up, down = (
        loss_at([w + sign * h * d for w, d in zip(before, direction, strict=True)])
        for sign in (1, -1)
    )
    assert (up - down) / (2 * h) == pytest.approx(expected, rel=0.02, abs=2e-3)


def trainer_shaped(trainer, flat):
    stops = np.cumsum([array.size for array in trainer.weights()])[:-1]
    parts = np.split(flat, stops)
    return [part.reshape(w.shape) for part, w in zip(parts, trainer.weights(), strict=True)]


def test_going_on_from_a_state_gives_the_same_bits():
    def trainer():
        return DenseTrainer(network((8, 5), rate=0.2), StepOptions(0.01, seed=3))

    whole, first, second = trainer(), trainer(), trainer()
    parts = [batch(seed=seed) for seed in range(12)]
    losses = [train_on(whole, each)[0] for each in parts]
    ahead = [first.prepare(each, step) for step, each in enumerate(parts)]  # which changes nothing
    for each in ahead[:7]:
        first.step(each)
    second.restore(first.state())
    assert [train_on(second, each)[0] for each in parts[7:]] == losses[7:]
    assert [first.step(each)[0] for each in ahead[7:]] == losses[7:]
    for one, other in zip(whole.weights(), second.weights(), strict=True):
        assert one.tobytes() == other.tobytes()


def test_dropout_leaves_the_rows_as_they_are():
    """They may be views of what others read."""
    rows = batch()
    before = rows.rows.values.copy()
    trainer = DenseTrainer(network((8, 5), rate=0.5), StepOptions())
    values = trainer.prepare(rows, 0).values
    assert np.array_equal(rows.rows.values, before)
    assert abs((values == 0).mean() - 0.5) < 0.1
    np.testing.assert_allclose(values[values != 0], 2 * before[values != 0], rtol=1e-6)
    assert (trainer.prepare(rows, 1).values == 0).tolist() != (values == 0).tolist()


def test_products_run_on_one_thread():
    libraries = blas._libraries()
    if not libraries:
        pytest.skip("NumPy's linear algebra is not OpenBLAS")
    before = [library.get() for library in libraries]
    try:
        for library in libraries:
            library.set(2)
        seen = []
        with one_thread():
            seen += [library.get() for library in libraries]
        assert seen == [1] * len(libraries)
        assert [library.get() for library in libraries] == [2] * len(libraries)
    finally:
        for library, n_threads in zip(libraries, before, strict=True):
            library.set(n_threads)
