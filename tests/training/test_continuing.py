"""A training that begins with the model of a run: the same function, for new classes, too."""

import functools
import json

import h5py
import numpy as np
import pytest

from ooc_train.cli.convert import main as convert_main
from ooc_train.cli.train import main as train_main
from ooc_train.errors import FormatError, InputError, OptionError
from ooc_train.reading.store import open as open_store
from ooc_train.training.continuing import opened_origin
from ooc_train.training.models.backend import keras
from ooc_train.training.models.table import DataShape, spec_of
from ooc_train.training.run.folder import open_run
from ooc_train.training.steps.choice import classifier_for
from ooc_train.training.train import train
from tests.files import (
    SequenceToy,
    Toy,
    reseal,
    write_dense,
    write_sequences,
    write_strings,
    write_toy,
)
from tests.training.test_resume import check_same, kill, weights

STILL = {"epochs": 1, "learning_rate": 1e-30}
"""A training whose steps move no float32."""


def relabelled(path, labels):
    """The file with other labels of its classes."""
    with h5py.File(path, "r+") as file:
        del file["classes"]
        for part in ("labels", "names"):
            write_strings(file, f"classes/{part}", labels)
        reseal(file)
    return path


def toy(path, labels, *, seed=1, **n_rows):
    rows = {"train": 200, "validation": 60, **n_rows}
    return relabelled(write_toy(path, toy=Toy(len(labels)), seed=seed, **rows), labels)


def probabilities(run, path, **options):
    """What a run says of the validation rows of a file: by label ``(n_rows,)``."""
    with open_run(run, trust_code=True) as opened, open_store(path) as store:
        rows = store["validation"].read(0, 60)
        found = classifier_for(opened, **options)(rows)
        return dict(zip(opened.class_labels, found.T, strict=True))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("continuing")


@pytest.fixture(scope="module")
def two(folder):
    """A run on the classes a and b."""
    train(toy(folder / "two.h5", ["a", "b"]), folder / "two", epochs=2, units=8)
    return folder / "two"


@pytest.fixture(scope="module")
def three(folder):
    train(toy(folder / "three.h5", ["a", "b", "c"]), folder / "three", epochs=2, units=8)
    return folder / "three"


def own(shape):
    return keras.Sequential(
        [
            keras.Input((shape.n_columns,)),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(shape.n_classes, "softmax"),
        ]
    )


def odd(shape):
    return keras.Sequential(
        [
            keras.Input((shape.n_columns,)),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(shape.n_classes),
            keras.layers.Softmax(),
        ]
    )


# The function that it begins with


@pytest.mark.parametrize("optimizer", ["deferred-adam", "adam"])
def test_a_training_begins_with_the_weights_of_the_run(two, tmp_path, optimizer):
    path = toy(tmp_path / "new.h5", ["a", "b"], seed=2)
    report = train(path, tmp_path / "run", init_from=two, optimizer=optimizer, **STILL)
    for mine, its in zip(weights(tmp_path / "run"), weights(two), strict=True):
        np.testing.assert_allclose(mine, its, rtol=1e-6, atol=1e-12)
    before = open_run(two).report
    assert report["init_from"] == {
        "run": "two",
        "digest": before["digests"]["model.keras"],
        "data": "two.h5",
        "new_classes": [],
    }
    settings = json.loads((tmp_path / "run" / "settings.json").read_text())
    assert settings["init_from"] == "two"
    assert (settings["layers"], settings["units"]) == (2, 8)


@pytest.mark.parametrize(
    ("run", "labels"),
    [
        ("two", ["b", "a"]),
        ("two", ["a", "b", "c"]),
        ("two", ["c", "b", "d", "a"]),
        ("three", ["c", "a", "b"]),
        ("three", ["d", "c", "b", "a"]),
    ],
)
def test_known_classes_keep_their_odds_wherever_they_are(run, labels, request, tmp_path):
    run = request.getfixturevalue(run)
    path = toy(tmp_path / "new.h5", labels, seed=2)
    report = train(path, tmp_path / "run", init_from=run, **STILL)
    before, after = probabilities(run, path), probabilities(tmp_path / "run", path)
    for label in before:
        np.testing.assert_allclose(
            after[label] / after["a"], before[label] / before["a"], rtol=1e-4
        )
    assert report["init_from"]["new_classes"] == [each for each in labels if each not in before]


def test_new_classes_begin_as_in_a_new_model(two, tmp_path):
    path = toy(tmp_path / "new.h5", ["a", "b", "c"])
    shape = DataShape("ngram", 60, None, 3, seed=5)
    fresh = spec_of("mlp").model(shape, units=8)
    model = spec_of("mlp").model(shape, units=8)
    with open_store(path) as store, opened_origin(two) as origin:
        origin.give_weights(model, store)
    old, new = weights(two), model.get_weights()
    assert new[0].tobytes() == old[0].tobytes()
    assert new[1].tobytes() == old[1].tobytes()
    for k in (2, 3):
        assert not new[k][..., 0].any()
        assert new[k][..., 1].tobytes() == old[k][..., 0].tobytes()
        assert new[k][..., 2].tobytes() == fresh.get_weights()[k][..., 2].tobytes()


