"""What options do to the steps, against plain Keras with the same settings, and what is refused."""

import json

import numpy as np
import pytest

from ooc_train.errors import OptionError
from ooc_train.reading.rows import Batch, DenseRows, SparseRows
from ooc_train.reading.store import open as open_store
from ooc_train.training.class_weights import class_weights_for
from ooc_train.training.models.backend import keras
from ooc_train.training.models.mlp import in_keras
from ooc_train.training.models.table import DataShape
from ooc_train.training.options import parse_class_weight
from ooc_train.training.run.folder import open_run
from ooc_train.training.schedules import Schedule
from ooc_train.training.steps import sparse_steps
from ooc_train.training.steps.choice import classifier_for
from ooc_train.training.steps.dense_steps import DenseTrainer
from ooc_train.training.steps.feeds import SparseFeed
from ooc_train.training.steps.keras_steps import KerasTrainer
from ooc_train.training.steps.sparse_steps import SparseTrainer
from ooc_train.training.steps.trainer import StepOptions
from ooc_train.training.train import train
from tests.files import Toy, write_file, write_toy
from tests.stepping import N_COLUMNS, network, toy_batch, train_on

N_STEPS, ROWS = 100, 8
TRAINERS = {
    "deferred-adam": SparseTrainer,
    "numpy-adam": DenseTrainer,
    "adam": lambda made, options: KerasTrainer(SparseFeed(in_keras(made)), options),
}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """Rows of the classes 1 to 3, with 60, 30 and 10 in 100 of them."""
    folder = tmp_path_factory.mktemp("options")
    _, indptr, indices, values = Toy(n_classes=3).rows(200, np.random.default_rng(0))
    labels = np.repeat([0, 1, 2], [120, 60, 20])
    rows = (labels, indptr, indices, values)
    other = (labels, *Toy(n_classes=3).rows(200, np.random.default_rng(1))[1:])
    return write_file(
        folder / "a.h5", {"train": rows, "validation": other}, n_classes=3, n_columns=60
    )


# Steps


def compile_plain(model, options, *, learning_rate=None):
    """Plain Keras with the same settings."""
    smoothing = options.label_smoothing
    loss = keras.losses.BinaryCrossentropy(label_smoothing=smoothing)
    if model.output_shape[-1] > 1:
        loss = keras.losses.CategoricalCrossentropy(label_smoothing=smoothing)
    optimizer = keras.optimizers.AdamW(
        learning_rate or options.learning_rate,
        weight_decay=options.weight_decay,
        global_clipnorm=options.global_clipnorm,
    )
    model.compile(optimizer, loss)


def dense_batches(batches):
    return [Batch(DenseRows(batch.rows.to_dense()), batch.labels) for batch in batches]


def plain_labels(labels, n_outputs):
    return labels[:, None] if n_outputs == 1 else np.eye(n_outputs)[labels]


def fit_plain(model, batches, options):
    """What plain Keras makes of the batches; the mean loss of all steps."""
    weights = options.class_weights
    n_outputs = model.output_shape[-1]
    return model.fit(
        np.concatenate([batch.rows.to_dense() for batch in batches]),
        np.concatenate([plain_labels(batch.labels, n_outputs) for batch in batches]),
        batch_size=ROWS,
        class_weight=None if weights is None else dict(enumerate(weights.tolist())),
        shuffle=False,
        verbose=0,
    ).history["loss"][0]


STEP_OPTIONS = {
    "class weights": {"class_weights": np.array([2, 0.5, 1, 3, 0.1], "f4")},
    "smoothing": {"label_smoothing": 0.3},
    "decay": {"weight_decay": 1.0},
    "clipping": {"global_clipnorm": 0.1},
    "all": {
        "class_weights": np.array([2, 0.5, 1, 3, 0.1], "f4"),
        "label_smoothing": 0.1,
        "weight_decay": 0.5,
        "global_clipnorm": 0.3,
    },
}
WARMUP_STEPS = 20


