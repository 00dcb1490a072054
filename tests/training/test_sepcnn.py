"""The separable convolutional network: padding does not matter, steps are Keras's, runs work."""

import json

import numpy as np
import pytest

from ooc_train.errors import FormatError, OptionError
from ooc_train.reading.rows import Batch, SequenceRows
from ooc_train.reading.store import open as open_store
from ooc_train.training.models.backend import keras, tf
from ooc_train.training.run.folder import Run, open_run
from ooc_train.training.scores.evaluate import evaluate
from ooc_train.training.steps import moving_average
from ooc_train.training.steps.feeds import SequenceFeed, predict_rows
from ooc_train.training.steps.keras_steps import KerasEvaluator, KerasTrainer
from ooc_train.training.steps.moving_average import MOMENTUM, MovingAverage
from ooc_train.training.steps.trainer import StepOptions
from ooc_train.training.train import train
from tests.files import SequenceToy, write_sequences, write_toy
from tests.stepping import build, train_on

TOY = SequenceToy()


@pytest.fixture(scope="module", params=[2, 3], ids=["two", "three"])
def saved(request, tmp_path_factory):
    """A model with padding's own vector and biases not zero, saved and loaded by plain Keras."""
    model = build("sepcnn", 61, request.param, seed=0)
    random = np.random.default_rng(0)
    model.set_weights([w + random.normal(0, 0.1, w.shape) for w in model.get_weights()])
    path = tmp_path_factory.mktemp("saved") / "model.keras"
    model.save(path)
    loaded = keras.models.load_model(path, compile=False)
    modules = {type(layer).__module__.partition(".")[0] for layer in loaded.layers}
    assert modules == {"keras"}
    assert "Lambda" not in json.dumps(loaded.get_config())
    return loaded


def padded(row, length):
    return np.concatenate([np.zeros(length - len(row), int), row])


@pytest.mark.parametrize("n_words", [0, 1, 2, 3, 4, 5, 6, 7, 10, 33])
@pytest.mark.slow
def test_padding_and_company_do_not_matter(saved, n_words):
    random = np.random.default_rng(n_words)
    row = random.integers(1, 61, n_words)
    outputs = []
    for length in (*range(max(n_words, 1), n_words + 8), n_words + 300):
        batch = np.stack([padded(row, length), random.integers(1, 61, length)])
        outputs.append(saved(batch.astype(np.int32)).numpy()[0])
    assert np.isfinite(outputs).all()
    np.testing.assert_allclose(outputs, np.broadcast_to(outputs[0], np.shape(outputs)), atol=1e-5)


def test_rows_differ(saved):
    rows = np.random.default_rng(0).integers(1, 61, (20, 9)).astype(np.int32)
    assert np.ptp(saved(rows).numpy()[:, 0]) > 0.01


def test_it_is_the_guides_network():
    """The same numbers as Keras's separable convolutions, on a row without padding."""
    mine = build("sepcnn", 61, 5, seed=3)
    ids = keras.Input((12,), dtype="int32")
    hidden = keras.layers.Embedding(61, 200)(ids)
    for filters, pooled in ((64, True), (128, False)):
        for _ in range(2):
            convolution = keras.layers.SeparableConv1D(
                filters, 3, activation="relu", padding="same"
            )
            hidden = convolution(hidden)
        hidden = keras.layers.MaxPooling1D(3)(hidden) if pooled else hidden
    hidden = keras.layers.GlobalAveragePooling1D()(hidden)
    guide = keras.Model(ids, keras.layers.Dense(5, activation="softmax")(hidden))
    weights = mine.get_weights()
    weights[0][0] = 0  # what Keras's convolution has beyond a row's ends
    mine.set_weights(weights)
    assert len(weights) == len(guide.weights)
    guide.set_weights([w.reshape(v.shape) for w, v in zip(weights, guide.weights, strict=True)])
    rows = np.random.default_rng(0).integers(1, 61, (10, 12)).astype(np.int32)
    np.testing.assert_allclose(mine(rows), guide(rows[:, ::-1]), atol=1e-6)


