"""Evaluation of a run: scores against scikit-learn's, and what does not fit together."""

import json

import h5py
import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, log_loss, precision_recall_fscore_support

import ooc_train.training.scores.split_scores
from ooc_train.errors import FormatError, InputError, OptionError
from ooc_train.reading.sampler import SLICE_ROWS
from ooc_train.reading.store import open as open_store
from ooc_train.training.run.folder import open_run
from ooc_train.training.scores.evaluate import evaluate
from ooc_train.training.scores.split_scores import evaluation_batches
from ooc_train.training.steps.choice import classifier_for
from ooc_train.training.train import train
from tests.files import Toy, reseal, write_array, write_sequences, write_strings, write_toy

# Keras copies variables in a way that NumPy 2 deprecates.


def write(path, n_classes=2, **n_rows):
    return write_toy(path, toy=Toy(n_classes=n_classes), **(n_rows or {"train": 600, "test": 333}))


@pytest.fixture(scope="module", params=[2, 5], ids=["two", "five"])
def trained(request, tmp_path_factory):
    """A file and a run on it."""
    folder = tmp_path_factory.mktemp("evaluation")
    path = write(folder / "toy.h5", request.param)
    train(path, folder / "run", epochs=3)
    return path, folder / "run"


@pytest.mark.parametrize("split", ["train", "test"])
def test_scores_equal_those_of_scikit_learn(trained, split):
    path, run = trained
    result = evaluate(run, path, split=split)
    with open_store(path) as store:
        n_rows = len(store[split])
        labels = store[split].read_labels(0, n_rows)
        probabilities = classifier_for(open_run(run))(store[split].read(0, n_rows))
    predicted = probabilities.argmax(axis=1)
    assert (result["rows"], result["split"]) == (n_rows, split)
    assert result["accuracy"] == pytest.approx((predicted == labels).mean())
    assert result["loss"] == pytest.approx(log_loss(labels, probabilities), abs=1e-5)
    assert result["confusion"] == confusion_matrix(labels, predicted).tolist()
    oracle = precision_recall_fscore_support(labels, predicted)
    for name, expected in zip(("precision", "recall", "f1", "support"), oracle, strict=True):
        np.testing.assert_allclose([scores[name] for scores in result["classes"]], expected)
    assert result["macro_f1"] == pytest.approx(oracle[2].mean())
    assert [(scores["label"], scores["name"]) for scores in result["classes"]][:2] == [
        ("1", "class 1"),
        ("2", "class 2"),
    ]
    json.dumps(result)


def test_the_test_split_is_the_default(trained):
    path, run = trained
    assert evaluate(run, path)["rows"] == 333


def test_the_batch_size_does_not_matter(trained):
    path, run = trained
    expected = evaluate(run, path)
    result = evaluate(run, path, batch_size=10)
    assert result["confusion"] == expected["confusion"]
    assert result["loss"] == pytest.approx(expected["loss"], abs=1e-6)


@pytest.mark.parametrize("pads_as_needed", [False, True])
def test_each_row_comes_once_with_its_number(tmp_path, monkeypatch, pads_as_needed):
    monkeypatch.setattr(ooc_train.training.scores.split_scores, "WINDOW_SLICES", 1)
    path = write_sequences(tmp_path / "toy.h5", train=700)
    with open_store(path) as store:
        split, met = store["train"], []
        for numbers, batch in evaluation_batches(split, 90, pads_as_needed=pads_as_needed):
            met.append(numbers)
            for number, tokens in zip(numbers.tolist(), batch.rows.to_dense(), strict=True):
                assert (tokens == split.read(number, number + 1).to_dense()[0]).all()
            expected = [split.read_labels(n, n + 1)[0] for n in numbers.tolist()]
            assert batch.labels.tolist() == expected
    assert sorted(np.concatenate(met).tolist()) == list(range(700))
    in_order = np.array_equal(np.concatenate(met), np.arange(700))
    assert in_order != pads_as_needed
    assert max(map(len, met)) == 90
    # By windows, here of a slice: what is near on disk is read together.
    assert sorted(np.concatenate(met)[:SLICE_ROWS].tolist()) == list(range(SLICE_ROWS))


def change_terms(file):
    group = file["vectorizer/terms"]
    group["bytes"][0] = ord("T")


def change_classes(file):
    n = len(file["classes/labels/offsets"]) - 1
    del file["classes/labels"]
    write_strings(file["classes"], "labels", [f"{k}" for k in range(n)])


def change_document_frequencies(file):
    del file["vectorizer/term_df"]
    write_array(file["vectorizer"], "term_df", np.full(60, 3, np.uint32))


def change_kept_terms(file):
    """Those that are not selected, which a row's norm depends on."""
    del file["vectorizer/kept_df"]
    write_array(file["vectorizer"], "kept_df", np.full(60, 3, np.uint32))


def change_parameters(file):
    file["vectorizer"].attrs["parameters"] = json.dumps({"ngrams": [1, 1]})


def change_documents(file):
    file["vectorizer"].attrs["n_documents"] = 1001


CHANGES = [
    (change_terms, "the terms differ"),
    (change_classes, "the classes differ"),
    (change_document_frequencies, "the document frequencies differ"),
    (change_kept_terms, "the kept_df differ"),
    (change_parameters, "the vectorizer's parameters differ"),
    (change_documents, "the numbers of documents differ"),
]


@pytest.mark.parametrize(("change", "message"), CHANGES)
@pytest.mark.slow
def test_a_file_that_does_not_fit_the_run(trained, tmp_path, change, message):
    path = write(tmp_path / "other.h5", len(open_run(trained[1]).class_labels))
    evaluate(trained[1], path)
    with h5py.File(path, "r+") as file:
        change(file)
        reseal(file)
    with pytest.raises(FormatError, match=rf"other\.h5 does not fit the run .*: {message}; conv"):
        evaluate(trained[1], path)


def test_another_number_of_columns(trained, tmp_path):
    toy = Toy(n_classes=len(open_run(trained[1]).class_labels), n_columns=61)
    path = write_toy(tmp_path / "other.h5", toy=toy, train=10, test=10)
    with pytest.raises(FormatError, match="the terms differ"):
        evaluate(trained[1], path)


def test_unknown_split(trained):
    with pytest.raises(InputError, match="has no validation rows; give --split test"):
        evaluate(trained[1], trained[0], split="validation")
    with pytest.raises(OptionError, match="--split must be one of train, validation, test, not 'd"):
        evaluate(trained[1], trained[0], split="dev")


def test_a_split_without_rows(trained, tmp_path):
    n_classes = len(open_run(trained[1]).class_labels)
    path = write(tmp_path / "a.h5", n_classes, train=5, test=0)
    with pytest.raises(InputError, match=r"has no test rows; give --split train"):
        evaluate(trained[1], path)


def test_batch_size_out_of_range(trained):
    with pytest.raises(OptionError, match="--batch-size must be at least 1, not -3"):
        evaluate(trained[1], trained[0], batch_size=-3)


def test_no_run(trained, tmp_path):
    with pytest.raises(InputError, match="there is no run folder"):
        evaluate(tmp_path / "none", trained[0])
