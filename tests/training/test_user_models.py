"""Models of the user's own: found, called, checked, trained, evaluated; each mistake a sentence."""

import io
import json
import subprocess
import sys

import numpy as np
import pytest

from ooc_train.cli import evaluate as evaluate_command
from ooc_train.errors import InputError, OptionError
from ooc_train.prediction.predict import predict
from ooc_train.prediction.predictor import load
from ooc_train.reading.rows import SparseRows
from ooc_train.reading.store import open as open_store
from ooc_train.training.models.backend import keras
from ooc_train.training.models.loading import users_model
from ooc_train.training.models.network import Network
from ooc_train.training.models.table import DataShape
from ooc_train.training.models.user import build_user_model
from ooc_train.training.run.folder import open_run
from ooc_train.training.scores.evaluate import evaluate
from ooc_train.training.steps.choice import classifier_for
from ooc_train.training.steps.feeds import (
    DenseFeed,
    SequenceFeed,
    SparseFeed,
    feed_for,
    predict_rows,
)
from ooc_train.training.train import train
from tests.files import SequenceToy, Toy, write_sequences, write_toy

MODULE = """
import keras
from keras import layers

seen = []

@keras.saving.register_keras_serializable("mine")
class Doubling(layers.Layer):
    def call(self, inputs):
        return 2 * inputs

def stack(shape, *hidden):
    return keras.Sequential(
        [keras.Input((shape.n_columns,)), *hidden,
         layers.Dense(shape.n_classes, activation="softmax")]
    )

def dense(shape):
    seen.append(shape)
    return stack(shape, layers.Dense(16, "relu", kernel_regularizer="l2"), layers.Dropout(0.5))

def custom(shape):
    return stack(shape, Doubling(), layers.Dense(16, "relu"))

def normalized(shape):
    return stack(shape, layers.BatchNormalization(), layers.GaussianNoise(0.1))

def words(shape, masked=False):
    seen.append(shape)
    return keras.Sequential(
        [keras.Input((shape.length,), dtype="int32"),
         layers.Embedding(shape.n_columns, 16, mask_zero=masked),
         layers.GlobalAveragePooling1D(), layers.Dropout(0.2),
         layers.Dense(1, activation="sigmoid")]
    )

def halved(shape):
    return stack(shape, layers.Dense(16, "relu", dtype="mixed_bfloat16"))

def words_masked(shape):
    return words(shape, masked=True)

@keras.saving.register_keras_serializable("mine")
class Subclassed(keras.Model):
    def __init__(self, n, **more):
        super().__init__(**more)
        self.n = n
        self.out = layers.Dense(n, activation="softmax")
    def call(self, inputs, training=False):
        return self.out(inputs)
    def get_config(self):
        return {**super().get_config(), "n": self.n}

def subclassed(shape):
    return Subclassed(shape.n_classes)

def none(shape): return None
def no_argument(): return None
def failing(shape): return shape.n_rows
def narrow(shape):
    return keras.Sequential([keras.Input((3,)), layers.Dense(2, activation="softmax")])
def wide(shape):
    return keras.Sequential([keras.Input((shape.n_columns,)), layers.Dense(7, "softmax")])
def logits(shape):
    return keras.Sequential(
        [keras.Input((shape.n_columns,)), layers.Dense(2, bias_initializer="ones")]
    )
def lam(shape):
    return keras.Sequential([keras.Input((shape.n_columns,)), layers.Lambda(lambda x: x * 2),
                             layers.Dense(2, "softmax")])
class Unregistered(layers.Layer):
    def call(self, inputs):
        return 2 * inputs
def unregistered(shape):
    return keras.Sequential([keras.Input((shape.n_columns,)), Unregistered(),
                             layers.Dense(2, activation="softmax")])
class Unsaid(keras.Model):
    def __init__(self, n):
        super().__init__()
        self.out = layers.Dense(n, activation="softmax")
    def call(self, inputs):
        return self.out(inputs)
def unsaid(shape): return Unsaid(2)
@keras.saving.register_keras_serializable("mine")
class Forgetful(layers.Layer):
    def __init__(self, factor=1.0, **more):
        super().__init__(**more)
        self.factor = factor
    def call(self, inputs):
        return self.factor * inputs
    def get_config(self):
        return {"name": self.name}
def forgetful(shape):
    return keras.Sequential([keras.Input((shape.n_columns,)), Forgetful(3.0),
                             layers.Dense(2, activation="softmax")])
number = 7
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A current folder with the user's module and data."""
    folder = tmp_path_factory.mktemp("mine")
    (folder / "my_models.py").write_text(MODULE)
    (folder / "broken_models.py").write_text("import no_such_thing\n")
    (folder / "colorsys.py").write_text("raise RuntimeError('the standard library has this one')")
    write_toy(folder / "ngrams.h5", train=600, validation=100, test=100)
    write_sequences(folder / "words.h5", train=600, validation=100, test=100)
    return folder