def test_initial_weights_suit_what_each_output_sums_and_depend_on_the_seed_alone():
    keras.utils.set_random_seed(1)
    model = build("sepcnn", 61, 2, seed=0)
    first = {variable.path: variable.numpy() for variable in model.weights}
    keras.utils.set_random_seed(2)
    again, other = (build("sepcnn", 61, 2, seed=seed).get_weights() for seed in (0, 1))
    assert all(np.array_equal(a, b) for a, b in zip(first.values(), again, strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(again, other, strict=True) if a.any())
    depthwise = first["block1_conv1_depthwise/kernel"]
    assert 0.95 < np.abs(depthwise).max() <= 1
    assert depthwise.var() == pytest.approx(1 / 3, rel=0.1)
    assert first["block1_conv1_pointwise/kernel"].var() == pytest.approx(2 / 200, rel=0.1)


def toy_batch(n_rows=64):
    labels, indptr, tokens = TOY.rows(n_rows, np.random.default_rng(0))
    return Batch(SequenceRows(indptr, tokens, 61, 12), labels)


def without_dropout():
    model = build("sepcnn", 61, 2, seed=0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0
    return model


@pytest.mark.slow
def test_steps_equal_a_plain_keras_loop():
    """With dense gradients: of slices, Keras's Adam makes something else."""
    model, plain = without_dropout(), without_dropout()
    optimizer, loss_of = keras.optimizers.Adam(0.01), keras.losses.BinaryCrossentropy()
    rows, labels = toy_batch()
    trainer = KerasTrainer(SequenceFeed(model, 12), StepOptions(0.01))
    for start in range(0, 64, 16):
        part = Batch(rows[start : start + 16], labels[start : start + 16])
        with tf.GradientTape() as tape:
            expected = loss_of(part.labels[:, None], plain(part.rows.to_dense(), training=True))
        gradients = tape.gradient(expected, plain.trainable_variables)
        optimizer.apply([tf.convert_to_tensor(g) for g in gradients], plain.trainable_variables)
        assert train_on(trainer, part)[0] == pytest.approx(float(expected), abs=1e-5)
    for mine, other in zip(model.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-4)


def test_evaluation_equals_keras():
    model = build("sepcnn", 61, 2, seed=0)
    batch = toy_batch()
    loss, probabilities = KerasEvaluator(SequenceFeed(model, 12))(batch)
    model.compile(loss="binary_crossentropy", metrics=["accuracy"])
    expected = model.evaluate(batch.rows.to_dense(), batch.labels, verbose=0)
    accuracy = (probabilities.argmax(axis=1) == batch.labels).mean()
    assert [loss, accuracy] == pytest.approx(expected, abs=1e-5)


def test_steps_of_adam_are_no_larger_than_its_learning_rate():
    model = without_dropout()
    before = model.get_weights()[0]
    train_on(KerasTrainer(SequenceFeed(model, 12), StepOptions(0.01)), toy_batch())
    assert np.abs(model.get_weights()[0] - before).max() < 0.0101


@pytest.mark.slow
def test_steps_padded_to_the_longest_row_equal_steps_padded_further():
    batch = toy_batch().take(np.arange(3))
    assert batch.rows.lengths.max() < 12
    near, far = without_dropout(), without_dropout()
    for model, width in ((near, None), (far, 12)):
        train_on(KerasTrainer(SequenceFeed(model, width), StepOptions(0.01)), batch)
    for mine, other in zip(near.get_weights(), far.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-5)


@pytest.mark.slow
def test_a_step_is_a_function_of_seed_and_step():
    """Whatever was trained before: what a resumed training depends on."""
    batch = toy_batch()

    def loss(*, seed, step, n_before=0):
        trainer = KerasTrainer(
            SequenceFeed(build("sepcnn", 61, 2, seed=0), 12), StepOptions(1e-12, seed=seed)
        )
        for _ in range(n_before):
            train_on(trainer, batch)
        trainer.n_steps = step
        return train_on(trainer, batch)[0]

    assert loss(seed=1, step=3) == pytest.approx(loss(seed=1, step=3, n_before=2), abs=1e-7)
    assert len({f"{loss(seed=seed, step=step):.5f}" for seed in (1, 2) for step in (0, 1)}) == 4


def test_steps_are_compiled_once():
    trainer = KerasTrainer(SequenceFeed(build("sepcnn", 61, 2, seed=0), None), StepOptions(1e-3))
    batch = toy_batch()
    for n_rows in (64, 7, 1):
        train_on(trainer, batch.take(np.argsort(batch.rows.lengths)[:n_rows]))
    assert trainer._step.experimental_get_tracing_count() == 1


def test_rows_without_words():
    rows = SequenceRows(np.zeros(4, int), np.zeros(0, np.uint16), 61, 12)
    batch = Batch(rows, np.array([0, 1, 0]))
    model = build("sepcnn", 61, 2, seed=0)
    loss, _ = train_on(KerasTrainer(SequenceFeed(model, None), StepOptions(1e-3)), batch)
    assert np.isfinite(loss)
    assert np.isfinite(model.get_weights()[0]).all()
    assert predict_rows(model, rows).shape == (3, 2)
    assert predict_rows(model, rows[:0]).shape == (0, 2)


# Runs


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    write_sequences(folder / "toy.h5", train=1500, validation=200, test=200)
    return folder


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "bucketed"])
def trained(request, folder):
    run = folder / f"run{request.param}"
    report = train(folder / "toy.h5", run, epochs=4, batch_size=32, bucket_by_length=request.param)
    return run, report