@pytest.mark.parametrize("optimizer", TRAINERS)
@pytest.mark.parametrize(("case", "n_classes"), [*((case, 5) for case in STEP_OPTIONS), ("all", 2)])
@pytest.mark.slow
def test_steps_equal_kerass(case, optimizer, n_classes, monkeypatch):
    """Few entries, so that a column is often out for many steps, and for some is caught up with."""
    monkeypatch.setattr(sparse_steps, "CATCH_UP_STEPS", 30)
    chosen = STEP_OPTIONS[case]
    if "class_weights" in chosen:
        chosen = chosen | {"class_weights": chosen["class_weights"][:n_classes]}
    options = StepOptions(0.01, **chosen)
    sizes = (8, 1 if n_classes == 2 else n_classes)
    mine, plain = network(sizes), in_keras(network(sizes))
    batches = [
        toy_batch(ROWS, n_classes=n_classes, mean_entries=2, seed=seed) for seed in range(N_STEPS)
    ]
    trainer = TRAINERS[optimizer](mine, options)
    given = dense_batches(batches) if optimizer == "numpy-adam" else batches
    schedule, learning_rate = Schedule(0.01), 0.01
    if case == "all":
        schedule = Schedule(0.01, WARMUP_STEPS, N_STEPS - WARMUP_STEPS)
        learning_rate = keras.optimizers.schedules.CosineDecay(
            0.0, N_STEPS - WARMUP_STEPS, warmup_target=0.01, warmup_steps=WARMUP_STEPS
        )
    losses = []
    for step, batch in enumerate(given):
        trainer.set_learning_rate(schedule.rate(step))
        losses.append(train_on(trainer, batch)[0])
    trainer.sync()
    before = plain.get_weights()
    compile_plain(plain, options, learning_rate=learning_rate)
    assert np.mean(losses) == pytest.approx(fit_plain(plain, batches, options), abs=1e-4)
    ordinary = in_keras(network(sizes))
    compile_plain(ordinary, StepOptions(0.01))
    fit_plain(ordinary, batches, StepOptions(0.01))
    moved, changed = [], []
    for start, own, other, without in zip(
        before, trainer.weights(), plain.get_weights(), ordinary.get_weights(), strict=True
    ):
        np.testing.assert_allclose(own, other, atol=1e-3)
        moved.append(np.abs(other - start).max())
        changed.append(np.abs(other - without).max())
    assert min(moved) > 0.1
    assert max(changed) > 0.05


def test_a_column_without_gradient_decays_as_in_dense_adam():
    options = StepOptions(0.01, weight_decay=2.0)
    mine, dense = network((8, 1)), in_keras(network((8, 1)))
    before = mine.get_weights()[0]
    trainers = [SparseTrainer(mine, options), KerasTrainer(SparseFeed(dense), options)]
    one, other = (
        Batch(SparseRows(np.array([0, 1]), np.array([j]), np.ones(1, "f4"), N_COLUMNS), [1])
        for j in (3, 5)
    )
    for batch in [one, *[other] * 30]:
        for trainer in trainers:
            train_on(trainer, Batch(batch.rows, np.array(batch.labels)))
    trainers[0].sync()
    own, its = mine.get_weights()[0], dense.get_weights()[0]
    np.testing.assert_allclose(own, its, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(own[7], before[7] * 0.98**31, rtol=1e-5)  # had no entry ever


# Schedules


def test_the_cosine_is_kerass():
    mine = Schedule(0.3, warmup_steps=10, decay_steps=40)
    its = keras.optimizers.schedules.CosineDecay(0.0, 40, warmup_target=0.3, warmup_steps=10)
    for step in (0, 1, 9, 10, 11, 33, 49, 50, 60):
        assert mine.rate(step) == pytest.approx(float(its(step)), abs=1e-7)


@pytest.mark.parametrize("patience", [1, 2])
def test_plateaus_are_kerass(patience):
    values = [0.5, 0.6, 0.4, 0.41, 0.42, 0.43, 0.44, 0.3, 0.3, 0.2, 0.25, 0.26, 0.27]
    model = in_keras(network((8, 1)))
    model.compile(keras.optimizers.Adam(1.0), "binary_crossentropy")
    callback = keras.callbacks.ReduceLROnPlateau("val_loss", 0.5, patience, min_delta=0)
    callback.set_model(model)
    callback.on_train_begin()
    schedule = Schedule(1.0, factor=0.5, patience=patience)
    for epoch, value in enumerate(values):
        callback.on_epoch_end(epoch, {"val_loss": value})
        rate = schedule.rate(100, schedule.n_plateaus(values[: epoch + 1]))
        assert rate == float(model.optimizer.learning_rate)
    assert rate < 0.5


def test_frozen_epochs_are_no_plateau():
    schedule = Schedule(1.0, factor=0.5, n_exempt=3)
    assert schedule.n_plateaus([0.5, 0.6, 0.7]) == 0
    assert schedule.n_plateaus([0.5, 0.6, 0.7, 0.8]) == 1


# Whole trainings


def plain_model(shape):
    return in_keras(network((8, shape.n_classes), shape.n_columns))


def fit_from_file(path, options, *, epochs, learning_rate, callbacks):
    """Plain Keras on the same batches: the model, and its history."""
    with open_store(path) as store:
        train_split, validation = store["train"], store["validation"]
        model = plain_model(DataShape("ngram", 60, None, 3, 0))
        compile_plain(model, options, learning_rate=learning_rate)
        rows = Batch(validation.read(0, 200), validation.read_labels(0, 200))
        weights = class_weights_for("balanced", store, store["train"])
        batches = (
            (rows, plain_labels(labels, 3), weights[labels])
            for rows, labels in train_split.generator(32, seed=0)
        )
        history = model.fit(
            batches,
            steps_per_epoch=len(train_split.batches(32)),
            epochs=epochs,
            validation_data=(rows.rows.to_dense(), plain_labels(rows.labels, 3)),
            callbacks=callbacks,
            shuffle=False,
            verbose=0,
        ).history
    return model, history


def check_equals_plain(report, run, model, history):
    epochs = report["epochs"]
    assert len(epochs) == len(history["loss"])
    np.testing.assert_allclose([e["loss"] for e in epochs], history["loss"], atol=1e-5)
    for own, its in zip(
        open_run(run, trust_code=True).load_model().get_weights(), model.get_weights(), strict=True
    ):
        np.testing.assert_allclose(own, its, atol=1e-4)


@pytest.mark.slow
def test_a_training_with_a_cosine_equals_a_plain_fit(path, tmp_path):
    n_steps = 3 * 7
    plain = fit_from_file(
        path,
        StepOptions(label_smoothing=0.1, weight_decay=0.1, global_clipnorm=0.5),
        epochs=3,
        learning_rate=keras.optimizers.schedules.CosineDecay(
            0.0, n_steps - 5, warmup_target=0.01, warmup_steps=5
        ),
        callbacks=[keras.callbacks.EarlyStopping(patience=2, restore_best_weights=True)],
    )
    report = train(
        path, tmp_path / "run", model="tests.training.test_training_options:plain_model", epochs=3,
        batch_size=32, learning_rate=0.01, class_weight="balanced", label_smoothing=0.1,
        weight_decay=0.1, global_clipnorm=0.5, lr_schedule="cosine", warmup_steps=5,
    )  # fmt: skip
    check_equals_plain(report, tmp_path / "run", *plain)
    assert report["epochs"][-1]["learning_rate"] == pytest.approx(
        0.01 * 0.5 * (1 + np.cos(np.pi * 15 / 16))
    )


@pytest.mark.slow
def test_a_training_with_plateaus_equals_a_plain_fit(path, tmp_path):
    plain = fit_from_file(
        path,
        StepOptions(),
        epochs=30,
        learning_rate=0.03,
        callbacks=[
            keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=1, min_delta=0),
            keras.callbacks.EarlyStopping(patience=2, restore_best_weights=True),
        ],
    )
    report = train(
        path, tmp_path / "run", model="tests.training.test_training_options:plain_model", epochs=30,
        batch_size=32, learning_rate=0.03, class_weight="balanced", lr_schedule="plateau",
        lr_factor=0.5,
    )  # fmt: skip
    check_equals_plain(report, tmp_path / "run", *plain)
    rates = [epoch["learning_rate"] for epoch in report["epochs"]]
    assert rates[-1] < rates[0] == 0.03


