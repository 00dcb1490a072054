"""Validations inside epochs: where they are, what they cost, and which weights are kept."""

import json
import signal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ooc_train.cli.train import main
from ooc_train.errors import Interrupted, OptionError
from ooc_train.progress import Silent
from ooc_train.reading.store import open as open_store
from ooc_train.training import inner_validations
from ooc_train.training.inner_validations import InnerValidations
from ooc_train.training.loop import Loop
from ooc_train.training.models.backend import keras
from ooc_train.training.models.mlp import in_keras
from ooc_train.training.options import TrainingOptions
from ooc_train.training.plan import TrainingPlan
from ooc_train.training.run.folder import open_run
from ooc_train.training.steps.choice import evaluator_for, evaluators_for, trainer_for
from ooc_train.training.train import train
from ooc_train.training.validation import Validator
from tests.files import SequenceToy, Toy, write_sequences, write_toy

STEPS = {"batch_size": 32, "checkpoint_every": 1}
SPEEDS = ("seconds", "rows_per_second", "input_wait_share")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("inner")


@pytest.fixture(scope="module")
def noise(folder):
    """Labels without any signal: learnt by heart within an epoch, while validation suffers."""
    toy = Toy(signal=0, mean_entries=20)
    return write_toy(folder / "noise.h5", toy=toy, train=640, validation=400)


@pytest.fixture(scope="module")
def sequences(folder):
    toy = SequenceToy(n_terms=60)
    return write_sequences(folder / "sequences.h5", toy=toy, train=300, validation=100)


# Where they are


def points_of(inner, n_steps):
    return [step for step in range(n_steps + 1) if inner.is_point(step)]


@given(
    every=st.one_of(st.just("auto"), st.floats(1e-300, 1)),
    n_steps=st.integers(1, 300),
    n_train_rows=st.integers(1, 10**9),
    n_validation_rows=st.integers(0, 10**6),
)
def test_points_are_spread_over_the_epoch_and_rows_over_the_split(every, n_steps, **rows):
    inner = InnerValidations.of(every, n_steps=n_steps, **rows)
    points = points_of(inner, n_steps)
    assert len(points) == inner.n_points
    assert set(points) <= set(range(1, n_steps))
    gaps = np.diff([0, *points])
    assert not points or abs(gaps - inner.every_steps).max() <= 1
    if points:
        slices = list(inner.sample())
        assert sum(stop - start for start, stop in slices) == inner.n_rows
        bounds = [bound for each in slices for bound in each]
        assert bounds == sorted(bounds)
        assert 0 <= bounds[0] < bounds[-1] <= rows["n_validation_rows"]
        between = np.diff([start for start, _ in slices])
        assert not len(between) or between.max() - between.min() <= 1
        assert inner.n_rows >= min(rows["n_validation_rows"], inner_validations.LEAST_ROWS)


