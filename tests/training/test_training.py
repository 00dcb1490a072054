"""Training from a file: the model, the steps, the loop and the run folder."""

import csv
import json
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import h5py
import numpy as np
import pytest

from ooc_train.errors import FormatError, InputError, OptionError, OutputError
from ooc_train.progress import Silent
from ooc_train.reading.batches import Batches
from ooc_train.reading.rows import Batch, SparseRows
from ooc_train.reading.split import Split
from ooc_train.reading.store import open as open_store
from ooc_train.training.early_stopping import EarlyStopping
from ooc_train.training.loop import Loop
from ooc_train.training.models.backend import keras, tf
from ooc_train.training.models.mlp import in_keras
from ooc_train.training.models.network import Network
from ooc_train.training.run.folder import open_run
from ooc_train.training.steps.choice import classifier_for
from ooc_train.training.steps.feeds import SparseFeed, dropout, predict_rows, sparse_tensor
from ooc_train.training.steps.keras_steps import KerasEvaluator, KerasTrainer
from ooc_train.training.steps.networks import NetworkEvaluator
from ooc_train.training.steps.trainer import StepOptions
from ooc_train.training.train import train
from tests.files import Toy, write_file, write_toy
from tests.full_disk import limited_files
from tests.stepping import build, train_on

# Keras copies variables in a way that NumPy 2 deprecates.

TWO, FIVE = Toy(n_classes=2), Toy(n_classes=5)
RUN_FILES = ["history.csv", "model.keras", "report.json", "settings.json", "vectorizer.h5"]
CHECKPOINTS = "checkpoints"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("training")


@pytest.fixture(scope="module", params=[TWO, FIVE], ids=["two", "five"])
def trained(request, folder):
    """A file, a run on it and the run's report."""
    n = request.param.n_classes
    path = write_toy(folder / f"{n}.h5", toy=request.param, train=1500, validation=300, test=300)
    return path, folder / f"run{n}", train(path, folder / f"run{n}", epochs=4)


@pytest.fixture(scope="module")
def path(folder):
    return write_toy(folder / "small.h5", toy=TWO, train=300, validation=100)


@pytest.fixture(scope="module")
def unvalidated(folder):
    return write_toy(folder / "unvalidated.h5", toy=TWO, train=300)


def weights(run):
    return open_run(run).load_model().get_weights()


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def leftovers(folder):
    """What a failed training has left beside the data."""
    return [path.name for path in folder.iterdir() if path.suffix != ".h5"]


# The model and its steps


def test_the_guides_model():
    mlp = in_keras(build("mlp", 30, 2, seed=0))
    assert [type(layer).__name__ for layer in mlp.layers] == [
        "Dropout", "Dense", "Dropout", "Dense",
    ]  # fmt: skip
    assert [mlp.layers[0].rate, mlp.layers[2].rate] == [0.2, 0.2]
    assert [(layer.units, layer.activation.__name__) for layer in mlp.layers[1::2]] == [
        (64, "relu"),
        (1, "sigmoid"),
    ]
    five = in_keras(build("mlp", 30, 5, seed=0)).layers[-1]
    assert (five.units, five.activation.__name__) == (5, "softmax")


def test_layers_and_units_of_the_guides_model():
    """Its ``layers`` counts the output; weights of layers that both have are the same."""
    four = in_keras(build("mlp", 30, 5, seed=0, layers=4, units=8, dropout_rate=0.4))
    assert [layer.units for layer in four.layers[1::2]] == [8, 8, 8, 5]
    assert [layer.rate for layer in four.layers[::2]] == [0.4] * 4
    one = in_keras(build("mlp", 30, 5, seed=0, layers=1))
    assert [type(layer).__name__ for layer in one.layers] == ["Dropout", "Dense"]


def toy_batch(n_rows=100, *, n_classes=5, mean_entries=6):
    toy = Toy(n_classes=n_classes, mean_entries=mean_entries)
    labels, indptr, indices, values = toy.rows(n_rows, np.random.default_rng(0))
    return Batch(SparseRows(indptr, indices, values, toy.n_columns), labels)