# Class weights


def test_balanced_weights_are_scikit_learns(path):
    utils = pytest.importorskip("sklearn.utils.class_weight")
    with open_store(path) as store:
        labels = store["train"].read_labels(0, 200)
        expected = utils.compute_class_weight("balanced", classes=np.arange(3), y=labels)
        np.testing.assert_allclose(
            class_weights_for("balanced", store, store["train"]), expected, rtol=1e-6
        )


def test_weights_by_label(path):
    with open_store(path) as store:
        assert class_weights_for(None, store, store["train"]) is None
        assert class_weights_for("3=0.5,1=2", store, store["train"]).tolist() == [2, 1, 0.5]
        assert class_weights_for({"2": 4}, store, store["train"]).tolist() == [1, 4, 1]
        assert class_weights_for({2: 4}, store, store["train"]).tolist() == [1, 4, 1]
    assert parse_class_weight("a=b=2") == {"a=b": 2}


@pytest.mark.slow
def test_balanced_weights_make_rare_classes_as_probable_as_others(path, tmp_path):
    means = []
    for weight in (None, "balanced"):
        run = tmp_path / str(weight)
        train(path, run, epochs=3, batch_size=16, class_weight=weight)
        with open_store(path) as store:
            rows = store["validation"].read(0, 200)
        means.append(classifier_for(open_run(run))(rows).mean(axis=0)[2])
    assert means[1] > means[0] + 0.05, means
    settings = json.loads((tmp_path / "balanced" / "settings.json").read_text())
    assert settings["class_weight"] == "balanced"


# What is monitored


