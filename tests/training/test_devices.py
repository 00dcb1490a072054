"""Several devices share every batch: the steps are those of one, but for the rounding of sums."""

import json
import subprocess
import sys

import numpy as np
import pytest

from ooc_train.errors import OptionError
from ooc_train.progress import Silent
from ooc_train.training import train as fitting
from ooc_train.training.run.folder import open_run
from ooc_train.training.train import train
from tests.files import Toy, write_sequences, write_toy

OWN = "tests.training.test_devices:own"
DROPPING = "tests.training.test_devices:dropping"
PLAIN = {"batch_size": 32, "epochs": 2}
WEIGHTED = {"class_weight": {"1": 3.0}, "label_smoothing": 0.1, "weight_decay": 0.1}
CLIPPED = {"global_clipnorm": 0.01, "learning_rate": 0.01}
CASES = {
    "sepcnn": ("sequences", PLAIN | WEIGHTED | {"embedding_dimension": 4, "dropout_rate": 0.0}),
    "own": ("ngrams", PLAIN | {"model": OWN}),
    "clipped": ("ngrams", PLAIN | CLIPPED | {"model": OWN}),
}
STATE = {"checkpoint_every": 1}


def own(shape, *more):
    from ooc_train.training.models.backend import keras

    return keras.Sequential(
        [
            keras.Input((shape.n_columns,)),
            keras.layers.Dense(8, "relu", kernel_regularizer=keras.regularizers.L2(0.01)),
            *more,
            keras.layers.Dense(1, "sigmoid"),
        ]
    )


def dropping(shape):
    from ooc_train.training.models.backend import keras

    return own(shape, keras.layers.Dropout(0.3))


class Killed(BaseException):
    """What ends a process as far as this one can tell."""


class Killing(Silent):
    """Lets a training live for so many batches."""

    def __init__(self, n_batches):
        self.n_left, self.said = n_batches, []

    def advance(self, amount):
        self.n_left -= 1
        if self.n_left == 0:
            raise Killed

    def message(self, text):
        self.said.append(text)


def weights(run):
    return open_run(run, trust_code=True).load_model().get_weights()


def farthest(one, other):
    """The largest difference between the weights of two runs."""
    pairs = zip(weights(one), weights(other), strict=True)
    return max(float(np.abs(mine - its).max()) for mine, its in pairs)


def trials(folder):
    """What is compared, by name, in a process whose TensorFlow has two devices, without pages."""
    fitting.draw_page = lambda *arguments: None
    # 97 rows: the last batch has one, so that a device has none.
    data = {
        "sequences": write_sequences(folder / "s.h5", train=97, validation=40),
        "ngrams": write_toy(folder / "n.h5", toy=Toy(), train=97, validation=40),
    }
    found = {}
    for name, (kind, options) in CASES.items():
        reports = [train(data[kind], folder / f"{name}{n}", devices=n, **options) for n in (2, 1)]
        found[name] = {
            "farthest": farthest(folder / f"{name}1", folder / f"{name}2"),
            "losses": [[epoch["loss"] for epoch in report["epochs"]] for report in reports],
            "correct": [[epoch["accuracy"] for epoch in report["epochs"]] for report in reports],
        }
    path, random = data["ngrams"], PLAIN | {"model": DROPPING}
    for name in ("whole", "again"):
        train(path, folder / name, devices=2, **random)
    found["again"] = farthest(folder / "whole", folder / "again")
    for name, options, devices in (("resumed", random, 2), ("elsewhere", CASES["own"][1], 1)):
        progress = Killing(5)
        try:
            train(path, folder / name, devices=2, progress=progress, **STATE, **options)
        except Killed:
            progress = Killing(10**6)
        more = {"resume": True, "devices": devices, "progress": progress}
        train(path, folder / name, **more, **options)
        found[name] = {"said": progress.said}
    found["resumed"]["farthest"] = farthest(folder / "resumed", folder / "whole")
    found["elsewhere"]["farthest"] = farthest(folder / "elsewhere", folder / "own1")
    try:
        train(path, folder / "three", devices=3, **random)
    except OptionError as error:
        found["three"] = str(error)
    return found


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("devices")
    code = "import json; from pathlib import Path; from tests.training.test_devices import trials; "
    code += f"print(json.dumps(trials(Path({str(folder)!r}))))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("case", CASES)
@pytest.mark.slow
def test_two_devices_compute_the_steps_of_one(found, case):
    assert found[case]["farthest"] < 1e-5
    two, one = found[case]["losses"]
    np.testing.assert_allclose(two, one, rtol=1e-5)
    two, one = found[case]["correct"]
    assert two == one


@pytest.mark.slow
def test_the_same_devices_give_the_same_bits(found):
    assert found["again"] == 0
    assert found["resumed"]["farthest"] == 0


@pytest.mark.slow
def test_another_number_of_devices_goes_on_with_the_same_rows(found):
    assert found["elsewhere"]["farthest"] < 1e-5
    assert any("devices was 2, is 1" in line for line in found["elsewhere"]["said"])


@pytest.mark.slow
def test_there_must_be_as_many(found):
    assert "--devices 3 takes as many GPUs, and TensorFlow sees 2 here" in found["three"]


def test_a_network_is_trained_on_one(tmp_path):
    path = write_toy(tmp_path / "n.h5", toy=Toy(), train=50)
    with pytest.raises(OptionError, match="a step of mlp takes less time than adding up"):
        train(path, tmp_path / "run", epochs=1, devices=2)
    with pytest.raises(OptionError, match="leaves no row to some devices in a batch of 1"):
        train(path, tmp_path / "run", epochs=1, devices=2, batch_size=1, model=OWN)
    with pytest.raises(OptionError, match="--devices must be at least 1, not 0"):
        train(path, tmp_path / "run", epochs=1, devices=0)
    assert not (tmp_path / "run").exists()
