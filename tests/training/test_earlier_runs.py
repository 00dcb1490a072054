"""Runs of earlier releases, whose default model Keras trained or wrote: used, or refused."""

import shutil

import numpy as np
import pytest

from ooc_train.errors import OptionError
from ooc_train.training.models.mlp import in_keras
from ooc_train.training.models.network import Network
from ooc_train.training.run.folder import open_run
from ooc_train.training.run.resuming import changed_versions
from ooc_train.training.train import train
from tests.files import write_dense, write_toy
from tests.training.test_hostile_runs import reseal
from tests.training.test_resume import kill, weights

OPTIONS = {"epochs": 2, "batch_size": 32, "checkpoint_every": 1, "units": 8}


@pytest.fixture(scope="module", params=["sparse", "dense"])
def path(request, tmp_path_factory):
    write = {"sparse": write_toy, "dense": write_dense}[request.param]
    return write(tmp_path_factory.mktemp("earlier") / "a.h5", train=200, validation=50)


def test_a_model_that_keras_wrote(path, tmp_path):
    train(path, tmp_path / "new", **OPTIONS)
    old = shutil.copytree(tmp_path / "new", tmp_path / "old")
    in_keras(open_run(tmp_path / "new").load_model()).save(old / "model.keras")
    reseal(old)
    assert (old / "model.keras").read_bytes() != (tmp_path / "new" / "model.keras").read_bytes()
    assert isinstance(open_run(old).load_model(), Network)
    for one, other in zip(weights(old), weights(tmp_path / "new"), strict=True):
        assert one.tobytes() == other.tobytes()


@pytest.mark.slow
def test_a_training_by_keras_is_resumed_by_keras(path, tmp_path):
    """The default of dense rows was Keras's Adam."""
    keras = {**OPTIONS, "optimizer": "adam"}
    train(path, tmp_path / "whole", **keras)
    kill(path, tmp_path / "run", 3, **keras)
    with pytest.raises(OptionError, match="--optimizer was adam and is .*-adam; give --resume"):
        train(path, tmp_path / "run", resume=True, **OPTIONS)
    train(path, tmp_path / "run", resume=True, **keras)
    for one, other in zip(weights(tmp_path / "run"), weights(tmp_path / "whole"), strict=True):
        assert np.array_equal(one, other)


def test_versions_of_which_an_earlier_run_says_nothing():
    then = {"versions": {"NumPy": "2.0", "Keras": "3.12", "processors": 2}}
    assert changed_versions(then, {"versions": {"NumPy": "2.0", "Numba": "0.60"}}) is None
    found = changed_versions(then, {"versions": {"NumPy": "2.1", "Numba": "0.60"}})
    assert found == "NumPy was 2.0, is 2.1"