@pytest.mark.parametrize("monitor", ["val_accuracy", "val_macro_f1", "val_top_5_accuracy"])
@pytest.mark.slow
def test_the_monitored_figure_decides(tmp_path, monitor):
    """The figures' best epochs differ; scikit-learn's scores of the kept weights are the best's."""
    metrics = pytest.importorskip("sklearn.metrics")
    toy = Toy(n_classes=20, n_columns=120, signal=0.1, mean_entries=10)
    path = write_toy(tmp_path / "a.h5", toy=toy, train=150, validation=60)
    report = train(
        path,
        tmp_path / "run",
        learning_rate=0.02,
        batch_size=32,
        monitor=monitor,
        patience=3,
        seed=3,
    )
    epochs = report["epochs"]
    values = [epoch[monitor] for epoch in epochs]
    assert report["best_epoch"] == np.argmax(values) + 1 == len(epochs) - 3
    assert report["best_epoch"] != np.argmin([epoch["val_loss"] for epoch in epochs]) + 1
    with open_store(path) as store:
        labels = store["validation"].read_labels(0, 60)
        rows = store["validation"].read(0, 60)
    probabilities = classifier_for(open_run(tmp_path / "run"))(rows)
    predicted, best = probabilities.argmax(axis=1), epochs[report["best_epoch"] - 1]
    top = metrics.top_k_accuracy_score(labels, probabilities, k=5, labels=range(20))
    assert best["val_accuracy"] == pytest.approx(metrics.accuracy_score(labels, predicted))
    assert best["val_macro_f1"] == pytest.approx(
        metrics.f1_score(labels, predicted, average="macro")
    )
    assert best["val_top_5_accuracy"] == pytest.approx(top)


def test_monitoring_takes_a_validation_split(tmp_path):
    path = write_toy(tmp_path / "a.h5", toy=Toy(), train=30)
    for options in ({"patience": 3}, {"monitor": "val_accuracy"}):
        with pytest.raises(OptionError, match="no validation split to stop early by; leave out --"):
            train(path, tmp_path / "run", epochs=1, **options)
    with pytest.raises(OptionError, match="no validation split whose plateaus could lower the"):
        train(path, tmp_path / "run", epochs=1, lr_schedule="plateau")


# What is refused


REFUSED = [
    (
        {"class_weight": "even"},
        "--class-weight must be balanced, or weights by label such as 1=2,2=0.5, not 'even'",
    ),
    ({"class_weight": "1=two"}, "--class-weight must be balanced, .*, not '1=two'"),
    ({"class_weight": 3}, "--class-weight must be text or a dictionary, not 3"),
    ({"class_weight": "1=0"}, "the class weight of 1 must be above 0, not 0"),
    ({"class_weight": {"1": np.inf}}, "the class weight of 1 must be above 0, not inf"),
    (
        {"monitor": "val_f1"},
        "--monitor must be one of val_loss, val_accuracy, .*, not 'val_f1'",
    ),
    (
        {"monitor": "val_top_5_accuracy"},
        "val_top_5_accuracy is for 20 classes or more",
    ),
    ({"patience": 0}, "--patience must be at least 1, not 0"),
    (
        {"lr_schedule": "plateau", "lr_patience": 2},
        "would stop after 2 epochs without improvement, before",
    ),
    ({"layers": 0}, "--layers must be from 1 to 100, not 0"),
    ({"units": 0}, "--units must be at least 1, not 0"),
    ({"dropout_rate": 1}, "--dropout-rate must be from 0 to below 1, .*not 1"),
    (
        {"units": 8, "model": "tests.training.test_training_options:plain_model"},
        "--units is for the model m",
    ),
    ({"label_smoothing": 1}, "--label-smoothing must be from 0 to below 1, .*not 1"),
    ({"weight_decay": -1}, "--weight-decay must be at least 0, not -1"),
    ({"global_clipnorm": 0}, "--global-clipnorm must be above 0, not 0"),
    ({"lr_schedule": "step"}, "--lr-schedule must be one of constant, cosine, plateau, not 'step'"),
    ({"warmup_steps": -1}, "--warmup-steps must be at least 0, not -1"),
    ({"lr_factor": 0.5}, "--lr-factor is for --lr-schedule plateau; leave it out"),
    ({"lr_schedule": "plateau", "lr_factor": 1}, "--lr-factor must be between 0 and 1, not 1"),
    ({"lr_schedule": "plateau", "lr_patience": 0}, "--lr-patience must be at least 1, not 0"),
    ({"lr_schedule": "cosine"}, "the cosine schedule ends with the last epoch; give --epochs"),
    (
        {"lr_schedule": "cosine", "epochs": 2, "batch_size": 50, "warmup_steps": 8},
        "the training has 8 steps, which leaves none after --warmup-steps 8; give fewer of these",
    ),
    ({"class_weight": "4=2"}, "has no class '4' to give a weight to; its labels are 1, 2, 3"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED)
def test_what_is_refused(path, tmp_path, options, message):
    with pytest.raises(OptionError, match=message):
        train(path, tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()
