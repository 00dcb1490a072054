"""Real data, end to end: features equal to the oracles', and the guide's accuracies."""

import csv
import gzip
import io
import itertools

import numpy as np
import pandas
import pytest

import ooc_train
from ooc_train.conversion.storage.placement import Placement
from tests.corpora import Oracle, assert_same, read_split, read_terms, write_rows
from tests.real_data import data_set
from tests.sequence_oracle import SequenceOracle, read_sequences

pytestmark = pytest.mark.slow

# Test accuracy after so many epochs on all train rows; in memory, with dense batches, the same
# model reaches 0.908, 0.899, 0.963, 0.471 and 0.601.
ACCURACIES = {
    "imdb": (4, 0.903),
    "ag_news": (5, 0.892),
    "dbpedia": (5, 0.955),
    "amazon_review_full": (5, 0.462),
    "yelp_review_full": (5, 0.59),
}


def compared(name, folder):
    """The files for an oracle: of IMDb, with which it takes minutes, the first rows of each."""
    files = data_set(name)
    return files if name != "imdb" else [first_rows(path, folder / path.name) for path in files]


def first_rows(path, shorter, n_rows=6000):
    with gzip.open(path) as rows, gzip.open(shorter, "wb") as file:
        file.writelines(itertools.islice(rows, n_rows))
    return shorter


def read_texts(path):
    table = pandas.read_csv(path, header=None, dtype=str, keep_default_na=False)
    return table[0].to_numpy(), (table[1] + ", " + table[2]).to_numpy()


@pytest.mark.parametrize("name", ACCURACIES)
def test_features_equal_scikit_learn(name, tmp_path):
    train, test = compared(name, tmp_path)
    ooc_train.convert(train, tmp_path / "o.h5", test=[test])
    labels, texts = read_texts(train)
    order = Placement({"train": len(texts)}, 0.1, 0).destinations("train", 0, len(texts))
    places = {found.split: found.chosen[np.argsort(found.places)] for found in order}
    fitted = places["train"]
    oracle = Oracle(texts[fitted], labels[fitted])
    assert read_terms(tmp_path / "o.h5") == oracle.terms
    expected = {
        split: (labels[rows], texts[rows]) for split, rows in places.items()
    } | {"test": read_texts(test)}  # fmt: skip
    for split, (split_labels, split_texts) in expected.items():
        matrix, found = read_split(tmp_path / "o.h5", split)
        assert found == split_labels.tolist()
        assert_same(matrix, oracle.transform(split_texts))


@pytest.mark.parametrize("name", ["ag_news", "imdb"])
def test_sequences_equal_the_guides_tokenizer(name, tmp_path):
    train, test = compared(name, tmp_path)
    ooc_train.convert(train, tmp_path / "o.h5", test=[test], features="sequence")
    labels, texts = read_texts(train)
    order = Placement({"train": len(texts)}, 0.1, 0).destinations("train", 0, len(texts))
    places = {found.split: found.chosen[np.argsort(found.places)] for found in order}
    oracle = SequenceOracle(texts[np.sort(places["train"])])
    assert read_terms(tmp_path / "o.h5") == oracle.terms
    expected = {
        split: (labels[rows], texts[rows]) for split, rows in places.items()
    } | {"test": read_texts(test)}  # fmt: skip
    for split, (split_labels, split_texts) in expected.items():
        rows, found = read_sequences(tmp_path / "o.h5", split)
        assert found == split_labels.tolist()
        assert rows == oracle.transform(split_texts)


@pytest.mark.parametrize("name", ACCURACIES)
def test_accuracy_and_prediction_from_raw_text(name, tmp_path):
    train, test = data_set(name)
    epochs, least = ACCURACIES[name]
    ooc_train.convert(train, tmp_path / "o.h5", test=[test], validation_fraction=0)
    ooc_train.train(tmp_path / "o.h5", tmp_path / "run", epochs=epochs, batch_size=128)
    evaluation = ooc_train.evaluate(tmp_path / "run", tmp_path / "o.h5")
    assert evaluation["accuracy"] >= least
    output = io.StringIO()
    ooc_train.predict(tmp_path / "run", test, output)
    predicted = [row["label"] for row in csv.DictReader(io.StringIO(output.getvalue()))]
    assert np.mean(np.array(predicted) == read_texts(test)[0]) == evaluation["accuracy"]


def test_early_stopping_on_a_validation_split(tmp_path):
    train, test = data_set("imdb")
    ooc_train.convert(train, tmp_path / "o.h5", test=[test])
    report = ooc_train.train(tmp_path / "o.h5", tmp_path / "run")
    assert report["best_epoch"] == len(report["epochs"]) - 2
    assert ooc_train.evaluate(tmp_path / "run", tmp_path / "o.h5")["accuracy"] >= 0.90


def test_a_corpus_sorted_by_class_trains_as_well(tmp_path):
    train, test = data_set("dbpedia")
    labels, texts = read_texts(train)
    order = np.argsort(labels.astype(int), kind="stable")
    rows = [(labels[i], "", texts[i].removeprefix(", ")) for i in order]
    sorted_train = write_rows(tmp_path / "train.csv", rows)
    ooc_train.convert(sorted_train, tmp_path / "o.h5", test=[test], validation_fraction=0)
    ooc_train.train(tmp_path / "o.h5", tmp_path / "run", epochs=5)
    assert ooc_train.evaluate(tmp_path / "run", tmp_path / "o.h5")["accuracy"] >= 0.955