@pytest.mark.slow
def test_it_learns_and_is_evaluated(folder, trained):
    run, report = trained
    assert report["model"] == "sepcnn"
    assert report["steps"] == 4 * 47
    assert report["epochs"][-1]["val_accuracy"] > 0.8
    settings = json.loads((run / "settings.json").read_text())
    assert settings["bucket_by_length"] is run.name.endswith("True")
    assert settings["max_length"] == 12
    last = report["epochs"][report["best_epoch"] - 1]
    result = evaluate(run, folder / "toy.h5", split="validation")
    assert result["loss"] == pytest.approx(last["val_loss"], abs=1e-5)
    with open_store(folder / "toy.h5") as store:
        rows = store["test"].read(0, 200)
        labels = store["test"].read_labels(0, 200)
    predicted = predict_rows(open_run(run).load_model(), rows).argmax(axis=1)
    result = evaluate(run, folder / "toy.h5", batch_size=7)
    assert result["accuracy"] == pytest.approx((predicted == labels).mean())


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights(folder, trained):
    run, _ = trained
    bucketed = run.name.endswith("True")
    again = folder / f"again{bucketed}"
    keras.utils.set_random_seed(99)
    train(folder / "toy.h5", again, epochs=4, batch_size=32, bucket_by_length=bucketed)
    one, two = (open_run(path).load_model().get_weights() for path in (run, again))
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


@pytest.fixture
def widths(monkeypatch):
    """What batches are padded to, and their longest rows, in the order of the batches."""
    widths = []
    original = SequenceFeed.features

    def features(self, rows):
        padded_rows = original(self, rows)
        widths.append((padded_rows.shape[1], int(rows.lengths.max())))
        return padded_rows

    monkeypatch.setattr(SequenceFeed, "features", features)
    return widths


@pytest.mark.slow
def test_bucketed_batches_are_padded_no_further_than_needed(folder, tmp_path, widths):
    train(folder / "toy.h5", tmp_path / "run", epochs=1, batch_size=32, bucket_by_length=True)
    training, validation = widths[:47], widths[47:]
    assert all(width == max(longest, 1) for width, longest in training)
    assert np.mean([width for width, _ in training]) < 8  # of rows of 0 to 12, 6 on average
    assert [width for width, _ in validation].count(12) < 4  # of 7 batches


@pytest.mark.slow
def test_other_batches_are_padded_to_the_longest_train_row(tmp_path, widths):
    path = write_sequences(tmp_path / "toy.h5", train=40)
    train(path, tmp_path / "run", epochs=1, batch_size=2)
    assert [width for width, _ in widths] == [12] * 20
    assert min(longest for _, longest in widths) < 12


@pytest.mark.slow
def test_how_far_rows_are_padded_does_not_change_their_probabilities(folder, trained):
    model = open_run(trained[0]).load_model()
    with open_store(folder / "toy.h5") as store:
        rows = store["test"].read(0, 200)
    near, far = (predict_rows(model, rows, pads_as_needed=needed) for needed in (True, False))
    np.testing.assert_allclose(near, far, atol=1e-5)


@pytest.mark.slow
def test_rows_are_evaluated_in_batches_of_near_length(folder, trained, monkeypatch, widths):
    near = evaluate(trained[0], folder / "toy.h5", batch_size=10)
    assert len({width for width, _ in widths}) > 6
    assert widths == sorted(widths)  # of the one window that there is
    monkeypatch.setattr(Run, "pads_as_needed", False)
    widths.clear()
    far = evaluate(trained[0], folder / "toy.h5", batch_size=10)
    assert {width for width, _ in widths} == {12}
    assert far["confusion"] == near["confusion"]
    assert far["loss"] == pytest.approx(near["loss"], abs=1e-5)


@pytest.mark.slow
def test_the_dimension_of_the_embedding(folder, tmp_path):
    train(folder / "toy.h5", tmp_path / "run", epochs=1, embedding_dimension=7)
    run = open_run(tmp_path / "run")
    assert run.load_model().get_layer("embedding").get_weights()[0].shape == (61, 7)
    assert run.settings["embedding_dimension"] == 7