@pytest.mark.parametrize("n_classes", [2, 5])
def test_sparse_rows_give_what_dense_rows_give(n_classes):
    model = in_keras(build("mlp", 60, n_classes, seed=0))
    rows, _ = toy_batch(n_classes=n_classes)
    np.testing.assert_allclose(
        SparseFeed(model).forward(sparse_tensor(rows)), model(rows.to_dense()), atol=1e-6
    )
    probabilities = predict_rows(model, rows)
    assert (probabilities.shape, probabilities.dtype) == ((100, n_classes), np.float32)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(probabilities[:, -1], model(rows.to_dense())[:, -1], atol=1e-6)


@pytest.mark.parametrize("n_rows", [0, 3])
def test_rows_without_entries(n_rows):
    rows, labels = toy_batch(n_rows, mean_entries=0)
    model = in_keras(build("mlp", 60, 5, seed=0))
    assert predict_rows(model, rows).shape == (n_rows, 5)
    if n_rows:
        trainer = KerasTrainer(SparseFeed(model), StepOptions(1e-3))
        loss, n_correct = train_on(trainer, Batch(rows, labels))
        assert np.isfinite(loss)
        assert 0 <= n_correct <= n_rows


def test_dropout_scales_what_it_keeps():
    ones = np.ones((1000, 100), "f4")
    dropped = dropout(ones, rate=0.2, seed=(3, 4)).numpy()
    np.testing.assert_allclose(np.unique(dropped), [0, 1.25])
    assert abs((dropped == 0).mean() - 0.2) < 0.01
    assert (dropped == dropout(ones, rate=0.2, seed=(3, 4)).numpy()).all()
    assert (dropped != dropout(ones, rate=0.2, seed=(3, 5)).numpy()).any()


def test_each_layer_drops_something_else():
    """The same seed for both would drop the hidden unit k wherever it drops the value k."""
    model = in_keras(build("mlp", 64, 5, seed=0))
    model.layers[1].set_weights([np.eye(64, dtype="f4"), np.zeros(64, "f4")])
    model.layers[3].set_weights([np.eye(64, 5, dtype="f4"), np.zeros(5, "f4")])
    model.layers[3].activation = keras.activations.linear
    rows = SparseRows(np.arange(0, 6401, 64), np.tile(np.arange(64), 100), np.ones(6400, "f4"), 64)
    kept = SparseFeed(model).forward(sparse_tensor(rows), dropout_seed=(0, 0)).numpy()
    np.testing.assert_allclose(np.unique(kept), [0, 1.5625], rtol=1e-6)
    assert abs((kept > 0).mean() - 0.64) < 0.08


def test_initial_weights_depend_on_the_seed_alone():
    first = build("mlp", 30, 5, seed=0).get_weights()
    assert same(first, build("mlp", 30, 5, seed=0).get_weights())
    assert not same(first, build("mlp", 30, 5, seed=1).get_weights())


def test_input_dropout_is_done_in_training_only():
    model = in_keras(build("mlp", 60, 5, seed=0))
    rows, _ = toy_batch()
    calm = SparseFeed(model).forward(sparse_tensor(rows)).numpy()
    model.layers[2].rate = 0  # leaves the dropout on the input
    noisy = SparseFeed(model).forward(sparse_tensor(rows), dropout_seed=(0, 0)).numpy()
    assert np.abs(calm - noisy).max() > 1e-3
    assert (calm == SparseFeed(model).forward(sparse_tensor(rows)).numpy()).all()


@pytest.mark.parametrize("n_classes", [2, 5])
@pytest.mark.slow
def test_steps_equal_keras_on_dense_rows(n_classes):
    """Without dropout, which draws differently, weights are those of ``model.fit``."""
    model = in_keras(build("mlp", 60, n_classes, seed=0))
    model.layers[0].rate = model.layers[2].rate = 0
    plain = keras.models.clone_model(model)
    plain.set_weights(model.get_weights())
    kind = "binary" if n_classes == 2 else "sparse_categorical"
    plain.compile(keras.optimizers.Adam(0.01), f"{kind}_crossentropy", metrics=["accuracy"])

    trainer = KerasTrainer(SparseFeed(model), StepOptions(0.01))
    rows, labels = toy_batch(300, n_classes=n_classes)
    losses = []
    for start in range(0, 300, 20):
        losses.append(
            train_on(trainer, Batch(rows[start : start + 20], labels[start : start + 20]))[0]
        )
    history = plain.fit(rows.to_dense(), labels, batch_size=20, shuffle=False, verbose=0).history
    assert np.mean(losses) == pytest.approx(history["loss"][0], abs=1e-5)
    for mine, other in zip(model.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-4)

    loss, probabilities = KerasEvaluator(SparseFeed(model))(Batch(rows, labels))
    expected_loss, expected_accuracy = plain.evaluate(rows.to_dense(), labels, verbose=0)
    assert loss == pytest.approx(expected_loss, abs=1e-4)
    accuracy = (probabilities.argmax(axis=1) == labels).mean()
    assert accuracy == pytest.approx(expected_accuracy, abs=1e-6)