@given(n_train_rows=st.integers(1, 10**9), n_validation_rows=st.integers(0, 10**8))
def test_what_auto_chooses_costs_little(n_train_rows, n_validation_rows):
    """Less than 3 % of an epoch's rows, where scoring costs two thirds of training."""
    inner = InnerValidations.of(
        "auto",
        n_steps=-(-n_train_rows // 128),
        n_train_rows=n_train_rows,
        n_validation_rows=n_validation_rows,
    )
    assert inner.n_points * inner.n_rows * 2 / 3 < 0.03 * n_train_rows
    assert inner.n_points <= 9


@pytest.mark.parametrize(
    ("every", "n_steps", "expected"),
    [
        (1, 10, []), (0.5, 10, [5]), (0.1, 10, list(range(1, 10))), (0.3, 10, [3, 6, 9]),
        (0.1, 30, list(range(3, 30, 3))), (0.001, 4, [1, 2, 3]), (0.1, 1, []),
    ],
)  # fmt: skip
def test_a_share_of_an_epoch(every, n_steps, expected):
    inner = InnerValidations.of(every, n_steps=n_steps, n_train_rows=9, n_validation_rows=9)
    assert points_of(inner, n_steps) == expected


@pytest.mark.parametrize(
    ("n_train_rows", "n_validation_rows", "expected"),
    [
        (25_000, 2_500, (0, 0)),
        (40_000, 4_500, (0, 0)),
        (360_000, 40_000, (4, 832)),
        (3_600_000, 400_000, (9, 12_736)),
        (3_600_000, 5_000, (9, 5_000)),
        (360_000, 0, (0, 0)),
    ],
)
def test_short_epochs_have_none_and_long_ones_one_each_tenth(
    n_train_rows, n_validation_rows, expected
):
    inner = InnerValidations.of(
        "auto",
        n_steps=n_train_rows // 128,
        n_train_rows=n_train_rows,
        n_validation_rows=n_validation_rows,
    )
    assert (inner.n_points, inner.n_rows) == expected


@pytest.mark.parametrize("wrong", [0, 1.5, -0.1, "often", "0.1"])
def test_what_is_no_share_of_an_epoch(wrong):
    with pytest.raises(OptionError, match="--validate-every must be auto, or a share of an epoch"):
        TrainingOptions(validate_every=wrong)


def test_without_a_validation_split_there_is_nothing_to_score(folder):
    path = write_toy(folder / "unvalidated.h5", toy=Toy(), train=64)
    with pytest.raises(OptionError, match="leave out --monitor, --patience and --validate-every"):
        train(path, folder / "unvalidated", epochs=1, validate_every=0.5)


# What is kept


def without_speeds(report):
    return [
        {name: value for name, value in epoch.items() if name not in SPEEDS}
        for epoch in report["epochs"]
    ]


OPTIONS = {"learning_rate": 0.02, "epochs": 3, **STEPS}


@pytest.fixture(scope="module")
def ends(folder, noise):
    return train(noise, folder / "ends", validate_every=1, **OPTIONS)


def test_short_epochs_are_validated_at_their_ends_alone(folder, noise, ends):
    report = train(noise, folder / "auto", **OPTIONS)
    assert report["validations"] == ends["validations"] == []
    assert (folder / "auto" / "model.keras").stat().st_size > 0
    for mine, its in zip(weights(folder / "auto"), weights(folder / "ends"), strict=True):
        assert mine.tobytes() == its.tobytes()
    best = min(report["epochs"], key=lambda epoch: epoch["val_loss"])
    names = ("val_loss", "val_accuracy", "val_macro_f1")
    assert report["best"] == {
        "epoch": report["best_epoch"], **{name: best[name] for name in names}
    }  # fmt: skip


def weights(run):
    return open_run(run).load_model().get_weights()


def loss_of(run, path):
    """The mean loss of a run's model on the validation rows, in TensorFlow."""
    model = keras.models.load_model(run / "model.keras")
    with open_store(path) as store:
        plan = TrainingPlan.of(store, TrainingOptions(epochs=1, optimizer="adam"))
        batch = next(iter(store["validation"].batches(1000)))
        return evaluator_for(model, plan.layout, plan.validation_width)(batch)[0]


@pytest.mark.parametrize("optimizer", ["deferred-adam", "adam"])
def test_the_best_point_is_kept_and_the_epochs_are_as_without(folder, noise, ends, optimizer):
    run = folder / f"tenths-{optimizer}"
    report = train(noise, run, validate_every=0.1, optimizer=optimizer, **OPTIONS)
    if optimizer == "deferred-adam":
        assert without_speeds(report) == without_speeds(ends)
    assert [point["epoch"] for point in report["validations"][:9]] == [
        pytest.approx(tenth / 10) for tenth in range(1, 10)
    ]
    assert [point["step"] for point in report["validations"][8:10]] == [18, 22]
    best = min(report["validations"], key=lambda point: point["val_loss"])
    assert best["val_loss"] < min(epoch["val_loss"] for epoch in report["epochs"])
    # The sample is all rows here, so that the point's figures are those of all rows.
    assert report["best"] == {
        name: value for name, value in best.items() if name not in ("step", "rows")
    }
    assert report["best_epoch"] == np.ceil(best["epoch"])
    assert loss_of(run, noise) == pytest.approx(best["val_loss"], abs=1e-5)
    assert 0 < report["validation_seconds"] < report["seconds"]


def test_a_point_that_only_its_sample_is_good_at_is_not_kept(folder, noise, ends, monkeypatch):
    """All later points are the best of the sample, and none of them of all rows."""
    losses = iter(range(100, 0, -1))

    def falling(self, after_batch, slices=None, weights=None):
        figures = original(self, after_batch, slices, weights)
        return figures | {"val_loss": next(losses) / 1e4} if slices else figures

    original = Validator.score
    monkeypatch.setattr(Validator, "score", falling)
    report = train(noise, folder / "falling", validate_every=0.1, **OPTIONS)
    assert report["validations"][-1]["val_loss"] < 0.01
    assert report["best"] == ends["best"]
    for mine, its in zip(weights(folder / "falling"), weights(folder / "ends"), strict=True):
        assert mine.tobytes() == its.tobytes()


def test_the_sample_is_the_same_rows_each_time(folder, noise, monkeypatch):
    monkeypatch.setattr(inner_validations, "LEAST_ROWS", 128)
    met = []
    check = Loop._check_validated

    def noting(self, loss, batch, rows, where):
        met.append((where, rows.tolist()))
        check(self, loss, batch, rows, where)

    monkeypatch.setattr(Loop, "_check_validated", noting)
    options = {"epochs": 1, "batch_size": 96, "validate_every": 0.5}
    report = train(noise, folder / "sample", **options)
    (point,) = report["validations"]
    assert (point["rows"], point["epoch"]) == (128, pytest.approx(3 / 7, abs=1e-4))
    sample = [*range(64), *range(200, 264)]
    inside, end = f"at epoch {point['epoch']:g}", "after epoch 1"
    assert met[:2] == [(inside, sample[:96]), (inside, sample[96:])]
    assert [row for where, rows in met if where == end for row in rows] == list(range(400))
    confirmed = [row for where, rows in met[2:] if where == inside for row in rows]
    assert confirmed == list(range(400))


@pytest.mark.parametrize("n_classes", [2, 5])
def test_kernels_validate_as_tensorflow_does(folder, n_classes):
    path = write_toy(folder / f"{n_classes}.h5", toy=Toy(n_classes=n_classes), train=64)
    with open_store(path) as store:
        plan = TrainingPlan.of(store, TrainingOptions(epochs=1))
        assert plan.optimizer == "deferred-adam"
        model = plan.spec.model(plan.shape)
        batch = next(iter(store["train"].batches(64)))
        made = in_keras(model)
        loss, probabilities = evaluators_for(plan, trainer_for(plan, model))(None)(batch)
        expected = evaluator_for(made, plan.layout, plan.validation_width)(batch)
    assert loss == pytest.approx(expected[0], abs=1e-6)
    np.testing.assert_allclose(probabilities, expected[1], atol=1e-6)


def test_the_command_says_when_the_weights_were_these(folder, noise, capsys):
    run = folder / "command"
    arguments = [str(noise), "-o", str(run), "--epochs", "2", "--batch-size", "32"]
    assert main([*arguments, "--learning-rate", "0.02", "--validate-every", "0.25"]) == 0
    kept = json.loads((run / "report.json").read_text())["best"]["epoch"]
    assert kept % 1
    assert f"after epoch {kept:g} of 2 (" in capsys.readouterr().out


# Interrupted and resumed


class Killed(BaseException):
    pass


def dying(monkeypatch, n_batches, strike):
    """Let a training live for so many batches of validations."""
    check, n_left = Loop._check_validated, [n_batches]

    def checked(self, *arguments):
        n_left[0] -= 1
        if n_left[0] == 0:
            strike()
        check(self, *arguments)

    monkeypatch.setattr(Loop, "_check_validated", checked)


def killed():
    raise Killed


def interrupted():
    signal.raise_signal(signal.SIGTERM)


CASES = {
    "kernels": ("noise", {}, [6, 30, 18]),
    "Keras": ("noise", {"optimizer": "adam", "epochs": 2}, [6, 30, 18]),
    "moving average": ("sequences", {"embedding_dimension": 4, "epochs": 2}, [2, 9, 6]),
}
"""Data, options, and the batch of validation in which each session ends: in the first point of an
epoch, in its last, and in its end.  A validation has 13 batches of the one, 4 of the other."""


@pytest.mark.parametrize("case", CASES)
@pytest.mark.slow
def test_resumed_it_ends_with_the_same_weights(case, tmp_path, request, monkeypatch):
    data, options, moments = CASES[case]
    path, options = request.getfixturevalue(data), OPTIONS | {"validate_every": 0.25} | options
    whole = train(path, tmp_path / "whole", **options)
    for session, moment in enumerate(moments):
        with monkeypatch.context() as patched:
            dying(patched, moment, interrupted if session % 2 else killed)
            with pytest.raises((Killed, Interrupted)):
                train(path, tmp_path / "run", resume=session > 0, **options)
    resumed = train(path, tmp_path / "run", resume=True, **options)
    assert resumed["validations"] == whole["validations"]
    assert resumed["best"] == whole["best"]
    assert without_speeds(resumed) == without_speeds(whole)
    for mine, its in zip(weights(tmp_path / "run"), weights(tmp_path / "whole"), strict=True):
        assert mine.tobytes() == its.tobytes()


def test_killed_while_the_best_point_is_scored_on_all_rows(folder, noise, tmp_path, monkeypatch):
    options = OPTIONS | {"validate_every": 0.5, "epochs": 1}
    whole = train(noise, tmp_path / "whole", **options)
    said = []

    class Listening(Silent):
        def message(self, text):
            said.append(text)

    with monkeypatch.context() as patched:
        dying(patched, 3 * 13 - 5, interrupted)
        with pytest.raises(Interrupted, match="stopped after the last epoch, and saved"):
            train(noise, tmp_path / "run", progress=Listening(), **options)
    resumed = train(noise, tmp_path / "run", resume=True, **options)
    assert resumed["best"] == whole["best"]
    more = train(noise, tmp_path / "run", resume=True, **options | {"epochs": 2})
    longer = train(noise, tmp_path / "longer", **options | {"epochs": 2})
    assert (more["best"], more["validations"]) == (longer["best"], longer["validations"])
    for mine, its in zip(weights(tmp_path / "run"), weights(tmp_path / "longer"), strict=True):
        assert mine.tobytes() == its.tobytes()
