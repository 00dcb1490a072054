"""Networks as files of Keras: written without Keras, read by Keras, and the other way round."""

import zipfile

import numpy as np
import pytest

from ooc_train.training.models.backend import keras
from ooc_train.training.models.keras_form import read_layers
from ooc_train.training.models.mlp import in_keras
from ooc_train.training.models.network import Network, initial_weights
from ooc_train.training.steps.networks import logits_of, probabilities_of
from tests.stepping import N_COLUMNS, network, toy_batch

SIZES = [(1,), (5,), (8, 1), (8, 5), (8, 7, 1), (9, 8, 7)]


@pytest.mark.parametrize("sizes", SIZES)
def test_keras_loads_a_network(tmp_path, sizes):
    """It gives the same probabilities, and is a model like any other."""
    mine = network(sizes, rate=0.3)
    mine.save(tmp_path / "model.keras")
    model = keras.models.load_model(tmp_path / "model.keras")
    rows = toy_batch(n_classes=max(2, sizes[-1])).rows
    expected = probabilities_of(logits_of(mine.layers)(rows))
    found = model.predict(rows.to_dense(), verbose=0)
    np.testing.assert_allclose(found[:, -1], expected[:, -1], atol=1e-6)
    assert [layer.rate for layer in model.layers[::2]] == pytest.approx([0.3] * len(sizes))
    lines = []
    model.summary(print_fn=lines.append)
    assert f"{model.count_params():,}" in "".join(lines)
    built = in_keras(mine)
    assert built.get_config() == model.get_config()
    for one, other in zip(built.get_weights(), mine.get_weights(), strict=True):
        assert np.array_equal(one, other)


def test_keras_trains_on_and_its_file_is_read(tmp_path):
    mine = network((8, 5), rate=0.3)
    mine.save(tmp_path / "model.keras")
    model = keras.models.load_model(tmp_path / "model.keras")
    model.compile("adam", "sparse_categorical_crossentropy")
    batch = toy_batch(n_classes=5)
    model.fit(batch.rows.to_dense(), batch.labels, epochs=2, verbose=0)
    model.save(tmp_path / "trained.keras")
    arrays = [array for layer in read_layers(tmp_path / "trained.keras") for array in layer]
    for one, other, before in zip(arrays, model.get_weights(), mine.get_weights(), strict=True):
        assert np.array_equal(one, other)
        assert not np.array_equal(one, before)


@pytest.mark.parametrize("sizes", SIZES)
def test_a_network_is_read_as_it_was_written(tmp_path, sizes):
    mine = network(sizes)
    mine.save(tmp_path / "model.keras")
    again = Network.of(read_layers(tmp_path / "model.keras"))
    assert again.sizes == mine.sizes
    for one, other in zip(again.get_weights(), mine.get_weights(), strict=True):
        assert one.tobytes() == other.tobytes()


def test_the_same_network_is_the_same_bytes(tmp_path, monkeypatch):
    network((8, 5)).save(tmp_path / "one.keras")
    monkeypatch.setattr("time.time", lambda: 2e9)  # another day
    network((8, 5)).save(tmp_path / "two.keras")
    assert (tmp_path / "one.keras").read_bytes() == (tmp_path / "two.keras").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.keras") as archive:
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_the_members_are_those_that_keras_writes(tmp_path):
    """So that other readers of Keras's files find what they expect."""
    mine = network((8, 7, 5))
    mine.save(tmp_path / "one.keras")
    in_keras(mine).save(tmp_path / "two.keras")
    assert names_in(tmp_path / "one.keras") == names_in(tmp_path / "two.keras")


def names_in(path):
    import h5py

    names = []
    with zipfile.ZipFile(path) as archive:
        names += archive.namelist()
        with archive.open("model.weights.h5") as member, h5py.File(member) as file:
            file.visititems(lambda name, found: names.append((name, dict(found.attrs))))
    return names


def test_initial_weights_are_glorot_uniform():
    kernel, bias, *others = initial_weights((400, 100, 1), 7)
    limit = (6 / 500) ** 0.5
    assert (kernel.dtype, kernel.shape, bias.tolist()) == (np.float32, (400, 100), [0] * 100)
    assert 0.999 * limit < np.abs(kernel).max() <= limit
    assert abs(kernel.mean()) < 0.01 * limit
    assert kernel.std() == pytest.approx(limit / 3**0.5, rel=0.01)
    assert [array.shape for array in others] == [(100, 1), (1,)]
    for one, other in zip(initial_weights((400, 100, 1), 7), [kernel, bias, *others], strict=True):
        assert one.tobytes() == other.tobytes()
    assert not np.array_equal(initial_weights((400, 100), 8)[0], kernel)
    assert Network((N_COLUMNS, 3), seed=7).get_weights()[0].shape == (N_COLUMNS, 3)