@pytest.fixture(autouse=True)
def here(folder, monkeypatch):
    monkeypatch.chdir(folder)
    path = list(sys.path)
    yield
    assert sys.path == path


def seen():
    return sys.modules["my_models"].seen


@pytest.mark.parametrize("name", ["dense", "custom", "halved", "normalized", "subclassed"])
@pytest.mark.slow
def test_ngram_models_are_trained_and_evaluated(tmp_path, name):
    run = tmp_path / "run"
    report = train("ngrams.h5", run, model=f"my_models:{name}", epochs=3, learning_rate=0.01)
    assert report["model"] == f"my_models:{name}"
    assert json.loads((run / "settings.json").read_text())["model"] == f"my_models:{name}"
    assert report["epochs"][-1]["val_accuracy"] > 0.6
    result = evaluate(run, "ngrams.h5", split="validation", trust_code=True)
    best = report["epochs"][report["best_epoch"] - 1]
    assert result["loss"] == pytest.approx(best["val_loss"], abs=1e-5)
    model = users_model(run / "model.keras", f"my_models:{name}")
    assert isinstance(open_run(run, trust_code=True).load_model(), Network) == (name == "dense")
    assert type(feed_for(model, "sparse", 60)) is (SparseFeed if name == "dense" else DenseFeed)
    with open_store("ngrams.h5") as store:
        rows = store["test"].read(0, 100)
    np.testing.assert_allclose(predict_rows(model, rows), model(rows.to_dense()), atol=1e-5)


@pytest.mark.parametrize("bucketed", [False, True])
@pytest.mark.slow
def test_sequence_models_are_trained_and_evaluated(tmp_path, bucketed):
    run = tmp_path / "run"
    report = train(
        "words.h5", run, model="my_models:words", epochs=4, learning_rate=0.01,
        bucket_by_length=bucketed, seed=5,
    )  # fmt: skip
    assert seen()[-1] == DataShape("sequence", 61, 12, 2, 5)
    assert report["epochs"][-1]["val_accuracy"] > 0.7
    assert evaluate(run, "words.h5", trust_code=True)["accuracy"] > 0.7
    assert type(feed_for(open_run(run, trust_code=True).load_model(), "ragged", 12)) is SequenceFeed


@pytest.mark.slow
def test_the_shape_that_a_function_gets(tmp_path):
    write_toy(tmp_path / "five.h5", toy=Toy(n_classes=5), train=100)
    train(tmp_path / "five.h5", tmp_path / "run", model="my_models:dense", epochs=1)
    assert seen()[-1] == DataShape("ngram", 60, None, 5, 0)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights(tmp_path):
    for run in ("one", "two"):
        train("ngrams.h5", tmp_path / run, model="my_models:normalized", epochs=2, seed=3)
    one, two = (
        open_run(tmp_path / run, trust_code=True).load_model().get_weights()
        for run in ("one", "two")
    )
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


@pytest.mark.slow
def test_penalties_of_layers_are_part_of_what_is_minimized(tmp_path):
    """Without rows' signal to learn from, weight decay takes the weights to zero."""
    write_toy(tmp_path / "empty.h5", toy=Toy(mean_entries=0), train=640)
    train(
        tmp_path / "empty.h5", tmp_path / "run", model="my_models:dense", epochs=20,
        learning_rate=0.01,
    )  # fmt: skip
    kernel = open_run(tmp_path / "run", trust_code=True).load_model().get_weights()[0]
    assert np.abs(kernel).max() < 0.05


