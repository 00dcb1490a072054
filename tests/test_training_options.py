"""What options do to the steps, against plain Keras with the same settings, and what is refused."""

import json

import numpy as np
import pytest

from ooc_train.errors import OptionError
from ooc_train.store import open as open_store
from ooc_train.training import open_run, train
from ooc_train.training.backend import keras
from ooc_train.training.class_weights import class_weights_for, parse_class_weight
from ooc_train.training.feeding import SparseFeed, predict_rows
from ooc_train.training.keras_steps import KerasTrainer
from ooc_train.training.sparse_steps import SparseTrainer
from ooc_train.training.steps import StepOptions
from tests.files import Toy, write_file
from tests.stepping import network, toy_batch, train_on

N_STEPS, ROWS = 100, 8
TRAINERS = {
    "deferred-adam": SparseTrainer,
    "adam": lambda model, options: KerasTrainer(SparseFeed(model), options),
}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """Rows of the classes 1 to 3, with 60, 30 and 10 in 100 of them."""
    folder = tmp_path_factory.mktemp("options")
    _, indptr, indices, values = Toy(n_classes=3).rows(200, np.random.default_rng(0))
    labels = np.repeat([0, 1, 2], [120, 60, 20])
    rows = (labels, indptr, indices, values)
    return write_file(
        folder / "a.h5", {"train": rows, "validation": rows}, n_classes=3, n_columns=60
    )


# Steps


def keras_fit(model, batches, n_classes, *, options):
    """What plain Keras makes of the batches; the mean loss of all steps."""
    loss = "binary" if n_classes == 2 else "sparse_categorical"
    weights = None
    if options.class_weights is not None:
        weights = dict(enumerate(options.class_weights.tolist()))
    model.compile(keras.optimizers.Adam(options.learning_rate), f"{loss}_crossentropy")
    return model.fit(
        np.concatenate([batch.rows.to_dense() for batch in batches]),
        np.concatenate([batch.labels for batch in batches]),
        batch_size=ROWS,
        class_weight=weights,
        shuffle=False,
        verbose=0,
    ).history["loss"][0]


STEP_OPTIONS = {
    "class weights": {"class_weights": np.array([2, 0.5, 1, 3, 0.1], "f4")},
}


@pytest.mark.parametrize("n_classes", [2, 5])
@pytest.mark.parametrize("optimizer", TRAINERS)
@pytest.mark.parametrize("case", STEP_OPTIONS)
def test_steps_equal_kerass(case, optimizer, n_classes):
    """Few entries, so that a column is often out for many steps."""
    given = STEP_OPTIONS[case]
    if "class_weights" in given:
        given = given | {"class_weights": given["class_weights"][:n_classes]}
    options = StepOptions(0.01, **given)
    sizes = (8, 1 if n_classes == 2 else n_classes)
    mine, plain = network(sizes), network(sizes)
    batches = [
        toy_batch(ROWS, n_classes=n_classes, mean_entries=2, seed=seed) for seed in range(N_STEPS)
    ]
    trainer = TRAINERS[optimizer](mine, options)
    losses = [train_on(trainer, batch)[0] for batch in batches]
    trainer.sync()
    before = plain.get_weights()
    assert np.mean(losses) == pytest.approx(
        keras_fit(plain, batches, n_classes, options=options), abs=1e-4
    )
    without = network(sizes)
    keras_fit(without, batches, n_classes, options=StepOptions(0.01))
    for start, own, other, ordinary in zip(
        before, mine.get_weights(), plain.get_weights(), without.get_weights(), strict=True
    ):
        assert np.abs(other - start).max() > 0.1
        assert np.abs(other - ordinary).max() > 0.01
        np.testing.assert_allclose(own, other, atol=1e-3)


# Class weights


def test_balanced_weights_are_scikit_learns(path):
    utils = pytest.importorskip("sklearn.utils.class_weight")
    with open_store(path) as store:
        labels = store["train"].read_labels(0, 200)
        expected = utils.compute_class_weight("balanced", classes=np.arange(3), y=labels)
        np.testing.assert_allclose(class_weights_for("balanced", store), expected, rtol=1e-6)


def test_weights_by_label(path):
    with open_store(path) as store:
        assert class_weights_for(None, store) is None
        assert class_weights_for("3=0.5,1=2", store).tolist() == [2, 1, 0.5]
        assert class_weights_for({"2": 4}, store).tolist() == [1, 4, 1]
        assert class_weights_for({2: 4}, store).tolist() == [1, 4, 1]
    assert parse_class_weight("a=b=2") == {"a=b": 2}


def test_balanced_weights_make_rare_classes_as_probable_as_others(path, tmp_path):
    means = []
    for weight in (None, "balanced"):
        run = tmp_path / str(weight)
        train(path, run, epochs=3, batch_size=16, learning_rate=0.01, class_weight=weight)
        with open_store(path) as store:
            rows = store["validation"].read(0, 200)
        means.append(predict_rows(open_run(run).load_model(), rows).mean(axis=0)[2])
    assert means[0] < 0.2
    assert means[1] > 0.28
    settings = json.loads((tmp_path / "balanced" / "settings.json").read_text())
    assert settings["class_weight"] == "balanced"


# What is refused


REFUSED = [
    (
        {"class_weight": "even"},
        "'even' is no class weight; write balanced, or weights by label, su",
    ),
    ({"class_weight": "1=two"}, "'1=two' is no class weight;"),
    ({"class_weight": 3}, "3 is no class weight;"),
    ({"class_weight": "1=0"}, "the class weight of 1 must be above 0, not 0"),
    ({"class_weight": {"1": np.inf}}, "the class weight of 1 must be above 0, not inf"),
    ({"class_weight": "4=2"}, "has no class '4' to give a weight to; its labels are 1, 2, 3"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED)
def test_what_is_refused(path, tmp_path, options, message):
    with pytest.raises(OptionError, match=message):
        train(path, tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()