def test_a_file_of_another_longest_row_does_not_fit(trained, tmp_path):
    toy = SequenceToy(longest=15)
    path = write_sequences(tmp_path / "other.h5", toy=toy, train=200, test=10)
    with pytest.raises(FormatError, match=r"other\.h5 does not fit .*: the longest rows differ"):
        evaluate(trained[0], path)


def test_a_file_of_other_features_does_not_fit(trained, tmp_path):
    path = write_toy(tmp_path / "ngrams.h5", train=20, test=10)
    with pytest.raises(FormatError, match="it has ngram features, not sequence"):
        evaluate(trained[0], path)


REFUSED = [
    ("toy.h5", {"model": "mlp"}, "model mlp takes ngram features, .* has sequence features; cho"),
    ("ngrams.h5", {"model": "sepcnn"}, "model sepcnn takes sequence features, .* choose mlp, or"),
    ("ngrams.h5", {"bucket_by_length": True}, "--bucket-by-length is for sequences, .* ngram"),
    ("ngrams.h5", {"embeddings": "x.txt"}, "--embeddings is for the model sepcnn, not mlp"),
    ("ngrams.h5", {"embedding_dimension": 9}, "--embedding-dimension is for the model sepcnn, not"),
    ("toy.h5", {"embedding_dimension": 0}, "--embedding-dimension must be at least 1, not 0"),
    ("toy.h5", {"embedding_dimension": 9, "embeddings": "x"}, "leave one of them out"),
    ("toy.h5", {"freeze_embeddings": 1}, "only pretrained embeddings can be frozen; give"),
    ("toy.h5", {"embeddings": "x", "freeze_embeddings": -1}, "must be at least 0, not -1"),
]


@pytest.mark.parametrize(("name", "options", "message"), REFUSED)
def test_what_does_not_fit_the_features(folder, tmp_path, name, options, message):
    if not (folder / "ngrams.h5").exists():
        write_toy(folder / "ngrams.h5", train=20)
    with pytest.raises(OptionError, match=message):
        train(folder / name, tmp_path / "run", epochs=1, **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_plain_keras_fits_from_the_generator(folder):
    model = build("sepcnn", 61, 2, seed=0)
    model.compile("adam", "binary_crossentropy")
    with open_store(folder / "toy.h5") as store:
        split = store["train"]
        history = model.fit(split.generator(128), steps_per_epoch=2, shuffle=False, verbose=0)
    assert np.isfinite(history.history["loss"][0])
    assert tf.is_tensor(model(np.ones((1, 3), np.int32)))


# The running mean of the weights


def test_the_running_mean_is_that_of_the_last_steps():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    mean, expected = MovingAverage(model), None
    for step in range(1, 41):
        model.set_weights([np.full((1, 1), step, np.float32)])
        mean.update()
        share = max(1 - MOMENTUM, 2 / (step + 1))
        expected = step if expected is None else expected + share * (step - expected)
    with mean.in_place():
        assert model.get_weights()[0] == pytest.approx(expected, rel=1e-5)
    assert model.get_weights()[0] == 40
    mean.exchange()
    assert model.get_weights()[0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("n_validation", [0, 100])
@pytest.mark.slow
def test_what_is_kept_is_the_running_mean(tmp_path, monkeypatch, n_validation):
    """Validated, and saved, while training goes on from the weights themselves."""
    kept = []

    class Spy(MovingAverage):
        def exchange(self):
            super().exchange()
            kept.append([mean.numpy() for mean in self._means])

    monkeypatch.setattr(moving_average, "MovingAverage", Spy)
    splits = {"train": 300} | ({"validation": n_validation} if n_validation else {})
    path = write_sequences(tmp_path / "toy.h5", **splits)
    train(path, tmp_path / "run", epochs=1, batch_size=16)  # 19 steps
    saved = open_run(tmp_path / "run").load_model().get_weights()
    weights, means = kept[:2]  # what was in the other's place after the first two exchanges
    assert not any(np.array_equal(a, b) for a, b in zip(saved, weights, strict=True))
    assert all(np.array_equal(a, b) for a, b in zip(saved, means, strict=True))


def test_a_fresh_mean_of_steps_that_do_not_move_is_exact(tmp_path):
    model = build("sepcnn", 61, 2, seed=0)
    before, mean = model.get_weights(), MovingAverage(model)
    for _ in range(3):
        mean.update()
    with mean.in_place():
        assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