SHAPE = DataShape("ngram", 60, None, 2, 0)
REFUSED = [
    ("no_such_module:dense", "there is no module 'no_such_module' in the current folder or inst"),
    ("my_models:none_such", "the module my_models has no function 'none_such'"),
    ("colorsys:dense", "the module colorsys has no function 'dense' in .*/lib.*colorsys.py; check"),
    ("my_models:number", "the module my_models has no function 'number'"),
    ("broken_models:dense", "broken_models cannot be imported: ModuleNotFoundError: No module nam"),
    ("my_models:no_argument", "cannot be called with one argument .*; it must take the DataShape"),
    ("my_models:failing", "my_models:failing failed: AttributeError: 'DataShape' object has no"),
    ("my_models:none", "returned a NoneType, not a keras.Model"),
    (
        "my_models:narrow",
        "my_models:narrow does not take 60 float32 values a row: ValueError: Input 0 ",
    ),
    ("my_models:wide", r"gives an output of shape \(2, 7\) for 2 rows; 2 or 1 values a row"),
    ("my_models:logits", "does not give probabilities; end it with softmax, or sigmoid"),
    ("my_models:lam", "my_models:lam cannot be saved and loaded: .*Lambda.*; register"),
    (
        "my_models:unregistered",
        "cannot be saved and loaded: TypeError: .* could not be deserial.*; register",
    ),
    ("my_models:unsaid", "cannot be saved and loaded: .*, give them a get_config"),
    ("my_models:forgetful", "gives other values when it has been saved and loaded"),
]


@pytest.mark.parametrize(("name", "message"), REFUSED)
def test_mistakes(name, message):
    with pytest.raises(OptionError, match=message):
        build_user_model(SHAPE, function=name)


@pytest.mark.parametrize("name", ["mine:", ":f", "a b:f", "mine.:f", "mine:f()"])
def test_what_is_no_name_of_a_function(name):
    with pytest.raises(OptionError, match="or a function of yours as package.module:function, not"):
        train("ngrams.h5", "run", model=name, epochs=1)


def test_a_sequence_model_of_another_length(tmp_path):
    write_sequences(tmp_path / "a.h5", toy=SequenceToy(longest=9), train=200)
    with open_store(tmp_path / "a.h5") as store:
        assert store.max_length == 9
    shape = DataShape("sequence", 61, 9, 2, 0)
    with pytest.raises(OptionError, match="narrow does not take 9 int32 values a row"):
        build_user_model(shape, function="my_models:narrow")


def test_a_sequence_model_that_fails_on_a_row_without_words():
    with pytest.raises(OptionError, match=r"gives \[nan\] for a row of zeros, which a text"):
        build_user_model(DataShape("sequence", 61, 9, 2, 0), function="my_models:words_masked")


def test_feeds_of_other_stacks():
    layers = keras.layers

    def feed(*hidden):
        stack = keras.Sequential([keras.Input((9,)), *hidden, layers.Dense(2)])
        return type(feed_for(stack, "sparse", 9))

    assert feed() is SparseFeed
    assert feed(layers.Dropout(0.1), layers.Dropout(0.1), layers.Dense(3)) is SparseFeed
    assert feed(layers.Dense(3, use_bias=False)) is DenseFeed
    assert feed(layers.Dense(3, activity_regularizer="l2")) is DenseFeed
    assert feed(layers.Dropout(0.1, noise_shape=(None, 1)), layers.Dense(3)) is DenseFeed
    assert feed(layers.GaussianNoise(0.1)) is DenseFeed


def test_each_layer_drops_something_else():
    layers = [keras.layers.Dropout(0.5, seed=1), keras.layers.Dropout(0.5, seed=1)]
    model = keras.Sequential([keras.Input((1000,)), *layers])
    output = DenseFeed(model, 1000).forward(np.ones((9, 1000), "f4"), dropout_seed=(0, 0))
    assert (output.numpy() > 0).mean() == pytest.approx(0.25, abs=0.02)


def test_prediction_of_many_rows_goes_part_by_part():
    model = keras.Sequential(
        [keras.Input((9,)), keras.layers.GaussianNoise(1), keras.layers.Dense(2)]
    )
    rows = SparseRows(np.arange(301), np.arange(300) % 9, np.ones(300, "f4"), 9)
    np.testing.assert_allclose(predict_rows(model, rows), model(rows.to_dense()), atol=1e-6)