def test_a_step_counts_the_correct_rows():
    model = in_keras(build("mlp", 60, 5, seed=0))
    model.layers[0].rate = model.layers[2].rate = 0
    batch = toy_batch()
    _, probabilities = KerasEvaluator(SparseFeed(model))(batch)
    _, n_correct = train_on(KerasTrainer(SparseFeed(model), StepOptions(1e-3)), batch)
    assert n_correct == (probabilities.argmax(axis=1) == batch.labels).sum()


@pytest.mark.slow
def test_what_is_dropped_depends_on_seed_and_step():
    def losses(seed):
        model = in_keras(build("mlp", 60, 5, seed=0))
        model.layers[2].rate = 0
        trainer = KerasTrainer(SparseFeed(model), StepOptions(1e-9, seed=seed))
        return [train_on(trainer, toy_batch())[0] for _ in range(3)]

    assert losses(1) == losses(1)
    assert len({f"{loss:.6f}" for loss in losses(1) + losses(2)}) == 6


def test_gpus_multiply_unrounded_numbers():
    assert not tf.config.experimental.tensor_float_32_execution_enabled()


@pytest.mark.parametrize(("first", "n_found"), [("prepare()", 0), ("", 4)])
@pytest.mark.slow
def test_commands_spare_keras_what_it_would_not_need(first, n_found):
    code = f"""
import gc, sys
from ooc_train.cli.startup import prepare
{first}
from ooc_train.training.models.backend import keras
assert gc.isenabled()
names = "matplotlib", "pandas", "scipy", "sklearn"
assert sum(name in sys.modules for name in names) == {n_found}
import matplotlib, pandas, scipy, sklearn
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_steps_are_compiled_once():
    trainer = KerasTrainer(SparseFeed(in_keras(build("mlp", 60, 5, seed=0))), StepOptions(1e-3))
    rows, labels = toy_batch()
    for n in (100, 7, 1):
        train_on(trainer, Batch(rows[:n], labels[:n]))
    assert trainer._step.experimental_get_tracing_count() == 1
    assert trainer.n_steps == 3


# The run


def test_the_report(trained):
    _, run, report = trained
    assert json.loads((run / "report.json").read_text()) == report
    assert set(report) >= {
        "epochs", "steps", "seconds", "peak_rss_bytes", "peak_anon_bytes",
        "baseline_rss_bytes", "baseline_anon_bytes",
    }  # fmt: skip
    assert report["peak_anon_bytes"] >= report["baseline_anon_bytes"] > 50_000_000
    assert report["peak_rss_bytes"] >= report["baseline_rss_bytes"] > 100_000_000
    assert (report["rows"], report["validation_rows"]) == (1500, 300)
    assert report["steps"] == 4 * 47
    assert report["best_epoch"] == 4
    assert len(report["epochs"]) == 4
    for figures in report["epochs"]:
        assert figures["rows_per_second"] == pytest.approx(1500 / figures["seconds"])
    assert 0 < sum(figures["seconds"] for figures in report["epochs"]) < report["seconds"]


def test_it_learns(trained):
    _, _, report = trained
    first, last = report["epochs"][0], report["epochs"][-1]
    assert last["loss"] < first["loss"]
    assert last["val_loss"] < first["val_loss"]
    assert last["accuracy"] > first["accuracy"]
    chance = 1 / report["n_classes"]
    assert last["val_accuracy"] > 1.7 * chance


def test_the_history(trained):
    _, run, report = trained
    with (run / "history.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line.pop("epoch") for line in lines] == ["1", "2", "3", "4"]
    assert [{name: float(text) for name, text in line.items()} for line in lines] == report[
        "epochs"
    ]


def test_the_settings(trained):
    _, run, report = trained
    settings = json.loads((run / "settings.json").read_text())
    assert (settings["model"], settings["optimizer"]) == ("mlp", "deferred-adam")
    assert settings["epochs"] == 4
    assert (settings["batch_size"], settings["learning_rate"], settings["seed"]) == (32, 1e-3, 0)
    assert settings["n_classes"] == report["n_classes"]


def test_nothing_else_is_left(trained):
    path, run, _ = trained
    files = {file.name for file in run.iterdir()}
    assert files == {CHECKPOINTS, *RUN_FILES, "settings.toml"}
    assert not [name for name in leftovers(path.parent) if name.startswith(".")]
    # Others may read it as they may read what else its owner makes.
    other = path.parent / "other"
    other.mkdir(exist_ok=True)
    assert run.stat().st_mode == other.stat().st_mode


def test_the_model_is_plain_keras(trained):
    path, run, report = trained
    model = keras.models.load_model(run / "model.keras")
    assert "ooc_train" not in json.dumps(model.get_config())
    with open_store(path) as store:
        batch = next(iter(store["validation"].batches(1000)))
    kind = "binary" if report["n_classes"] == 2 else "sparse_categorical"
    model.compile(loss=f"{kind}_crossentropy", metrics=["accuracy"])
    loss, accuracy = model.evaluate(batch.rows.to_dense(), batch.labels, verbose=0)
    assert loss == pytest.approx(report["epochs"][-1]["val_loss"], abs=1e-5)
    assert accuracy == pytest.approx(report["epochs"][-1]["val_accuracy"], abs=1e-6)


def test_a_run_suffices_when_the_data_file_is_gone(folder, path):
    copy = Path(shutil.copy(path, folder / "copy.h5"))
    train(copy, folder / "alone", epochs=1)
    copy.unlink()
    run = open_run(folder / "alone")
    assert run.class_labels == ["1", "2"]
    assert run.class_names == ["class 1", "class 2"]
    assert classifier_for(run)(toy_batch(n_classes=2).rows).shape == (100, 2)
    with run, run.vectorizer_file.hdf5 as mine, h5py.File(path) as original:
        assert dict(mine.attrs) == dict(original.attrs)
        assert dict(mine["vectorizer"].attrs) == dict(original["vectorizer"].attrs)
        names = []
        original["vectorizer"].visit(names.append)
        assert "terms/bytes" in names
        for name in names:
            if isinstance(original["vectorizer"][name], h5py.Dataset):
                assert (mine["vectorizer"][name][...] == original["vectorizer"][name][...]).all()


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights(folder, path):
    one = train(path, folder / "one", epochs=2, seed=3)
    np.random.default_rng().random()
    keras.utils.set_random_seed(99)
    two = train(path, folder / "two", epochs=2, seed=3)
    assert same(weights(folder / "one"), weights(folder / "two"))
    assert [e["loss"] for e in one["epochs"]] == [e["loss"] for e in two["epochs"]]
    train(path, folder / "three", epochs=2, seed=4)
    assert not same(weights(folder / "one"), weights(folder / "three"))


@pytest.mark.slow
def test_a_budget_changes_no_weight(folder, path):
    """Batches are made ahead by another number, and nothing else."""
    train(path, folder / "ahead", epochs=2)
    train(path, folder / "hand to mouth", epochs=2, memory_bytes=1_000_000)
    assert same(weights(folder / "ahead"), weights(folder / "hand to mouth"))


@pytest.mark.slow
def test_both_optimizers_learn_nearly_the_same(trained, folder):
    path, _, report = trained
    dense = train(path, folder / f"dense{report['n_classes']}", epochs=4, optimizer="adam")
    for one, other in zip(report["epochs"], dense["epochs"], strict=True):
        assert one["val_loss"] == pytest.approx(other["val_loss"], abs=0.02)
        assert one["val_accuracy"] == pytest.approx(other["val_accuracy"], abs=0.05)


def test_epochs_have_orders_of_their_own(folder, path, monkeypatch):
    asked = []
    original = Split.batches

    def batches(self, batch_size, **order):
        asked.append((self.name, batch_size, order))
        return original(self, batch_size, **order)

    monkeypatch.setattr(Split, "batches", batches)
    train(path, folder / "orders", epochs=2, seed=5, batch_size=32)
    assert asked == [
        ("train", 32, {"seed": 5, "epoch": 0, "by_length": False}),
        ("train", 32, {"seed": 5, "epoch": 1, "by_length": False}),
    ]


def test_an_epoch_is_read_during_the_validation_before_it(folder, path, monkeypatch):
    """So that no step waits for its first window."""
    begun = [threading.Event(), threading.Event()]
    from_step, validate = Batches.from_step, Loop._validate

    def reading(self, step, every=1):
        begun[self.epoch].set()
        return from_step(self, step, every)

    def validating(self):
        epochs_begun.append([each.wait(10) for each in begun])
        return validate(self)

    epochs_begun = []
    monkeypatch.setattr(Batches, "from_step", reading)
    monkeypatch.setattr(Loop, "_validate", validating)
    train(path, folder / "early", epochs=2)
    assert epochs_begun == [[True, True]] * 2


def test_early_stopping_follows_patience():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    stopping, stopped = EarlyStopping(), []
    for epoch, loss in enumerate([0.5, 0.6, 0.4, 0.4, 0.41], start=1):
        model.set_weights([np.full((1, 1), epoch)])
        stopping.after_epoch(loss, model.get_weights)
        stopped.append(stopping.is_over)
    assert stopped == [False, False, False, False, True]
    stopping.best.give_to(model)
    assert stopping.best_epoch == 3
    assert model.get_weights()[0] == 3


def test_frozen_epochs_are_none_in_vain():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    stopping = EarlyStopping(n_exempt=4)
    stopped = []
    for loss in [0.5, 0.6, 0.7, 0.8, 0.9, 0.4, 0.6, 0.6]:
        stopping.after_epoch(loss, model.get_weights)
        stopped.append(stopping.is_over)
    assert stopped == [False] * 7 + [True]
    assert stopping.best_epoch == 6


@pytest.mark.slow
def test_the_best_weights_are_kept(folder):
    """Labels without any signal: the model soon learns them by heart, and validation suffers."""
    toy = Toy(signal=0, mean_entries=20)
    path = write_toy(folder / "noise.h5", toy=toy, train=200, validation=400)
    report = train(path, folder / "noise", learning_rate=0.02, batch_size=32)
    losses = [figures["val_loss"] for figures in report["epochs"]]
    assert report["best_epoch"] == np.argmin(losses) + 1 == len(losses) - 2
    with open_store(path) as store:
        batch = next(iter(store["validation"].batches(1000)))
    loss, _ = NetworkEvaluator(open_run(folder / "noise").load_model())(batch)
    assert loss == pytest.approx(min(losses), abs=1e-5)


def test_without_validation_the_last_weights_are_kept(folder, unvalidated):
    report = train(unvalidated, folder / "unvalidated", epochs=3)
    assert report["best_epoch"] == 3
    assert report["epochs"][0]["val_loss"] is None
    assert report["epochs"][0]["val_accuracy"] is None
    assert (folder / "unvalidated" / "history.csv").read_text().splitlines()[1].endswith(",,")


@pytest.mark.slow
def test_data_in_class_order_trains_as_well(folder):
    accuracies = []
    for sort in (False, True):
        path = write_toy(
            folder / f"sort{sort}.h5", toy=FIVE, sort=sort, train=6000, validation=1000
        )
        report = train(path, folder / f"sort{sort}", epochs=3)
        accuracies.append(report["epochs"][-1]["val_accuracy"])
    assert accuracies[1] > accuracies[0] - 0.02


class Listening(Silent):
    """Keeps what a training says."""

    def __init__(self):
        self.said, self.shown = [], []

    def show(self, text):
        self.shown.append(text)

    def start(self, phase, total, unit):
        self.said.append((phase, total, unit))

    def advance(self, amount):
        phase, total, unit = self.said[-1]
        self.said[-1] = (phase, total - amount, unit)

    def message(self, text):
        self.said.append((text, 0, ""))

    def finish(self):
        self.said.append(("finished", 0, ""))


def test_progress(folder, path):
    progress = Listening()
    train(path, folder / "progress", epochs=1, batch_size=128, progress=progress)
    assert [said for said in progress.said if said[0].startswith(("epoch 1", "valid", "fin"))] == [
        ("epoch 1 of 1", 0, "rows"),
        ("validation", 0, "rows"),
        (progress.said[-2][0], 0, ""),
        ("finished", 0, ""),
    ]
    assert progress.said[-2][0].startswith("epoch 1: loss 0.")
    moment = r"step 1/3, loss \d\.\d{4}, accuracy \d\.\d{4}, [\d,]+ MB"
    assert re.fullmatch(moment, progress.shown[0])


# What is refused


def test_epochs_are_needed_without_validation(folder, unvalidated):
    with pytest.raises(OptionError, match=r"has no validation split .*; give --epochs, or convert"):
        train(unvalidated, folder / "refused")
    assert not (folder / "refused").exists()


def test_no_train_rows(tmp_path):
    path = write_toy(tmp_path / "a.h5", train=0)
    with pytest.raises(OptionError, match="has no train rows"):
        train(path, tmp_path / "run", epochs=1)


OPTIONS = [
    ({"model": "cnn"}, "--model must be auto, mlp, sepcnn, or a function of yours as"),
    ({"optimizer": "sgd"}, "--optimizer must be one of auto, adam, .*, not 'sgd'"),
    ({"epochs": 0}, "--epochs must be at least 1, not 0"),
    ({"batch_size": 0}, "--batch-size must be at least 1, not 0"),
    ({"learning_rate": 0}, "--learning-rate must be above 0, not 0"),
    ({"learning_rate": float("inf")}, "--learning-rate must be above 0"),
    ({"learning_rate": float("nan")}, "--learning-rate must be above 0"),
    ({"seed": -1}, "--seed must be from 0 to 4294967295, not -1"),
    ({"seed": 2**32}, "--seed must be from 0"),
]


@pytest.mark.parametrize(("options", "message"), OPTIONS)
def test_options_out_of_range(path, tmp_path, options, message):
    with pytest.raises(OptionError, match=message):
        train(path, tmp_path / "run", **options)
    assert leftovers(tmp_path) == []


def test_a_loss_that_is_not_finite(path, tmp_path):
    with pytest.raises(OptionError, match=r"at step [23] of epoch 1 .*; try a smaller --learning-"):
        train(path, tmp_path / "run", learning_rate=1e30, epochs=3)
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("split", ["train", "validation"])
def test_values_that_are_not_finite(tmp_path, split):
    rows = TWO.rows(50, np.random.default_rng(0))
    bad = (*rows[:3], np.full_like(rows[3], np.nan))
    splits = {"train": rows, "validation": rows} | {split: bad}
    path = write_file(tmp_path / "a.h5", splits, n_classes=2, n_columns=60)
    where = {"train": "step 1 of epoch 1", "validation": "the validation after epoch 1"}[split]
    with pytest.raises(InputError, match=f" {where}.*: values of split '{split}' are not "):
        train(path, tmp_path / "run", epochs=2)
    assert leftovers(tmp_path) == []


def test_a_run_is_replaced_by_force_only(folder, path):
    train(path, folder / "kept", epochs=1)
    before = (folder / "kept" / "report.json").read_text()
    with pytest.raises(OutputError, match=r"run folder .*kept exists; use --force to replace it"):
        train(path, folder / "kept", epochs=1)
    assert (folder / "kept" / "report.json").read_text() == before
    train(path, folder / "kept", epochs=2, force=True)
    assert len(json.loads((folder / "kept" / "report.json").read_text())["epochs"]) == 2
    assert not [name for name in leftovers(folder) if name.startswith(".")]


def test_what_is_no_run_is_never_replaced(path, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter").write_text("dear")
    (tmp_path / "file").write_text("text")
    for name in ("home", "file"):
        with pytest.raises(OutputError, match=f"{name} exists and is not a run folder"):
            train(path, tmp_path / name, epochs=1, force=True)
    assert (tmp_path / "home" / "letter").read_text() == "dear"
    assert sorted(leftovers(tmp_path)) == ["file", "home"]


def test_an_empty_folder_may_become_a_run(path, tmp_path):
    (tmp_path / "run").mkdir()
    train(path, tmp_path / "run", epochs=1)
    assert open_run(tmp_path / "run").path == tmp_path / "run"
    assert leftovers(tmp_path) == ["run"]


def test_a_place_that_cannot_be_written(path, tmp_path):
    (tmp_path / "file").write_text("text")
    with pytest.raises(OutputError, match=r"file/run cannot be written: .*; free space, or choose"):
        train(path, tmp_path / "file" / "run", epochs=1)


def test_a_full_disk(path, tmp_path, monkeypatch):
    def no_space(network, target):
        target.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Network, "save", no_space)
    with pytest.raises(OutputError, match="run cannot be written: No space left on device; free"):
        train(path, tmp_path / "run", epochs=1)
    left = [CHECKPOINTS, "history.csv", "settings.json", "vectorizer.h5"]
    assert sorted(file.name for file in (tmp_path / "run").iterdir()) == left


@pytest.mark.skipif(
    h5py.version.version_tuple < (3, 12),
    reason="HDF5 of h5py 3.11 ends the process where a copy cannot be written",
)
def test_a_disk_that_is_full_from_the_start(path, tmp_path):
    with limited_files(1000), pytest.raises(OutputError, match="run cannot be written: File too"):
        train(path, tmp_path / "run", epochs=1)
    assert leftovers(tmp_path) == []


def test_an_interrupted_training_leaves_nothing(path, tmp_path):
    class Interrupting(Silent):
        def message(self, text):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(path, tmp_path / "runs" / "run", epochs=1, progress=Interrupting())
    assert list((tmp_path / "runs").iterdir()) == []


@pytest.mark.parametrize("name", RUN_FILES)
def test_half_a_run_is_refused(trained, tmp_path, name):
    half = shutil.copytree(trained[1], tmp_path / "half")
    (half / name).unlink()
    message = f"half is not a complete run folder: {name} is missing"
    if name == "report.json":
        message = "the training of the run .*half is not complete; wait for it, or continue it"
    with pytest.raises(FormatError, match=message):
        open_run(half)


def test_no_run(tmp_path):
    with pytest.raises(InputError, match=r"there is no run folder .*none; make one with ooc-train"):
        open_run(tmp_path / "none")


def test_no_run_is_written_over_a_file(tmp_path):
    path = write_toy(tmp_path / "a.h5", toy=Toy(), train=20, validation=0)
    with pytest.raises(
        OutputError, match=r"a\.h5, a folder which is written as a whole, is also the"
    ):
        train(path, path, epochs=1)


def test_what_is_no_run_says_what_it_is(trained, tmp_path):
    with pytest.raises(InputError, match=r" is a file, where a run folder is expected; the run c"):
        open_run(trained[0])
    with pytest.raises(InputError, match=r" is not a run folder; make one with ooc-train$"):
        open_run(tmp_path)
    (tmp_path / "mine").symlink_to(trained[1])
    with pytest.raises(InputError, match=r" is not a run folder; it holds runs, such as .*/mine$"):
        open_run(tmp_path)


# Ordinary Keras


def test_a_plain_keras_fit(trained):
    """The guide's batch training, with the file in place of its arrays."""
    path, _, report = trained
    n_classes = report["n_classes"]
    keras.utils.set_random_seed(0)
    model = in_keras(build("mlp", 60, n_classes, seed=0))
    kind = "binary" if n_classes == 2 else "sparse_categorical"
    model.compile("adam", f"{kind}_crossentropy", metrics=["accuracy"])
    with open_store(path) as store:
        split, validation = store["train"], store["validation"]
        history = model.fit(
            split.generator(32),
            steps_per_epoch=len(split.batches(32)),
            validation_data=validation.generator(32, seed=None),
            validation_steps=len(validation.batches(32)),
            epochs=4,
            shuffle=False,
            verbose=0,
        ).history
    assert len(history["loss"]) == 4
    assert history["val_accuracy"][-1] > report["epochs"][-1]["val_accuracy"] - 0.1


def test_tensorflow_sees_the_rows_as_they_are():
    rows, _ = toy_batch()
    np.testing.assert_array_equal(tf.sparse.to_dense(sparse_tensor(rows)), rows.to_dense())
