"""Callbacks of Keras in a training from a file, and TensorBoard's files."""

import numpy as np
import pytest
from tensorflow.core.util.event_pb2 import SessionLog

from ooc_train.errors import OptionError
from ooc_train.progress import Silent
from ooc_train.training.models.backend import keras, tf
from ooc_train.training.run.folder import open_run
from ooc_train.training.train import train
from tests.files import Toy, write_toy

STEPS = {"batch_size": 32, "checkpoint_every": 1}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """10 steps an epoch, and 4 of validation."""
    folder = tmp_path_factory.mktemp("callbacks")
    return write_toy(folder / "a.h5", toy=Toy(), train=300, validation=100)


class Recorder(keras.callbacks.Callback):
    """Keeps what it is called with."""

    def __init__(self):
        super().__init__()
        self.calls, self.logs = [], []

    def on_train_begin(self, logs=None):
        self.calls.append("begin")

    def on_epoch_begin(self, epoch, logs=None):
        self.calls.append(f"epoch {epoch}")

    def on_train_batch_end(self, batch, logs=None):
        self.calls.append(f"step {batch}")
        self.loss = logs["loss"]

    def on_epoch_end(self, epoch, logs=None):
        self.logs.append(logs)
        self.weights = self.model.get_weights()

    def on_train_end(self, logs=None):
        self.calls.append("end")


class Killed(BaseException):
    pass


class Killing(Silent):
    def __init__(self, n_batches):
        self.n_left = n_batches

    def advance(self, amount):
        self.n_left -= 1
        if self.n_left == 0:
            raise Killed


def weights(run):
    return open_run(run).load_model().get_weights()


def check_same(one, other):
    for mine, its in zip(weights(one), weights(other), strict=True):
        assert mine.tobytes() == its.tobytes()


@pytest.mark.slow
def test_they_are_called_as_by_fit_and_change_nothing(path, tmp_path):
    recorder = Recorder()
    report = train(path, tmp_path / "run", epochs=2, callbacks=[recorder], **STEPS)
    steps = [f"step {step}" for step in range(10)]
    assert recorder.calls == ["begin", "epoch 0", *steps, "epoch 1", *steps, "end"]
    for logs, figures in zip(recorder.logs, report["epochs"], strict=True):
        assert {name: figures[name] for name in logs} == logs
        assert set(logs) >= {"loss", "accuracy", "val_loss", "val_accuracy", "val_macro_f1"}
    assert recorder.loss == report["epochs"][-1]["loss"]
    train(path, tmp_path / "plain", epochs=2, optimizer="adam", **STEPS)
    check_same(tmp_path / "run", tmp_path / "plain")
    for mine, its in zip(recorder.weights, weights(tmp_path / "run"), strict=True):
        assert (mine == its).all()


def halving(epoch, rate):
    return rate / 2 if epoch else rate


@pytest.mark.slow
def test_the_learning_rate_that_they_set_is_used_and_gone_on_with(path, tmp_path):
    """Keras's own scheduler; the run that is killed continues with its rate."""

    def options():
        scheduler = keras.callbacks.LearningRateScheduler(halving)
        return {"epochs": 3, "callbacks": [scheduler], **STEPS}

    train(path, tmp_path / "whole", **options())
    with pytest.raises(Killed):
        train(path, tmp_path / "killed", progress=Killing(27), **options())  # validates the second
    train(path, tmp_path / "killed", resume=True, **options())
    check_same(tmp_path / "whole", tmp_path / "killed")
    train(path, tmp_path / "plain", epochs=3, optimizer="adam", **STEPS)
    assert any(
        not np.array_equal(mine, its)
        for mine, its in zip(weights(tmp_path / "whole"), weights(tmp_path / "plain"), strict=True)
    )


@pytest.mark.slow
def test_they_can_stop_the_training_and_save_the_model(path, tmp_path):
    class Stopping(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 1

    saving = keras.callbacks.ModelCheckpoint(tmp_path / "{epoch}.keras")
    report = train(path, tmp_path / "run", epochs=9, callbacks=[Stopping(), saving], **STEPS)
    assert len(report["epochs"]) == 2
    assert keras.models.load_model(tmp_path / "2.keras").optimizer.iterations == 20


def test_they_are_not_for_deferred_adam_nor_to_be_forgotten(path, tmp_path):
    with pytest.raises(OptionError, match="deferred-adam keeps weights and learning rate to"):
        train(path, tmp_path / "run", optimizer="deferred-adam", callbacks=[Recorder()])
    options = {"epochs": 1, "optimizer": "adam", **STEPS}
    with pytest.raises(Killed):
        train(path, tmp_path / "run", progress=Killing(5), callbacks=[Recorder()], **options)
    with pytest.raises(OptionError, match="--callbacks was Recorder and is not given; give"):
        train(path, tmp_path / "run", resume=True, **options)


def events(folder):
    """What TensorBoard shows: tag, step and value, in the order of the files' names.

    A start at a step removes this step and later ones of before.
    """
    found = []
    for path in sorted(folder.iterdir()):
        assert "tfevents" in path.name
        records = [
            tf.compat.v1.Event.FromString(record.numpy())
            for record in tf.data.TFRecordDataset(str(path))
        ]
        assert records[0].file_version == "brain.Event:2"
        assert records[1].session_log.status == SessionLog.START
        found = [(tag, step, value) for tag, step, value in found if step < records[1].step]
        found += [
            (value.tag, event.step, value.simple_value)
            for event in records[2:]
            for value in event.summary.value
        ]
    return found


def test_tensorboards_files_have_the_history(path, tmp_path):
    """The training resumes inside the first epoch, whose figures are then written twice."""
    run, options = tmp_path / "run", {"epochs": 3, "tensorboard": True, **STEPS}
    with pytest.raises(Killed):
        train(path, run, progress=Killing(20), **options | {"checkpoint_every": 9})
    for later in (run / "checkpoints").glob("step-*1*"):
        later.unlink()
    report = train(path, run, resume=True, **options)
    for split, prefix in (("train", ""), ("validation", "val_")):
        found = events(run / "tensorboard" / split)
        for name in ("loss", "accuracy"):
            values = [(step, value) for tag, step, value in found if tag == f"epoch_{name}"]
            assert values == [
                (step, pytest.approx(figures[prefix + name], rel=1e-6))
                for step, figures in enumerate(report["epochs"])
            ]
    assert len(list((run / "tensorboard" / "train").iterdir())) == 2
