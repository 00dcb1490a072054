"""Checkpoints that are whole, and not of this run, or hold a state that no training has."""

import os
import shutil

import numpy as np
import pytest

from ooc_train.errors import FormatError, OptionError
from ooc_train.training.run.checkpoints import CheckpointFolder, read_checkpoint, write_checkpoint
from ooc_train.training.run.folder import open_run
from ooc_train.training.train import train
from tests.files import Toy, write_toy


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of two files, and of three runs."""
    folder = tmp_path_factory.mktemp("checkpoints")
    for seed, name in enumerate(("toy", "elsewhere")):
        write_toy(folder / f"{name}.h5", toy=Toy(n_classes=3), seed=seed, train=200, validation=50)
    train(folder / "toy.h5", folder / "run", epochs=1)
    train(folder / "toy.h5", folder / "seed", epochs=1, seed=1)
    train(folder / "elsewhere.h5", folder / "elsewhere", epochs=1)
    return folder


@pytest.fixture
def run(trained, tmp_path):
    return shutil.copytree(trained / "run", tmp_path / "run")


def newest(run):
    return CheckpointFolder(run / "checkpoints").files()[0]


def go_on(trained, run):
    return train(trained / "toy.h5", run, resume=True, epochs=2)


@pytest.mark.parametrize(
    ("other", "difference"),
    [("elsewhere", "the data was another"), ("seed", "--seed was 1 and is 0")],
)
def test_a_checkpoint_of_another_run(trained, run, other, difference):
    shutil.copy(newest(trained / other), newest(run))
    message = rf"step-\d+\.safetensors is of another training: {difference}; delete it, so that"
    with pytest.raises(FormatError, match=message):
        go_on(trained, run)
    assert open_run(run)  # complete as before


def changed(arrays=None, **facts):
    """What makes a checkpoint another: its arrays of these names, and some facts."""

    def change(checkpoint):
        own = dict(checkpoint.arrays)
        for name, new in (arrays or {}).items():
            own[name] = new(own[name])
        own = {name: array for name, array in own.items() if array is not None}
        standing = checkpoint.facts["standing"] | facts.pop("standing", {})
        return own, {**checkpoint.facts, **facts, "standing": standing}

    return change


def nan(array):
    return np.full_like(array, np.nan)


FALSE = {
    "seconds": changed(seconds="long"),
    "embeddings": changed(embeddings={}),
    "sessions": changed(sessions=None),
    "settings": changed(settings=[]),
    "NaN": changed({"trainer/rest": nan}),
    "infinity": changed({"stopping/weights/0": lambda array: array + np.inf}),
    "dtype": changed({"trainer/updated": lambda array: array.astype(np.int32)}),
    "shape": changed({"trainer/table": lambda array: array[:-1]}),
    "missing": changed({"trainer/drifts": lambda array: None}),
    "best weights": changed({"stopping/weights/1": lambda array: array[:1]}),
    "no best weights": changed({f"stopping/weights/{i}": lambda array: None for i in range(4)}),
    "best epoch": changed({"stopping/best_epoch": lambda array: array + 9}),
    "columns of the future": changed({"trainer/updated": lambda array: array + 10**6}),
    "columns of the past": changed({"trainer/updated": lambda array: array - 2**62}),
    "steps": changed({"trainer/n_steps": lambda array: array - 1}),
    "epochs": changed(standing={"epoch": 2}),
    "step": changed(standing={"step": -1}),
    "sums": changed(standing={"totals": {"n_rows": 0, "loss_sum": float("nan"), "n_correct": 0}}),
    "totals": changed(standing={"totals": None}),
    "more": changed(standing={"more": 1}),
    "history": changed(standing={"history": [{}]}),
    "no history": changed(standing={"history": []}),
    "figures": changed(standing={"history": 7}),
}


@pytest.mark.parametrize("name", FALSE)
def test_a_state_that_no_training_has(trained, run, name):
    path = newest(run)
    before = read_checkpoint(path)
    write_checkpoint(path, *FALSE[name](before))
    before_files = {file.name: file.read_bytes() for file in run.iterdir() if file.is_file()}
    with pytest.raises((FormatError, OptionError)) as caught:
        go_on(trained, run)
    assert "safetensors" in str(caught.value) or "has other weights than when" in str(caught.value)
    # The run is complete as it was.
    assert before_files == {
        file.name: file.read_bytes() for file in run.iterdir() if file.is_file()
    }


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with names")
def test_a_pipe_is_no_checkpoint(trained, run):
    path = newest(run)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(FormatError, match="has no whole checkpoint"):
        go_on(trained, run)


def test_the_same_checkpoint_written_again_is_taken(trained, run):
    path = newest(run)
    write_checkpoint(path, *changed()(read_checkpoint(path)))
    assert len(go_on(trained, run)["epochs"]) == 2