def test_it_learns_a_new_class_and_forgets_none(two, tmp_path):
    path = toy(tmp_path / "new.h5", ["a", "b", "c"], train=600)
    report = train(path, tmp_path / "run", init_from=two, epochs=20, learning_rate=0.01)
    assert report["best"]["val_accuracy"] > 0.75


def test_sequences_numbers_and_models_of_ones_own(folder, tmp_path):
    sequences = functools.partial(write_sequences, train=200, validation=60)
    dense = functools.partial(write_dense, n_classes=2, train=200, validation=60)
    own_model = "tests.training.test_continuing:own"
    for write, labels, options in (
        (sequences, ["x", "2", "1"], {"embedding_dimension": 4}),
        (dense, ["2", "1"], {"units": 4}),
        (dense, ["2", "x", "1"], {"model": own_model}),
    ):
        before = write(tmp_path / "old.h5")
        run, new = tmp_path / "run", tmp_path / "new"
        train(before, run, epochs=1, force=True, **options)
        arguments = {"toy": SequenceToy(len(labels))}
        if write is dense:
            arguments = {"n_classes": len(labels)}
        path = relabelled(write(tmp_path / "new.h5", **arguments), labels)
        model = {"model": own_model} if "model" in options else {}
        train(path, new, init_from=run, force=True, **model, **STILL)
        was, now = probabilities(run, path), probabilities(new, path)
        # BatchNormalization's moving averages see the new rows, by a hundredth each.
        tolerance = 0.1 if model else 1e-3
        ratios = now["1"] / now["2"], was["1"] / was["2"]
        np.testing.assert_allclose(*ratios, rtol=tolerance)


# Interrupted, and beside other options


def test_killed_it_ends_with_the_same_weights(two, tmp_path):
    path = toy(tmp_path / "new.h5", ["a", "b", "c"])
    mix = {two.parent / "two.h5": 0.3}
    options = {"init_from": two, "mix": mix, "epochs": 3, "batch_size": 32, "checkpoint_every": 1}
    train(path, tmp_path / "plain", **options)
    kill(path, tmp_path / "killed", 4, **options)
    for moment in (9, 7, 13):
        kill(path, tmp_path / "killed", moment, resume=True, **options)
    train(path, tmp_path / "killed", resume=True, **options)
    check_same(tmp_path / "killed", tmp_path / "plain")
    train(path, tmp_path / "again", **options)
    check_same(tmp_path / "again", tmp_path / "plain")


def test_a_resumed_training_began_with_the_same_run(two, three, tmp_path):
    path = toy(tmp_path / "new.h5", ["a", "b", "c"])
    options = {"epochs": 2, "batch_size": 32, "checkpoint_every": 1}
    kill(path, tmp_path / "run", 4, init_from=two, **options)
    with pytest.raises(OptionError, match="--init-from was two and is three"):
        train(path, tmp_path / "run", resume=True, init_from=three, **options)
    with pytest.raises(OptionError, match="--init-from was two and is not given"):
        train(path, tmp_path / "run", resume=True, units=8, **options)


def test_a_run_takes_the_place_of_the_one_that_it_continues(two, tmp_path):
    path = toy(tmp_path / "new.h5", ["a", "b"], seed=2)
    run = tmp_path / "current"
    train(two.parent / "two.h5", run, epochs=1, units=8)
    digest = open_run(run).report["digests"]["model.keras"]
    report = train(path, run, init_from=run, force=True, epochs=1)
    assert report["init_from"]["digest"] == digest != report["digests"]["model.keras"]
    assert open_run(run).report["init_from"] == report["init_from"]


def test_the_command(two, tmp_path):
    path = toy(tmp_path / "new.h5", ["a", "b"], seed=2)
    old = two.parent / "two.h5"
    words = [str(path), "--init-from", str(two), "--epochs", "1", "--quiet"]
    assert train_main([*words, "--mix", f"{old}:0.3", "-o", str(tmp_path / "run")]) == 0
    settings = json.loads((tmp_path / "run" / "settings.json").read_text())
    assert settings["mix"] == ["two.h5:0.3"]
    grid = [*words, "--mix", f"{old}:0.3", "-o", str(tmp_path / "grid"), "--grid"]
    assert train_main([*grid, "learning-rate=1e-3"]) == 0
    one, other = (weights(p) for p in (tmp_path / "run", tmp_path / "grid/learning-rate=1e-3"))
    assert [a.tobytes() for a in one] == [a.tobytes() for a in other]


# Refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": 3}, "has --layers 2, not 3; leave it out"),
        ({"units": 16}, "has --units 8, not 16"),
        ({"model": "sepcnn"}, "has the model mlp, not sepcnn"),
        ({"embeddings": "vectors.txt"}, "--init-from brings the run's word vectors"),
    ],
)
def test_options_that_contradict_the_run(two, tmp_path, options, message):
    path = toy(tmp_path / "new.h5", ["a", "b"])
    with pytest.raises(OptionError, match=message):
        train(path, tmp_path / "run", init_from=two, epochs=1, **options)
    assert not (tmp_path / "run").exists()
    train(path, tmp_path / "run", init_from=two, epochs=1, layers=2, units=8, dropout_rate=0.5)


def test_rows_that_the_model_does_not_take(two, three, tmp_path):
    other = relabelled(write_toy(tmp_path / "o.h5", toy=Toy(n_columns=61), train=99), ["a", "b"])
    with pytest.raises(FormatError, match="the terms differ; convert it with --vectorizer"):
        train(other, tmp_path / "run", init_from=two, epochs=1)
    fewer = toy(tmp_path / "fewer.h5", ["a", "c"])
    with pytest.raises(FormatError, match="knows the class 'b', which .*fewer.h5 does not name"):
        train(fewer, tmp_path / "run", init_from=three, epochs=1)
    with pytest.raises(InputError, match="there is no run folder"):
        train(fewer, tmp_path / "run", init_from=tmp_path / "none", epochs=1)
    with pytest.raises(InputError, match="is a file, where a run folder is expected"):
        train(fewer, tmp_path / "run", init_from=fewer, epochs=1)


def test_models_of_ones_own_are_named_and_end_in_dense(folder, tmp_path):
    path = toy(tmp_path / "old.h5", ["a", "b"])
    train(path, tmp_path / "run", epochs=1, model="tests.training.test_continuing:odd")
    with pytest.raises(OptionError, match="whose code would be run; if you trust it, name it"):
        train(path, tmp_path / "new", init_from=tmp_path / "run", epochs=1)
    options = {"model": "tests.training.test_continuing:odd", "epochs": 1}
    train(path, tmp_path / "same", init_from=tmp_path / "run", **options)
    other = toy(tmp_path / "new.h5", ["b", "a"])
    with pytest.raises(OptionError, match="ends in Softmax, whose outputs cannot be matched"):
        train(other, tmp_path / "new", init_from=tmp_path / "run", **options)


# Files of the same vectorizer


def csv(path, labels):
    rng = np.random.default_rng(len(labels))
    words = {label: [f"{label}word{k}" for k in range(5)] for label in labels}
    lines = []
    for k in range(120):
        label = labels[k % len(labels)]
        lines.append(f"{label},{' '.join(rng.choice([*words[label], 'the', 'film'], 6))}\n")
    path.write_text("label,text\n" + "".join(lines))
    return str(path)


def test_new_rows_are_converted_with_the_vectorizer_of_a_run(tmp_path, capsys):
    old, new, run, night = (str(tmp_path / name) for name in ("o.h5", "n.h5", "run", "night"))
    drawn = ["--validation-fraction", "0.2"]
    words = [csv(tmp_path / "old.csv", ["good", "bad"]), "-o", old, "--features", "ngram", *drawn]
    assert convert_main([*words, "--label", "label", "--text", "text", "--quiet"]) == 0
    assert train_main([old, "-o", run, "--epochs", "2", "--quiet"]) == 0
    rows = csv(tmp_path / "new.csv", ["good", "bad", "awful"])
    assert convert_main([rows, "-o", new, "--vectorizer", run, *drawn, "--quiet"]) == 0
    with open_store(new) as store:
        assert store.class_labels == ["bad", "good"]
        assert len(store["train"]) + len(store["validation"]) == 80
    rejects = (tmp_path / "n.h5.rejected.csv").read_text()
    assert "label 'awful' does not occur among the vectorizer's classes" in rejects
    capsys.readouterr()
    words = [rows, "-o", new, "--vectorizer", run, "--new-classes", *drawn, "--force"]
    assert convert_main(words) == 0
    assert "1 new class: 'awful'" in capsys.readouterr().out
    with open_store(new) as store, open_store(old) as before:
        assert store.class_labels == ["bad", "good", "awful"]
        assert store.group("vectorizer").strings("terms") == before.group("vectorizer").strings(
            "terms"
        )
        assert store["train"].class_counts().min() > 20
    mix = ["--mix", f"{old}:0.3", "--epochs", "3", "--quiet"]
    assert train_main([new, "-o", night, "--init-from", run, *mix]) == 0


def test_new_classes_take_a_vectorizer(tmp_path, capsys):
    assert convert_main([csv(tmp_path / "a.csv", ["x", "y"]), "-o", "o.h5", "--new-classes"]) == 2
    assert "--new-classes is for --vectorizer" in capsys.readouterr().err