COMMAND = """
import sys
sys.path.remove("")  # which an installed command does not have
import importlib
from ooc_train.training import train
train.draw_page = lambda *arguments: None  # as in all tests
main = importlib.import_module(f"ooc_train.cli.{sys.argv[1]}").main
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.slow
def test_the_commands_find_the_module_and_say_where_it_is_missing(folder, tmp_path):
    """In processes of their own, where nothing has been imported or registered."""

    def run(*arguments, cwd=folder):
        return subprocess.run(
            [sys.executable, "-c", COMMAND, *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=cwd,
            check=False,
        )

    data = folder / "ngrams.h5"
    done = run("train", data, "-o", tmp_path / "run", "--model", "my_models:custom", "--epochs=1")
    assert done.returncode == 0, done.stderr
    done = run("evaluate", tmp_path / "run", data, "--trust-code")
    assert done.returncode == 0, done.stderr
    done = run("evaluate", tmp_path / "run", data, "--trust-code", cwd=tmp_path)
    assert done.returncode == 1
    assert "model.keras cannot be loaded: there is no module 'my_models'" in done.stderr
    assert "layers of your own must be registered" in done.stderr


@pytest.mark.slow
def test_code_is_run_only_if_the_user_trusts_it(folder, tmp_path, monkeypatch, capsys):
    run = tmp_path / "run"
    train("ngrams.h5", run, model="my_models:dense", epochs=1)
    monkeypatch.delitem(sys.modules, "my_models")
    message = r"the model of the run .*run is my_models:dense, a function whose code would be run; "
    for use in (
        lambda: evaluate(run, "ngrams.h5"),
        lambda: predict(run, io.BytesIO(), io.StringIO()),
        lambda: load(run),
    ):
        with pytest.raises(InputError, match=message):
            use()
    # Nor does a resumed training take the settings' word for what to import.
    with pytest.raises(OptionError, match="--model was my_models:dense and is mlp"):
        train("ngrams.h5", run, resume=True)
    assert evaluate_command.main([str(run), "ngrams.h5"]) == 1
    assert "if you trust it, give --trust-code" in capsys.readouterr().err
    assert "my_models" not in sys.modules
    classifier_for(open_run(run, trust_code=True))
    assert evaluate_command.main([str(run), "ngrams.h5", "--trust-code", "--quiet"]) == 0
    assert "my_models" not in sys.modules  # it is a network, whoever wrote it


@pytest.mark.slow
def test_a_plain_model_loads_without_its_module(folder, tmp_path, monkeypatch):
    train("ngrams.h5", tmp_path / "run", model="my_models:dense", epochs=1)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "my_models")
    assert evaluate(tmp_path / "run", folder / "ngrams.h5", trust_code=True)["rows"] == 100


def test_a_program_gives_a_function(tmp_path):
    path = write_toy(tmp_path / "a.h5", toy=Toy(), train=100, validation=40)

    def build(shape, *more):
        return keras.Sequential(
            [keras.Input((shape.n_columns,)), *more, keras.layers.Dense(1, "sigmoid")]
        )

    report = train(path, tmp_path / "run", epochs=1, model=build)
    assert report["model"] == f"{__name__}:build"
    dropout = keras.layers.Dropout(0.1)
    train(path, tmp_path / "lambda", epochs=1, model=lambda shape: build(shape, dropout))
    assert open_run(tmp_path / "lambda", trust_code=True).settings["model"].endswith(":function")
    scores = evaluate(tmp_path / "lambda", path, split="validation", trust_code=True)
    assert scores["rows"] == 40
    with pytest.raises(InputError, match="a function whose code would be run"):
        open_run(tmp_path / "lambda")
    options = {"epochs": 2, "model": build, "resume": True}
    assert len(train(path, tmp_path / "run", **options)["epochs"]) == 2
    train(path, tmp_path / "more", epochs=1, model=build, init_from=tmp_path / "run")
    with pytest.raises(OptionError, match="a Sequential that is made already; give the function"):
        train(path, tmp_path / "new", epochs=1, model=build(DataShape("ngram", 60, None, 2, 0)))
    doubled = keras.layers.Lambda(lambda values: 2 * values)
    with pytest.raises(OptionError, match="cannot be saved and loaded"):
        train(path, tmp_path / "new", epochs=1, model=lambda shape: build(shape, doubled))
    assert not (tmp_path / "new").exists()
