"""What a training does is decided once, from its options, its file and the table of models."""

import pytest

from ooc_train.errors import OptionError
from ooc_train.kinds import KINDS
from ooc_train.reading.split import Split
from ooc_train.reading.store import open as open_store
from ooc_train.training import plan as plan_module
from ooc_train.training.models.table import MODELS, ModelSpec, spec_of
from ooc_train.training.options import TrainingOptions
from ooc_train.training.plan import TrainingPlan
from ooc_train.training.train import train
from tests.files import write_sequences, write_toy


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plan")
    write_toy(folder / "ngrams.h5", train=200, validation=50)
    write_sequences(folder / "words.h5", train=200, validation=50)
    return folder


def plan(path, **options):
    with open_store(path) as store:
        return TrainingPlan.of(store, TrainingOptions(**options))


@pytest.fixture
def bag(monkeypatch):
    """A model that is added last."""
    spec = ModelSpec("mine:bag", {"ragged": ("adam",)}, {"units": 8}, pads_freely=True)
    monkeypatch.setitem(MODELS, "bag", spec)
    return spec


def test_every_kind_has_a_default_model_that_takes_it():
    for name, kind in KINDS.items():
        assert name in MODELS[kind.default_model].kinds


@pytest.mark.usefixtures("bag")
def test_a_model_that_is_added_does_not_become_the_default(folder):
    assert plan(folder / "words.h5").model == "sepcnn"


def test_a_model_that_is_added_has_its_options_and_its_padding(folder, bag):
    found = plan(folder / "words.h5", model="bag", units=4)
    assert (found.spec, found.model_options) == (bag, {"units": 4})
    assert (found.train_width, found.validation_width, found.pads_as_needed) == (12, None, True)
    assert (found.optimizer, found.settings["optimizer"]) == ("adam", "adam")
    with pytest.raises(OptionError, match="model bag takes sequence features, .* choose mlp, or"):
        plan(folder / "ngrams.h5", model="bag")
    with pytest.raises(OptionError, match="--units is for the model mlp or bag, not sepcnn;"):
        plan(folder / "words.h5", units=4)
    with pytest.raises(OptionError, match="deferred-adam is for the model mlp on ngram or sparse"):
        plan(folder / "words.h5", model="bag", optimizer="deferred-adam")


def test_a_users_function_takes_any_layout_and_is_padded_as_in_training(folder):
    spec = spec_of("mine:model")
    assert spec.kinds == list(KINDS)
    assert spec.options == {"function": "mine:model"}
    found = plan(folder / "words.h5", model="mine:model")
    assert (found.train_width, found.validation_width, found.model_options) == (12, 12, {})
    found = plan(folder / "words.h5", model="mine:model", bucket_by_length=True)
    assert (found.train_width, found.validation_width) == (None, None)


def test_callbacks_need_an_optimizer_of_keras(folder):
    assert plan(folder / "ngrams.h5").optimizer == "deferred-adam"
    assert plan(folder / "ngrams.h5", callbacks=[object()]).optimizer == "adam"


def test_labels_are_read_once_for_balanced_weights(folder, tmp_path, monkeypatch):
    """The page counts them, too, and so does the search for classes without a row."""
    counted = []
    read_labels = Split.read_labels

    def recorded(split, start, stop):
        counted.append(split.name)
        return read_labels(split, start, stop)

    monkeypatch.setattr(Split, "read_labels", recorded)
    train(folder / "ngrams.h5", tmp_path / "run", epochs=1, class_weight="balanced")
    assert counted.count("train") == 1


def test_few_sparse_rows_make_small_batches(folder, monkeypatch):
    few, words = folder / "ngrams.h5", folder / "words.h5"
    assert plan(few).settings["batch_size"] == plan(few).options.batch_size == 32
    assert plan(few, optimizer="adam").options.batch_size == 32
    assert plan(few, batch_size=128).options.batch_size == 128
    assert plan(words).options.batch_size == 128
    monkeypatch.setattr(plan_module, "FEW_ROWS", 199)
    assert plan(few).options.batch_size == 128
